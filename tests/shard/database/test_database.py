from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives.errors import StartupRefused
from shard.database import Database, LevelDatabase, MemoryDatabase
from shard.database.interface import prefix_end

keys = st.binary(min_size=1, max_size=3)


@pytest.fixture(params=["level", "memory"])
def database(request, tmp_path):
    made: Database = LevelDatabase(tmp_path / "db") if request.param == "level" else MemoryDatabase()
    yield made
    made.close()


def test_batches_are_read_back_in_order(database):
    database.write_batch([(b"b", b"2"), (b"a", b"1"), (b"c", b"3"), (b"gone", b"x")], sync=False)
    database.write_batch([(b"gone", None), (b"missing", None), (b"c", b"4")], sync=True)
    assert database.get(b"gone") is None
    assert list(database.iterate(b"a", b"z")) == [(b"a", b"1"), (b"b", b"2"), (b"c", b"4")]
    assert list(database.iterate(b"a", b"c", reverse=True)) == [(b"b", b"2"), (b"a", b"1")]


def test_an_iteration_does_not_see_later_writes(database):
    database.write_batch([(bytes([i]), b"") for i in range(10)], sync=False)
    walk = database.iterate(b"\0", b"\xff")
    next(walk)
    database.write_batch([(b"\5x", b""), (b"\7", None)], sync=False)
    assert len(list(walk)) == 9


def test_a_batch_that_fails_half_way_writes_nothing(tmp_path):
    database = LevelDatabase(tmp_path / "db")

    def items():
        yield b"a", b"1"
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        database.write_batch(items(), sync=False)
    assert database.get(b"a") is None
    database.close()


@given(st.lists(st.lists(st.tuples(keys, st.none() | st.binary(max_size=2)), max_size=8), max_size=6), keys, keys)
def test_the_twins_agree(batches, start, stop):
    model: dict[bytes, bytes] = {}
    memory = MemoryDatabase()
    for batch in batches:
        memory.write_batch(batch, sync=False)
        for key, value in batch:
            if value is None:
                model.pop(key, None)
            else:
                model[key] = value
        assert list(memory.iterate(start, stop)) == sorted((k, v) for k, v in model.items() if start <= k < stop)
    assert memory.copy() == model


def test_a_second_process_is_refused_with_a_sentence(tmp_path):
    path = tmp_path / "db"
    holder = LevelDatabase(path)
    script = f"""
from pathlib import Path
from primitives.errors import StartupRefused
from shard.database import LevelDatabase
try:
    LevelDatabase(Path({str(path)!r}))
except StartupRefused as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]).stdout
    assert "is in use by another process" in said
    holder.close()
    LevelDatabase(path).close()


def test_a_file_in_the_way_is_refused_with_a_sentence(tmp_path):
    (tmp_path / "db").write_text("not a folder")
    with pytest.raises(StartupRefused, match="cannot be opened as a database"):
        LevelDatabase(tmp_path / "db")


def test_a_copied_folder_holds_what_was_written(tmp_path):
    database = LevelDatabase(tmp_path / "db")
    database.write_batch([(b"a", b"1")], sync=True)
    shutil.copytree(tmp_path / "db", tmp_path / "copy")
    copy = LevelDatabase(tmp_path / "copy")
    assert copy.get(b"a") == b"1"
    copy.close()
    database.close()


@pytest.mark.parametrize(("prefix", "end"), [(b"a", b"b"), (b"a\xff", b"b"), (b"\x00", b"\x01")])
def test_prefix_end(prefix, end):
    assert prefix_end(prefix) == end

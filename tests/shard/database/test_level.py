"""What LevelDB's folder does when the disk does not take what is written."""

import subprocess
import sys

import pytest

from primitives.errors import StorageFailed
from shard.database import LevelDatabase

FULL = """
import resource, signal, sys
from pathlib import Path
from primitives.errors import StorageFailed
from shard.database import LevelDatabase
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
database = LevelDatabase(Path(sys.argv[1]))
database.write_batch([(b"kept", b"1")], sync=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
for key, value in ((b"torn", b"2" * 100_000), (b"after", b"3")):
    try:
        database.write_batch([(key, value)], sync=False)
        print("taken")
    except StorageFailed as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""


def test_after_a_write_that_failed_none_is_taken_until_the_database_is_opened_anew(tmp_path):
    result = subprocess.run([sys.executable, "-c", FULL, str(tmp_path / "db")], capture_output=True, text=True, check=True)
    first, second = result.stdout.splitlines()
    assert first == second
    assert first.startswith(f"{tmp_path / 'db'} cannot be written (IO error: ")
    assert first.endswith("make room on the disk and start the node again, it goes on where it was")
    database = LevelDatabase(tmp_path / "db")
    assert list(database.iterate(b"", b"\xff")) == [(b"kept", b"1")]
    database.write_batch([(b"new", b"4")], sync=True)
    database.close()


def test_a_folder_without_room_is_told_apart_from_a_broken_one(tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shard.database.level.plyvel.DB", full)
    with pytest.raises(StorageFailed, match="make room"):
        LevelDatabase(tmp_path / "db")

"""Copies of databases, and that a process may end at any moment of putting one back: all is as before or as after."""

import shutil

import pytest

import node.snapshots as snapshots_module
from node.snapshots import Snapshots
from primitives.errors import ControlReason, InvalidControl
from shard.database import LevelDatabase

STORES = ("node", "shard-0", "shard-1")


class StoppedError(Exception):
    """The process ends here."""


def write(folder, number, name):
    for store in STORES:
        database = LevelDatabase(folder / store)
        # more than a write buffer holds, so that there are files that are linked
        database.write_batch([(b"%d/%d" % (number, i), bytes(100_000)) for i in range(30)], sync=True)
        database.write_batch([(b"name", name)], sync=True)
        database.close()


def read(folder):
    found = set()
    for store in STORES:
        database = LevelDatabase(folder / store)
        found.add((database.get(b"name"), database.get(b"raised"), len(list(database.iterate(b"0", b"9~")))))
        database.close()
    return found


def prepare(folder):
    for store in STORES:
        database = LevelDatabase(folder / store)
        database.write_batch([(b"raised", b"yes")], sync=True)
        database.close()


def make(folder):
    return Snapshots(folder, STORES)


def test_what_was_kept_comes_back_and_later_ones_go(tmp_path):
    snapshots = make(tmp_path)
    assert snapshots.finish() is False
    write(tmp_path, 1, b"first")
    assert snapshots.take() == 1
    write(tmp_path, 2, b"second")
    assert snapshots.take() == 2
    write(tmp_path, 3, b"third")
    assert snapshots.take() == 3
    assert any(path.suffix == ".ldb" and path.stat().st_nlink > 1 for path in (tmp_path / "snapshots").rglob("*"))
    snapshots.revert(2, prepare)
    assert read(tmp_path) == {(b"second", b"yes", 60)}
    assert snapshots.ids() == [1]
    write(tmp_path, 4, b"fourth")
    assert snapshots.take() == 4  # an id is never given twice
    snapshots.revert(1, prepare)
    assert read(tmp_path) == {(b"first", b"yes", 30)}
    assert snapshots.ids() == []
    assert make(tmp_path).take() == 5


STEPS = ("os.rename", "os.replace", "os.link", "shutil.rmtree", "shutil.copyfile", "os.fsync")


def end_at(at, work):
    """Has the process end at the n-th step that changes something on the disk."""
    with pytest.MonkeyPatch.context() as patch:
        Ending(patch, at)
        with pytest.raises(StoppedError):
            work()


class Ending:
    """Counts steps."""

    def __init__(self, monkeypatch, at):
        self.left = at
        for step in STEPS:
            module, _, name = step.partition(".")
            monkeypatch.setattr(f"node.snapshots.{module}.{name}", self.stopping(getattr(getattr(snapshots_module, module), name)))

    def stopping(self, step):
        def stop(*arguments, **named):
            if not self.left:
                raise StoppedError
            self.left -= 1
            return step(*arguments, **named)

        return stop


def count_steps(tmp_path, work):
    with pytest.MonkeyPatch.context() as patch:
        ending = Ending(patch, 10**6)
        work(make(tmp_path))
    return 10**6 - ending.left


@pytest.fixture
def kept(tmp_path):
    folder = tmp_path / "kept"
    folder.mkdir()
    write(folder, 1, b"before")
    make(folder).take()
    write(folder, 2, b"later")
    make(folder).take()
    return folder


def copy_of(folder, place):
    shutil.copytree(folder, place)
    return place


def test_going_back_is_done_or_not_wherever_it_ends(kept, tmp_path):
    def revert(snapshots):
        snapshots.revert(1, prepare)

    steps = count_steps(copy_of(kept, tmp_path / "whole"), revert)
    assert steps > 30
    outcomes = []
    for at in range(steps):
        folder = copy_of(kept, tmp_path / f"ended-{at}")
        end_at(at, lambda folder=folder: revert(make(folder)))
        happened = make(folder).finish()
        outcomes.append(happened)
        (state,) = read(folder)
        assert state == ((b"before", b"yes", 30) if happened or make(folder).ids() == [] else (b"later", None, 60))
        assert make(folder).ids() == ([] if state[0] == b"before" else [1, 2])
        assert {path.name for path in folder.iterdir()} == {*STORES, "snapshots"}
    assert set(outcomes) == {True, False}
    assert outcomes == sorted(outcomes), "once it has happened it stays so"


def test_a_start_that_ends_half_way_goes_on_at_the_next(kept, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Snapshots, "finish", lambda self: False)
        make(kept).revert(1, prepare)
    assert (kept / "revert").is_dir()
    steps = count_steps(copy_of(kept, tmp_path / "whole"), lambda snapshots: snapshots.finish())
    for at in range(steps):
        folder = copy_of(kept, tmp_path / f"ended-{at}")
        end_at(at, make(folder).finish)
        make(folder).finish()
        assert read(folder) == {(b"before", b"yes", 30)}
        assert make(folder).ids() == []


def test_a_snapshot_is_whole_or_not_there(kept, tmp_path):
    steps = count_steps(copy_of(kept, tmp_path / "whole"), lambda snapshots: snapshots.take())
    for at in range(steps):
        folder = copy_of(kept, tmp_path / f"ended-{at}")
        end_at(at, make(folder).take)
        make(folder).finish()
        assert make(folder).ids() in ([1, 2], [1, 2, 3])
        assert make(folder).take() in (3, 4)
        assert read(folder) == {(b"later", None, 60)}


def test_of_a_snapshot_that_finds_no_room_nothing_is_left(kept, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("node.snapshots.shutil.copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        make(kept).take()
    assert {path.name for path in (kept / "snapshots").iterdir()} == {"1", "2", "next"}


def test_there_are_not_too_many_nor_too_large_ones(kept, monkeypatch):
    snapshots = make(kept)
    snapshots.check_room()
    monkeypatch.setattr(snapshots_module, "SNAPSHOTS_BYTES_MAX", 1_000_000)
    with pytest.raises(InvalidControl) as caught:
        snapshots.check_room()
    assert caught.value.reason is ControlReason.SNAPSHOTS_TOO_LARGE
    monkeypatch.setattr(snapshots_module, "SNAPSHOTS_MAX", 2)
    with pytest.raises(InvalidControl) as caught:
        snapshots.check_room()
    assert caught.value.reason is ControlReason.TOO_MANY_SNAPSHOTS

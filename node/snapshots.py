"""Copies of a node's databases on disk, and how one of them takes their place (docs/decisions/0015).

Nothing here is done while a database is open. Files that LevelDB never changes again are linked, so that a snapshot costs what has
been written since. Whatever moment the process ends at, the data folder is that before a revert or, with `finish`, that after it:

- `snapshots/N`: a copy of each store; under another name while it is made or removed
- `revert.new`: the stores as they will be, while they are put together
- `revert`: the same, complete: from its renaming on the revert is what happened, and `finish` does the rest
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from primitives.errors import ControlReason, InvalidControl

SNAPSHOTS_MAX = 256
"""Kept at a time."""
SNAPSHOTS_BYTES_MAX = 16 * 1024 * 1024 * 1024
"""Of all snapshots together, what they share with one another counted each time."""
_LINKED = (".ldb", ".sst")
_LEFT_OUT = ("LOCK", "LOG", "LOG.old")
_FROM = "from"
_NEXT = "next"
_NEW, _GONE = ".new", ".gone"


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Those of one data folder."""

    folder: Path
    """The data folder."""
    stores: tuple[str, ...]
    """Names of the databases' folders in it."""

    @property
    def _kept(self) -> Path:
        return self.folder / "snapshots"

    def ids(self) -> list[int]:
        """Of the snapshots there are, by age."""
        if not self._kept.is_dir():
            return []
        return sorted(int(path.name) for path in self._kept.iterdir() if path.name.isdecimal() and path.is_dir())

    def check_room(self) -> None:
        """Whether there may be one more.

        Raises:
            InvalidControl: TOO_MANY_SNAPSHOTS, SNAPSHOTS_TOO_LARGE.
        """
        kept = self.ids()
        if len(kept) >= SNAPSHOTS_MAX:
            raise InvalidControl(
                ControlReason.TOO_MANY_SNAPSHOTS,
                f"{SNAPSHOTS_MAX} snapshots are kept already: go back to one with dev_revert, which ends it",
            )
        size = sum(_size_of(self._kept / str(id)) for id in kept) + sum(_size_of(self.folder / name) for name in self.stores)
        if size > SNAPSHOTS_BYTES_MAX:
            raise InvalidControl(
                ControlReason.SNAPSHOTS_TOO_LARGE,
                f"snapshots would have {size} bytes, at most {SNAPSHOTS_BYTES_MAX}: go back to one with dev_revert, which ends it",
            )

    def take(self) -> int:
        """Copies the stores, which are closed; the copy's id, higher than any before it."""
        self._kept.mkdir(exist_ok=True)
        counter = self._kept / _NEXT
        number = max([*self.ids(), int(counter.read_text()) if counter.exists() else 0]) + 1
        draft = self._kept / f"{number}{_NEW}"
        _remove(draft)
        try:
            _copy_all(self.folder, draft, self.stores)
        except OSError:
            _remove(draft)
            raise
        _write(self._kept / (_NEXT + _NEW), str(number))
        os.replace(self._kept / (_NEXT + _NEW), counter)
        os.rename(draft, self._kept / str(number))
        _sync(self._kept)
        return number

    def revert(self, id: int, prepare: Callable[[Path], None]) -> None:
        """Puts the stores of a snapshot in the place of those there are, which are closed; it and later snapshots are gone then.

        Args:
            id: one of `ids`.
            prepare: is given the folder of the stores as they will be, for what they must say besides.
        """
        draft = self.folder / f"revert{_NEW}"
        _remove(draft)
        _copy_all(self._kept / str(id), draft, self.stores)
        prepare(draft)
        _write(draft / _FROM, str(id))
        _sync(draft)
        os.rename(draft, self.folder / "revert")
        _sync(self.folder)
        self.finish()

    def finish(self) -> bool:
        """Does what is left of a revert that happened, and clears what is left of all else; whether there was a revert.

        Called before the stores are opened at a node's start. Doing it again, after it was interrupted anywhere, is the same.
        """
        revert = self.folder / "revert"
        happened = revert.is_dir()
        if happened:
            for name in self.stores:
                if (revert / name).is_dir():
                    _remove(self.folder / name)
                    os.rename(revert / name, self.folder / name)
            _sync(self.folder)
            if (revert / _FROM).exists():
                first = int((revert / _FROM).read_text())
                for id in self.ids():
                    if id >= first:
                        self._drop(id)
            _remove(revert)
        _remove(self.folder / f"revert{_NEW}")
        if self._kept.is_dir():
            for path in self._kept.iterdir():
                if path.name.endswith((_NEW, _GONE)):
                    _remove(path)
        return happened

    def _drop(self, id: int) -> None:
        gone = self._kept / f"{id}{_GONE}"
        _remove(gone)
        os.rename(self._kept / str(id), gone)
        _remove(gone)


def _copy_all(source: Path, target: Path, names: Sequence[str]) -> None:
    target.mkdir()
    for name in names:
        (target / name).mkdir()
        for path in sorted((source / name).iterdir()):
            if path.name in _LEFT_OUT or not path.is_file():
                continue
            copy = target / name / path.name
            if path.suffix in _LINKED:
                os.link(path, copy)
            else:
                shutil.copyfile(path, copy)
                _sync(copy)
        _sync(target / name)
    _sync(target)


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

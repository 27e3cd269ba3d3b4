"""Databases that lose, in a crash, what was not synced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shard.database import Item, MemoryDatabase
from shard.database.interface import prefix_end


class CrashingDatabase(MemoryDatabase):
    """In memory, with the old values of everything written since the last synced batch."""

    def __init__(self) -> None:
        super().__init__()
        self._undo: list[list[Item]] = []

    @property
    def unsynced(self) -> int:
        """Batches a crash may lose."""
        return len(self._undo)

    def write_batch(self, items: Iterable[Item], sync: bool) -> None:
        """See `Database.write_batch`."""
        batch = list(items)
        self._undo.append([(key, self.get(key)) for key, _ in batch])
        if batch:
            super().write_batch(batch, sync)
        if sync:
            self.sync()

    def sync(self) -> None:
        """All that was written is on disk."""
        self._undo.clear()

    def crash(self, kept: int) -> None:
        """Of the unsynced batches the first `kept` had reached the disk, the others never were."""
        lost, self._undo = self._undo[kept:], []
        for old in reversed(lost):
            super().write_batch(old, sync=False)


class SimulatedStore:
    """The node's store as `node.core` and `node.serving` read it."""

    def __init__(self) -> None:
        self.database = CrashingDatabase()

    def read(self, key: bytes) -> bytes | None:
        """A record, or None."""
        return self.database.get(key)

    def scan(self, prefix: bytes) -> Mapping[bytes, bytes]:
        """Records whose key starts with `prefix`."""
        return dict(self.database.iterate(prefix, prefix_end(prefix)))

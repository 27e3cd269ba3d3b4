"""Databases that lose, in a crash, what was not synced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shard.database import Item, MemoryDatabase
from shard.database.interface import prefix_end


class CrashingDatabase(MemoryDatabase):
    """In memory, with the old values of everything written since the last synced batch."""

    def __init__(self) -> None:
        super().__init__()
        self._undo: list[Item] = []

    def write_batch(self, items: Iterable[Item], sync: bool) -> None:
        """See `Database.write_batch`."""
        batch = list(items)
        self._undo.extend((key, self.get(key)) for key, _ in batch)
        super().write_batch(batch, sync)
        if sync:
            self.sync()

    def sync(self) -> None:
        """All that was written is on disk."""
        self._undo.clear()

    def crash(self) -> None:
        """What was not synced never was."""
        undo, self._undo = self._undo[::-1], []
        super().write_batch(undo, sync=False)


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

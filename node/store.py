"""The node's own store: agreement and the beacon chain, one LevelDB beside the executors' (node/core/records.py has the keys)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import trio

from node.core.effects import Persist
from node.core.records import GENESIS_KEY
from primitives.errors import Busy, StartupRefused
from primitives.types import Root
from shard.database import Database, LevelDatabase
from shard.database.interface import prefix_end


class NodeStore:
    """Records by key; what a turn has written is visible to reads at once, on disk when `write` returns.

    Raises:
        StartupRefused: the folder is in use, or belongs to another network.
    """

    def __init__(self, database: Database, genesis_root: Root, where: str) -> None:
        self._database = database
        self._unwritten: dict[bytes, bytes | None] = {}
        self._writing = trio.Lock()
        self._is_held = False
        known = database.get(GENESIS_KEY)
        if known is None:
            database.write_batch([(GENESIS_KEY, genesis_root)], sync=True)
        elif known != genesis_root:
            raise StartupRefused(f"{where} belongs to another genesis: use the genesis file it was made with, or another data folder")

    @classmethod
    def open(cls, path: Path, genesis_root: Root) -> NodeStore:
        """The store in a folder, made if it is not there."""
        return cls(LevelDatabase(path), genesis_root, str(path))

    def read(self, key: bytes) -> bytes | None:
        """A record, or None; this and all below raise Busy while the files are another's (`hold`)."""
        self._check_held()
        if key in self._unwritten:
            return self._unwritten[key]
        return self._database.get(key)

    def scan(self, prefix: bytes) -> Mapping[bytes, bytes]:
        """Records whose key starts with `prefix`, by rising key."""
        self._check_held()
        found = dict(self._database.iterate(prefix, prefix_end(prefix)))
        for key, value in self._unwritten.items():
            if key.startswith(prefix):
                if value is None:
                    found.pop(key, None)
                else:
                    found[key] = value
        return found

    def first_from(self, start: bytes, prefix: bytes) -> tuple[bytes, bytes] | None:
        """The first record at or after `start` whose key starts with `prefix`."""
        self._check_held()
        return next(iter(self._database.iterate(start, prefix_end(prefix))), None)

    async def write(self, records: Sequence[Persist]) -> None:
        """One batch; synced, in a worker thread, when any record is durable.

        Raises:
            StorageFailed: the disk is full or broken.
        """
        if not records:
            return
        items = [(record.key, record.value) for record in records]
        async with self._writing:
            if not any(record.durable for record in records):
                self._database.write_batch(items, sync=False)
                return
            self._unwritten.update(items)
            try:
                await trio.to_thread.run_sync(self._database.write_batch, items, True)
            finally:
                self._unwritten.clear()

    def _check_held(self) -> None:
        if self._is_held:
            raise Busy("store_held", "busy: the network's past is being copied or put back, try again")

    async def hold(self) -> None:
        """Closes the files for somebody else's use of them, until the same task asks for `resume`; writing waits."""
        await self._writing.acquire()
        self._is_held = True
        await trio.to_thread.run_sync(self._database.close)

    async def resume(self) -> None:
        """Opens the files again, which may be others now."""
        await trio.to_thread.run_sync(self._database.reopen)
        self._is_held = False
        self._writing.release()

    def close(self) -> None:
        """Ends use."""
        self._database.close()

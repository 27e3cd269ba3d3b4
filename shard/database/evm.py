"""The bridge to py-evm: its database interface over ours, writes held back until the block's one batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from eth.db.atomic import AtomicDBWriteBatch
from eth.db.backends.base import BaseAtomicDB

from shard.database.interface import Database, Item

if TYPE_CHECKING:
    from eth.abc import AtomicWriteBatchAPI

STATE_PREFIX = b"s"
"""Before every key py-evm uses: trie nodes and code, by hash."""


class EvmDatabase(BaseAtomicDB):
    """What py-evm reads comes from `database`; what it writes stays in `changes` and is seen by later reads.

    One lives as long as the work on one block (or one call); to discard the work, drop it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.changes: dict[bytes, bytes] = {}
        """By py-evm's own keys."""

    def batch_items(self) -> list[Item]:
        """The changes as items of a `Database.write_batch`."""
        return [(STATE_PREFIX + key, value) for key, value in self.changes.items()]

    def __getitem__(self, key: bytes) -> bytes:
        value = self.changes.get(key)
        if value is None:
            value = self._database.get(STATE_PREFIX + key)
            if value is None:
                raise KeyError(key)
        return value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self.changes[key] = value

    def __delitem__(self, key: bytes) -> None:
        """Forgets a change. Nodes are addressed by their hash, and what is stored may belong to other blocks: it stays."""
        self.changes.pop(key, None)

    def _exists(self, key: bytes) -> bool:
        return key in self.changes or self._database.get(STATE_PREFIX + key) is not None

    @contextmanager
    def atomic_batch(self) -> Iterator[AtomicWriteBatchAPI]:
        """See py-evm's AtomicDatabaseAPI; here it writes to `changes` at its end, or not at all."""
        with AtomicDBWriteBatch._commit_unless_raises(self) as batch:
            yield batch

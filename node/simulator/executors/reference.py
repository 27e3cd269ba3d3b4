"""The real executor over an EVM."""

from __future__ import annotations

from node.simulator.storage import CrashingDatabase
from primitives.genesis import Genesis
from primitives.headers import ShardHeader
from shard.engine.engines import make_engine
from shard.executor.executor import ShardExecutor
from shard.executor.schema import STATE_TABLE, StateReader


class ReferenceDisk(CrashingDatabase):
    """The database of one shard at one node."""

    def __init__(self, genesis: Genesis, shard: int, engine: str = "reference") -> None:
        super().__init__()
        self._genesis, self._shard, self._engine = genesis, shard, engine

    def open(self) -> ReferenceExecutor:
        """See `Disk`."""
        engine = make_engine(self._engine, self._genesis.parameters, self._shard, StateReader(self))
        return ReferenceExecutor(self, self._genesis, self._shard, engine, lambda: 0.0)


class ReferenceExecutor(ShardExecutor):
    """The real one, and what the simulation asks besides."""

    def canonical(self, height: int) -> bytes | None:
        """See `Executor`."""
        return self.store.canonical(height)

    def account(self, address: bytes, block_hash: bytes | None = None) -> tuple[int, int]:
        """See `Executor`."""
        result = self.latest.result if block_hash is None else self.result(block_hash)
        assert result is not None, "asked of a block executed here"
        account = self.engine.account(ShardHeader.decode(result.header).state_root, address)
        return account.nonce, account.balance

    def holds_state(self, block_hash: bytes) -> bool:
        """See `Executor`."""
        result = self.result(block_hash)
        assert result is not None, "asked of a block executed here"
        return self.store.database.get(STATE_TABLE + ShardHeader.decode(result.header).state_root) is not None

    def total_wei(self, block_hash: bytes) -> int | None:
        """See `Executor`."""
        result = self.result(block_hash)
        if result is None:
            return None
        return sum(account.balance for _, account in self.engine.iterate_accounts(ShardHeader.decode(result.header).state_root))

"""The real JSON-RPC server, admission, pool and shard executor around the specification's chain; no network, no agreement."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import trio

from node.admission import Admission
from node.core.core import AccountAt, Core
from node.core.shard_chain import ShardChain
from node.executors.inline import InlineExecutor
from node.shard_reads import ShardReads
from primitives.genesis import Genesis
from shard.database import MemoryDatabase
from shard.pool import Pool, PoolLimits
from shard.results import HeadInfo
from tests.node.rpc.fake import Client, FakeNode


def _chain(head: HeadInfo) -> Any:
    """As much of a `ShardChain` as is read by admission and `ShardReads`: its final head, which stays, and its pool."""
    result = head.result
    record = SimpleNamespace(height=result.number, hash=result.hash)
    held = SimpleNamespace(info=SimpleNamespace(height=result.number, root=result.hash), outcome=SimpleNamespace(result=result))
    beacon = SimpleNamespace(tree=SimpleNamespace(head=SimpleNamespace(outcome=SimpleNamespace(shards=[record]))))
    return SimpleNamespace(number=0, tree=SimpleNamespace(head=held), beacon=beacon, pool=Pool(PoolLimits()))


class _Core:
    """The core's part in taking a transaction: its pool."""

    def __init__(self, genesis: Genesis, chain: Any) -> None:
        self.context = SimpleNamespace(parameters=genesis.parameters)
        self.shards = {0: chain}

    def submit(self, shard: int, transaction: Any, sender: Any, account: AccountAt, now: Any, *, is_local: bool) -> Any:
        return self.shards[shard].pool.add(transaction, sender, account.nonce, account.balance, now.monotonic_ms), []


@asynccontextmanager
async def serve(genesis: Genesis, database: MemoryDatabase) -> AsyncIterator[Client]:
    """A client of shard 0's address."""
    async with trio.open_nursery() as nursery:
        executor = InlineExecutor(genesis, 0, database)
        chain = _chain(await executor.start(nursery))
        core = cast(Core, _Core(genesis, chain))
        now = SimpleNamespace(monotonic_ms=0)
        ignore: Any = lambda *_: None  # noqa: E731
        admission = Admission(core, {0: executor}, cast(Any, lambda: now), ignore, ignore, ignore, ignore)
        node: Any = FakeNode()
        node.genesis, node.shards = genesis, [ShardReads(cast(ShardChain, chain), executor, admission.submit)]
        try:
            yield Client(node=node)
        finally:
            await executor.stop()

"""A shard executor in worker threads of the node: for tests, and for the smallest set-up."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import trio

from node.executors.executor import Executor
from node.executors.gate import CALL_DEADLINE_MS
from node.executors.operations import OPERATIONS, QUEUE_MAX, Lane, queue_limit
from node.executors.service import Service
from primitives.errors import Busy, ExecutorLost
from primitives.genesis import Genesis
from shard.database import Database
from shard.engine.engines import DEFAULT_ENGINE
from shard.results import HeadInfo


class InlineExecutor(Executor):
    """Runs a lane's operations one after another, in the order asked, outside the event loop."""

    def __init__(
        self, genesis: Genesis, shard: int, database: Database, *, call_deadline_ms: int = CALL_DEADLINE_MS, engine: str = DEFAULT_ENGINE
    ) -> None:
        """`database` is the shard's own, and closed by `stop`."""
        self._genesis = genesis
        self._shard = shard
        self._database = database
        self._call_deadline_ms, self._engine = call_deadline_ms, engine
        self._service: Service | None = None
        self._limiters = {lane: trio.CapacityLimiter(1) for lane in Lane}
        self._held: Counter[Lane] = Counter()

    async def start(self, nursery: trio.Nursery) -> HeadInfo:
        """See `Executor.start`; needs no background."""
        del nursery
        self._service = await trio.to_thread.run_sync(self._open)
        return await self.head()

    async def stop(self) -> None:
        """See `Executor.stop`."""
        service, self._service = self._service, None
        if service is None:
            return
        service.end_calls()
        async with AsyncExitStack() as stack:
            for limiter in self._limiters.values():
                await stack.enter_async_context(limiter)
            service.close()

    async def _ask(self, operation: str, *arguments: Any) -> Any:
        lane = OPERATIONS[operation].lane
        if self._held[lane] > QUEUE_MAX[lane]:
            raise Busy(queue_limit(lane))
        self._held[lane] += 1
        try:
            asked = 0 if self._service is None else self._service.times_held
            return await trio.to_thread.run_sync(self._perform, operation, arguments, asked, limiter=self._limiters[lane])
        finally:
            self._held[lane] -= 1

    def _open(self) -> Service:
        return Service(self._genesis, self._shard, self._database, self._call_deadline_ms, self._engine)

    def _perform(self, operation: str, arguments: tuple[Any, ...], asked: int) -> Any:
        service = self._service
        if service is None:
            raise ExecutorLost(f"the executor of shard {self._shard} has stopped")
        return service.perform(operation, arguments, asked)

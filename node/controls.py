"""A developer's controls of a network whose validators are all here (docs/decisions/0015)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

from consensus.beacon.committees import compute_epoch
from node.clock import Clock
from node.core.core import Core
from node.core.effects import Effect, Event, Mine, SetTimestamp
from node.feed import Feed
from node.rpc.backend import FeedEvent
from primitives.errors import ControlReason, Interrupted, InvalidControl

ORDER_SECONDS_MAX = 120.0
"""For one order, waiting for those before it included."""
MINED_BLOCKS_MAX = 1000
"""Blocks of one order to mine."""
TIMESTAMP_MAX = 253_402_300_799
"""The last second of the year 9999: what clients show dates with ends there."""


def check_granted(core: Core) -> None:
    """Whether there are such controls on this network, and here.

    Raises:
        InvalidControl: NOT_GRANTED, NOT_ALONE.
    """
    context = core.context
    if not context.parameters.developer_controls:
        raise InvalidControl(
            ControlReason.NOT_GRANTED,
            "this network has no developer controls, because several validators have to agree on every block: start one that is yours "
            "alone with shardnet up --nodes 1",
        )
    if len(context.local) < len(context.genesis.validators):
        raise InvalidControl(ControlReason.NOT_ALONE, "this node only follows the network: ask the node that holds its validators")


class Controls:
    """Implements `node.rpc.controls_backend.ControlsBackend`; one order at a time."""

    def __init__(
        self, core: Core, clock: Clock, feed: Feed, tell: Callable[[Event], Awaitable[None]], perform: Callable[[list[Effect]], None]
    ) -> None:
        """`tell` has the core handle an event, `perform` has effects carried out by the loop."""
        self._core, self._clock, self._tell, self._perform = core, clock, tell, perform
        self._lock = trio.Lock()
        self._moved = trio.Event()
        feed.listen(self._on_event)

    def _on_event(self, event: FeedEvent) -> None:
        self._moved.set()
        self._moved = trio.Event()

    @asynccontextmanager
    async def _order(self) -> AsyncIterator[None]:
        """The turn of one order, and its time."""
        with trio.move_on_after(ORDER_SECONDS_MAX) as scope:
            async with self._lock:
                yield
        if scope.cancelled_caught:
            raise Interrupted("order_seconds_max", f"the order was not carried out within {ORDER_SECONDS_MAX:g} s")

    async def mine(self, chain: int, count: int, interval_s: int) -> int:
        """See `ControlsBackend`."""
        if count > MINED_BLOCKS_MAX:
            raise InvalidControl(ControlReason.TOO_MANY_BLOCKS, f"{count} blocks are too many for one order: at most {MINED_BLOCKS_MAX}")
        async with self._order():
            self._check_time(self._wall_s() + count * interval_s)
            return await self._mine(chain, self._height(chain) + count, interval_s)
        raise AssertionError("an order ends by itself or by its time")

    async def jump_epoch(self) -> int:
        """See `ControlsBackend`."""
        beacon, length = self._core.beacon.number, self._core.context.parameters.epoch_length
        async with self._order():
            epoch = compute_epoch(self._height(beacon) + 1, length) + 1
            first = epoch * length + 1
            if (left := first - self._height(beacon)) > MINED_BLOCKS_MAX:
                raise InvalidControl(
                    ControlReason.TOO_MANY_BLOCKS,
                    f"epoch {epoch} begins in {left} beacon blocks, of which one order makes at most {MINED_BLOCKS_MAX}: "
                    "have some made with dev_mine at the beacon chain's address first",
                )
            await self._mine(beacon, first)
        return epoch

    async def _mine(self, chain: int, until: int, interval_s: int = 1) -> int:
        await self._tell(Mine(chain, until, interval_s))
        while self._height(chain) < until:
            await self._moved.wait()
        if chain in self._core.shards:
            # time does not stand still until the machine's clock has caught up
            newest = self._newest_timestamp(chain)
            if newest > self._wall_s():
                self._move_clock(newest * 1000)
        return self._height(chain)

    def _height(self, chain: int) -> int:
        followed = self._core.chain(chain)
        assert followed is not None, "a node with validators follows every chain"
        height: int = followed.tree.head.info.height
        return height

    # -- time

    async def increase_time(self, seconds: int) -> int:
        """See `ControlsBackend`."""
        async with self._order():
            self._check_time(self._wall_s() + seconds)
            self._move_clock(self._clock().wall_ms + seconds * 1000)
        return self._clock.offset_ms // 1000

    async def set_next_timestamp(self, shard: int | None, timestamp: int) -> None:
        """See `ControlsBackend`."""
        async with self._order():
            self._check_time(timestamp)
            newest = self._core.beacon.tree.head.outcome.timestamp if shard is None else self._newest_timestamp(shard)  # type: ignore[union-attr]
            if timestamp <= newest:
                raise InvalidControl(ControlReason.BAD_TIME, f"timestamp {timestamp} is not after that of the newest block, {newest}")
            if shard is not None:
                await self._tell(SetTimestamp(shard, timestamp))
            self._move_clock(timestamp * 1000)

    def _newest_timestamp(self, shard: int) -> int:
        outcome = self._core.shards[shard].tree.head.outcome
        assert outcome is not None, "the final head is executed"
        return outcome.result.timestamp

    def _wall_s(self) -> int:
        return self._clock().wall_ms // 1000

    @staticmethod
    def _check_time(timestamp: int) -> None:
        if timestamp > TIMESTAMP_MAX:
            raise InvalidControl(ControlReason.BAD_TIME, f"timestamp {timestamp} is after the year 9999, where dates end")

    def _move_clock(self, wall_ms: int) -> None:
        self._clock.move_to(wall_ms)
        self._perform([self._clock.record()])

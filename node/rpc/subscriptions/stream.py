"""A shard's blocks and pooled transactions as its subscribers are told of them: read once, encoded once, told to all."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
import trio

from node.rpc.backend import HeadMoved, RpcObserver, ShardBackend, TransactionPooled
from node.rpc.door import Door
from node.rpc.forms import data
from node.rpc.limits import (
    BLOCK_HASHES_REMEMBERED_MAX,
    HEADS_BEHIND_MAX,
    LIVE_READ_ATTEMPTS_MAX,
    LIVE_READ_PAUSE_SECONDS,
    POOLED_PER_TURN,
    POOLED_QUEUED_MAX,
)
from node.rpc.render import render_header, render_log, render_pooled
from node.rpc.subscriptions.crossings import Crossings
from node.rpc.subscriptions.session import Topic
from node.rpc.subscriptions.turns import Turns
from primitives.errors import Interrupted, Unavailable
from primitives.headers import ShardHeader
from shard.executor.logs import Matcher

_LOG = logging.getLogger(__name__)
encode = msgspec.json.Encoder().encode
Read = TypeVar("Read")


class PooledTransactions:
    """The newest transactions taken into a pool, each with a place in the order they came."""

    def __init__(self, observe: RpcObserver) -> None:
        self._observe = observe
        self._held: deque[TransactionPooled] = deque()
        self.end = 0
        """Place of the next one."""

    def add(self, pooled: TransactionPooled) -> None:
        """One more; the oldest makes room."""
        if len(self._held) >= POOLED_QUEUED_MAX:
            self._held.popleft()
        self._held.append(pooled)
        self.end += 1

    def since(self, place: int) -> list[TransactionPooled]:
        """Those from a place on, as far as they are held."""
        count = self.end - place
        if count > len(self._held):
            self._observe.limit_hit("pooled_queued_max")
            count = len(self._held)
        return [self._held[i] for i in range(len(self._held) - count, len(self._held))]


class ShardStream:
    """Tells one shard's subscribers."""

    def __init__(self, shard: ShardBackend, chain: int, crossings: Crossings, observe: RpcObserver, door: Door | None = None) -> None:
        self._door = door or Door()
        self._shard, self._chain, self._crossings, self._observe = shard, chain, crossings, observe
        self.heads: Topic[None] = Topic()
        self.logs: Topic[Matcher] = Topic()
        self.pooled_hashes: Topic[None] = Topic()
        self.pooled_whole: Topic[None] = Topic()
        self.syncing: Topic[None] = Topic()
        self.pooled = PooledTransactions(observe)
        self._newest: HeadMoved | None = None
        self._told_height = shard.heads().latest.number
        self._told_pooled = 0
        self._hashes: dict[int, bytes] = {}
        self._wake = trio.Event()

    def on_head(self, event: HeadMoved) -> None:
        """The shard has a new head."""
        self._newest = event
        if len(self._hashes) >= BLOCK_HASHES_REMEMBERED_MAX:
            del self._hashes[next(iter(self._hashes))]
        self._hashes[event.number] = event.hash
        self._wake.set()

    def go_back(self) -> None:
        """The shard's past is another: the next block that is told is the one after the head it has now."""
        self._newest = None
        self._hashes.clear()
        self._told_height = self._shard.heads().latest.number

    def on_pooled(self, event: TransactionPooled) -> None:
        """A transaction was taken into the pool."""
        self.pooled.add(event)
        self._wake.set()

    async def run(self) -> None:
        """Tells until cancelled."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            try:
                async with self._door.passed():
                    turns = Turns()
                    await self._tell_pooled(turns)
                    await self._tell_blocks(turns)
            except Exception:
                # A fault in telling readers must not stop a validator.
                _LOG.exception("live_fault chain=%d", self._chain)

    async def block_hash(self, number: int) -> bytes | None:
        """Hash of a final block; None for a height not reached."""
        known = self._hashes.get(number)
        if known is None:
            header = await self._shard.header(number)
            known = None if header is None else header.hash()
        return known

    async def _tell_pooled(self, turns: Turns) -> None:
        if not (self.pooled_hashes or self.pooled_whole):
            self._told_pooled = self.pooled.end
            return
        fresh = self.pooled.since(self._told_pooled)
        self._told_pooled = self.pooled.end
        for i, event in enumerate(fresh):
            if self.pooled_hashes:
                await turns.tell(self.pooled_hashes, encode(data(event.hash)))
            if self.pooled_whole:
                await turns.tell(self.pooled_whole, encode(render_pooled(event.transaction)))
            if i % POOLED_PER_TURN == POOLED_PER_TURN - 1:
                await trio.lowlevel.checkpoint()

    async def _tell_blocks(self, turns: Turns) -> None:
        newest = self._newest
        if newest is None:
            return
        if newest.number - self._told_height > HEADS_BEHIND_MAX:
            self._observe.limit_hit("heads_behind_max")
            self._told_height = newest.number - 1
        for number in range(self._told_height + 1, newest.number + 1):
            self._told_height = number
            if self.heads or self.logs or self._crossings.receipts:
                await self._tell_block(number, newest, turns)

    async def _tell_block(self, number: int, newest: HeadMoved, turns: Turns) -> None:
        is_newest = number == newest.number
        header = ShardHeader.decode(newest.header) if is_newest else await self._read(lambda: self._shard.header(number))
        if header is None:
            return
        block_hash = newest.hash if is_newest else header.hash()
        if self.heads:
            await turns.tell(self.heads, encode(render_header(block_hash, header)))
        await self._tell_logs(block_hash, header, turns)
        if self._crossings.receipts:
            sent = await self._read(lambda: self._shard.outgoing_in(block_hash))
            view = await self._read(lambda: self._shard.block(block_hash))
            if sent is not None and view is not None:
                await self._crossings.on_block(self._chain, self._shard, view, header, sent, turns)

    async def _tell_logs(self, block_hash: bytes, header: ShardHeader, turns: Turns) -> None:
        wanting = []
        for subscription in self.logs:
            if subscription.wanted.may_match(header.logs_bloom):
                wanting.append(subscription)
            await turns.spend(count=1 + subscription.choices)
        if not wanting:
            return
        for log in await self._read(lambda: self._shard.block_logs(block_hash)) or ():
            rendered = b""
            for subscription in wanting:
                if subscription.wanted.matches(log):
                    rendered = rendered or encode(render_log(log))
                    await turns.tell_one(subscription, rendered)
                else:
                    await turns.spend()

    async def tell_syncing(self, result: object) -> None:
        """The node has caught up, or fallen behind."""
        await Turns().tell(self.syncing, encode(result))

    async def _read(self, question: Callable[[], Awaitable[Read]]) -> Read | None:
        """The shard's answer; None if it cannot be had for long."""
        for _ in range(LIVE_READ_ATTEMPTS_MAX):
            try:
                return await question()
            except (Unavailable, Interrupted):
                await trio.sleep(LIVE_READ_PAUSE_SECONDS)
        self._observe.limit_hit("live_read_attempts_max")
        return None

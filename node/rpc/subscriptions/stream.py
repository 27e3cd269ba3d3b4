"""A shard's blocks and pooled transactions as its subscribers are told of them: read once, encoded once, told to all."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
import trio

from node.rpc.backend import HeadMoved, RpcObserver, ShardBackend, TransactionPooled
from node.rpc.forms import data
from node.rpc.limits import (
    BLOCK_HASHES_REMEMBERED_MAX,
    HEADS_BEHIND_MAX,
    LIVE_READ_ATTEMPTS_MAX,
    LIVE_READ_PAUSE_SECONDS,
    LOGS_PER_TURN,
    POOLED_PER_TURN,
    POOLED_QUEUED_MAX,
    SUBSCRIBERS_PER_TURN,
)
from node.rpc.render import render_header, render_log, render_pooled
from node.rpc.subscriptions.crossings import Crossings
from node.rpc.subscriptions.session import Topic
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

    def __init__(self, shard: ShardBackend, chain: int, crossings: Crossings, observe: RpcObserver) -> None:
        self._shard, self._chain, self._crossings, self._observe = shard, chain, crossings, observe
        self.heads: Topic[None] = {}
        self.logs: Topic[Matcher] = {}
        self.pooled_hashes: Topic[None] = {}
        self.pooled_whole: Topic[None] = {}
        self.syncing: Topic[None] = {}
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
                await self._tell_pooled()
                await self._tell_blocks()
            except Exception:
                # A fault in telling readers must not stop a validator.
                _LOG.exception("live_fault chain=%d", self._chain)

    async def block_hash(self, number: int) -> bytes | None:
        """Hash of a final block; None for a height not reached."""
        known = self._hashes.get(number)
        if known is None:
            view = await self._shard.block(number)
            known = None if view is None else view.hash
        return known

    async def _tell_pooled(self) -> None:
        if not (self.pooled_hashes or self.pooled_whole):
            self._told_pooled = self.pooled.end
            return
        fresh = self.pooled.since(self._told_pooled)
        self._told_pooled = self.pooled.end
        for i, event in enumerate(fresh):
            if self.pooled_hashes:
                await _tell(self.pooled_hashes, encode(data(event.hash)))
            if self.pooled_whole:
                await _tell(self.pooled_whole, encode(render_pooled(event.transaction)))
            if i % POOLED_PER_TURN == POOLED_PER_TURN - 1:
                await trio.lowlevel.checkpoint()

    async def _tell_blocks(self) -> None:
        newest = self._newest
        if newest is None:
            return
        if newest.number - self._told_height > HEADS_BEHIND_MAX:
            self._observe.limit_hit("heads_behind_max")
            self._told_height = newest.number - 1
        for number in range(self._told_height + 1, newest.number + 1):
            self._told_height = number
            if self.heads or self.logs or self._crossings.receipts:
                await self._tell_block(number, newest)

    async def _tell_block(self, number: int, newest: HeadMoved) -> None:
        block_hash, encoded = newest.hash, newest.header
        if number != newest.number:
            view = await self._read(lambda: self._shard.block(number))
            if view is None:
                return
            block_hash, encoded = view.hash, view.header
        header = ShardHeader.decode(encoded)
        if self.heads:
            await _tell(self.heads, encode(render_header(block_hash, header)))
        wanting = []
        for i, subscription in enumerate(list(self.logs.values()), 1):
            if subscription.wanted.may_match(header.logs_bloom):
                wanting.append(subscription)
            if i % SUBSCRIBERS_PER_TURN == 0:
                await trio.lowlevel.checkpoint()
        for i, log in enumerate(await self._read(lambda: self._shard.block_logs(block_hash)) or () if wanting else ()):
            if i % LOGS_PER_TURN == LOGS_PER_TURN - 1:
                await trio.lowlevel.checkpoint()
            matching = [s for s in wanting if s.wanted.matches(log)]
            if matching:
                rendered = encode(render_log(log))
                for subscription in matching:
                    subscription.notify(rendered)
        if self._crossings.receipts:
            sent = await self._read(lambda: self._shard.outgoing_in(block_hash))
            view = await self._read(lambda: self._shard.block(block_hash))
            if sent is not None and view is not None:
                await self._crossings.on_block(self._shard, view, header, sent)

    async def tell_syncing(self, result: object) -> None:
        """The node has caught up, or fallen behind."""
        await _tell(self.syncing, encode(result))

    async def _read(self, question: Callable[[], Awaitable[Read]]) -> Read | None:
        """The shard's answer; None if it cannot be had for long."""
        for _ in range(LIVE_READ_ATTEMPTS_MAX):
            try:
                return await question()
            except (Unavailable, Interrupted):
                await trio.sleep(LIVE_READ_PAUSE_SECONDS)
        self._observe.limit_hit("live_read_attempts_max")
        return None


async def _tell(topic: Topic[None], result: bytes) -> None:
    for i, subscription in enumerate(list(topic.values()), 1):
        subscription.notify(result)
        if i % SUBSCRIBERS_PER_TURN == 0:
            await trio.lowlevel.checkpoint()

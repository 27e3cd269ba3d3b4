"""Filters that are polled: places in the chain or in the order of pooled transactions, so that they hold nothing themselves."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import trio

from node.rpc.backend import RpcObserver, ShardBackend
from node.rpc.errors import BUSY, SERVER, RpcError
from node.rpc.limits import (
    CLIENT_FILTER_CHOICES_MAX,
    CLIENT_FILTERS_MAX,
    FILTER_CHOICES_MAX,
    FILTER_HASHES_MAX,
    FILTER_SECONDS_MAX,
    FILTERS_MAX,
)
from node.rpc.subscriptions.session import new_id
from node.rpc.subscriptions.stream import ShardStream
from primitives.errors import InvalidQuery, QueryReason
from shard.views import LogFilter, LogView


@dataclass(slots=True)
class Filter:
    """One filter: of logs if `wanted` is set, of blocks or of pooled transactions otherwise."""

    owner: str | None
    """The client that has it; None: nobody whose share is counted."""
    wanted: LogFilter | None
    of_pool: bool
    next: int
    """Height, or place among the pooled transactions, from which on nothing was told yet."""
    used: float = field(default_factory=trio.current_time)
    """When it was last asked for its changes."""
    turn: trio.Lock = field(default_factory=trio.Lock)
    """Held by whoever is being told: the next is told what comes after that, or the same if it failed."""


class Filters:
    """The filters of one shard, of all clients."""

    def __init__(self, shard: ShardBackend, stream: ShardStream, observe: RpcObserver) -> None:
        self._shard, self._stream, self._observe = shard, stream, observe
        self._filters: dict[str, Filter] = {}

    def add(self, owner: str | None, *, wanted: LogFilter | None = None, of_pool: bool = False) -> str:
        """A new filter; its id.

        Args:
            owner: the client that has it; None: a program of this machine.
            wanted: a filter of logs is of these.
            of_pool: it is one of pooled transactions.

        Raises:
            RpcError: there are too many, or the owner has its share.
        """
        self._expire()
        added, everybodys = Filter(owner, wanted, of_pool, 0), list(self._filters.values())
        self._check_room(added, everybodys, FILTERS_MAX, FILTER_CHOICES_MAX, "")
        if owner is not None:
            own = [held for held in everybodys if held.owner == owner]
            self._check_room(added, own, CLIENT_FILTERS_MAX, CLIENT_FILTER_CHOICES_MAX, "client_")
        added.next = self._stream.pooled.end if of_pool else self._shard.heads().latest.number + 1
        id = new_id()
        self._filters[id] = added
        return id

    def _check_room(self, added: Filter, held: list[Filter], most: int, choices_most: int, whose: str) -> None:
        of, then = ("of one address ", "end one with eth_uninstallFilter") if whose else ("", "try again")
        if len(held) >= most:
            self._observe.limit_hit(f"{whose}filters_max")
            raise RpcError(BUSY, f"busy: {most} filters {of}are in use, {then} or subscribe over a WebSocket")
        if sum(choices_of(one.wanted) for one in (*held, added) if one.wanted is not None) > choices_most:
            self._observe.limit_hit(f"{whose}filter_choices_max")
            raise RpcError(BUSY, f"busy: filters {of}with {choices_most} addresses and topics are in use, {then}")

    def remove(self, id: str) -> bool:
        """Ends a filter; False if there is none of that id."""
        self._expire()
        return self._filters.pop(id, None) is not None

    def get(self, id: str) -> Filter:
        """A filter, in use from now.

        Raises:
            RpcError: there is none of that id.
        """
        self._expire()
        found = self._filters.get(id)
        if found is None:
            raise RpcError(SERVER, "filter not found")
        found.used = trio.current_time()
        return found

    def go_back(self) -> None:
        """The shard's past is another: every filter of blocks and logs goes on after the head it has now."""
        first = self._shard.heads().latest.number + 1
        for held in self._filters.values():
            if not held.of_pool:
                held.next = min(held.next, first)

    async def hashes(self, asked: Filter) -> list[bytes]:
        """Hashes of blocks or pooled transactions that were not told yet, at most `FILTER_HASHES_MAX`."""
        if asked.of_pool:
            found = self._stream.pooled.since(asked.next)
            asked.next = self._stream.pooled.end
            return [pooled.hash for pooled in found]
        async with asked.turn:
            first, last = asked.next, min(self._shard.heads().latest.number, asked.next + FILTER_HASHES_MAX - 1)
            hashes = [known for number in range(first, last + 1) if (known := await self._stream.block_hash(number)) is not None]
            asked.next = last + 1
            return hashes

    async def logs(self, id: str, asked: Filter) -> tuple[LogView, ...]:
        """Logs that were not told yet; of more than one answer may hold, those of the first blocks.

        Raises:
            InvalidQuery: one block alone has more than that; the filter is gone then.
        """
        async with asked.turn:
            return await self._logs(id, asked)

    async def _logs(self, id: str, asked: Filter) -> tuple[LogView, ...]:
        wanted = asked.wanted
        assert wanted is not None
        first, last = asked.next, self._shard.heads().latest.number
        if isinstance(wanted.first, int):
            first = max(first, wanted.first)
        if isinstance(wanted.last, int):
            last = min(last, wanted.last)
        while first <= last:
            try:
                logs = await self._shard.logs(msgspec.structs.replace(wanted, first=first, last=last))
            except InvalidQuery as error:
                if error.reason is not QueryReason.OVER_LIMIT:
                    raise
                if first == last:
                    self._filters.pop(id, None)
                    raise
                last = (first + last) // 2
            else:
                asked.next = last + 1
                return logs
        return ()

    def _expire(self) -> None:
        oldest = trio.current_time() - FILTER_SECONDS_MAX
        for id in [id for id, held in self._filters.items() if held.used < oldest]:
            self._observe.limit_hit("filter_seconds_max")
            del self._filters[id]


def choices_of(wanted: LogFilter) -> int:
    """How many addresses and topics a filter chooses from."""
    return len(wanted.addresses) + sum(len(choices or ()) for choices in wanted.topics)

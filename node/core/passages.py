"""When messages between shards reached each step of their way, as this node saw it (docs/cross-shard.md).

All of it follows from counts: a channel's receipts before nonce n are as far as its totals say that have come to n. What a node takes
in long after its time, because it was not there, it says nothing about.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from node.core.effects import Now, Observe
from primitives.receipts import Summary

PRESENT_SECONDS_MAX = 60
"""Between a block's own time and its being final here; of one that came later, this node has no times."""
HEIGHTS_REMEMBERED_MAX = 4096
"""Final blocks of each chain whose time is known."""
QUEUED_REMEMBERED_MAX = 16_384
"""Transactions that sent messages, of all shards, whose time in the pool is known."""
MARKS_MAX = 1024
"""Blocks of each step that a channel's receipts may wait behind; beyond it the oldest are not measured."""

Key = TypeVar("Key")
STEPS = ("included", "shard_final", "crosslinked", "beacon_final", "bundle", "delivered")
"""In order; each is measured from the one before it."""
PAGES_REMEMBERED_MAX = 1024
"""Pages of each channel whose time of arrival is known, delivered or not."""
Run = tuple[int, int]
"""How many receipts, and since when, monotonic milliseconds."""


@dataclass(slots=True)
class _Marks:
    """Up to which nonce a channel had come at which time."""

    end: int = 0
    marks: deque[tuple[int, int, int]] = field(default_factory=lambda: deque(maxlen=MARKS_MAX))
    """(first, end, at), by rising nonce."""

    def reach(self, end: int, at_ms: int | None) -> list[Observe]:
        """The channel has come to `end`, at a time that is known or not."""
        first, self.end = self.end, max(self.end, end)
        return self.add(first, end, at_ms) if end > first and at_ms is not None else []

    def retreat(self, end: int) -> None:
        """What was beyond `end` is void."""
        self.end = min(self.end, end)
        while self.marks and self.marks[-1][0] >= end:
            self.marks.pop()

    def runs(self, first: int, end: int) -> Iterator[Run]:
        """Of the receipts [first, end): how many came here when, where that is known."""
        for start, stop, at in self.marks:
            count = min(stop, end) - max(start, first)
            if count > 0:
                yield count, at

    def forget(self, below: int) -> None:
        """Receipts before `below` have gone on."""
        self.marks = deque((mark for mark in self.marks if mark[1] > below), maxlen=MARKS_MAX)

    def add(self, first: int, end: int, at_ms: int) -> list[Observe]:
        """Receipts [first, end) are here."""
        is_full = len(self.marks) == MARKS_MAX
        self.marks.append((first, end, at_ms))
        return [Observe("limit_hits", {"limit": "message_marks_max"})] if is_full else []


@dataclass(slots=True)
class _Channel:
    final: _Marks = field(default_factory=_Marks)
    recorded: _Marks = field(default_factory=_Marks)
    proven: _Marks = field(default_factory=_Marks)
    delivered: int = 0
    arrivals: deque[tuple[int, int, int]] = field(default_factory=lambda: deque(maxlen=PAGES_REMEMBERED_MAX))
    """Pages as [first, end), and when they were proven here by the wall clock, delivered or not."""


class Passages:
    """The steps of messages, of all channels of one node."""

    def __init__(self) -> None:
        self._channels: dict[tuple[int, int], _Channel] = {}
        self._heights: dict[int, dict[int, int]] = {}
        """By chain and height: when a block became final here, by the wall clock."""
        self._queued: dict[bytes, int] = {}
        """By hash: when a transaction was pooled, by the wall clock."""

    def channel(self, source: int, destination: int) -> _Channel:
        """One channel, from its beginning if it is new."""
        known = self._channels.get((source, destination))
        if known is None:
            known = self._channels[source, destination] = _Channel()
        return known

    def begin(self, shard: int, summary: Summary, height: int) -> None:
        """A shard is at this block, at the start or because later ones are void: nothing is known of how it got there."""
        for other, (sent, taken) in enumerate(zip(summary.outgoing, summary.incoming, strict=True)):
            outgoing = self.channel(shard, other).final
            outgoing.retreat(sent.count)
            outgoing.reach(sent.count, None)
            self.channel(other, shard).delivered = taken.count
        heights = self._heights.get(shard, {})
        for void in [known for known in heights if known > height]:
            del heights[void]

    def begin_beacon(self, summaries: Mapping[int, Summary]) -> None:
        """The beacon chain has recorded this much of the shards when the node starts."""
        for source, summary in summaries.items():
            for destination, sent in enumerate(summary.outgoing):
                self.channel(source, destination).recorded.reach(sent.count, None)

    # -- events

    def on_queued(self, transaction: bytes, arrived_ms: int, held_ms: int, now: Now) -> Observe:
        """A transaction that called Outbox, pooled at `arrived_ms`, is in a final block whose body came at `held_ms`."""
        self._remember(self._queued, transaction, now.wall_ms - (now.monotonic_ms - arrived_ms), QUEUED_REMEMBERED_MAX)
        return _step("included", 1, held_ms - arrived_ms)

    def on_shard_block(self, shard: int, height: int, timestamp: int, held_ms: int, summary: Summary, now: Now) -> list[Observe]:
        """A shard's block is final here: what it sent is a step further, and what it took in is delivered."""
        at = self._note_height(shard, height, timestamp, now)
        seen = []
        for other, (sent, taken) in enumerate(zip(summary.outgoing, summary.incoming, strict=True)):
            if sent.count > (final := self.channel(shard, other).final).end:
                if at is not None and held_ms:
                    seen.append(_step("shard_final", sent.count - final.end, at - held_ms))
                seen += final.reach(sent.count, at)
            channel = self.channel(other, shard)
            if taken.count > channel.delivered:
                if at is not None:
                    runs = channel.proven.runs(channel.delivered, taken.count)
                    seen += [_step("delivered", count, at - since) for count, since in runs]
                channel.delivered = taken.count
                channel.recorded.forget(taken.count)
                channel.proven.forget(taken.count)
        return seen

    def on_beacon_block(
        self, beacon: int, height: int, timestamp: int, held_ms: int, summaries: Mapping[int, Summary], now: Now
    ) -> list[Observe]:
        """A beacon block is final here: what it records of the shards, whose Summaries are given, may be delivered."""
        at = self._note_height(beacon, height, timestamp, now)
        seen = []
        for source, summary in summaries.items():
            for destination, sent in enumerate(summary.outgoing):
                channel = self.channel(source, destination)
                first = channel.recorded.end
                if sent.count <= first:
                    continue
                if at is not None and held_ms:
                    seen += [_step("crosslinked", n, held_ms - since) for n, since in channel.final.runs(first, sent.count)]
                    seen.append(_step("beacon_final", sent.count - first, at - held_ms))
                seen += channel.recorded.reach(sent.count, at)
                channel.final.forget(sent.count)
        return seen

    def on_bundle(self, source: int, destination: int, first: int, end: int, now: Now) -> list[Observe]:
        """The bodies of receipts [first, end) are here and proven; pages may come in any order."""
        channel = self.channel(source, destination)
        seen = [_step("bundle", n, now.monotonic_ms - since) for n, since in channel.recorded.runs(first, end)]
        if seen:
            # otherwise it was recorded before this node was there, and may have come then
            channel.arrivals.append((first, end, now.wall_ms))
        return seen + channel.proven.add(first, end, now.monotonic_ms)

    def _note_height(self, chain: int, height: int, timestamp: int, now: Now) -> int | None:
        """The time at which a block became final here; None for one that came long after its own."""
        if now.wall_ms - timestamp * 1000 > PRESENT_SECONDS_MAX * 1000:
            return None
        self._remember(self._heights.setdefault(chain, {}), height, now.wall_ms, HEIGHTS_REMEMBERED_MAX)
        return now.monotonic_ms

    @staticmethod
    def _remember(times: dict[Key, int], key: Key, at_ms: int, limit: int) -> None:
        times[key] = at_ms
        if len(times) > limit:
            del times[next(iter(times))]

    # -- questions

    def final_ms(self, chain: int, height: int) -> int | None:
        """When a block became final here, milliseconds since 1970; None where that is not known."""
        return self._heights.get(chain, {}).get(height)

    def queued_ms(self, transaction: bytes) -> int | None:
        """When the pool took a transaction that sent messages, milliseconds since 1970; None where that is not known."""
        return self._queued.get(transaction)

    def arrived_ms(self, source: int, destination: int, nonce: int) -> int | None:
        """When a receipt's body was here and proven, milliseconds since 1970; None where that is not known."""
        arrivals = self.channel(source, destination).arrivals
        return next((at for first, end, at in reversed(arrivals) if first <= nonce < end), None)


def _step(step: str, count: int, milliseconds: int) -> Observe:
    return Observe("message_step_seconds", {"step": step, "count": str(count)}, max(0, milliseconds) / 1000)

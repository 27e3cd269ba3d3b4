"""How a shard's inbound channels are filled: from the own executor of the source, from gossip, or from any peer (PROTOCOL 6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from node.core.channels import InboundChannel
from node.core.context import Context
from node.core.effects import Peer, ReadOutgoing
from p2p.messages import BundleByNonce
from primitives.blocks import ShardReference
from primitives.errors import Fault, InvalidReceipts, ReceiptsReason
from primitives.receipts import Bundle, CrossShardReceipt, Summary
from shard.inbound import is_covered


@dataclass(frozen=True, slots=True)
class Missing:
    """Receipts that are recorded as sent and not here: their channel waits, the others go on."""

    source: int
    destination: int
    first_nonce: int
    """The first that is not here."""
    end_nonce: int
    """After the last that is not here."""
    for_ms: int
    """How long the channel has lacked some, without a break."""


class Inbound:
    """The channels of one destination."""

    def __init__(self, context: Context, shard: int, hosted: frozenset[int], summary: Summary) -> None:
        self._context = context
        self._shard = shard
        self._hosted = hosted
        """Sources whose receipts this node's own executors hold."""
        self._reading: dict[int, tuple[int, int]] = {}
        self._not_here: dict[int, tuple[int, int]] = {}
        """Pages an own executor did not have, or not as the beacon proves them, by source."""
        self.channels = {
            source: InboundChannel(source, shard, context.parameters.chain_id_base, taken, taken)
            for source, taken in enumerate(summary.incoming)
            if source != shard
        }

    def follow(self, reference: ShardReference) -> None:
        """The beacon has recorded more as sent here."""
        for source, channel in self.channels.items():
            before = channel.forged
            channel.advance_target(reference.inbound[source], self._context.now.monotonic_ms)
            for _ in range(channel.forged - before):
                reason = ReceiptsReason.DOES_NOT_FOLD
                self._context.observe("penalties", reason=reason.code, fault=Fault.UNKNOWN.value)
            self._tell(channel)
        self.fetch()

    def taken(self, summary: Summary) -> None:
        """The shard's final cursors have moved on."""
        for source, channel in self.channels.items():
            channel.advance_base(summary.incoming[source])

    def fetch(self) -> None:
        """Asks for the next missing page of each channel."""
        for source, channel in self.channels.items():
            gap = channel.gap()
            if gap is None:
                continue
            first, end = gap
            if source in self._hosted and self._not_here.get(source) != gap:
                if self._reading.get(source) != gap:
                    self._reading[source] = gap
                    self._context.emit(ReadOutgoing(source, self._shard, first, end))
            else:
                # and the own executor again after that: it may have been lost just then
                self._not_here.pop(source, None)
                self._context.want(("bundle", source, self._shard, end), BundleByNonce(source, self._shard, first, end))

    def read(self, source: int, bundle: Bundle | None) -> bool:
        """What an own executor had; True when receipts became deliverable."""
        gap = self._reading.pop(source, None)
        taken = bundle is not None and self.offer(None, bundle)
        if not taken and gap is not None:
            self._not_here[source] = gap
        return taken

    def offer(self, peer: Peer | None, bundle: Bundle) -> bool:
        """A page from anywhere; True when receipts became deliverable."""
        channel = self.channels.get(bundle.source)
        if channel is None:
            self._context.penalize(peer, ReceiptsReason.WRONG_CHANNEL)
            return False
        try:
            taken = channel.offer(bundle, self._context.now.monotonic_ms)
        except InvalidReceipts as error:
            self._context.penalize(peer, error.reason)
            return False
        self._tell(channel)
        if taken:
            self.fetch()
        return taken

    def _tell(self, channel: InboundChannel) -> None:
        """Notes the time of what was proven just now."""
        context, pages, channel.news = self._context, channel.news, []
        for first, end in pages:
            context.effects += context.passages.on_bundle(channel.source, self._shard, first, end, context.now)

    @property
    def waits(self) -> bool:
        """Whether a page is missing."""
        for channel in self.channels.values():
            if channel.target.count > channel.base.count and channel.gap() is not None:
                return True
        return False

    def missing(self, now_ms: int) -> Iterator[Missing]:
        """What lacks, by channel."""
        for source, channel in self.channels.items():
            missing = channel.missing()
            if missing is not None and channel.missing_since_ms is not None:
                yield Missing(source, self._shard, *missing, max(0, now_ms - channel.missing_since_ms))

    def is_deliverable(self, summary: Summary, reference: ShardReference) -> bool:
        """Whether the next receipt of some source is here, for a block on top of `summary`."""
        for source, channel in self.channels.items():
            taken, recorded = summary.incoming[source], reference.inbound[source]
            receipt = channel.next(taken.count, recorded.count)
            if receipt is not None and is_covered(taken, receipt, recorded):
                return True
        return False

    def available(self, summary: Summary, reference: ShardReference) -> dict[int, tuple[CrossShardReceipt, ...]]:
        """By source, the receipts a block on top of `summary` may take in."""
        found = {
            source: channel.available(summary.incoming[source].count, reference.inbound[source].count)
            for source, channel in self.channels.items()
        }
        return {source: receipts for source, receipts in found.items() if receipts}

    def held_for_ms(self, source: int, summary: Summary, at_ms: int) -> int:
        """How long the first receipt of `source` that a block left out had been here at a moment, monotonic; 0 if it was not.

        Only the first counts, for a busy source has always sent something new.

        Args:
            source: another chain.
            summary: of the block.
            at_ms: the moment.
        """
        channel = self.channels.get(source)
        since_ms = None if channel is None else channel.held_since_ms(summary.incoming[source].count)
        return 0 if since_ms is None else max(0, at_ms - since_ms)

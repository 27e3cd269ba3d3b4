"""Inbound receipts of one shard: what is proven to be on its way here, by source (PROTOCOL 6).

A bundle counts only when its fold ends in an accumulator that is already known: the beacon's recorded `out`, or the
start of a page accepted before. So each page is bounded and checked alone, newest first if need be.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field

from primitives.errors import InvalidReceipts, ReceiptsReason
from primitives.receipts import BUNDLE_RECEIPTS_MAX, Bundle, ChannelTotals, CrossShardReceipt

PENDING_BUNDLES_MAX = 16
"""Pushed bundles kept a channel until the beacon records their end."""
CHECKPOINTS_MAX = 256
"""Recorded ends remembered a channel."""


@dataclass(slots=True)
class _Page:
    first: int
    accumulator_before: bytes
    receipts: tuple[CrossShardReceipt, ...]
    since_ms: int
    """When it was proven."""

    @property
    def end(self) -> int:
        return self.first + len(self.receipts)


@dataclass(slots=True)
class InboundChannel:
    """One source's receipts from the delivered cursor on."""

    source: int
    destination: int
    chain_id_base: int
    base: ChannelTotals
    """What the destination's newest final block has taken in."""
    target: ChannelTotals
    """What the newest final beacon block records as sent here."""
    missing_since_ms: int | None = None
    """Since when something recorded as sent has been lacking here, without a break."""
    forged: int = 0
    """Pushed bundles that did not fold once the beacon had recorded their end."""
    news: list[tuple[int, int]] = field(default_factory=list)
    """Pages proven since whoever fills the channel looked last, as [first, end)."""
    # by rising nonces, without overlap
    _pages: list[_Page] = field(default_factory=list)
    _checkpoints: dict[int, bytes] = field(default_factory=dict)
    _pending: list[Bundle] = field(default_factory=list)

    def advance_target(self, target: ChannelTotals, now_ms: int) -> None:
        """The beacon has recorded more as sent here."""
        if target.count > self.target.count:
            self.target = target
            self._checkpoints[target.count] = target.accumulator
            if len(self._checkpoints) > CHECKPOINTS_MAX:
                del self._checkpoints[min(self._checkpoints)]
            if self.missing_since_ms is None:
                self.missing_since_ms = now_ms
            pending, self._pending = self._pending, []
            for bundle in pending:
                try:
                    self.offer(bundle, now_ms)
                except InvalidReceipts:
                    # it was kept before anybody could tell; the gap that it leaves is asked for
                    self.forged += 1
        self._note_complete()

    def advance_base(self, base: ChannelTotals) -> None:
        """The destination's final cursor has moved on; what lies before it is dropped."""
        self.base = base
        self._pages = [page for page in self._pages if page.end > base.count]
        self._checkpoints = {count: acc for count, acc in self._checkpoints.items() if count > base.count}
        self._pending = [b for b in self._pending if b.first_nonce + len(b.receipts) > base.count]
        # blocks that others made final bring their receipts with them
        self._note_complete()

    def offer(self, bundle: Bundle, now_ms: int) -> bool:
        """Takes a page in; True if it is proven, False if it was kept for later or is of no use.

        Raises:
            InvalidReceipts: it is not a page of this channel, or contradicts what is known.
        """
        self._check_form(bundle)
        end = bundle.first_nonce + len(bundle.receipts)
        lacking = self._lacking(max(bundle.first_nonce, self.base.count), end)
        if not lacking:
            return False
        known = self._known(end)
        if known is None:
            self._keep(bundle)
            return False
        if bundle.accumulator_after(self.chain_id_base) != known:
            raise InvalidReceipts(ReceiptsReason.DOES_NOT_FOLD, f"channel {self.source}:{self.destination} up to {end}")
        for part in lacking:
            bisect.insort(self._pages, self._part(bundle, *part, now_ms), key=lambda page: page.first)
        self.news += lacking
        self._note_complete()
        return True

    def gap(self) -> tuple[int, int] | None:
        """The next page to ask for, as [first, end); None when all up to the target is here."""
        lacking = self._lacking(self.base.count, self.target.count)
        if not lacking:
            return None
        first, end = lacking[-1]
        return max(first, end - BUNDLE_RECEIPTS_MAX), end

    def missing(self) -> tuple[int, int] | None:
        """From the first receipt up to the target that is not here to the last, as [first, end); None when all is here."""
        lacking = self._lacking(self.base.count, self.target.count)
        return (lacking[0][0], lacking[-1][1]) if lacking else None

    def _lacking(self, first: int, end: int) -> list[tuple[int, int]]:
        """What of [first, end) no page holds."""
        parts = []
        for page in self._pages:
            if page.first >= end:
                break
            if page.first > first:
                parts.append((first, page.first))
            first = max(first, page.end)
        return [*parts, (first, end)] if first < end else parts

    def _part(self, bundle: Bundle, first: int, end: int, now_ms: int) -> _Page:
        """The page of a bundle's receipts [first, end): pages do not overlap, so that nothing is held twice."""
        skipped = first - bundle.first_nonce
        before = ChannelTotals(bundle.first_nonce, 0, bundle.accumulator_before).add(bundle.receipts[:skipped], self.chain_id_base)
        return _Page(first, before.accumulator, bundle.receipts[skipped : end - bundle.first_nonce], now_ms)

    def _keep(self, bundle: Bundle) -> None:
        """Keeps a page whose end the beacon has yet to record; of too many the farthest goes, for anybody can name a far nonce."""
        if all(held.first_nonce != bundle.first_nonce for held in self._pending):
            self._pending.append(bundle)
            self._pending.sort(key=lambda held: held.first_nonce)
            del self._pending[PENDING_BUNDLES_MAX:]

    def available(self, cursor: int, end: int) -> tuple[CrossShardReceipt, ...]:
        """Proven receipts from `cursor` on without a gap, before nonce `end`; the base must join them."""
        found: list[CrossShardReceipt] = []
        for page in self._pages:
            if page.first <= cursor + len(found) < page.end:
                found.extend(page.receipts[cursor + len(found) - page.first :])
            if cursor + len(found) >= end:
                break
        return tuple(found[: max(0, end - cursor)])

    def next(self, cursor: int, end: int) -> CrossShardReceipt | None:
        """The receipt at `cursor`, if it is proven here and before `end`."""
        if cursor >= end:
            return None
        page = self._page(cursor)
        return None if page is None else page.receipts[cursor - page.first]

    def held_since_ms(self, nonce: int) -> int | None:
        """When the receipt of a nonce was proven here; None if it is not."""
        page = self._page(nonce)
        return None if page is None else page.since_ms

    def _page(self, nonce: int) -> _Page | None:
        return next((page for page in self._pages if page.first <= nonce < page.end), None)

    def _known(self, end: int) -> bytes | None:
        if end in self._checkpoints:
            return self._checkpoints[end]
        return next((page.accumulator_before for page in self._pages if page.first == end), None)

    def _note_complete(self) -> None:
        if self.gap() is None:
            self.missing_since_ms = None

    def _check_form(self, bundle: Bundle) -> None:
        if not bundle.receipts:
            raise InvalidReceipts(ReceiptsReason.EMPTY)
        if bundle.source != self.source or bundle.destination != self.destination:
            raise InvalidReceipts(ReceiptsReason.WRONG_CHANNEL, f"{bundle.source}:{bundle.destination}")
        for offset, receipt in enumerate(bundle.receipts):
            if receipt.source != self.source or receipt.destination != self.destination or receipt.nonce != bundle.first_nonce + offset:
                raise InvalidReceipts(ReceiptsReason.NOT_CONTIGUOUS, f"receipt {offset} of the page at {bundle.first_nonce}")

"""Inbound channels: only what is proven counts, whatever order pages come in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.core.channels import PENDING_BUNDLES_MAX, InboundChannel
from primitives.errors import Fault, InvalidReceipts, ReceiptsReason
from primitives.receipts import EMPTY_CHANNEL, Bundle, ChannelTotals, CrossShardReceipt

BASE = 735_700


def receipt(nonce: int, amount: int = 1) -> CrossShardReceipt:
    return CrossShardReceipt(0, 1, nonce, 0, b"\1" * 20, b"\2" * 20, amount, 0, 0, b"\0" * 20, b"")


RECEIPTS = tuple(receipt(nonce) for nonce in range(200))


def totals(count: int) -> ChannelTotals:
    return EMPTY_CHANNEL.add(RECEIPTS[:count], BASE)


def page(first: int, end: int) -> Bundle:
    return Bundle(0, 1, first, totals(first).accumulator, RECEIPTS[first:end])


def channel() -> InboundChannel:
    return InboundChannel(0, 1, BASE, EMPTY_CHANNEL, EMPTY_CHANNEL)


def test_a_pushed_page_counts_once_its_end_is_recorded() -> None:
    inbound = channel()
    assert not inbound.offer(page(0, 3), 0)
    assert inbound.available(0, 3) == ()
    inbound.advance_target(totals(3), 5)
    assert inbound.available(0, 3) == RECEIPTS[:3]
    assert inbound.gap() is None
    assert inbound.held_since_ms(2) == 5
    assert inbound.held_since_ms(3) is None


def test_a_page_is_news_once_it_is_proven() -> None:
    inbound = channel()
    inbound.offer(page(0, 3), 1)
    assert inbound.news == []
    inbound.advance_target(totals(3), 5)
    inbound.advance_base(totals(3))
    inbound.advance_target(totals(4), 6)
    inbound.offer(page(3, 4), 7)
    assert inbound.news == [(0, 3), (3, 4)]


def test_all_that_lacks_is_told_not_only_the_page_asked_for() -> None:
    inbound = channel()
    assert inbound.missing() is None
    inbound.advance_target(totals(150), 0)
    assert inbound.gap() == (86, 150)
    assert inbound.missing() == (0, 150)
    inbound.offer(page(86, 150), 0)
    assert inbound.missing() == (0, 86)


def test_missing_pages_are_asked_for_newest_first() -> None:
    inbound = channel()
    inbound.advance_target(totals(150), 0)
    asked = []
    while (gap := inbound.gap()) is not None:
        asked.append(gap)
        assert inbound.offer(page(*gap), 0)
    assert asked == [(86, 150), (22, 86), (0, 22)]
    assert inbound.available(0, 150) == RECEIPTS[:150]
    assert inbound.available(140, 145) == RECEIPTS[140:145]


def test_a_page_that_does_not_fold_is_refused_and_the_peer_is_to_blame() -> None:
    inbound = channel()
    inbound.advance_target(totals(3), 0)
    forged = Bundle(0, 1, 0, EMPTY_CHANNEL.accumulator, (receipt(0, 10**18), *RECEIPTS[1:3]))
    with pytest.raises(InvalidReceipts) as caught:
        inbound.offer(forged, 0)
    assert (caught.value.reason, caught.value.fault) == (ReceiptsReason.DOES_NOT_FOLD, Fault.PEER)
    assert inbound.gap() == (0, 3)


@pytest.mark.parametrize(
    ("bundle", "reason"),
    [
        (Bundle(0, 1, 0, b"\0" * 32, ()), ReceiptsReason.EMPTY),
        (Bundle(2, 1, 0, b"\0" * 32, (RECEIPTS[0],)), ReceiptsReason.WRONG_CHANNEL),
        (Bundle(0, 1, 0, b"\0" * 32, (RECEIPTS[1],)), ReceiptsReason.NOT_CONTIGUOUS),
    ],
)
def test_form(bundle: Bundle, reason: ReceiptsReason) -> None:
    with pytest.raises(InvalidReceipts) as caught:
        channel().offer(bundle, 0)
    assert (caught.value.reason, caught.value.fault) == (reason, Fault.PEER)


def test_unproven_pages_are_bounded() -> None:
    inbound = channel()
    for first in range(100):
        assert not inbound.offer(page(first, first + 1), 0)
    assert len(inbound._pending) == PENDING_BUNDLES_MAX


def test_what_was_taken_in_is_dropped() -> None:
    inbound = channel()
    inbound.advance_target(totals(10), 0)
    assert inbound.offer(page(0, 10), 0)
    inbound.advance_base(totals(10))
    assert inbound.available(10, 10) == ()
    assert not inbound.offer(page(0, 10), 0)
    assert inbound.gap() is None


def test_what_blocks_of_others_brought_lacks_no_more() -> None:
    inbound = channel()
    inbound.advance_target(totals(10), 100)
    inbound.advance_target(totals(12), 200)
    assert inbound.missing_since_ms == 100
    inbound.advance_base(totals(11))
    assert inbound.missing_since_ms == 100
    inbound.advance_base(totals(12))
    assert inbound.missing_since_ms is None
    inbound.advance_target(totals(13), 300)
    assert inbound.missing_since_ms == 300


@given(st.lists(st.integers(1, 60), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_any_order_of_targets_and_pages_gives_all_receipts_in_order(steps: list[int], order: object) -> None:
    inbound = channel()
    count = 0
    for step in steps:
        count = min(200, count + step)
        inbound.advance_target(totals(count), 0)
        if order.random() < 0.5:  # type: ignore[attr-defined]
            gap = inbound.gap()
            if gap is not None:
                inbound.offer(page(*gap), 0)
    while (gap := inbound.gap()) is not None:
        inbound.offer(page(*gap), 0)
    assert inbound.available(0, count) == RECEIPTS[:count]


@given(st.lists(st.tuples(st.integers(0, 119), st.integers(1, 40)), max_size=12), st.lists(st.integers(1, 120), max_size=4))
def test_whatever_true_pages_come_nothing_is_held_twice_and_asking_for_the_gap_ends(parts, ends) -> None:
    inbound = channel()
    for end in sorted({*ends, 120}):
        for first, count in parts:
            inbound.offer(page(first, min(first + count, 120)), 0)
        inbound.advance_target(totals(end), 0)
    asked = 0
    while (gap := inbound.gap()) is not None:
        assert inbound.offer(page(*gap), 1), "what is asked for is of use"
        asked += 1
        assert asked <= 120
    assert inbound.available(0, 120) == RECEIPTS[:120]
    assert sum(len(held.receipts) for held in inbound._pages) == 120


def test_of_too_many_pages_ahead_the_farthest_goes() -> None:
    inbound = channel()
    for first in range(100, 100 + PENDING_BUNDLES_MAX):
        inbound.offer(page(first, first + 1), 0)
    inbound.offer(page(0, 3), 0)
    inbound.advance_target(totals(3), 5)
    assert inbound.available(0, 3) == RECEIPTS[:3]

"""The table of what peers may send, and the buckets that hold them to it."""

import itertools
from pathlib import Path
from typing import Annotated, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2p import limits, messages
from p2p.limits import (
    ASK_FACTOR,
    BUCKETS_MAX,
    FRAME_LIMIT,
    GOSSIP_LIMITS,
    OWN_FACTOR,
    PING_LIMIT,
    RELAY_FACTOR,
    REQUEST_LIMITS,
    STRANGERS_RELAY_FACTOR,
    STREAM_LIMIT,
    MessageLimit,
    Rate,
    RateLimiter,
    request_limit,
)
from p2p.messages import CHAINS_MAX, BlocksByRoot, ConsensusBatch, Finality, Status, TransactionBatch
from p2p.scoring import DROP_POINTS, PeerScores, Verdict, points_of
from p2p.topics import TopicKind
from primitives.errors import Fault, PeerReason
from primitives.parameters import Parameters
from primitives.receipts import Bundle
from primitives.ssz import Container, Repeated

ROW = MessageLimit("row", 1000, 1, 1, Rate(2, 10), Rate(100, 1000), "")


def test_every_message_type_has_a_row_and_names_differ():
    assert set(GOSSIP_LIMITS) == set(TopicKind)
    assert set(REQUEST_LIMITS) == set(messages.REQUEST_TYPES)
    rows = [*GOSSIP_LIMITS.values(), *REQUEST_LIMITS.values()]
    assert len({row.name for row in rows}) == len(rows)
    assert all(row.reason for row in rows)


@pytest.mark.parametrize("kind", [*REQUEST_LIMITS, ConsensusBatch, TransactionBatch, Bundle])
def test_bounds_of_a_row_are_those_of_the_decoder(kind):
    gossip = {ConsensusBatch: TopicKind.CONSENSUS, TransactionBatch: TopicKind.TRANSACTIONS, Bundle: TopicKind.RECEIPTS}
    row = GOSSIP_LIMITS[gossip[kind]] if kind in gossip else REQUEST_LIMITS[kind]
    assert row.bytes_max <= kind.encoded_bytes_max
    assert depth_of(kind) == row.depth_max
    if (row.count_max and kind not in messages.REQUEST_TYPES) or kind in (Status, BlocksByRoot):
        assert count_of(kind) == row.count_max


def test_a_row_is_read_off_the_first_byte():
    assert request_limit(b"") is limits.PING_LIMIT
    assert request_limit(b"\xff") is limits.UNKNOWN_LIMIT
    assert [request_limit(bytes([number])) for number in range(len(REQUEST_LIMITS))] == list(REQUEST_LIMITS.values())


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(0, 400)), max_size=200))
def test_no_schedule_gets_more_than_burst_and_rate(schedule):
    limiter, now, taken, size_taken, largest = RateLimiter(), 0.0, 0, 0, 0
    for pause, size in schedule:
        now += pause
        if limiter.take("peer", "row", ROW, size, now):
            taken, size_taken, largest = taken + 1, size_taken + size, max(largest, size)
        assert taken <= ROW.messages.burst + ROW.messages.per_second * now + 1e-6
        assert size_taken <= ROW.bytes.burst + ROW.bytes.per_second * now + largest + 1e-6


@given(st.floats(0, 1000))
def test_time_that_goes_back_gives_nothing(back):
    limiter = RateLimiter()
    for _ in range(10):
        assert limiter.take("peer", "row", ROW, 0, 1000)
    assert not limiter.take("peer", "row", ROW, 0, 1000 - back)
    assert not limiter.take("peer", "row", ROW, 0, 1000)
    assert limiter.take("peer", "row", ROW, 0, 1000.5)


def test_what_is_refused_costs_nothing_and_nobody_else():
    limiter = RateLimiter()
    assert [limiter.take("a", "row", ROW, 0, 0) for _ in range(12)] == [True] * 10 + [False] * 2
    assert limiter.take("a", "row", ROW, 0, 0.5)
    assert limiter.take("b", "row", ROW, 0, 0)
    assert limiter.take("a", "another", ROW, 0, 0)


def test_an_answer_may_overdraw_and_the_next_question_waits():
    limiter = RateLimiter()
    assert limiter.take("a", "row", ROW, 10, 0)
    limiter.charge("a", "row", ROW, 2000, 0)
    assert not limiter.take("a", "row", ROW, 10, 10)
    assert limiter.take("a", "row", ROW, 10, 10.2)


def test_a_factor_scales_all_of_a_row():
    limiter = RateLimiter()
    assert sum(limiter.take("a", "row", ROW, 0, 0, 4) for _ in range(100)) == 40
    assert sum(limiter.take("a", "row", ROW, 0, 1, 4) for _ in range(100)) == 8


def test_allowances_are_bounded_and_the_one_used_longest_ago_goes_first():
    limiter = RateLimiter()
    for number in range(BUCKETS_MAX):
        limiter.take(str(number), "row", ROW, 0, 0)
    for _ in range(9):
        limiter.take("0", "row", ROW, 0, 0)
    limiter.take("one more", "row", ROW, 0, 0)
    assert len(limiter) == BUCKETS_MAX
    assert not limiter.take("0", "row", ROW, 0, 0)


FULL_LOAD = {
    TopicKind.CONSENSUS: (128, 5_000),
    TopicKind.TRANSACTIONS: (533, 200),
    TopicKind.RECEIPTS: (16, 8_000),
}
"""Messages a second and bytes of each, on one topic, all brought by one peer; see the rows."""


@pytest.mark.parametrize("kind", TopicKind)
@pytest.mark.parametrize("stall_seconds", [0, 4])
def test_full_load_is_never_refused_even_after_a_pause(kind, stall_seconds):
    per_second, size = FULL_LOAD[kind]
    assert 2 * per_second <= GOSSIP_LIMITS[kind].messages.per_second
    limiter = RateLimiter()
    for number in itertools.takewhile(lambda n: n < 30 * per_second, itertools.count()):
        sent_at = number / per_second
        now = max(sent_at, 10 + stall_seconds) if 10 <= sent_at <= 10 + stall_seconds else sent_at
        assert limiter.take("peer", "topic", GOSSIP_LIMITS[kind], size, now)


def test_an_answer_each_network_delay_and_chain_is_never_refused_and_more_of_them_is_nobodys_fault():
    limiter, row, delta_ms = RateLimiter(), REQUEST_LIMITS[Finality], Parameters().delta_ms
    for number in range(40 * CHAINS_MAX):
        assert limiter.take("helper", "finality", row, 400, number // CHAINS_MAX * delta_ms / 1000)
    assert not row.is_blamed, "a network may have another delay"


def test_what_a_node_passes_on_and_what_its_users_make_it_say_are_together_what_its_peers_take():
    assert RELAY_FACTOR + STRANGERS_RELAY_FACTOR + OWN_FACTOR <= 1
    assert {kind for kind, row in GOSSIP_LIMITS.items() if row.is_paced} == {TopicKind.TRANSACTIONS, TopicKind.RECEIPTS}
    for kind in (TopicKind.TRANSACTIONS, TopicKind.RECEIPTS):
        per_second, size = FULL_LOAD[kind]
        assert per_second * size < OWN_FACTOR * GOSSIP_LIMITS[kind].bytes.per_second


def test_full_load_on_all_chains_fits_the_frames_of_one_peer():
    assert FULL_LOAD[TopicKind.CONSENSUS][0] * CHAINS_MAX + 400 + 32 < FRAME_LIMIT.messages.per_second


def test_whoever_keeps_to_the_rows_of_requests_keeps_to_that_of_streams():
    rows = [*REQUEST_LIMITS.values(), PING_LIMIT]
    assert sum(row.messages.per_second for row in rows) < STREAM_LIMIT.messages.per_second
    assert sum(row.messages.burst for row in rows) < STREAM_LIMIT.messages.burst


@pytest.mark.parametrize("row", [row for row in REQUEST_LIMITS.values() if row.is_blamed], ids=lambda row: row.name)
@pytest.mark.parametrize("answer_bytes", [0, 1000, 100_000])
def test_what_a_node_in_need_asks_of_one_peer_is_never_past_what_that_peer_takes(row, answer_bytes):
    asker, asked, sent, waiting, seconds = RateLimiter(), RateLimiter(), 0, 0, 30
    for step in range(500 * seconds):
        now = step / 500
        if asker.take("asked", row.name, row, row.bytes_max, now, ASK_FACTOR):
            asker.charge("asked", row.name, row, answer_bytes, now, ASK_FACTOR)
            sent, waiting = sent + 1, waiting + 1
        if step % 1000 == 999:
            # the network held everything back for two seconds
            assert all(asked.take("asker", row.name, row, row.bytes_max, now) for _ in range(waiting))
            asked.charge("asker", row.name, row, waiting * answer_bytes, now)
            waiting = 0
    assert sent >= ASK_FACTOR * min(row.messages.burst, row.bytes.burst / (answer_bytes + row.bytes_max))


def test_a_peer_that_goes_on_past_the_rate_is_dropped_and_one_that_comes_back_for_more_is_banned():
    scores, drops, messages_over = PeerScores(), 0, 0
    verdict = Verdict.KEEP
    while verdict is not Verdict.BAN:
        messages_over += 1
        verdict = scores.on_fault("peer", Fault.PEER, points_of(PeerReason.OVER_RATE), 0)
        if verdict is Verdict.DROP:
            drops += 1
            verdict = scores.on_fault("peer", Fault.PEER, DROP_POINTS, 0)
    assert (messages_over, drops) == (52, 3)


def depth_of(kind):
    """Containers and lists within one another, by the annotations."""
    if get_origin(kind) is Annotated:
        inner, mark = get_args(kind)[0], get_args(kind)[1]
        return 1 + depth_of(get_args(inner)[0]) if isinstance(mark, Repeated) else 0
    if isinstance(kind, type) and issubclass(kind, Container):
        hints = get_type_hints(kind, include_extras=True)
        return 1 + max(depth_of(hints[name]) for name in kind.__dataclass_fields__)
    return 0


def count_of(kind):
    """Elements of all lists of a message."""
    hints = get_type_hints(kind, include_extras=True)
    marks = [get_args(hints[name])[1] for name in kind.__dataclass_fields__ if get_origin(hints[name]) is Annotated]
    return sum(mark.limit for mark in marks if isinstance(mark, Repeated))


def size_text(count):
    for unit, factor in (("MiB", limits.MIB), ("KiB", limits.KIB)):
        if count >= factor:
            return f"{count / factor:g} {unit}"
    return f"{count:g}"


def row_of(row):
    rate = f"{row.messages.per_second:g}, {row.messages.burst:,g}"
    size_rate = f"{size_text(row.bytes.per_second)}, {size_text(row.bytes.burst)}" if row.bytes.per_second > 1 else ""
    bounds = [size_text(row.bytes_max) if row.bytes_max else "", str(row.count_max or ""), str(row.depth_max or "")]
    return f"| `{row.name}` | {' | '.join([*bounds, rate, size_rate, row.reason])} |"


SINGLE_ROWS = [row for row in vars(limits).values() if isinstance(row, MessageLimit)]


@pytest.mark.parametrize("row", [*GOSSIP_LIMITS.values(), *REQUEST_LIMITS.values(), *SINGLE_ROWS], ids=lambda row: row.name)
def test_the_page_for_operators_has_the_row(row):
    assert row_of(row) in (Path(__file__).parents[2] / "docs" / "operating.md").read_text().splitlines()

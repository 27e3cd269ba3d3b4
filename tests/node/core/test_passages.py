"""Times of a message's steps: from counts alone, bounded, and silent about what a node was not there for."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from node.core import passages
from node.core.effects import Now
from node.core.passages import STEPS, Passages
from primitives.receipts import ChannelTotals, Summary, empty_summary

BEACON, SOURCE, DESTINATION = 2, 0, 1
WALL_SECONDS = 1_000


def summary(sent=0, taken=0):
    """Of a shard that has sent so much to, and taken so much from, the other one: by its own number."""
    none = list(empty_summary(2).outgoing)
    outgoing, incoming = list(none), list(none)
    outgoing[DESTINATION] = ChannelTotals(sent, 0, bytes(32))
    incoming[SOURCE] = ChannelTotals(taken, 0, bytes(32))
    return Summary(0, 0, tuple(outgoing), tuple(incoming))


class Node:
    def __init__(self):
        self.passages, self.ms = Passages(), 0
        self.passages.begin(SOURCE, summary(), 0)
        self.passages.begin(DESTINATION, summary(), 0)
        self.height = Counter()

    @property
    def now(self):
        return Now(monotonic_ms=self.ms, wall_ms=1000 * WALL_SECONDS + self.ms)

    def block(self, chain, at_ms, sent=0, taken=0, late_seconds=0, held_ms=None):
        """A final block: its body came 100 ms before."""
        self.ms, self.height[chain] = at_ms, self.height[chain] + 1
        place = (chain, self.height[chain], WALL_SECONDS + at_ms // 1000 - late_seconds, at_ms - 100 if held_ms is None else held_ms)
        if chain == BEACON:
            return told(self.passages.on_beacon_block(*place, {SOURCE: summary(sent)}, self.now))
        return told(self.passages.on_shard_block(*place, summary(sent, taken), self.now))

    def bundle(self, at_ms, first, end):
        self.ms = at_ms
        return told(self.passages.on_bundle(SOURCE, DESTINATION, first, end, self.now))


def told(seen):
    return [(one.labels["step"], int(one.labels["count"]), one.value) for one in seen if one.name == "message_step_seconds"]


def test_every_step_is_measured_from_the_one_before_it():
    node = Node()
    queued = node.passages.on_queued(b"\1" * 32, 300, 900, Now(1_000, 1_001_000))
    assert told([queued]) == [("included", 1, 0.6)]
    assert node.block(SOURCE, 1_000, sent=3) == [("shard_final", 3, 0.1)]
    assert node.block(SOURCE, 1_500, sent=4) == [("shard_final", 1, 0.1)]
    assert node.block(BEACON, 2_000, sent=4) == [("crosslinked", 3, 0.9), ("crosslinked", 1, 0.4), ("beacon_final", 4, 0.1)]
    assert node.bundle(2_300, 2, 4) == [("bundle", 2, 0.3)]
    assert node.bundle(2_400, 0, 2) == [("bundle", 2, 0.4)]
    assert sorted(node.block(DESTINATION, 3_000, taken=3)) == [("delivered", 1, 0.7), ("delivered", 2, 0.6)]
    assert node.block(DESTINATION, 4_000, taken=4) == [("delivered", 1, 1.7)]
    assert node.block(DESTINATION, 5_000, taken=4) == node.block(SOURCE, 5_000, sent=4) == []


def test_times_are_remembered_by_block_and_by_transaction():
    node = Node()
    node.block(SOURCE, 1_000, sent=1)
    node.passages.on_queued(b"\1" * 32, 300, 900, Now(1_000, 1_001_000))
    assert [node.passages.final_ms(*block) for block in ((SOURCE, 1), (SOURCE, 2), (BEACON, 1))] == [1_001_000, None, None]
    assert (node.passages.queued_ms(b"\1" * 32), node.passages.queued_ms(b"\2" * 32)) == (1_000_300, None)


def test_what_came_long_after_its_time_has_none():
    node = Node()
    late = passages.PRESENT_SECONDS_MAX + 2
    assert node.block(SOURCE, 1_000, sent=2, late_seconds=late) == []
    assert node.passages.final_ms(SOURCE, 1) is None
    assert node.block(SOURCE, 1_500, sent=3) == [("shard_final", 1, 0.1)]
    assert node.block(BEACON, 2_000, sent=3) == [("crosslinked", 1, 0.4), ("beacon_final", 3, 0.1)], "of the first two it is not known when"
    assert node.block(BEACON, 2_500, sent=5, late_seconds=late) == []
    assert node.bundle(2_600, 0, 5) == [("bundle", 3, 0.6)]


def test_what_was_there_at_the_start_is_not_new():
    node = Node()
    node.passages.begin(SOURCE, summary(7), 5)
    node.passages.begin_beacon({SOURCE: summary(6)})
    assert node.block(SOURCE, 1_000, sent=8) == [("shard_final", 1, 0.1)]
    assert node.block(BEACON, 2_000, sent=8) == [("crosslinked", 1, 0.9), ("beacon_final", 2, 0.1)]


def test_what_became_void_is_measured_anew():
    node = Node()
    for sent in (1, 2, 3):
        node.block(SOURCE, 1_000 * sent, sent=sent)
    node.passages.begin(SOURCE, summary(1), 1)
    assert [node.passages.final_ms(SOURCE, height) for height in (1, 2, 3)] == [1_001_000, None, None]
    node.height[SOURCE] = 1
    assert node.block(SOURCE, 9_000, sent=2) == [("shard_final", 1, 0.1)]
    assert node.block(BEACON, 9_500, sent=2)[:2] == [("crosslinked", 1, 8.4), ("crosslinked", 1, 0.4)]


def test_a_clock_that_goes_back_makes_no_negative_time():
    assert told([Passages().on_queued(b"\1" * 32, 900, 300, Now(1_000, 1_001_000))]) == [("included", 1, 0)]


def test_the_arrival_of_a_body_is_remembered_past_its_delivery_where_it_was_seen():
    node = Node()
    node.passages.begin_beacon({SOURCE: summary(2)})
    node.block(BEACON, 2_000, sent=4)
    node.bundle(2_100, 0, 2)
    node.bundle(2_300, 2, 4)
    node.block(DESTINATION, 3_000, taken=4)
    times = [node.passages.arrived_ms(SOURCE, DESTINATION, nonce) for nonce in (0, 2, 3, 4)]
    assert times == [None, 1_002_300, 1_002_300, None], "the first two were recorded before the node was there"


def test_memory_is_bounded_and_the_oldest_goes_first(monkeypatch):
    for name in ("HEIGHTS_REMEMBERED_MAX", "QUEUED_REMEMBERED_MAX"):
        monkeypatch.setattr(passages, name, 2)
    node = Node()
    for n in (1, 2, 3):
        node.block(SOURCE, 1_000 * n, sent=n)
        node.passages.on_queued(bytes([n]) * 32, n, n, node.now)
    assert [node.passages.final_ms(SOURCE, n) for n in (1, 2, 3)] == [None, 1_002_000, 1_003_000]
    assert [node.passages.queued_ms(bytes([n]) * 32) for n in (1, 2, 3)] == [None, 1_000_002, 1_000_003]


def test_marks_beyond_the_limit_are_counted_and_the_oldest_is_not_measured():
    node = Node()
    for n in range(1, passages.MARKS_MAX + 1):
        node.block(SOURCE, 1_000 + n, sent=n)
    seen = node.passages.on_shard_block(SOURCE, 9_999, WALL_SECONDS, 1_000, summary(passages.MARKS_MAX + 1), node.now)
    assert [one.labels for one in seen if one.name == "limit_hits"] == [{"limit": "message_marks_max"}]
    crosslinked = [count for step, count, _ in node.block(BEACON, 9_000, sent=passages.MARKS_MAX + 1) if step == "crosslinked"]
    assert sum(crosslinked) == passages.MARKS_MAX


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["sent", "recorded", "proven", "delivered"]), st.integers(0, 5)), max_size=40))
def test_each_message_counts_at_most_once_a_step_and_never_before_the_one_before(events):
    node, at = Node(), dict.fromkeys(("sent", "recorded", "proven", "delivered"), 0)
    seen = Counter()
    before = {"recorded": "sent", "proven": "recorded", "delivered": "proven"}
    for i, (event, more) in enumerate(events):
        ms = 1_000 * (i + 1)
        first, at[event] = at[event], min(at[event] + more, at[before[event]] if event in before else 10**6)
        if event == "sent":
            steps = node.block(SOURCE, ms, sent=at["sent"])
        elif event == "recorded":
            steps = node.block(BEACON, ms, sent=at["recorded"])
        elif event == "proven":
            steps = node.bundle(ms, first, at["proven"]) if at["proven"] > first else []
        else:
            steps = node.block(DESTINATION, ms, taken=at["delivered"])
        for step, count, seconds in steps:
            seen[step] += count
            assert seconds >= 0
    assert set(seen) <= set(STEPS)
    assert [seen[step] for step in STEPS[1:]] == [at["sent"], at["recorded"], at["recorded"], at["proven"], at["delivered"]]

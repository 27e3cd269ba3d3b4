"""The inbound order: examples, and that what is chosen is what is checked, whatever the channels hold."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives.errors import BlockReason, InvalidBlock
from primitives.parameters import Parameters
from primitives.receipts import EMPTY_CHANNEL, CrossShardReceipt
from shard.inbound import Room, check_inbound, choose_inbound, counted_gas

SHARD, SHARDS, BASE = 0, 3, 735_700
PARAMETERS = Parameters(
    shard_count=SHARDS, chain_id_base=BASE, gas_limit=600_000, inbound_call_gas_max=300_000, inbound_bytes_max=12_000,
    receipt_gas_max=200_000,
)  # fmt: skip
A = b"\xaa" * 20


def message(source, nonce, kind=0, gas_limit=0, size=0):
    return CrossShardReceipt(source, SHARD, nonce, kind, A, A, 1, gas_limit, 0, A, bytes(size))


class Channels:
    """Each source sent calls of `gases[source]`, a credit where 0, of an unknown kind with that much data where negative.

    Of them `taken` are in and `held` are here.
    """

    def __init__(self, gases, taken=None, held=None):
        self.sent = {s: [self._message(s, n, gas) for n, gas in enumerate(gases.get(s, []))] for s in range(SHARDS + 1)}
        counts = {s: (taken or {}).get(s, 0) for s in self.sent}
        self.taken = [EMPTY_CHANNEL.add(self.sent[s][: counts[s]], BASE) for s in self.sent]
        self.recorded = [EMPTY_CHANNEL.add(self.sent[s], BASE) for s in self.sent]
        self.available = {s: sent[: (held or {}).get(s, len(sent))] for s, sent in self.sent.items()}

    @staticmethod
    def _message(source, nonce, gas):
        return message(source, nonce, 9, size=-gas) if gas < 0 else message(source, nonce, 1 if gas else 0, gas)

    def choose(self, height):
        return choose_inbound(height, self.taken, self.recorded, self.available, PARAMETERS)

    def check(self, receipts, missing, height, available=None):
        held = self.available if available is None else available
        return check_inbound(height, self.taken, self.recorded, receipts, missing, PARAMETERS, shard=SHARD, available=held)


def names(receipts):
    return [(r.source, r.nonce) for r in receipts]


def test_round_robin_from_the_height():
    channels = Channels({1: [0, 0, 0], 2: [0], 3: [0, 0]})
    assert names(channels.choose(2)[0]) == [(2, 0), (3, 0), (1, 0), (3, 1), (1, 1), (1, 2)]
    assert names(channels.choose(5)[0]) == [(1, 0), (2, 0), (3, 0), (1, 1), (3, 1), (1, 2)]


def test_a_source_is_passed_over_for_the_whole_block():
    # 200,000 of source 1 leave no room for 150,000 of source 2, whose credit behind it must wait too
    channels = Channels({1: [200_000, 0], 2: [150_000, 0]})
    receipts, missing = channels.choose(1)
    assert (names(receipts), missing) == ([(1, 0), (1, 1)], 0)
    assert channels.check(receipts, missing, 1) == {}


def test_credits_pass_where_calls_have_used_up_their_gas():
    channels = Channels({1: [200_000, 100_000, 0], 2: [0, 0, 0], 3: [0, 21_000]})
    roomy = PARAMETERS.model_copy(update={"gas_limit": 6_000_000})
    chosen, _ = choose_inbound(1, channels.taken, channels.recorded, channels.available, roomy)
    assert names(chosen) == [(1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (1, 2), (2, 2)], "the call of source 3 waits, credits do not"
    assert check_inbound(1, channels.taken, channels.recorded, chosen, 0, roomy, shard=SHARD, available=channels.sent) == {}


def test_bytes_bound_a_block_as_gas_does():
    channels = Channels({1: [-4096, -4096, 0], 2: [-4096, 0]})
    receipts, missing = channels.choose(1)
    assert (names(receipts), missing) == ([(1, 0), (2, 0), (2, 1)], 0), "12,000 bytes hold two of 4,480 and no third"
    assert channels.check(receipts, missing, 1) == {}
    with pytest.raises(InvalidBlock, match="inbound order"):
        channels.check([receipts[0], receipts[1], channels.sent[1][1]], missing, 1, available=channels.sent)


@pytest.mark.parametrize(
    ("room", "none_fits"),
    [
        (Room(200_000, 200_000, 200_000, 4_480), False),
        (Room(200_000, 21_000, 0, 384), False),
        (Room(200_000, 20_999, 0, 384), True),
        (Room(200_000, 21_000, 0, 383), True),
    ],
)
def test_what_is_left_tells_whether_something_unknown_fits(room, none_fits):
    assert room.fits_none == none_fits


def test_a_missing_bundle_stops_only_its_source():
    channels = Channels({1: [0, 0], 2: [0, 0]}, held={1: 1})
    receipts, missing = channels.choose(1)
    assert (names(receipts), missing) == ([(1, 0), (2, 0), (2, 1)], 0b10)
    # Somebody who knows no more cannot tell whether receipt 0 of source 1 is genuine, so must pull it.
    assert channels.check(receipts, missing, 1, available={}) == {1: 0}


def test_counted_gas():
    assert counted_gas(message(1, 0, 0, 10**6), 200_000) == 21_000
    assert counted_gas(message(1, 0, 9, 10**6), 200_000) == 21_000
    assert counted_gas(message(1, 0, 1, 10**6), 200_000) == 200_000
    assert counted_gas(message(1, 0, 2, 5), 200_000) == 21_000
    assert [counted_gas(message(1, 0, kind, 30_000), 200_000) for kind in range(6)] == [21_000, 30_000, 30_000, 30_000, 30_000, 21_000]


@pytest.mark.parametrize(("kind", "fits"), [(0, True), (1, False), (2, False), (3, False), (4, False), (5, True)])
def test_whatever_may_run_code_counts_as_a_call(kind, fits):
    room = Room(200_000, 400_000, 100_000, 4_480)
    assert room.take(message(1, 0, kind, 150_000)) == fits
    assert room.call_gas == 100_000


channels_strategy = st.builds(
    lambda gases, taken, held: Channels(
        {s: g for s, g in gases.items() if s != SHARD},
        {s: min(taken.get(s, 0), len(gases.get(s, []))) for s in gases},
        held,
    ),
    st.dictionaries(
        st.integers(1, SHARDS), st.lists(st.sampled_from([0, 0, 50_000, 150_000, 10**6, -100, -4096]), max_size=8), max_size=SHARDS
    ),
    st.dictionaries(st.integers(1, SHARDS), st.integers(0, 4)),
    st.dictionaries(st.integers(1, SHARDS), st.integers(0, 8)),
)


@given(channels_strategy, st.integers(0, 10))
def test_what_is_chosen_passes_the_check(channels, height):
    receipts, missing = channels.choose(height)
    assert sum(counted_gas(r, PARAMETERS.receipt_gas_max) for r in receipts) <= PARAMETERS.inbound_gas_max
    assert sum(counted_gas(r, PARAMETERS.receipt_gas_max) for r in receipts if r.kind == 1) <= PARAMETERS.inbound_call_gas_max
    assert sum(384 + len(r.data) for r in receipts) <= PARAMETERS.inbound_bytes_max
    assert channels.check(receipts, missing, height) == {}
    assert channels.check(receipts, missing, height, available=channels.sent) == {}
    for source, totals in enumerate(channels.taken):
        nonces = [r.nonce for r in receipts if r.source == source]
        assert nonces == list(range(totals.count, totals.count + len(nonces)))
    active = [s for s in range(SHARDS + 1) if channels.taken[s].count < channels.recorded[s].count]
    first = next((s for s in ((height + i) % (SHARDS + 1) for i in range(SHARDS + 1)) if s in active), None)
    assert first is None or missing >> first & 1 or receipts[0].source == first


@given(channels_strategy, st.integers(0, 10), st.data())
def test_what_is_changed_fails_the_check(channels, height, data):
    receipts, missing = (list(part) if isinstance(part, tuple) else part for part in channels.choose(height))
    if not receipts:
        return
    at = data.draw(st.integers(0, len(receipts) - 1))
    change = data.draw(st.sampled_from(["drop", "forge", "swap", "mark"]))
    if change == "drop":
        source = receipts[at].source
        if missing >> source & 1 and not any(later.source == source for later in receipts[at + 1 :]):
            return  # the last one before a mark may as well not have been held: whether to vote for that is another rule
        del receipts[at]
    elif change == "forge":
        receipts[at] = dataclasses.replace(receipts[at], amount=2)
    elif change == "swap":
        if at == 0 or receipts[at - 1] == receipts[at]:
            return
        receipts[at - 1], receipts[at] = receipts[at], receipts[at - 1]
    else:
        finished = [s for s in range(SHARDS + 1) if channels.recorded[s].count == channels.taken[s].count]
        missing |= 1 << finished[0]
    with pytest.raises(InvalidBlock) as caught:
        channels.check(receipts, missing, height, available=channels.sent)
    assert caught.value.reason is BlockReason.BAD_INBOUND


def test_a_source_marked_missing_may_be_passed_over_from_any_place():
    channels = Channels({1: [0, 0]}, held={1: 1})
    receipts, missing = channels.choose(0)
    assert (len(receipts), missing) == (1, 2)
    assert channels.check([], missing, 0, available=channels.sent) == {}


def test_forged_receipts_are_refused_without_holding_any():
    channels = Channels({1: [0, 0]})
    receipts = [dataclasses.replace(r, to=b"\xbb" * 20) for r in channels.sent[1]]
    with pytest.raises(InvalidBlock, match="fold"):
        channels.check(receipts, 0, 1, available={})
    assert channels.check(channels.sent[1], 0, 1, available={}) == {}


def test_leaving_out_what_is_not_here_is_judged_once_it_is():
    channels = Channels({1: [0]})
    assert channels.check([], 0, 1, available={}) == {1: 0}
    with pytest.raises(InvalidBlock, match="inbound order"):
        channels.check([], 0, 1)


@pytest.mark.parametrize(("recorded", "taken_in"), [(3, 3), (2, 2), (4, 2), (0, 0), (1, 1)])
def test_what_the_recorded_sum_does_not_pay_for_is_not_taken_in_and_stops_its_source_alone(recorded, taken_in):
    """Three receipts of a wei each, and another sum recorded: the last one has to make it whole, none may go beyond it."""
    channels = Channels({1: [0, 0, 0], 2: [0]})
    channels.recorded[1] = dataclasses.replace(channels.recorded[1], value=recorded)
    receipts, missing = channels.choose(1)
    assert missing == 0
    assert sorted(names(receipts)) == [*((1, nonce) for nonce in range(taken_in)), (2, 0)]
    assert channels.check(receipts, 0, 1) == {}
    if taken_in < 3:
        whole = sorted((*receipts, channels.sent[1][taken_in]), key=lambda r: (r.nonce, r.source))
        with pytest.raises(InvalidBlock, match="inbound order"):
            channels.check(whole, 0, 1)


def test_a_receipt_that_may_not_fit_must_be_pulled_to_decide():
    channels = Channels({1: [150_000, 160_000]})
    assert channels.check(channels.sent[1][:1], 0, 1, available={1: channels.sent[1][:1]}) == {1: 1}
    assert channels.check(channels.sent[1][:1], 0, 1) == {}


@pytest.mark.parametrize("missing", [1 << 4, 1 << SHARD, 1 << 2])
def test_a_mark_without_ground_is_refused(missing):
    channels = Channels({1: [0]})
    with pytest.raises(InvalidBlock, match="missing marks"):
        channels.check(channels.sent[1], missing, 1)


def test_receipts_of_another_shard_are_refused():
    channels = Channels({1: [0]})
    with pytest.raises(InvalidBlock, match="in a block of shard"):
        channels.check([dataclasses.replace(channels.sent[1][0], destination=2)], 0, 1)


flood = st.lists(st.integers(0, 40), min_size=SHARDS, max_size=SHARDS)


@given(flood, st.integers(0, 10))
def test_no_flood_takes_another_source_its_share(counts, height):
    """Of credits, who has more than an equal share of a block gets at most one more than anyone who has to leave some out."""
    channels = Channels({1 + index: [0] * count for index, count in enumerate(counts)})
    receipts, _ = channels.choose(height)
    taken = [sum(receipt.source == 1 + index for receipt in receipts) for index in range(SHARDS)]
    share = PARAMETERS.inbound_gas_max // 21_000 // SHARDS
    assert all(got >= min(count, share) for got, count in zip(taken, counts, strict=True))
    left_out = [got for got, count in zip(taken, counts, strict=True) if got < count]
    assert not left_out or max(taken) <= min(left_out) + 1


@given(channels_strategy)
def test_whatever_others_send_each_source_gets_on_within_as_many_blocks_as_there_are_sources(channels):
    """The source whose turn is first always gets one in, however large."""
    waiting = {s for s, totals in enumerate(channels.taken) if totals.count < len(channels.available[s])}
    first = {height % (SHARDS + 1): channels.choose(height)[0][:1] for height in range(SHARDS + 1)}
    for source in waiting:
        assert [receipt.source for receipt in first[source]] == [source]

"""What holds whatever honest and corrupted shards do: supply to the wei, and containment."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.beacon.crosslinks import apply_crosslink
from consensus.beacon.supply import imbalance
from primitives.errors import BlockReason, InvalidBlock
from primitives.receipts import ChannelTotals
from tests.consensus.beacon.network import SUPPLY, Network

SHARDS = 3
shards = st.integers(0, SHARDS - 1)
steps = st.one_of(
    st.tuples(st.just("send"), shards, st.integers(0, SHARDS), st.integers(0, 300_000)),
    st.tuples(st.just("take"), shards, shards, st.integers(0, 4)),
    st.tuples(st.just("burn"), shards, st.integers(0, 1000), st.integers(0, 1000)),
    st.tuples(st.just("crosslink"), st.sets(shards), st.just(0), st.just(0)),
)


def do(network, step):
    action, first, second, amount = step
    if action == "crosslink":
        network.extend(*(network.crosslink(shard) for shard in sorted(first)))
        return
    shard = network.shards[first]
    if action == "send" and second != first:
        shard.send(second, min(amount, shard.balance))
    elif action == "take" and second != first:
        # What a finalized beacon block recorded is what a shard takes in.
        upto = min(shard.summary.incoming[second].count + amount, network.state.recorded_out(second, first).count)
        shard.take(network.shards[second], upto)
    elif action == "burn":
        burned = min(second, shard.balance)
        shard.burn(burned, min(amount, shard.balance - burned))


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=25))
def test_honest_shards_are_never_refused_and_every_wei_is_found(program):
    network = Network(shard_count=SHARDS, epoch_length=4, channel_backlog_max=4)
    for step in program:
        do(network, step)
        assert imbalance(network.state) == 0
    state = network.extend(*(network.crosslink(shard) for shard in range(SHARDS)))
    assert imbalance(state) == 0
    for ledger, record in zip(network.shards, state.shards, strict=True):
        assert record.supply == ledger.balance
        for other in range(SHARDS):
            waiting = ledger.sent.get(other, [])[state.recorded_in(ledger.number, other).count :]
            assert state.in_flight[ledger.number][other] == sum(waiting)
        assert state.in_flight[ledger.number][SHARDS] == sum(ledger.sent.get(SHARDS, []))
    assert state.burned == sum(ledger.summary.burned for ledger in network.shards)
    assert state.fee_pool == sum(ledger.summary.fees for ledger in network.shards)


values = st.one_of(st.integers(-5, 5), st.integers(0, 2 * SUPPLY), st.sampled_from([SUPPLY - 1, SUPPLY, SUPPLY + 1, 2**255]))
changes = st.dictionaries(st.integers(0, SHARDS), st.tuples(st.integers(-1, 3), values, st.booleans()), max_size=2)


def corrupted(summary, burned, fees, outgoing, incoming):
    def changed(entries, edits):
        new = list(entries)
        for chain, (count, value, other_accumulator) in edits.items():
            old = new[chain]
            accumulator = b"\1" * 32 if other_accumulator else old.accumulator
            new[chain] = ChannelTotals(max(old.count + count, 0), max(old.value + value, 0), accumulator)
        return tuple(new)

    return replace(
        summary,
        burned=max(summary.burned + burned, 0), fees=max(summary.fees + fees, 0),
        outgoing=changed(summary.outgoing, outgoing), incoming=changed(summary.incoming, incoming),
    )


def try_to_apply(network, crosslink):
    """The reason of the refusal; None when the crosslink was recorded."""
    try:
        network.state = apply_crosslink(network.state, crosslink, network.parameters)
    except InvalidBlock as error:
        return error.reason
    return None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(values, values, changes, changes), min_size=1, max_size=12))
def test_a_corrupted_shard_takes_no_more_than_its_own_and_what_is_on_its_way_to_it(attacks):
    network = Network(shard_count=SHARDS)
    for source, destination, value in ((1, 0, 500), (1, 0, 700), (1, 2, 900), (2, 1, 40), (0, 2, 60)):
        network.shards[source].send(destination, value)
    network.extend(*(network.crosslink(shard) for shard in range(SHARDS)))
    start = network.state
    within_reach = start.shards[0].supply + sum(row[0] for row in start.in_flight)
    given_away = sum(start.in_flight[0]) + start.burned + start.fee_pool
    for attack in attacks:
        crosslink = network.crosslink(0, summary=corrupted(network.state.shards[0].summary, *attack))
        reason = try_to_apply(network, crosslink)
        assert reason in (None, BlockReason.CONTAINMENT)
        state = network.state
        assert imbalance(state) == 0
        assert state.shards[1:] == start.shards[1:]
        assert [row[1:] for row in state.in_flight[1:]] == [row[1:] for row in start.in_flight[1:]]
        assert state.shards[0].supply >= 0
        assert min(min(row) for row in state.in_flight) >= 0
        assert sum(state.in_flight[0]) + state.burned + state.fee_pool - given_away <= within_reach


def test_the_attacks_above_are_not_all_refused():
    network = Network(shard_count=SHARDS)
    network.shards[1].send(0, 500)
    network.extend(network.crosslink(1))
    accumulator = {1: (1, SUPPLY + 500, True)}
    summary = corrupted(network.state.shards[0].summary, 0, 0, accumulator, {})
    summary = replace(summary, incoming=(summary.incoming[0], network.state.recorded_out(1, 0), *summary.incoming[2:]))
    state = apply_crosslink(network.state, network.crosslink(0, summary=summary), network.parameters)
    assert (state.shards[0].supply, state.in_flight[0][1]) == (0, SUPPLY + 500)

from dataclasses import replace

import pytest

from consensus.beacon.building import build_crosslink, crosslink_is_work
from consensus.beacon.crosslinks import check_crosslink
from consensus.beacon.reference import shard_reference
from consensus.beacon.supply import supply_terms
from consensus.beacon.verifier import Verifier
from primitives.blocks import CHANNEL_CLOSED, RETURN_CHANNEL_CLOSED, ChannelTerms, SummaryChange
from primitives.errors import BlockReason, Fault, InvalidBlock
from primitives.hashing import keccak256
from primitives.receipts import EMPTY_CHANNEL, ChannelTotals
from primitives.votes import Instance, VoteKind
from tests.consensus.beacon.network import SUPPLY, Network, make_header


@pytest.fixture
def network():
    """300 wei in two receipts on the way from shard 0 to shard 1, in a network of three shards."""
    network = Network(shard_count=3, crosslink_gap_max=10, channel_backlog_max=4)
    network.shards[0].send(1, 100)
    network.shards[0].send(1, 200)
    network.extend(network.crosslink(0))
    return network


def refusal(network, *crosslinks):
    with pytest.raises(InvalidBlock) as caught:
        network.extend(*crosslinks)
    assert caught.value.fault is Fault.PEER
    return caught.value


def with_entry(summary, side, chain, **fields):
    entries = list(getattr(summary, side))
    entries[chain] = replace(entries[chain], **fields)
    return replace(summary, **{side: tuple(entries)})


def test_value_crosses_and_every_step_is_booked(network):
    state = network.state
    assert [r.supply for r in state.shards] == [SUPPLY - 300, SUPPLY, SUPPLY]
    assert state.in_flight[0][1] == supply_terms(state).in_flight == 300
    network.shards[1].take(network.shards[0], 1)
    network.shards[1].burn(7, fees=2)
    state = network.extend(network.crosslink(1))
    assert [r.supply for r in state.shards] == [SUPPLY - 300, SUPPLY + 100 - 9, SUPPLY]
    assert (state.in_flight[0][1], state.burned, state.fee_pool) == (200, 7, 2)
    network.shards[1].take(network.shards[0], 2)
    state = network.extend(network.crosslink(1))
    assert supply_terms(state).in_flight == 0
    assert state.shards[1].supply == network.shards[1].balance == SUPPLY + 291


def test_one_crosslink_covers_many_blocks(network):
    network.shards[2].burn(5)
    record = network.extend(network.crosslink(2, blocks=10)).shards[2]
    assert (record.height, record.supply, record.timestamp) == (10, SUPPLY - 5, make_header(2, 10, record.summary).timestamp)


def test_several_shards_in_one_block_come_by_rising_number(network):
    block = network.next_block((network.crosslink(2), network.crosslink(0)))
    assert [c.shard for c in block.crosslinks] == [0, 2]
    for wrong in (block.crosslinks[::-1], (block.crosslinks[0],) * 2):
        with pytest.raises(InvalidBlock) as caught:
            network.accept(replace(block, crosslinks=wrong))
        assert caught.value.reason is BlockReason.MALFORMED
    network.accept(block)


def test_value_sent_to_the_beacon_chain_stays_in_flight(network):
    network.shards[0].send(3, 40)
    state = network.extend(network.crosslink(0))
    assert state.in_flight[0][3] == 40
    assert state.shards[0].closed == (0, 0, 0, 1)


HEADER_FIELDS = (
    {"base_fee_per_gas": 1 << 128}, {"gas_limit": 1 << 63}, {"gas_used": 1 << 63}, {"timestamp": 1 << 63}, {"blocks": 11},
    {"requests_hash": b"\1" * 32},
)


@pytest.mark.parametrize("fields", HEADER_FIELDS, ids=str)
def test_header_out_of_bounds(network, fields):
    assert refusal(network, network.crosslink(2, **fields)).reason is BlockReason.BAD_CROSSLINK


def test_header_at_its_bounds(network):
    high = (1 << 63) - 1
    crosslink = network.crosslink(2, 10, base_fee_per_gas=(1 << 128) - 1, gas_limit=high, gas_used=high, timestamp=high)
    assert network.extend(crosslink).shards[2].base_fee == (1 << 128) - 1


def test_a_block_that_is_not_higher(network):
    crosslink = network.crosslink(0)
    stale = make_header(0, 1, network.shards[0].summary)
    stale = replace(crosslink, header=stale.encode(), finalization=network.finalization(stale, 0))
    assert refusal(network, stale).reason is BlockReason.BAD_CROSSLINK
    network.extend(crosslink)
    assert refusal(network, crosslink).reason is BlockReason.BAD_CROSSLINK


def test_what_is_no_header(network):
    crosslink, junk = network.crosslink(2), b"\xc1\x80"
    finalization = replace(crosslink.finalization, root=keccak256(junk))
    assert refusal(network, replace(crosslink, header=junk, finalization=finalization)).reason is BlockReason.BAD_CROSSLINK


def test_unknown_shard(network):
    crosslink = network.crosslink(2)
    for shard in (3, 4, 2**32 - 1):
        assert refusal(network, replace(crosslink, shard=shard)).reason is BlockReason.BAD_CROSSLINK


def test_finalization_of_another_instance(network):
    header = make_header(2, 1, network.shards[2].summary)
    for instance in (Instance(2, 1), Instance(1, 0), Instance(3, 0)):
        foreign = replace(network.crosslink(2), finalization=network.finalization(header, 2, instance=instance))
        assert refusal(network, foreign).reason is BlockReason.WRONG_INSTANCE


def reason_of(network, crosslink):
    """The reason, and that a proposer who asks first is told the same."""
    verifier = Verifier(network.scheme, network.genesis.root, network.parameters.fork_version)
    with pytest.raises(InvalidBlock) as caught:
        check_crosslink(network.state, crosslink, network.parameters, verifier)
    reason = refusal(network, crosslink).reason
    assert caught.value.reason is reason
    return reason


def test_finalization_that_does_not_hold(network):
    good, header = network.crosslink(2), make_header(2, 1, network.shards[2].summary)
    for finalization in (
        network.finalization(header, 2, voters=(0, 1)),
        network.finalization(header, 2, kind=VoteKind.NOTARIZE),
        network.finalization(make_header(2, 2, network.shards[2].summary), 2),
        replace(good.finalization, signature=b"\1" * 96),
        replace(good.finalization, view=9),
        replace(good.finalization, participation=(True, True, True)),
    ):
        assert reason_of(network, replace(good, finalization=finalization)) is BlockReason.BAD_CROSSLINK


def test_changes_that_are_listed_in_another_way(network):
    network.shards[0].send(1, 1)
    network.shards[0].send(2, 1)
    good = network.crosslink(0)
    first, second = good.outgoing
    unchanged = SummaryChange(0, EMPTY_CHANNEL)
    for outgoing in ((second, first), (first, first, second), (unchanged, first, second), (first,), (first, replace(second, chain=4))):
        assert refusal(network, replace(good, outgoing=outgoing)).reason is BlockReason.BAD_CROSSLINK
    assert refusal(network, replace(good, burned=1)).reason is BlockReason.BAD_CROSSLINK
    network.extend(good)


def contained(network, shard, summary):
    return refusal(network, network.crosslink(shard, summary=summary))


def test_no_total_decreases(network):
    network.shards[2].burn(5, fees=5)
    network.extend(network.crosslink(2))
    record = network.shards[2].summary
    for summary in (replace(record, burned=4), replace(record, fees=4)):
        assert contained(network, 2, summary).reason is BlockReason.CONTAINMENT
    sent = network.shards[0].summary
    for fields in ({"count": 1}, {"value": 299}, {"count": 3, "value": 299}, {"count": 1, "value": 300}):
        assert contained(network, 0, with_entry(sent, "outgoing", 1, **fields)).reason is BlockReason.CONTAINMENT


def test_no_channel_changes_without_a_receipt(network):
    sent = network.shards[0].summary
    for fields in ({"value": 301}, {"accumulator": b"\1" * 32}):
        assert "without a receipt" in contained(network, 0, with_entry(sent, "outgoing", 1, **fields)).message
        assert "without a receipt" in contained(network, 1, with_entry(network.shards[1].summary, "incoming", 0, **fields)).message


def test_no_channel_to_itself(network):
    for side in ("outgoing", "incoming"):
        summary = with_entry(network.shards[0].summary, side, 0, count=1, value=0, accumulator=b"\1" * 32)
        assert "itself" in contained(network, 0, summary).message


def test_nothing_is_taken_in_that_was_not_sent(network):
    empty = network.shards[1].summary
    assert "did not send" in contained(network, 1, with_entry(empty, "incoming", 0, count=3, value=300)).message
    assert "did not send" in contained(network, 1, with_entry(empty, "incoming", 2, count=1, value=1)).message
    assert "did not send" in contained(network, 1, with_entry(empty, "incoming", 3, count=1, value=1)).message


def test_all_that_was_sent_is_taken_in_as_it_was_sent(network):
    sent, empty = network.state.recorded_out(0, 1), network.shards[1].summary
    for wrong in ({"value": 299}, {"accumulator": b"\1" * 32}):
        fields = {"count": 2, "value": 300, "accumulator": sent.accumulator} | wrong
        assert "not what it sent" in contained(network, 1, with_entry(empty, "incoming", 0, **fields)).message


def test_no_more_value_is_taken_in_than_is_on_its_way(network):
    empty = network.shards[1].summary
    assert "on its way" in contained(network, 1, with_entry(empty, "incoming", 0, count=1, value=301)).message
    network.extend(network.crosslink(1, summary=with_entry(empty, "incoming", 0, count=1, value=300)))


@pytest.mark.parametrize("way", ["burned", "fees", "outgoing"])
def test_a_shard_spends_what_it_holds_and_not_a_wei_more(network, way):
    def spending(value):
        empty = network.shards[1].summary
        taken = with_entry(empty, "incoming", 0, count=1, value=300)
        if way == "outgoing":
            return with_entry(taken, "outgoing", 2, count=1, value=value)
        return replace(taken, **{way: value})

    assert "1 wei more than it holds" in contained(network, 1, spending(SUPPLY + 301)).message
    state = network.extend(network.crosslink(1, summary=spending(SUPPLY + 300)))
    assert [r.supply for r in state.shards] == [SUPPLY - 300, 0, SUPPLY]


def test_channels_close_over_the_backlog_and_open_below_half(network):
    for _ in range(2):
        network.shards[0].send(1, 1)
    assert network.extend(network.crosslink(0)).shards[0].closed == (0, 0, 0, 1)
    network.shards[0].send(1, 1)
    assert network.extend(network.crosslink(0)).shards[0].closed == (0, 1, 0, 1)
    network.shards[1].take(network.shards[0], 3)
    assert network.extend(network.crosslink(1)).shards[0].closed == (0, 1, 0, 1)
    network.shards[1].take(network.shards[0], 4)
    assert network.extend(network.crosslink(1)).shards[0].closed == (0, 0, 0, 1)


def test_what_a_shard_reads_of_a_beacon_block(network):
    for _ in range(3):
        network.shards[0].send(1, 1)
    state = network.extend(network.crosslink(0, base_fee_per_gas=55))
    reference = shard_reference(state, network.root, 0)
    assert (reference.root, reference.height, reference.epoch, reference.mix) == (network.root, 2, 0, state.mix)
    expected = (ChannelTerms(55, 0), ChannelTerms(10**9, CHANNEL_CLOSED), ChannelTerms(10**9, 0), ChannelTerms(0, CHANNEL_CLOSED))
    assert reference.terms == expected
    assert reference.inbound == (EMPTY_CHANNEL,) * 4
    back = shard_reference(state, network.root, 1)
    assert back.terms[0] == ChannelTerms(55, RETURN_CHANNEL_CLOSED), "its results would join what waits"
    inbound = back.inbound
    assert inbound == (network.shards[0].summary.outgoing[1], *(EMPTY_CHANNEL,) * 3)
    assert isinstance(inbound[0], ChannelTotals)
    assert inbound[0].count == 5


def test_only_what_is_new_becomes_a_crosslink(network):
    header = make_header(0, 1, network.shards[0].summary)
    assert build_crosslink(network.state, header.encode(), network.shards[0].summary, network.finalization(header, 0)) is None
    header = make_header(0, 2, network.shards[0].summary)
    other = network.finalization(header, 0, instance=Instance(0, 1))
    assert build_crosslink(network.state, header.encode(), network.shards[0].summary, other) is None
    assert network.crosslink(0).outgoing == network.crosslink(0).incoming == ()


def test_work_is_more_than_a_height(network):
    def is_work(shard, **fields):
        return crosslink_is_work(network.state, network.crosslink(shard, **fields))

    assert not is_work(0)
    assert not is_work(0, blocks=5, base_fee_per_gas=1)
    network.shards[0].burn(1)
    assert is_work(0)
    assert not is_work(1)
    network.shards[1].take(network.shards[0], 1)
    assert is_work(1)
    network.shards[2].send(0, 0)
    assert is_work(2)

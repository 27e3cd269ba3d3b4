"""Valid blocks that are not voted for (PROTOCOL 5): why, and that nobody is blamed."""

import dataclasses

import msgspec
import pytest

from node.core.effects import Now
from node.core.shard_chain import ShardOutcome
from node.core.tree import Held, Status
from primitives.blocks import ExtraData
from primitives.errors import BlockReason, Fault
from primitives.headers import ShardHeader
from primitives.receipts import EMPTY_CHANNEL, Bundle, CrossShardReceipt, ReceiptKind
from tests.node.support import make_core


@pytest.fixture
def core():
    core = make_core(Now(100_000, 1_000_000))
    core.start()
    return core


def executed(core, **changes):
    """A block on the genesis of shard 0, as if it had been executed."""
    chain = core.shards[0]
    genesis = chain.tree.head.outcome
    header = dataclasses.replace(
        ShardHeader.decode(genesis.result.header), number=1, parent_hash=chain.tree.head.info.root,
        extra_data=ExtraData(1, 0, 1, 0, changes.pop("missing", 0)).encode(), **changes,
    )  # fmt: skip
    outcome = ShardOutcome(msgspec.structs.replace(genesis.result, header=header.encode()), genesis.summary, 0)
    return chain, Held(chain.info_of(header), b"", Status.VALID, outcome)


def test_a_good_block_is_voted_for(core):
    chain, held = executed(core)
    assert chain.refusal(held) is None


def test_a_timestamp_ahead_of_the_clock(core):
    drift_ms = core.context.parameters.clock_drift_max_ms
    chain, held = executed(core, timestamp=1001)
    core.context.now = Now(100_000, 1_001_000 - drift_ms)
    assert chain.refusal(held) is None
    core.context.now = Now(100_000, 1_001_000 - drift_ms - 1)
    assert chain.refusal(held) is BlockReason.AHEAD_OF_CLOCK
    assert BlockReason.AHEAD_OF_CLOCK.fault is Fault.UNKNOWN


def test_a_beacon_block_ahead_of_the_clock(core):
    beacon = core.beacon
    block = beacon.tree.head
    core.context.now = Now(100_000, 0)
    assert beacon.refusal(block) is BlockReason.AHEAD_OF_CLOCK
    core.context.now = Now(100_000, 1_000_000)
    assert beacon.refusal(block) is None


def test_a_reference_that_lies_too_far_back(core):
    lag = core.context.parameters.reference_lag_max
    chain, held = executed(core)
    head = core.beacon.tree.head
    core.beacon.tree.head = dataclasses.replace(head, info=dataclasses.replace(head.info, height=lag))
    assert chain.refusal(held) is None
    core.beacon.tree.head = dataclasses.replace(head, info=dataclasses.replace(head.info, height=lag + 1))
    assert chain.refusal(held) is None, "the view began before the beacon chain went on"
    chain.on_view()
    assert chain.refusal(held) is BlockReason.REFERENCE_TOO_OLD
    assert BlockReason.REFERENCE_TOO_OLD.fault is Fault.UNKNOWN


def sent_at(channel, moments):
    """One receipt a moment is recorded as sent, and proven here, then."""
    for nonce, now_ms in enumerate(moments):
        receipt = CrossShardReceipt(1, 0, nonce, ReceiptKind.CREDIT, bytes(20), bytes(20), 1, 0, 0, bytes(20), b"")
        before = channel.target
        channel.advance_target(before.add([receipt], channel.chain_id_base), now_ms)
        assert channel.offer(Bundle(1, 0, nonce, before.accumulator, (receipt,)), now_ms)


def test_receipts_marked_missing_that_are_here(core):
    delta_ms = core.context.parameters.delta_ms
    chain, held = executed(core, missing=1 << 1)
    assert chain.refusal(held) is None
    sent_at(chain.inbound.channels[1], [100_000 - 4 * delta_ms + 1])
    assert chain.refusal(held) is None
    core.context.now = Now(200_000, 1_100_000)
    assert chain.refusal(held) is None, "the view began before they had been here for long"
    chain.on_view()
    assert chain.refusal(held) is BlockReason.CENSORS_RECEIPTS
    assert BlockReason.CENSORS_RECEIPTS.fault is Fault.UNKNOWN


def test_a_busy_source_is_passed_over_no_longer_than_a_quiet_one(core):
    delta_ms = core.context.parameters.delta_ms
    chain, held = executed(core, missing=1 << 1)
    channel = chain.inbound.channels[1]
    sent_at(channel, [100_000 - 4 * delta_ms, 99_990, 100_000])
    assert chain.refusal(held) is BlockReason.CENSORS_RECEIPTS
    incoming = list(held.outcome.summary.incoming)
    incoming[1] = EMPTY_CHANNEL.add(channel.available(0, 1), channel.chain_id_base)
    summary = dataclasses.replace(held.outcome.summary, incoming=tuple(incoming))
    with_the_first = dataclasses.replace(held, outcome=dataclasses.replace(held.outcome, summary=summary))
    assert chain.refusal(with_the_first) is None, "what it left out has been here for less"

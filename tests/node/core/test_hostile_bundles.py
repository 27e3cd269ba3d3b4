"""Bundles that are no good, by gossip and as answers, through the whole core: who is blamed for what, and that nothing is taken in.

What lacks is asked for again afterwards, and the right page is taken in once.
"""

from dataclasses import replace

import pytest

from node.core.effects import Ask, GossipReceived, Now, Observe, PeerConnected, Penalize, ReadOutgoing, ResponseReceived
from p2p.limits import GOSSIP_LIMITS
from p2p.messages import GOSSIP_BYTES_MAX, BundleByNonce, decode_gossip, decode_response
from p2p.topics import Topic, TopicKind
from primitives.errors import EncodingReason, Fault, InvalidEncoding, ReceiptsReason
from primitives.receipts import BUNDLE_RECEIPTS_MAX, RECEIPT_DATA_BYTES_MAX, Bundle
from tests.node.core.test_channels import RECEIPTS, page, receipt, totals
from tests.node.support import make_core

GOOD = page(0, 3)
FORGED = replace(GOOD, receipts=(receipt(0, 10**18), *RECEIPTS[1:3]))
WRONG_START = replace(GOOD, accumulator_before=b"\7" * 32)
SWAPPED = replace(GOOD, receipts=(RECEIPTS[1], RECEIPTS[0], RECEIPTS[2]))
CUT = replace(GOOD, receipts=RECEIPTS[:2])
DOUBLED = replace(GOOD, receipts=(RECEIPTS[0], *RECEIPTS[:2]))
STRETCHED = replace(GOOD, receipts=RECEIPTS[:4])
BAD = {
    "a receipt is another": (FORGED, ReceiptsReason.DOES_NOT_FOLD),
    "the accumulator before it is another": (WRONG_START, ReceiptsReason.DOES_NOT_FOLD),
    "receipts in another order": (SWAPPED, ReceiptsReason.NOT_CONTIGUOUS),
    "one receipt twice": (DOUBLED, ReceiptsReason.NOT_CONTIGUOUS),
    "later nonces for the same receipts": (replace(GOOD, first_nonce=1), ReceiptsReason.NOT_CONTIGUOUS),
    "a byte more at its end": (Bundle.decode(GOOD.encode() + b"\0"), ReceiptsReason.DOES_NOT_FOLD),
    "no receipt": (replace(GOOD, receipts=()), ReceiptsReason.EMPTY),
}
NOW = Now(2_000, 1_001_000)


@pytest.fixture
def core():
    """Shard 1 waits for receipts 0 to 2 of shard 0."""
    core = make_core()
    core.start()
    core.handle(PeerConnected("peer"), Now(1_000, 1_000_000))
    core.shards[1].inbound.channels[0].advance_target(totals(3), 1_500)
    return core


def gossip(core, bundle, topic=1):
    return core.handle(GossipReceived("peer", Topic(TopicKind.RECEIPTS, topic), bundle), NOW)


def answer(core, bundle, source=0):
    request = BundleByNonce(source, 1, 0, 3)
    core.context.effects.clear()
    core.context.want(("bundle", source, 1, 3), request, interval_ms=0)
    asked = next(effect.request_id for effect in core.context.effects if isinstance(effect, Ask) and effect.request == request)
    return core.handle(ResponseReceived(asked, bundle), NOW)


def blamed(effects):
    return [effect.reason for effect in effects if isinstance(effect, Penalize)]


def held(core):
    return core.shards[1].inbound.channels[0].available(0, 3)


@pytest.mark.parametrize("tell", [gossip, answer])
@pytest.mark.parametrize(("bundle", "reason"), BAD.values(), ids=BAD)
def test_a_bad_page_is_held_against_its_author_and_nothing_of_it_is_taken(core, tell, bundle, reason):
    effects = tell(core, bundle)
    assert blamed(effects) == [reason]
    assert reason.fault is Fault.PEER
    assert held(core) == ()
    assert core.shards[1].inbound.channels[0].gap() == (0, 3), "it is asked for again"
    assert blamed(tell(core, GOOD)) == []
    assert held(core) == RECEIPTS[:3]


@pytest.mark.parametrize("tell", [gossip, answer])
def test_a_page_that_comes_again_changes_nothing_and_is_nobody_s_fault(core, tell):
    tell(core, GOOD)
    channel = core.shards[1].inbound.channels[0]
    assert blamed(tell(core, GOOD)) == blamed(tell(core, page(1, 2))) == []
    assert held(core) == RECEIPTS[:3]
    channel.advance_base(totals(3))
    assert blamed(tell(core, GOOD)) == []
    assert channel.available(3, 3) == channel.available(0, 3) == (), "what was taken in does not come back"
    assert channel.gap() is None


def test_pages_in_another_order_are_taken_in_as_they_are_proven(core):
    channel = core.shards[1].inbound.channels[0]
    assert blamed(gossip(core, page(2, 3))) == blamed(gossip(core, page(1, 2))) == blamed(gossip(core, page(0, 1))) == []
    assert held(core) == RECEIPTS[:3]
    assert channel.gap() is None


@pytest.mark.parametrize(("bundle", "kept"), [(CUT, 1), (STRETCHED, 1)], ids=["too short", "too long"])
def test_a_page_whose_end_nobody_has_recorded_waits_and_is_judged_by_the_record(core, bundle, kept):
    assert blamed(gossip(core, bundle)) == []
    channel = core.shards[1].inbound.channels[0]
    assert (held(core), len(channel._pending)) == ((), kept)
    end = len(bundle.receipts)
    channel.advance_target(totals(max(4, end)), 2_500)
    assert channel.available(0, end) == (RECEIPTS[:4] if end == 4 else ())


def test_a_forged_page_that_waited_is_counted_and_the_gap_asked_for(core):
    longer = replace(STRETCHED, receipts=(receipt(0, 10**18), *RECEIPTS[1:4]))
    assert blamed(gossip(core, longer)) == []
    channel = core.shards[1].inbound.channels[0]
    channel.advance_target(totals(4), 2_500)
    assert (channel.forged, channel.gap(), held(core)) == (1, (0, 4), ())


@pytest.mark.parametrize(
    ("bundle", "topic"),
    [
        (replace(GOOD, source=9), 1), (replace(GOOD, source=2**32 - 1), 1), (replace(GOOD, source=1), 1),
        (replace(GOOD, destination=9), 1), (GOOD, 0), (replace(GOOD, source=1), 0),
    ],
    ids=["source that is no chain", "greatest source", "to itself", "destination that is no chain", "topic of another", "both"],
)  # fmt: skip
def test_a_page_of_a_shard_that_does_not_exist_or_of_another_topic_is_held_against_its_author(core, bundle, topic):
    assert blamed(gossip(core, bundle, topic)) == [ReceiptsReason.WRONG_CHANNEL]
    assert ReceiptsReason.WRONG_CHANNEL.fault is Fault.PEER
    assert held(core) == ()


@pytest.mark.parametrize("other", [replace(GOOD, source=2), replace(GOOD, source=9), replace(GOOD, destination=0)], ids=str)
def test_an_answer_of_another_channel_than_asked_for(core, other):
    assert blamed(answer(core, other)) == [ReceiptsReason.WRONG_CHANNEL]
    assert held(core) == ()


def test_a_wrong_page_of_an_own_executor_blames_nobody_and_is_asked_of_a_peer(core):
    inbound = core.shards[1].inbound
    core.context.effects.clear()
    inbound.fetch()
    assert [effect for effect in core.context.effects if isinstance(effect, ReadOutgoing)] == [ReadOutgoing(0, 1, 0, 3)]
    core.context.effects.clear()
    assert not inbound.read(0, FORGED)
    inbound.fetch()
    assert blamed(core.context.effects) == []
    assert [effect.request for effect in core.context.effects if isinstance(effect, Ask)] == [BundleByNonce(0, 1, 0, 3)]
    assert not any(isinstance(effect, Observe) and effect.name == "penalties" for effect in core.context.effects)


def test_cut_bytes_and_too_many_receipts_are_no_bundle():
    wire = GOOD.encode()
    for data in (wire[:-1], wire[: len(wire) // 2], wire[:8], b""):
        with pytest.raises(InvalidEncoding) as caught:
            decode_gossip(TopicKind.RECEIPTS, data)
        assert caught.value.fault is Fault.PEER
        if data:  # no bytes at all are the answer "not here"
            with pytest.raises(InvalidEncoding):
                decode_response(BundleByNonce(0, 1, 0, 3), data)
    assert decode_response(BundleByNonce(0, 1, 0, 3), b"") is None
    with pytest.raises(InvalidEncoding):
        decode_gossip(TopicKind.RECEIPTS, _encode_unchecked(BUNDLE_RECEIPTS_MAX + 1))
    assert len(decode_gossip(TopicKind.RECEIPTS, _encode_unchecked(BUNDLE_RECEIPTS_MAX)).receipts) == BUNDLE_RECEIPTS_MAX


def _encode_unchecked(count):
    """SSZ of a page of so many receipts, were there no bound: fixed part, offsets, receipts."""
    one = RECEIPTS[0].encode()
    offsets = b"".join((4 * count + len(one) * place).to_bytes(4, "little") for place in range(count))
    fixed = page(0, 1).encode()[:52]
    return fixed + offsets + one * count


def test_the_greatest_page_is_over_what_gossip_takes_and_comes_by_request():
    great = replace(RECEIPTS[0], data=b"\1" * RECEIPT_DATA_BYTES_MAX)
    bundle = Bundle(0, 1, 0, bytes(32), tuple(replace(great, nonce=nonce) for nonce in range(BUNDLE_RECEIPTS_MAX)))
    wire = bundle.encode()
    assert len(wire) > GOSSIP_BYTES_MAX == GOSSIP_LIMITS[TopicKind.RECEIPTS].bytes_max
    assert decode_response(BundleByNonce(0, 1, 0, BUNDLE_RECEIPTS_MAX), wire) == bundle
    assert EncodingReason.MALFORMED.fault is Fault.PEER

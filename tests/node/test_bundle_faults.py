"""What is done to pages of receipts on purpose: each kind, what it names, and its bounds."""

from contextlib import nullcontext

import msgspec
import pytest
import trio
import trio.testing

from node.bundle_faults import (
    CORRUPTED_TOLD_MAX,
    FAULTS_MAX,
    HELD_BUNDLES_MAX,
    Active,
    BundleFault,
    BundleFaults,
    FaultKind,
    Way,
    corrupted,
)
from node.bundle_gate import DELAYED_ANSWERS_MAX, BundleGate
from node.cluster.bundle_faults import KINDS, ChannelFault, describe
from node.cluster.layout import Layout, Options
from primitives.errors import InvalidReceipts, ReceiptsReason
from primitives.receipts import Bundle
from tests.node.core.test_channels import BASE, RECEIPTS, channel, page, totals

ONE, NEXT, THIRD = page(0, 2), page(2, 3), page(3, 4)


class Seen:
    def __init__(self):
        self.counts = {}

    def __call__(self, name, labels, value):
        key = labels.get("limit") or (labels["channel"], labels["fault"], labels["way"])
        self.counts[key] = self.counts.get(key, 0) + value


def fault(kind, seconds=10.0, **changes):
    return BundleFault(FaultKind(kind), 0, 1, seconds, **({"delay_ms": 500} if kind == "delay" and seconds else {}) | changes)


def faults(*begun):
    seen = Seen()
    made = BundleFaults(BASE, seen)
    for one in begun:
        assert made.begin(one, 0.0)
    return made, seen


def expecting():
    """A channel whose source has sent four receipts in three blocks."""
    inbound = channel()
    for count in (2, 3, 4):
        inbound.advance_target(totals(count), 0)
    return inbound


def test_every_kind_has_a_name_at_the_command_line():
    assert KINDS == tuple(FaultKind)


def test_nothing_is_altered_without_a_fault_or_after_its_time():
    made, seen = faults()
    assert (made.own(ONE, 0.0), made.answer(ONE, 0.0), made.may_push(ONE, 0.0)) == ((ONE,), (ONE, 0.0), True)
    made.begin(fault("drop", 5.0), 0.0)
    assert made.own(ONE, 4.9) == ()
    assert made.own(ONE, 5.0) == (ONE,)
    assert made.active(5.0) == []
    assert seen.counts == {("0:1", "drop", "own"): 1}


def test_a_dropped_page_comes_neither_from_the_executor_nor_from_a_peer():
    made, seen = faults(fault("drop"))
    assert made.own(ONE, 1.0) == ()
    assert made.answer(ONE, 1.0) == (None, 0.0)
    assert made.due(1e9) == []
    assert seen.counts == {("0:1", "drop", "own"): 1, ("0:1", "drop", "answer"): 1}
    assert made.active(1.0)[0].met == {Way.OWN: 1, Way.ANSWER: 1}


def test_a_held_page_comes_once_when_the_fault_ends_or_is_ended():
    for ends_by_order in (False, True):
        made, _ = faults(fault("hold"))
        assert made.own(ONE, 1.0) == made.own(NEXT, 2.0) == made.own(ONE, 3.0) == ()
        assert made.answer(ONE, 3.0) == (None, 0.0)
        assert made.next_due() == 10.0
        assert made.due(9.9) == []
        if ends_by_order:
            assert made.begin(fault("hold", 0.0), 4.0)
            assert made.next_due() == 4.0
        assert made.due(4.0 if ends_by_order else 10.0) == [ONE, NEXT]
        assert made.due(1e9) == []
        assert made.next_due() == float("inf")


def test_a_delayed_page_comes_later_and_never_after_the_end():
    made, _ = faults(fault("delay"))
    assert made.own(ONE, 1.0) == made.own(NEXT, 9.8) == ()
    assert made.due(1.4) == []
    assert made.due(1.5) == [ONE]
    assert made.due(9.9) == []
    assert made.due(10.0) == [NEXT]
    assert made.answer(ONE, 1.0) == (ONE, 0.5)
    told, seconds = made.answer(ONE, 9.75)
    assert (told, seconds) == (ONE, 0.25)


def test_pages_that_change_places_are_overtaken_by_the_next_one_or_come_at_the_end():
    made, _ = faults(fault("reorder"))
    assert made.own(ONE, 1.0) == ()
    assert made.own(ONE, 1.5) == (), "a page does not overtake itself"
    assert made.own(NEXT, 2.0) == (NEXT, ONE)
    assert made.own(THIRD, 3.0) == ()
    assert made.answer(THIRD, 3.0) == (THIRD, 0.0)
    assert made.due(10.0) == [THIRD]


def test_a_duplicate_comes_twice():
    made, _ = faults(fault("duplicate"))
    assert made.own(ONE, 1.0) == (ONE, ONE)
    assert made.answer(ONE, 1.0) == (ONE, 0.0)


def test_a_corrupted_page_is_well_formed_and_does_not_fold():
    wrong = corrupted(ONE)
    assert Bundle.decode(wrong.encode()) == wrong != ONE
    inbound = expecting()
    with pytest.raises(InvalidReceipts) as caught:
        inbound.offer(Bundle(0, 1, 3, wrong.accumulator_before, (corrupted(page(3, 4)).receipts[0],)), 0)
    assert caught.value.reason is ReceiptsReason.DOES_NOT_FOLD
    made, _ = faults(fault("corrupt"))
    assert made.own(ONE, 1.0) == (wrong,)


def test_few_wrong_pages_are_told_to_others():
    made, seen = faults(fault("corrupt"))
    assert made.may_push(corrupted(ONE), 1.0)
    answers = [made.answer(ONE, 1.0)[0] for _ in range(CORRUPTED_TOLD_MAX + 1)]
    assert answers == [corrupted(ONE)] * (CORRUPTED_TOLD_MAX - 1) + [None, None]
    assert not made.may_push(corrupted(ONE), 1.0)
    assert seen.counts["corrupted_told_max"] == 3


@pytest.mark.parametrize(
    ("named", "met"),
    [
        ({"first_nonce": 2, "last_nonce": 2}, [NEXT]), ({"first_nonce": 1}, [ONE, NEXT, THIRD]), ({"last_nonce": 1}, [ONE]),
        ({"receipt": "0x" + RECEIPTS[1].identity(BASE).hex()}, [ONE]), ({"source": 2}, []), ({"destination": 0}, []),
    ],
)  # fmt: skip
def test_only_what_is_named_is_met(named, met):
    one = msgspec.structs.replace(fault("drop"), **named)
    assert [bundle for bundle in (ONE, NEXT, THIRD) if one.meets(bundle, BASE)] == met


@pytest.mark.parametrize(
    "changes",
    [
        {"first_nonce": 2, "last_nonce": 1}, {"receipt": "0x12"}, {"receipt": "0x" + "A" * 64}, {"delay_ms": 5}, {"kind": "burn"},
        {"kind": "delay"}, {"seconds": -1}, {"seconds": 1e9}, {"source": -1}, {"delay_ms": 10**6, "kind": "delay"}, {"more": 1},
    ],
    ids=str,
)  # fmt: skip
def test_an_order_that_makes_no_sense_is_none(changes):
    order = {"kind": "drop", "source": 0, "destination": 1, "seconds": 5.0}
    assert msgspec.json.decode(msgspec.json.encode(order), type=BundleFault) == BundleFault(FaultKind.DROP, 0, 1, 5.0)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(order | changes), type=BundleFault)


def test_there_are_only_so_many_faults_and_a_second_of_a_kind_takes_the_place_of_the_first():
    made, seen = faults(*(BundleFault(FaultKind.DROP, 0, to, 10.0) for to in range(1, FAULTS_MAX + 1)))
    assert not made.begin(fault("hold"), 0.0)
    assert seen.counts == {"bundle_faults_max": 1}
    assert made.begin(fault("drop", 20.0), 1.0)
    assert len(made.active(1.0)) == FAULTS_MAX
    assert made.active(1.0)[-1] == Active(fault("drop", 20.0), 21.0)
    assert made.begin(fault("hold"), 11.0), "those whose time is over take no room"


def test_there_is_room_for_so_many_pages_and_the_next_is_dropped():
    made, seen = faults(fault("hold"))
    pages = [Bundle(0, 1, nonce, bytes(32), RECEIPTS[:1]) for nonce in range(HELD_BUNDLES_MAX + 1)]
    assert all(made.own(one, 1.0) == () for one in pages)
    assert seen.counts["held_bundles_max"] == 1
    assert made.due(10.0) == pages[:-1]


def test_whatever_met_a_page_each_receipt_is_taken_in_once_after_the_end():
    for kind in FaultKind:
        made, _ = faults(fault(kind))
        inbound, held = expecting(), []
        offers = [bundle for one in (ONE, NEXT, THIRD, ONE) for bundle in made.own(one, 1.0)] + made.due(10.0)
        for bundle in offers:
            with nullcontext() if kind is not FaultKind.CORRUPT else pytest.raises(InvalidReceipts, match="does_not_fold"):
                inbound.offer(bundle, 0)
        while (gap := inbound.gap()) is not None:  # what did not come is asked for, and nothing is in the way of it now
            held.append(gap)
            assert inbound.offer(*made.own(page(*gap), 10.0), 10)
        assert inbound.available(0, 4) == RECEIPTS[:4]
        assert bool(held) == (kind in (FaultKind.DROP, FaultKind.CORRUPT))


async def test_the_gate_hands_over_what_has_waited_and_delays_so_many_answers(autojump_clock):
    released, seen = [], Seen()

    async def release(bundle):
        released.append((trio.current_time() - began, bundle))

    gate = BundleGate(BASE, seen)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gate.run, release)
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        assert gate.begin(fault("hold", 2.0))
        assert gate.own(ONE) == ()
        await trio.sleep(1.5)
        assert released == []
        assert [(one["kind"], one["channel"], one["pages"]) for one in gate.report()] == [("hold", "0:1", {"own": 1})]
        await trio.sleep(1.0)
        assert [bundle for _, bundle in released] == [ONE]
        assert released[0][0] == pytest.approx(2.0, abs=0.01)
        assert gate.report() == []
        assert gate.begin(fault("delay"))
        answers = []

        async def ask():
            answers.append(await gate.answer(ONE))

        async with trio.open_nursery() as askers:
            for _ in range(DELAYED_ANSWERS_MAX + 1):
                askers.start_soon(ask)
        assert (answers.count(None), answers.count(ONE)) == (1, DELAYED_ANSWERS_MAX)
        assert seen.counts["delayed_answers_max"] == 1
        nursery.cancel_scope.cancel()


async def test_what_health_tells_names_what_the_order_names_and_no_margin(autojump_clock):
    gate = BundleGate(BASE, Seen())
    assert gate.begin(fault("drop", 60.0), 5.0)
    assert gate.begin(fault("delay", 60.0, first_nonce=160, last_nonce=170), 5.0)
    drop, delay = gate.report()
    assert (drop["nonces"], drop["seconds_left"]) == (None, 60.0)
    assert (delay["nonces"], delay["delay_ms"]) == ((160, 170), 500)
    assert describe(delay) == "delay by 500 ms on channel 0:1 with receipts 160 to 170, 60 s left, pages met: none"
    await trio.sleep(62)
    assert [one["seconds_left"] for one in gate.report()] == [0.0, 0.0]
    await trio.sleep(4)
    assert gate.report() == []


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ({"kind": "delay", "delay_ms": 800}, "pages of receipts of channel 0:1 come 800 ms later at node 1"),
        ({"kind": "drop", "first_nonce": 5, "last_nonce": 9}, "channel 0:1 with receipts 5 to 9 are dropped at node 1"),
        ({"kind": "drop", "first_nonce": 5, "last_nonce": 5}, "channel 0:1 with receipt 5 are dropped at node 1"),
        ({"kind": "hold", "receipt": "0x" + "ab" * 32}, f"channel 0:1 with receipt 0x{'ab' * 32} are held at node 1"),
    ],
)
def test_the_command_tells_all_that_it_was_told(named, told, tmp_path):
    assert ChannelFault(Layout(tmp_path), Options(), [1], {"source": 0, "destination": 1} | named).sentence.endswith(told)

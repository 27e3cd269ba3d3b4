"""Shard 0 is corrupted as a whole: it takes its supply and what is on its way to it, to the wei, and stops nobody else."""

from dataclasses import replace

import pytest

from consensus.beacon.building import build_crosslink
from primitives.callbacks import Outcome
from primitives.errors import BlockReason, InvalidBlock
from primitives.headers import ShardHeader
from primitives.receipts import EMPTY_CHANNEL, ChannelTotals, CrossShardReceipt, ReceiptKind, alias_of
from tests.shard.executor.support import GWEI, RICH, address
from tests.simulation.receipt_world import ANSWERING, PAYING, PLAIN, RECORDER, ReceiptWorld

THIEF = b"\xe7" * 20
GAS, CALLBACK_GAS = 100_000, 150_000


class CorruptedWorld(ReceiptWorld):
    """Shards 1 and 2 keep the rules; of shard 0 only what its committee signs is left."""

    withholds = False

    def forge(self, *receipts, **changed):
        """Shard 0 commits to receipts, and to a Summary with other `changed` fields."""
        record = self.state.shards[0]
        outgoing = list(record.summary.outgoing)
        for receipt in receipts:
            outgoing[receipt.destination] = outgoing[receipt.destination].add([receipt], self.base)
        summary = replace(record.summary, **({"outgoing": tuple(outgoing)} | changed))
        header = replace(
            ShardHeader.decode(self.executors[0].head().genesis_header), number=record.height + 1, requests_hash=summary.requests_hash()
        )
        self.extend(build_crosslink(self.state, header.encode(), summary, self.finalization(header, 0)))
        for receipt in receipts:
            self.sent[0, receipt.destination].append(receipt)

    def refused(self, *receipts, **changed):
        """Why the beacon chain does not record it; nothing moves."""
        before = self.state
        with pytest.raises(InvalidBlock) as caught:
            self.forge(*receipts, **changed)
        assert caught.value.reason is BlockReason.CONTAINMENT
        assert self.state is before
        return caught.value.message

    def receipt(self, kind=ReceiptKind.CREDIT, amount=0, to=THIEF, sender=THIEF, data=b"", gas=0, fee=0, nonce=0, destination=1):
        nonce += len(self.sent[0, destination])
        return CrossShardReceipt(0, destination, nonce, kind, sender, to, amount, gas, fee, THIEF, data)

    def incoming(self, source, totals):
        entries = list(self.state.shards[0].summary.incoming)
        entries[source] = totals
        return tuple(entries)

    def go_on(self, shard):
        self.extend_shard(shard)
        self.crosslink_shard(shard)

    def balance(self, shard, account):
        return self.executors[shard].account(account)[1]

    def _available(self, source, shard, taken, reference):
        if source:
            return super()._available(source, shard, taken, reference)
        return () if self.withholds else tuple(self.sent[0, shard][taken[0].count : reference.inbound[0].count])

    def _outcomes(self, shard):
        """Only results of calls that their source was sent."""
        found = {}
        for source in {0, 1, 2} - {shard}:
            asked = {receipt.identity(self.base) for receipt in self.sent[shard, source]}
            for receipt in self.delivered[source, shard]:
                outcome = self._outcome(receipt) if receipt.kind == ReceiptKind.RESULT else None
                if outcome is not None and outcome.call_id in asked:
                    found.setdefault(outcome.call_id, outcome)
        return found


@pytest.fixture
def world():
    """1000 wei are on their way from shard 1 to shard 0."""
    world = CorruptedWorld()
    world.extend_shard(1, [world.transaction(1, 0, 0, "transfer", 0, PLAIN, value=1000)])
    world.crosslink_shard(1)
    return world


def test_invented_value_ends_with_its_supply_and_what_was_on_its_way(world):
    supply = world.state.shards[0].supply
    taken = {"incoming": world.incoming(1, world.state.recorded_out(1, 0))}
    assert "1 wei more" in world.refused(world.receipt(amount=supply + 1001), **taken)
    world.forge(world.receipt(amount=supply + 1000), **taken)
    assert "1 wei more" in world.refused(world.receipt(amount=1))
    world.go_on(1)
    assert world.balance(1, THIEF) == supply + 1000
    assert (world.state.shards[0].supply, world.state.in_flight[0][1]) == (0, 0)
    assert [world.balance(shard, address(1)) for shard in (1, 2)] == [RICH, RICH]


def test_an_invented_sender_is_another_account(world):
    """Nothing of whom it names moves: a call acts as the alias, which holds nothing."""
    fee = 3 * GWEI * GAS
    world.forge(world.receipt(ReceiptKind.CALL, 50, ANSWERING, address(1), gas=GAS, fee=fee))
    world.go_on(1)
    assert world.balance(1, address(1)) == RICH
    assert world.executors[1].account(address(1))[0] == 0
    assert world.balance(1, ANSWERING) == 50
    assert world.balance(1, alias_of(0, address(1))) == 0
    assert world.sent[1, 0][-1].to == THIEF


@pytest.mark.parametrize(
    ("totals", "why"),
    [
        (ChannelTotals(2, 1000, b"\1" * 32), "did not send"),
        (ChannelTotals(1, 1001, b"\1" * 32), "not what it sent"),
        (ChannelTotals(1, 999, b"\1" * 32), "not what it sent"),
        (ChannelTotals(0, 1000, bytes(32)), "without a receipt"),
    ],
    ids=["skips", "too much", "too little", "no receipt"],
)
def test_a_moved_cursor_is_refused(world, totals, why):
    assert why in world.refused(incoming=world.incoming(1, totals))


def test_what_was_taken_in_is_not_taken_in_again(world):
    sent = world.state.recorded_out(1, 0)
    world.forge(incoming=world.incoming(1, sent))
    assert "decreases" in world.refused(incoming=world.incoming(1, EMPTY_CHANNEL))
    assert "did not send" in world.refused(incoming=world.incoming(1, ChannelTotals(2, 2000, b"\1" * 32)))
    assert world.state.in_flight[1][0] == 0


def test_totals_that_decrease_are_refused(world):
    world.forge(world.receipt(amount=10), burned=5, fees=5)
    for lower in ({"burned": 4}, {"fees": 4}, {"outgoing": (EMPTY_CHANNEL,) * 4}):
        assert "decrease" in world.refused(**lower)


def test_receipts_nobody_can_open_stop_only_themselves(world):
    """Their wei stay on the way; from shard 2 everything arrives, and shard 1 goes on."""
    world.withholds = True
    world.forge(world.receipt(amount=10))
    world.extend_shard(2, [world.transaction(2, 0, 0, "transfer", 1, PLAIN, value=77)])
    world.crosslink_shard(2)
    for _ in range(3):
        world.go_on(1)
    assert world.balance(1, PLAIN) == 77
    assert (world.state.in_flight[0][1], world.state.in_flight[2][1]) == (10, 0)


@pytest.mark.parametrize("amount", [4, 6, 2**200, 2**256 - 1])
def test_receipts_that_carry_another_sum_than_is_recorded_stop_only_themselves(world, amount):
    """5 wei are recorded as sent: nobody takes in 4, 6 or more for them, and from shard 2 everything arrives."""
    record, lie = world.state.shards[0], world.receipt(amount=amount)
    outgoing = list(record.summary.outgoing)
    outgoing[1] = replace(outgoing[1].add([lie], world.base), value=outgoing[1].value + 5)
    world.forge(outgoing=tuple(outgoing))
    world.sent[0, 1].append(lie)
    world.extend_shard(2, [world.transaction(2, 0, 0, "transfer", 1, PLAIN, value=77)])
    world.crosslink_shard(2)
    for _ in range(3):
        world.go_on(1)
    assert (world.balance(1, PLAIN), world.balance(1, THIEF)) == (77, 0)
    assert (world.state.in_flight[0][1], world.state.in_flight[2][1]) == (5, 0)


def call(world, destination):
    """A call with a callback from shard 1, recorded; its receipt."""
    value = 1000 + 3 * GWEI * (GAS + CALLBACK_GAS)
    arguments = (destination, PAYING, GAS, CALLBACK_GAS, PLAIN, b"")
    world.extend_shard(1, [world.transaction(1, 0, 0, "sendWithCallback", *arguments, to=RECORDER, value=value)])
    world.crosslink_shard(1)
    return world.sent[1, destination][-1]


def lie(world, called, amount=3, nonce=0):
    data = Outcome(called.identity(world.base), True, b"lie").encode()
    return world.receipt(ReceiptKind.RESULT, amount, RECORDER, data=data, gas=CALLBACK_GAS, nonce=nonce)


def test_a_result_of_a_call_to_another_shard_is_a_credit_and_no_more(world):
    called = call(world, 2)
    world.forge(lie(world, called))
    world.go_on(1)
    assert world.balance(1, THIEF) == 3
    assert world._awaited(1, called.identity(world.base)) is not None
    for shard in (2, 1):
        world.go_on(shard)
    assert world._awaited(1, called.identity(world.base)) is None


def test_a_result_told_twice_pays_the_escrow_once(world):
    called = call(world, 0)
    escrow = world._awaited(1, called.identity(world.base)).escrow
    before, burned = world.balance(1, PLAIN), world.state.shards[1].summary.burned
    world.forge(lie(world, called), lie(world, called, nonce=1))
    world.go_on(1)
    cost = world.state.shards[1].summary.burned - burned
    assert 0 < cost < escrow
    assert world.balance(1, PLAIN) - before == 3 + escrow - cost
    assert world.balance(1, THIEF) == 3, "the second is a credit for whom it names"


def test_a_result_brings_no_more_than_the_shard_holds(world):
    called = call(world, 0)
    held = world.state.shards[0].supply
    assert "1 wei more" in world.refused(lie(world, called, held + 1))
    world.forge(lie(world, called, held))
    world.go_on(1)
    assert world.state.shards[0].supply == 0

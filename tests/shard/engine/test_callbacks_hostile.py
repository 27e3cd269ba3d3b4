"""Callbacks against contracts and shards that mean harm: odd places, and what must not pass from one delivery to the next."""

from dataclasses import replace

import pytest

from primitives.hashing import keccak256
from primitives.receipts import CrossShardReceipt, ReceiptKind, alias_of
from shard import callbacks, system
from shard.contracts import BEACON_ROOTS, INBOX, OUTBOX, OUTBOX_CONTRACT, SYSTEM_ADDRESS
from shard.engine.reference.messages import created_address
from tests.shard.engine.callers import BURNING, RECORDING, caller
from tests.shard.engine.support import GWEI, Shard, address
from tests.shard.engine.test_callbacks import AMOUNT, CALLBACK_GAS, CALLEES, ESCROW, FEE, GAS, REFUND_TO, REFUSING, Crossing, word

BURNER, RECORDER, LEAKING, PERSON = (bytes([0xC1 + i]) * 20 for i in range(4))
# Counts up slot 0 of transient storage, and adds what it is then to its storage.
_LEAKING = caller(bytes.fromhex("5f5c6001015f5d" + "5f5c5f54015f5500"))
CONTRACTS = {
    BURNER: caller(BURNING),
    RECORDER: caller(RECORDING),
    LEAKING: _LEAKING,
    PERSON: b"\xef\1\0" + RECORDER,
}


@pytest.fixture
def crossing():
    return Crossing(Shard(CONTRACTS), Shard(CALLEES, shard=1))


def identity(receipt):
    return receipt.identity(735_700)


@pytest.mark.parametrize("place", [OUTBOX, INBOX, SYSTEM_ADDRESS, BEACON_ROOTS, b"\0" * 20, b"\3".rjust(20, b"\0"), RECORDER])
def test_what_is_left_may_go_anywhere(crossing, place):
    before = crossing.source.balance(place)
    receipt, back, outcome, _ = crossing.there_and_back(sender=RECORDER, to=REFUSING, refund_to=place)
    assert outcome.status == 1
    assert crossing.source.balance(place) == before + back.amount + ESCROW - outcome.gas_used * GWEI
    assert callbacks.read_awaited(lambda account, slot: word(crossing.source, account, slot), identity(receipt)) is None
    again = crossing.call(sender=RECORDER)
    assert crossing.deliver(crossing.source, crossing.answer(again)[1])[0].status == 1


def test_where_the_callback_ends_whom_it_is_paid_to_the_rest_of_the_escrow_stays(crossing):
    doomed = created_address(BURNER, 1)
    _, back, outcome, result = crossing.there_and_back(sender=BURNER, refund_to=doomed)
    assert outcome.status == 1
    assert result.burned == outcome.gas_used * GWEI + back.amount, "only what it held when it ended is gone"
    assert crossing.source.balance(doomed) == ESCROW - outcome.gas_used * GWEI
    account = crossing.source.engine.account(crossing.source.root, doomed)
    assert (account.nonce, crossing.source.engine.code(crossing.source.root, doomed)) == (0, b"")


def test_a_person_with_a_delegation_is_called_with_the_code_of_then(crossing):
    receipt, _, outcome, _ = crossing.there_and_back(sender=PERSON)
    assert (outcome.status, word(crossing.source, PERSON, 0)) == (1, int.from_bytes(identity(receipt), "big"))
    assert word(crossing.source, RECORDER, 0) == 0


def test_nothing_of_one_callback_is_seen_by_the_next_of_its_block(crossing):
    receipts = [crossing.call(sender=LEAKING) for _ in range(3)]
    backs = [crossing.answer(receipt)[1] for receipt in receipts]
    block = crossing.source.begin()
    outcomes = [block.deliver(back) for back in backs]
    crossing.source.finish(block)
    crossing.source.audit()
    assert [outcome.status for outcome in outcomes] == [1, 1, 1]
    assert word(crossing.source, LEAKING, 0) == 3, "transient storage begins anew"
    assert outcomes[1].gas_used == outcomes[2].gas_used, "and so does warmth"


def test_two_results_of_one_call_in_a_block_close_it_once(crossing):
    receipt = crossing.call(sender=RECORDER, refund_to=REFUND_TO)
    _, back = crossing.answer(receipt)
    lie = replace(back, nonce=1, data=back.data[:32] + b"\0", refund_to=REFUND_TO)
    block = crossing.source.begin()
    first, second = block.deliver(back), block.deliver(lie)
    crossing.source.finish(block)
    crossing.source.audit()
    assert (first.status, second.status, second.logs) == (1, 0, ())
    assert crossing.source.balance(REFUND_TO) == 2 * back.amount + ESCROW - first.gas_used * GWEI
    assert crossing.source.balance(OUTBOX) == 0


def test_a_result_that_is_there_before_its_call_answers_nothing(crossing):
    block = crossing.source.begin()
    call = OUTBOX_CONTRACT.encode_call("sendWithCallback", 1, REFUSING, GAS, CALLBACK_GAS, RECORDER, b"")
    receipt = CrossShardReceipt(
        0, 1, 0, ReceiptKind.CALL_WITH_CALLBACK, RECORDER, REFUSING, AMOUNT, GAS, FEE, RECORDER, CALLBACK_GAS.to_bytes(8, "big")
    )
    early = CrossShardReceipt(1, 0, 0, ReceiptKind.RESULT, OUTBOX, RECORDER, 5, 10**6, 0, REFUND_TO, identity(receipt) + b"\1")
    assert block.deliver(early).status == 0
    sent = crossing.source.send(block, 0, RECORDER, AMOUNT + FEE + ESCROW, call)
    crossing.source.finish(block)
    crossing.source.audit()
    assert sent.logs[0].topics[1] == identity(receipt)
    assert (crossing.source.balance(REFUND_TO), crossing.source.balance(OUTBOX)) == (5, ESCROW)
    _, back = crossing.answer(receipt)
    assert crossing.deliver(crossing.source, replace(back, nonce=1))[0].status == 1


def test_an_alias_that_calls_outbox_gets_a_callback_that_runs_nothing(crossing):
    """A call into Outbox itself: its value leaves for the other shard, and the result of each goes its way."""
    alias, there = alias_of(1, address(0)), alias_of(0, alias_of(1, address(0)))
    call = OUTBOX_CONTRACT.encode_call("sendWithCallback", 1, REFUSING, 30_000, 21_000, alias, b"")
    value = AMOUNT + 2 * (30_000 + 21_000) * GWEI
    into = CrossShardReceipt(
        1, 0, 0, ReceiptKind.CALL_WITH_CALLBACK, address(0), OUTBOX, value, 300_000, 600_000 * GWEI, address(0),
        (30_000).to_bytes(8, "big") + call,
    )  # fmt: skip
    outcome, result = crossing.deliver(crossing.source, into)
    onward, told = (system.receipt_of_log(log, 0) for log in outcome.logs)
    assert (onward.kind, onward.sender, told.kind, told.to) == (3, alias, 4, address(0))
    assert told.data == identity(into) + b"\1" + identity(onward)
    assert result.sent == onward.amount + onward.fee + told.amount
    assert crossing.source.balance(OUTBOX) == 2 * 21_000 * GWEI
    ran, back = crossing.answer(onward)
    assert (ran.sender, back.to) == (there, alias)
    last, _ = crossing.deliver(crossing.source, replace(back, nonce=1))
    assert (last.status, last.gas_used, crossing.source.balance(OUTBOX)) == (1, 21_000, 0)
    assert crossing.source.balance(alias) == back.amount + 21_000 * GWEI


@pytest.mark.parametrize("call_id", [bytes(32), b"\xff" * 32, (7).to_bytes(32, "big"), keccak256(b"\x07".rjust(32, b"\0"))])
def test_no_id_reaches_other_storage_of_outbox(crossing, call_id):
    crossing.call(sender=RECORDER)
    slots = range(4 * 64 + 16)
    before = [word(crossing.source, OUTBOX, slot) for slot in slots]
    forged = CrossShardReceipt(1, 0, 0, ReceiptKind.RESULT, OUTBOX, RECORDER, 5, 10**6, 0, REFUND_TO, call_id + b"\1")
    outcome, _ = crossing.deliver(crossing.source, forged)
    assert (outcome.status, crossing.source.balance(REFUND_TO)) == (0, 5)
    assert [word(crossing.source, OUTBOX, slot) for slot in slots] == before

"""Inbound receipts: credits, calls in every way they can end, and that no wei comes or goes."""

import pytest

from primitives.receipts import EMPTY_CHANNEL, CrossShardReceipt, ReceiptKind, alias_of
from shard import system
from shard.contracts import OUTBOX, OUTBOX_CONTRACT
from shard.engine.reference import messages
from shard.engine.reference.delivery import _send_back
from tests.shard.engine.support import GWEI, Shard

SENDER, REFUND_TO = b"\xb0" * 20, b"\xfe" * 20
# CALLDATALOAD picks nothing: caller, origin, value, gas price; log0
RECORDER = b"\xa0" * 20
REVERTER = b"\xa1" * 20
PAYER = b"\xa2" * 20  # half of the value back to the caller
BOMB = b"\xa3" * 20  # CREATE(value, 30ff)
CREATOR = b"\xa4" * 20
CODES = {
    RECORDER: bytes.fromhex("335f5532600155346002553a6003555f5fa000"),
    REVERTER: bytes.fromhex("60015f555f5fa05f5ffd"),
    PAYER: bytes.fromhex("5f5f5f5f3460029004335af100"),
    BOMB: bytes.fromhex("6130ff5f526002601e34f000"),
    CREATOR: bytes.fromhex("5f5f5ff05f5500"),
}
GAS = 200_000
TYPE = 0x7D


@pytest.fixture
def shard():
    return Shard(CODES)


def receipt(to, amount=5, kind=ReceiptKind.CALL, gas_limit=GAS, per_gas=3 * GWEI, data=b"", source=1, nonce=0):
    return CrossShardReceipt(source, 0, nonce, kind, SENDER, to, amount, gas_limit, per_gas * gas_limit, REFUND_TO, data)


def deliver(shard, message):
    block = shard.begin()
    outcome = block.deliver(message)
    result = shard.finish(block)
    assert result.taken_in == message.amount + message.fee
    assert result.summary.incoming[message.source] == EMPTY_CHANNEL.add([message], shard.parameters.chain_id_base)
    assert outcome.type == outcome.receipt[0] == outcome.raw[0] == TYPE
    assert outcome.hash == message.identity(shard.parameters.chain_id_base)
    assert shard.engine.account(shard.root, alias_of(message.source, SENDER)).nonce == 0
    shard.audit()
    return outcome, result


def sent_back(shard, result, outcome):
    credit = system.receipt_of_log(outcome.logs[-1], 0)
    assert result.summary.outgoing[1] == EMPTY_CHANNEL.add([credit], shard.parameters.chain_id_base)
    assert result.sent == credit.amount
    assert (credit.kind, credit.to, credit.sender) == (ReceiptKind.CREDIT, REFUND_TO, OUTBOX)
    return credit.amount


def test_credit(shard):
    outcome, result = deliver(shard, receipt(b"\x99" * 20, 77, ReceiptKind.CREDIT, gas_limit=9, per_gas=1))
    assert (outcome.status, outcome.gas_used, outcome.effective_gas_price, outcome.logs) == (1, 21_000, 0, ())
    assert shard.balance(b"\x99" * 20) == 77 + 9
    assert result.burned == 0


def test_credit_of_nothing_leaves_no_account(shard):
    deliver(shard, receipt(b"\x99" * 20, 0, ReceiptKind.CREDIT, gas_limit=0))
    assert b"\x99" * 20 not in {a for a in shard.begin().finish().accounts}


def test_call_runs_as_the_alias_and_the_unused_fee_goes_home(shard):
    message = receipt(RECORDER)
    outcome, result = deliver(shard, message)
    alias = int.from_bytes(alias_of(1, SENDER), "big")
    assert [shard.engine.storage(shard.root, RECORDER, i) for i in range(4)] == [alias, alias, 5, GWEI]
    assert (outcome.status, outcome.sender, len(outcome.logs)) == (1, alias_of(1, SENDER), 2)
    assert sent_back(shard, result, outcome) == message.fee - outcome.gas_used * GWEI
    assert result.burned == outcome.gas_used * GWEI
    assert shard.balance(RECORDER) == 5


def test_call_with_the_unused_fee_paid_here(shard):
    message = receipt(RECORDER, kind=ReceiptKind.CALL_REFUND_THERE)
    outcome, result = deliver(shard, message)
    assert (len(outcome.logs), result.sent) == (1, 0)
    assert shard.balance(REFUND_TO) == message.fee - outcome.gas_used * GWEI


@pytest.mark.parametrize("kind", [ReceiptKind.CALL, ReceiptKind.CALL_REFUND_THERE])
def test_a_failing_call_is_undone_and_refunded_to_the_source(shard, kind):
    message = receipt(REVERTER, kind=kind)
    outcome, result = deliver(shard, message)
    assert (outcome.status, len(outcome.logs)) == (0, 1)
    assert shard.engine.storage(shard.root, REVERTER, 0) == 0
    assert sent_back(shard, result, outcome) == 5 + message.fee - outcome.gas_used * GWEI


def test_out_of_gas_burns_the_whole_fee_at_the_base_fee(shard):
    message = receipt(RECORDER, gas_limit=23_000)
    outcome, result = deliver(shard, message)
    assert (outcome.status, outcome.gas_used, result.burned) == (0, 23_000, 23_000 * GWEI)
    assert sent_back(shard, result, outcome) == 5 + message.fee - 23_000 * GWEI


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": 9},
        {"gas_limit": 0},
        {"gas_limit": 20_999},
        {"gas_limit": 1_000_001},
        {"per_gas": GWEI // 8 - 1},
        {"data": b"\1" * 4000, "gas_limit": 21_000 + 16 * 4000},
    ],
)
def test_what_does_not_run_pays_nothing_and_goes_back_whole(shard, changes):
    message = receipt(RECORDER, **changes)
    outcome, result = deliver(shard, message)
    assert (outcome.status, outcome.gas_used, result.burned, len(outcome.logs)) == (0, 21_000, 0, 1)
    assert sent_back(shard, result, outcome) == 5 + message.fee
    assert shard.engine.storage(shard.root, RECORDER, 0) == 0


def test_a_call_from_the_beacon_does_not_run(shard):
    message = receipt(RECORDER, source=3)
    outcome, result = deliver(shard, message)
    assert outcome.status == 0
    assert result.summary.outgoing[3].value == 5 + message.fee


def test_a_cheap_call_runs_at_what_it_offers(shard):
    outcome, result = deliver(shard, receipt(RECORDER, per_gas=GWEI // 8))
    assert (outcome.status, outcome.effective_gas_price) == (1, GWEI // 8)
    assert result.burned == outcome.gas_used * (GWEI // 8)


def test_what_the_callee_pays_back_goes_home_with_the_fee(shard):
    message = receipt(PAYER, 50)
    outcome, result = deliver(shard, message)
    assert sent_back(shard, result, outcome) == message.fee - outcome.gas_used * GWEI + 25
    assert shard.balance(alias_of(1, SENDER)) == 0
    assert shard.balance(PAYER) == 25


def test_creation_and_destruction_within_a_call(shard):
    assert deliver(shard, receipt(CREATOR))[0].status == 1
    outcome, result = deliver(Shard(CODES), receipt(BOMB, 40))
    assert outcome.status == 1
    assert result.burned == outcome.gas_used * GWEI + 40


def test_a_call_can_send_on(shard):
    message = receipt(OUTBOX, 9, data=OUTBOX_CONTRACT.encode_call("transfer", 2, SENDER))
    outcome, result = deliver(shard, message)
    assert outcome.status == 1
    onward = system.receipt_of_log(outcome.logs[0], 0)
    assert (onward.destination, onward.sender, onward.amount) == (2, alias_of(1, SENDER), 9)
    assert result.summary.outgoing[2].value == 9


def test_an_alias_cannot_refund(shard):
    assert deliver(shard, receipt(OUTBOX, 9, data=OUTBOX_CONTRACT.encode_call("refund", 2, SENDER)))[0].status == 0


def test_native_refunds_write_what_the_contract_would(shard):
    message, parameters = receipt(REVERTER), shard.parameters
    native, contract = (shard.engine._state(shard.root, shard.context()) for _ in range(2))
    for amount in (5, 1, 10**30):
        logs = _send_back(native, message, amount, parameters, 0)
        assert logs == messages.system_call(contract, OUTBOX, system.refund_call(1, REFUND_TO), amount)
    native.accounts.end_transaction()
    assert native.accounts.commit({}) == contract.accounts.commit({})


def test_receipts_come_before_and_beside_user_transactions(shard):
    block = shard.begin()
    first = block.deliver(receipt(RECORDER, nonce=0))
    second = block.deliver(receipt(REVERTER, nonce=1))
    user = shard.outbox(block, "transfer", 1, SENDER, value=3)
    result = shard.finish(block)
    assert result.outcomes == (first, second, user)
    assert user.cumulative_gas_used == first.gas_used + second.gas_used + user.gas_used
    credits = [system.receipt_of_log(log, 0) for o in result.outcomes for log in o.logs]
    sent = [c for c in credits if c is not None]
    assert [c.nonce for c in sent] == [0, 1, 2]
    assert result.summary.outgoing[1] == EMPTY_CHANNEL.add(sent, shard.parameters.chain_id_base)
    shard.audit()

"""Destinations that behave badly, under every kind of call: the exact outcome, and that no wei comes or goes."""

from dataclasses import replace

import pytest

from primitives.receipts import CALL_KINDS, CrossShardReceipt, ReceiptKind, alias_of
from shard import system
from shard.contracts import OUTBOX, OUTBOX_CONTRACT
from tests.shard.engine.callers import SINK, caller
from tests.shard.engine.support import GWEI, Shard

SENDER, REFUND_TO, PLAIN = b"\xb0" * 20, b"\xfe" * 20, b"\x99" * 20
REVERTING, SPINNING, LEAVING, FORWARDING, INVALID = (bytes([0xA0 + i]) * 20 for i in range(5))
CODES = {
    REVERTING: bytes.fromhex("60015f555f5ffd"),
    SPINNING: bytes.fromhex("5b5f56"),
    LEAVING: bytes.fromhex("73" + SINK.hex() + "ff"),
    FORWARDING: caller(b"\x00"),
    INVALID: b"\xfe",
}
GAS, AMOUNT = 200_000, 50
FEE = 3 * GWEI * GAS
KINDS = sorted(CALL_KINDS)


def call(to, kind, data=b"", refund_to=REFUND_TO, gas_limit=GAS):
    head = (30_000).to_bytes(8, "big") if kind == ReceiptKind.CALL_WITH_CALLBACK else b""
    return CrossShardReceipt(1, 0, 0, kind, SENDER, to, AMOUNT, gas_limit, 3 * GWEI * gas_limit, refund_to, head + data)


def deliver(shard, message):
    """What happened, and what came back in a receipt."""
    block = shard.begin()
    outcome = block.deliver(message)
    result = shard.finish(block)
    shard.audit()
    assert result.burned == outcome.gas_used * outcome.effective_gas_price
    back = [receipt for receipt in map(lambda log: system.receipt_of_log(log, 0), outcome.logs) if receipt and receipt.sender == OUTBOX]
    return outcome, back


@pytest.fixture
def shard():
    return Shard(CODES)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("to", "burns_all"), [(REVERTING, False), (SPINNING, True), (INVALID, True)])
def test_what_fails_brings_amount_and_unused_fee_home(shard, kind, to, burns_all):
    outcome, (back,) = deliver(shard, call(to, kind))
    assert (outcome.status, outcome.gas_used == GAS) == (0, burns_all)
    assert (back.destination, back.refund_to if kind == ReceiptKind.CALL_WITH_CALLBACK else back.to) == (1, REFUND_TO)
    assert back.amount == AMOUNT + FEE - outcome.gas_used * GWEI
    assert shard.balance(to) == 0
    assert shard.engine.storage(shard.root, to, 0) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_destination_that_destroys_itself_pays_its_heir(shard, kind):
    outcome, back = deliver(shard, call(LEAVING, kind))
    unused = FEE - outcome.gas_used * GWEI
    assert (outcome.status, shard.balance(SINK), shard.balance(LEAVING)) == (1, AMOUNT, 0)
    assert [receipt.amount for receipt in back] == ([] if kind == ReceiptKind.CALL_REFUND_THERE else [unused])
    assert shard.balance(REFUND_TO) == (unused if kind == ReceiptKind.CALL_REFUND_THERE else 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_destination_may_send_on_through_outbox(shard, kind):
    """Its receipt comes first, under its own name; what is left of the fee follows."""
    outcome, back = deliver(shard, call(FORWARDING, kind, OUTBOX_CONTRACT.encode_call("transfer", 2, PLAIN)))
    onward = system.receipt_of_log(outcome.logs[0], 0)
    assert outcome.status == 1
    assert (onward.sender, onward.destination, onward.to, onward.amount) == (FORWARDING, 2, PLAIN, AMOUNT)
    assert (shard.balance(FORWARDING), shard.balance(OUTBOX)) == (0, 0)
    assert len(back) == (kind != ReceiptKind.CALL_REFUND_THERE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("refund", (1, PLAIN)), ("result", (1, PLAIN, 0, PLAIN, bytes(33))), ("close", (bytes(32),)), ("fail", (bytes(32), bytes(32))),
        ("begin", ([1], [0])), ("end", (0, 0)),
    ],
)  # fmt: skip
def test_what_only_the_system_may_ask_of_outbox_fails_and_goes_home(shard, kind, method, arguments):
    outcome, (back,) = deliver(shard, call(FORWARDING, kind, OUTBOX_CONTRACT.encode_call(method, *arguments)))
    assert outcome.status == 0
    assert back.amount == AMOUNT + FEE - outcome.gas_used * GWEI
    assert (shard.balance(FORWARDING), shard.balance(OUTBOX), shard.balance(alias_of(1, SENDER))) == (0, 0, 0)


def test_a_refund_needs_no_consent(shard):
    """A contract that rejects all it is called with is credited: no code runs."""
    outcome, back = deliver(shard, call(PLAIN, ReceiptKind.CALL_REFUND_THERE, refund_to=REVERTING))
    assert (outcome.status, back) == (1, [])
    assert shard.balance(REVERTING) == FEE - outcome.gas_used * GWEI
    credit = replace(call(REVERTING, ReceiptKind.CREDIT), nonce=1, fee=0)
    before = shard.balance(REVERTING)
    assert deliver(shard, credit)[0].status == 1
    assert shard.balance(REVERTING) == before + AMOUNT


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("size", "status"), [(100, 1), (101, 0)])
def test_data_over_the_limit_is_not_run_and_goes_home_whole(kind, size, status):
    shard = Shard(CODES, data_max=100)
    head = 8 if kind == ReceiptKind.CALL_WITH_CALLBACK else 0
    outcome, back = deliver(shard, call(PLAIN, kind, bytes(size - head)))
    assert outcome.status == status
    assert shard.balance(PLAIN) == (AMOUNT if status else 0)
    if not status:
        assert (outcome.gas_used, [receipt.amount for receipt in back]) == (21_000, [AMOUNT + FEE])

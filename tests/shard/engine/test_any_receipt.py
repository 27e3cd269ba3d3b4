"""Delivery is total: whatever a corrupted source wrote, every receipt is delivered, and no wei comes or goes."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from primitives.callbacks import Outcome
from primitives.receipts import CrossShardReceipt, ReceiptKind
from shard import system
from shard.contracts import INBOX, OUTBOX, OUTBOX_CONTRACT, SYSTEM_ADDRESS
from shard.inbound import counted_gas
from tests.shard.engine.callers import ENDLESS, RECORDING, caller, onward
from tests.shard.engine.support import GWEI, Shard, address
from tests.shard.engine.test_delivery import BOMB, CODES, CREATOR, PAYER, RECORDER, REVERTER

DELEGATED, LOOP, NESTED = b"\xd7" * 20, b"\xd8" * 20, b"\xd9" * 20
GONE = b"\xdd" * 20
CALLING, FAILING, GOING_ON = b"\xda" * 20, b"\xdb" * 20, b"\xdc" * 20
SHARD = Shard({
    **CODES,
    CALLING: caller(RECORDING),
    FAILING: caller(ENDLESS),
    GOING_ON: caller(onward(1, RECORDER, 25_000, 25_000, GONE)),
    DELEGATED: b"\xef\1\0" + RECORDER,
    LOOP: bytes.fromhex("5b5f56"),
    NESTED: bytes.fromhex("5f5f5f5f5f305af1" * 3),
})  # fmt: skip
PLACES = (
    b"\0" * 20, RECORDER, REVERTER, PAYER, BOMB, CREATOR, DELEGATED, LOOP, NESTED, OUTBOX, INBOX, SYSTEM_ADDRESS, address(0),
    *(number.to_bytes(20, "big") for number in range(1, 0x13)),
)  # fmt: skip
SYSTEM_CALLS = (
    OUTBOX_CONTRACT.encode_call("transfer", 2, RECORDER),
    OUTBOX_CONTRACT.encode_call("send", 1, RECORDER, 1, 50_000, RECORDER, b"\1"),
    OUTBOX_CONTRACT.encode_call("refund", 2, RECORDER),
    OUTBOX_CONTRACT.encode_call("end", 7, 7),
)


def _await_callbacks():
    """Calls to shard 1 whose results may be forged; their ids."""
    block = SHARD.begin()
    call = OUTBOX_CONTRACT.encode_call("sendWithCallback", 1, RECORDER, 25_000, 250_000, GONE, b"")
    sent = [SHARD.send(block, 0, sender, 10**15, call) for sender in (CALLING, FAILING, GOING_ON)]
    SHARD.finish(block)
    return [outcome.logs[0].topics[1] for outcome in sent]


AWAITED = _await_callbacks()
outcomes = st.builds(Outcome, st.sampled_from(AWAITED) | st.binary(min_size=32, max_size=32), st.booleans(), st.binary(max_size=1030))
accounts = st.sampled_from(PLACES) | st.binary(min_size=20, max_size=20)
wei = st.sampled_from([0, 1, 10**18]) | st.integers(0, 10**30)
gases = st.sampled_from([0, 20_999, 250_000, 21_000, 60_000, 10**6, 10**6 + 1, 2**64 - 1]) | st.integers(21_000, 200_000)
data = outcomes.map(Outcome.encode) | st.sampled_from(SYSTEM_CALLS) | st.binary(max_size=300) | st.sampled_from([bytes(4096), b"\1" * 4096])
receipts = st.builds(
    CrossShardReceipt, source=st.integers(1, 3), destination=st.just(0), nonce=st.just(0), kind=st.integers(0, 5) | st.integers(0, 255),
    sender=accounts, to=accounts, amount=wei, gas_limit=gases, fee=wei | st.integers(1, 200_000).map(lambda gas: gas * GWEI),
    refund_to=accounts, data=data,
)  # fmt: skip


def numbered(sent):
    nonces = {source: itertools.count() for source in range(1, 4)}
    return [CrossShardReceipt(**{name: getattr(r, name) for name in r.__slots__} | {"nonce": next(nonces[r.source])}) for r in sent]


@settings(max_examples=150, deadline=None)
@given(st.lists(receipts, min_size=1, max_size=4).map(numbered))
def test_every_receipt_is_delivered_and_everything_adds_up(sent):
    block = SHARD.begin()
    delivered = [block.deliver(receipt) for receipt in sent]
    result = block.finish()
    assert result.imbalance == 0
    assert result.taken_in == sum(receipt.amount + receipt.fee for receipt in sent)
    assert [outcome.hash for outcome in delivered] == [receipt.identity(SHARD.parameters.chain_id_base) for receipt in sent]
    for receipt, outcome in zip(sent, delivered, strict=True):
        assert outcome.gas_used <= counted_gas(receipt, SHARD.parameters.receipt_gas_max)
        if receipt.kind == ReceiptKind.CREDIT:
            assert (outcome.status, outcome.gas_used, outcome.effective_gas_price, outcome.logs) == (1, 21_000, 0, ())
        elif receipt.kind == ReceiptKind.RESULT:
            assert outcome.status or [log.topics[1] for log in outcome.logs] in ([], [receipt.data[:32]])
        elif outcome.status == 0:
            back = receipt.amount + receipt.fee - outcome.gas_used * outcome.effective_gas_price
            credits = [system.receipt_of_log(log, 0) for log in outcome.logs]
            tells = receipt.kind == ReceiptKind.CALL_WITH_CALLBACK
            wanted = [(receipt.source, receipt.sender if tells else receipt.refund_to, back)] if back or tells else []
            assert [(credit.destination, credit.to, credit.amount) for credit in credits] == wanted

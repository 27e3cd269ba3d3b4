"""Delivery is total: whatever a corrupted source wrote, every receipt is delivered, and no wei comes or goes."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from primitives.receipts import CrossShardReceipt, ReceiptKind
from shard import system
from shard.contracts import INBOX, OUTBOX, OUTBOX_CONTRACT, SYSTEM_ADDRESS
from shard.inbound import counted_gas
from tests.shard.engine.support import GWEI, Shard, address
from tests.shard.engine.test_delivery import BOMB, CODES, CREATOR, PAYER, RECORDER, REVERTER

DELEGATED, LOOP, NESTED = b"\xd7" * 20, b"\xd8" * 20, b"\xd9" * 20
SHARD = Shard({
    **CODES,
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
accounts = st.sampled_from(PLACES) | st.binary(min_size=20, max_size=20)
wei = st.sampled_from([0, 1, 10**18]) | st.integers(0, 10**30)
gases = st.sampled_from([0, 20_999, 21_000, 60_000, 10**6, 10**6 + 1, 2**64 - 1]) | st.integers(21_000, 200_000)
receipts = st.builds(
    CrossShardReceipt, source=st.integers(1, 3), destination=st.just(0), nonce=st.just(0), kind=st.integers(0, 3) | st.integers(0, 255),
    sender=accounts, to=accounts, amount=wei, gas_limit=gases, fee=wei | st.integers(1, 200_000).map(lambda gas: gas * GWEI),
    refund_to=accounts, data=st.sampled_from(SYSTEM_CALLS) | st.binary(max_size=300) | st.sampled_from([bytes(4096), b"\1" * 4096]),
)  # fmt: skip


def numbered(sent):
    nonces = {source: itertools.count() for source in range(1, 4)}
    return [CrossShardReceipt(**{name: getattr(r, name) for name in r.__slots__} | {"nonce": next(nonces[r.source])}) for r in sent]


@settings(max_examples=150, deadline=None)
@given(st.lists(receipts, min_size=1, max_size=4).map(numbered))
def test_every_receipt_is_delivered_and_everything_adds_up(sent):
    block = SHARD.begin()
    outcomes = [block.deliver(receipt) for receipt in sent]
    result = block.finish()
    assert result.taken_in == sum(receipt.amount + receipt.fee for receipt in sent)
    assert [outcome.hash for outcome in outcomes] == [receipt.identity(SHARD.parameters.chain_id_base) for receipt in sent]
    for receipt, outcome in zip(sent, outcomes, strict=True):
        assert outcome.gas_used <= counted_gas(receipt, SHARD.parameters.receipt_gas_max)
        if receipt.kind == ReceiptKind.CREDIT:
            assert (outcome.status, outcome.gas_used, outcome.effective_gas_price, outcome.logs) == (1, 21_000, 0, ())
        elif outcome.status == 0:
            back = receipt.amount + receipt.fee - outcome.gas_used * outcome.effective_gas_price
            credits = [system.receipt_of_log(log, 0) for log in outcome.logs]
            wanted = [(receipt.source, receipt.refund_to, back)] if back else []
            assert [(credit.destination, credit.to, credit.amount) for credit in credits] == wanted

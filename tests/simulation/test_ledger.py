"""What the stand-in does with a receipt a corrupted source wrote is what the real engine does."""

from typing import Any

import pytest

from node.simulator.executors.ledger import Ledger, genesis_state
from primitives.blocks import RETURN_CHANNEL_CLOSED, ChannelTerms, ShardReference
from primitives.parameters import Parameters
from primitives.receipts import EMPTY_CHANNEL, CrossShardReceipt, ReceiptKind, empty_summary
from shard.contracts import OUTBOX, OUTBOX_CONTRACT
from tests.shard.engine.support import GWEI, Shard

TO, REFUND_TO, SENDER = b"\x01" * 20, b"\x02" * 20, b"\x03" * 20


def ledger(*terms: ChannelTerms) -> Ledger:
    parameters = Parameters(shard_count=3)
    reference = ShardReference(b"\1" * 32, 1, 0, b"\2" * 32, terms or (ChannelTerms(GWEI, 0),) * 4, (EMPTY_CHANNEL,) * 4)
    return Ledger(0, genesis_state({}, empty_summary(3)), parameters, reference, b"\0" * 20, GWEI)


@pytest.mark.parametrize(("source", "kind"), [(1, 5), (1, 255), (3, ReceiptKind.CALL), (1, ReceiptKind.CREDIT)])
def test_a_receipt_that_is_no_call_ends_as_in_the_real_engine(source: int, kind: int) -> None:
    receipt = CrossShardReceipt(source, 0, 0, kind, SENDER, TO, 7, 100_000, 200_000 * GWEI, REFUND_TO, b"")
    shard: Any = Shard()
    block = shard.begin()
    block.deliver(receipt)
    result = shard.finish(block)
    standing_in = ledger()
    standing_in.deliver(receipt)
    state = standing_in.finish()
    assert state.summary == result.summary
    assert state.accounts.get(TO, (0, 0))[1] == shard.balance(TO)


def test_a_call_whose_result_cannot_come_back_reverts() -> None:
    standing_in = ledger(*(ChannelTerms(GWEI, RETURN_CHANNEL_CLOSED),) * 4)
    for method, arguments, leaves in (
        ("sendWithCallback", (1, TO, 50_000, 50_000, REFUND_TO, b""), False),
        ("transfer", (1, TO), True),
    ):
        shard: Any = Shard()
        transaction = shard.transaction(0, OUTBOX, 10**15, OUTBOX_CONTRACT.encode_call(method, *arguments))
        assert standing_in._leave(transaction, SENDER) is leaves

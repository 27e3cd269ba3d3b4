"""What Outbox's logs tell of receipts."""

from hypothesis import given

from shard import system
from tests.primitives.test_ssz import receipts


@given(receipts)
def test_a_receipt_is_read_back_from_its_log(receipt) -> None:
    assert system.receipt_of_log(system.sent_log(receipt, 735_700), receipt.source) == receipt

import dataclasses
import hashlib

import eth_abi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives.hashing import keccak256
from primitives.receipts import EMPTY_CHANNEL, Bundle, ChannelTotals, CrossShardReceipt, Summary, alias_of, empty_summary
from primitives.types import ZERO_ROOT
from tests.primitives.test_ssz import receipts

BASE = 735_700
RECEIPT = CrossShardReceipt(0, 1, 7, 1, b"\x11" * 20, b"\x22" * 20, 5, 21_000, 9, b"\x33" * 20, b"hello")


def word(value: int | bytes) -> bytes:
    return value.to_bytes(32, "big") if isinstance(value, int) else bytes(32 - len(value)) + value


def test_identity_is_the_hash_of_the_abi_encoding_written_out_by_hand() -> None:
    head = [BASE + 1, 0, 7, 1, b"\x11" * 20, b"\x22" * 20, 5, 21_000, 9, b"\x33" * 20, 11 * 32]
    expected = b"\x7d" + b"".join(map(word, head)) + word(5) + b"hello" + bytes(27)
    assert RECEIPT.transaction_bytes(BASE) == expected
    assert RECEIPT.identity(BASE) == keccak256(expected)


@given(receipts)
def test_transaction_bytes_are_the_abi_encoding_and_read_back(receipt) -> None:
    kinds = ("uint256", "uint32", "uint64", "uint8", "address", "address", "uint256", "uint64", "uint256", "address", "bytes")
    fields = (
        BASE + receipt.destination, receipt.source, receipt.nonce, receipt.kind, receipt.sender, receipt.to, receipt.amount,
        receipt.gas_limit, receipt.fee, receipt.refund_to, receipt.data,
    )  # fmt: skip
    assert receipt.transaction_bytes(BASE) == b"\x7d" + eth_abi.encode(kinds, fields)
    assert CrossShardReceipt.from_transaction_bytes(receipt.transaction_bytes(BASE), BASE) == receipt


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(CrossShardReceipt)])
def test_every_field_is_in_the_identity(name) -> None:
    value = getattr(RECEIPT, name)
    other = dataclasses.replace(RECEIPT, **{name: value + 1 if isinstance(value, int) else bytes([value[0] ^ 1]) + value[1:]})
    assert other.identity(BASE) != RECEIPT.identity(BASE)
    assert RECEIPT.identity(BASE + 1) != RECEIPT.identity(BASE)


@given(st.lists(receipts, max_size=4))
def test_accumulator_folds_ids_in_order(several) -> None:
    total = EMPTY_CHANNEL.add(several, BASE)
    folded = ZERO_ROOT
    for receipt in several:
        folded = keccak256(folded + receipt.identity(BASE))
    assert total == ChannelTotals(len(several), sum(r.amount + r.fee for r in several), folded)
    for cut in range(len(several) + 1):
        assert EMPTY_CHANNEL.add(several[:cut], BASE).add(several[cut:], BASE) == total
        before = EMPTY_CHANNEL.add(several[:cut], BASE).accumulator
        assert Bundle(0, 1, cut, before, tuple(several[cut:])).accumulator_after(BASE) == total.accumulator


def test_order_matters() -> None:
    other = dataclasses.replace(RECEIPT, nonce=8)
    assert EMPTY_CHANNEL.add([RECEIPT, other], BASE) != EMPTY_CHANNEL.add([other, RECEIPT], BASE)


def test_requests_hash_is_eip_7685_with_one_request() -> None:
    summary = empty_summary(2)
    assert summary == Summary(0, 0, (EMPTY_CHANNEL,) * 3, (EMPTY_CHANNEL,) * 3)
    request = b"\x5a" + summary.encode()
    assert summary.requests_hash() == hashlib.sha256(hashlib.sha256(request).digest()).digest()
    grown = dataclasses.replace(summary, incoming=(EMPTY_CHANNEL.add([RECEIPT], BASE), *summary.incoming[1:]))
    assert grown.requests_hash() != summary.requests_hash()


def test_alias() -> None:
    sender = b"\x11" * 20
    assert alias_of(3, sender) == keccak256(b"shardnet.alias" + b"\0\0\0\3" + sender)[-20:]
    assert len({alias_of(0, sender), alias_of(1, sender), alias_of(0, b"\x12" * 20), sender}) == 4

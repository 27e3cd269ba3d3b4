"""A body that says nothing about its header."""

import pytest

from primitives.blocks import ExtraData, ShardBlock
from primitives.errors import BlockReason, InvalidBlock
from primitives.hashing import keccak256
from primitives.headers import ShardHeader
from primitives.receipts import CrossShardReceipt
from shard.body import check_body
from shard.engine.trie import list_root

BASE = 735_700
RECEIPT = CrossShardReceipt(0, 1, 0, 0, b"\1" * 20, b"\2" * 20, 5, 0, 0, b"\0" * 20, b"")
RAW = RECEIPT.transaction_bytes(BASE)


def header() -> ShardHeader:
    zero = b"\0" * 32
    return ShardHeader(
        zero, zero, b"\0" * 20, zero, list_root([RAW]), zero, b"\0" * 256, 0, 1, 30_000_000, 0, 0, ExtraData(1, 0, 1, 0, 0).encode(), zero,
        b"\0" * 8, 0, zero, 0, 0, zero, keccak256(b""),
    )  # fmt: skip


def test_the_receipt_in_its_place_is_the_body():
    check_body(header(), ShardBlock(b"", (RECEIPT,), ()), BASE)


@pytest.mark.parametrize("block", [ShardBlock(b"", (), (RAW,)), ShardBlock(b"", (), ()), ShardBlock(b"", (RECEIPT, RECEIPT), ())])
def test_a_rewritten_body_is_not_held_against_the_header(block):
    with pytest.raises(InvalidBlock) as raised:
        check_body(header(), block, BASE)
    assert raised.value.reason is BlockReason.BAD_BODY

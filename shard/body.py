"""Whether a shard block's body is the one that its header commits to.

What is voted on is the header alone, so whoever delivers a block could change its body: that must not speak against the header.
"""

from __future__ import annotations

from primitives.blocks import ShardBlock
from primitives.errors import BlockReason, InvalidBlock
from primitives.headers import ShardHeader
from primitives.receipts import RECEIPT_TRANSACTION_TYPE
from shard.engine.trie import list_root


def check_body(header: ShardHeader, block: ShardBlock, chain_id_base: int) -> None:
    """Checks that the header's transactions root is that of the body, each receipt in its place (PROTOCOL 5).

    Raises:
        InvalidBlock: BAD_BODY.
    """
    if any(raw[:1] == bytes([RECEIPT_TRANSACTION_TYPE]) for raw in block.transactions):
        # the same trie as with the receipt among the inbound ones
        raise InvalidBlock(BlockReason.BAD_BODY, "a receipt among the user transactions")
    inbound = (receipt.transaction_bytes(chain_id_base) for receipt in block.inbound)
    if list_root([*inbound, *block.transactions]) != header.transactions_root:
        raise InvalidBlock(BlockReason.BAD_BODY, "the body is not the one that the header commits to")

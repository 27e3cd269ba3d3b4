"""debug: what blocks and transactions are hashed from, as bytes. What is unknown is null."""

from __future__ import annotations

import trio

from node.rpc.forms import data, parse_block
from node.rpc.limits import ITEMS_PER_TURN
from node.rpc.methods.context import Context, Method
from node.rpc.methods.transactions import raw_transaction
from node.rpc.render import transaction_type
from shard.engine.encoding import encode_receipt
from shard.engine.interface import Log
from shard.transactions.rlp import encode_list, encode_text
from shard.views import BlockView, ReceiptView


async def raw_header(context: Context, arguments: list[object]) -> object:
    """debug_getRawHeader: RLP, whose keccak is the block's hash."""
    header = await context.shard().header(parse_block(arguments[0], "argument 0"))
    return None if header is None else data(header.encode())


def _block_of(view: BlockView) -> bytes:
    # no uncles, no withdrawals
    transactions = [encode_text(t.raw) if transaction_type(t.raw) else t.raw for t in view.transactions]
    return encode_list(view.header + encode_list(b"".join(transactions)) + encode_list(b"") + encode_list(b""))


async def raw_block(context: Context, arguments: list[object]) -> object:
    """debug_getRawBlock: RLP in Ethereum's form; deliveries are typed transactions."""
    view = await context.shard().block(parse_block(arguments[0], "argument 0"))
    return None if view is None else data(_block_of(view))


def _receipt_of(view: ReceiptView) -> bytes:
    logs = [Log(log.address, log.topics, log.data) for log in view.logs]
    return encode_receipt(transaction_type(view.transaction.raw), view.status, view.cumulative_gas_used, view.logs_bloom, logs)


async def raw_receipts(context: Context, arguments: list[object]) -> object:
    """debug_getRawReceipts: each transaction's receipt as it enters the receipts trie."""
    views = await context.shard().block_receipts(parse_block(arguments[0], "argument 0"))
    if views is None:
        return None
    receipts: list[str] = []
    for start in range(0, len(views), ITEMS_PER_TURN):
        receipts.extend(data(_receipt_of(view)) for view in views[start : start + ITEMS_PER_TURN])
        await trio.lowlevel.checkpoint()
    return receipts


METHODS = {
    "debug_getRawHeader": Method(raw_header, 1),
    "debug_getRawBlock": Method(raw_block, 1),
    "debug_getRawReceipts": Method(raw_receipts, 1),
    "debug_getRawTransaction": Method(raw_transaction, 1),
}

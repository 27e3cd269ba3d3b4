"""eth: transactions and what they left, by hash or by their place in a block. What is unknown is null."""

from __future__ import annotations

from node.rpc.forms import data, parse_block, parse_hash, parse_number_or_tag, parse_quantity
from node.rpc.limits import INDEX_BITS
from node.rpc.methods.context import Context, Method
from node.rpc.render import render_pooled, render_receipt, render_receipts, render_transaction
from shard.views import BlockSelector, TransactionView


async def raw_transaction(context: Context, arguments: list[object]) -> object:
    """eth_getRawTransactionByHash and debug_getRawTransaction: signed bytes, of the pool too."""
    wanted, shard = parse_hash(arguments[0], "argument 0"), context.shard()
    pooled = await shard.pooled_transaction(wanted)
    if pooled is not None:
        return data(pooled.raw)
    view = await shard.transaction(wanted)
    return None if view is None else data(view.raw)


async def get_transaction_by_hash(context: Context, arguments: list[object]) -> object:
    """eth_getTransactionByHash; one that waits in the pool has no block."""
    wanted, shard = parse_hash(arguments[0], "argument 0"), context.shard()
    view = await shard.transaction(wanted)
    if view is None:
        pooled = await shard.pooled_transaction(wanted)
        if pooled is not None:
            return render_pooled(pooled)
        # It may have left the pool for a block between the two questions.
        view = await shard.transaction(wanted)
    return None if view is None else render_transaction(view)


async def _at(context: Context, selector: BlockSelector, index: object) -> TransactionView | None:
    return await context.shard().transaction_at(selector, parse_quantity(index, "argument 1", INDEX_BITS))


async def by_number_and_index(context: Context, arguments: list[object]) -> object:
    """eth_getTransactionByBlockNumberAndIndex."""
    view = await _at(context, parse_number_or_tag(arguments[0], "argument 0"), arguments[1])
    return None if view is None else render_transaction(view)


async def by_hash_and_index(context: Context, arguments: list[object]) -> object:
    """eth_getTransactionByBlockHashAndIndex."""
    view = await _at(context, parse_hash(arguments[0], "argument 0"), arguments[1])
    return None if view is None else render_transaction(view)


async def raw_by_number_and_index(context: Context, arguments: list[object]) -> object:
    """eth_getRawTransactionByBlockNumberAndIndex."""
    view = await _at(context, parse_number_or_tag(arguments[0], "argument 0"), arguments[1])
    return None if view is None else data(view.raw)


async def raw_by_hash_and_index(context: Context, arguments: list[object]) -> object:
    """eth_getRawTransactionByBlockHashAndIndex."""
    view = await _at(context, parse_hash(arguments[0], "argument 0"), arguments[1])
    return None if view is None else data(view.raw)


async def get_transaction_receipt(context: Context, arguments: list[object]) -> object:
    """eth_getTransactionReceipt."""
    view = await context.shard().receipt(parse_hash(arguments[0], "argument 0"))
    return None if view is None else await render_receipt(view)


async def get_block_receipts(context: Context, arguments: list[object]) -> object:
    """eth_getBlockReceipts: of every transaction of a block, in order."""
    views = await context.shard().block_receipts(parse_block(arguments[0], "argument 0"))
    return None if views is None else await render_receipts(views)


METHODS = {
    "eth_getTransactionByHash": Method(get_transaction_by_hash, 1),
    "eth_getTransactionByBlockNumberAndIndex": Method(by_number_and_index, 2),
    "eth_getTransactionByBlockHashAndIndex": Method(by_hash_and_index, 2),
    "eth_getRawTransactionByHash": Method(raw_transaction, 1),
    "eth_getRawTransactionByBlockNumberAndIndex": Method(raw_by_number_and_index, 2),
    "eth_getRawTransactionByBlockHashAndIndex": Method(raw_by_hash_and_index, 2),
    "eth_getTransactionReceipt": Method(get_transaction_receipt, 1),
    "eth_getBlockReceipts": Method(get_block_receipts, 1),
}

"""eth: blocks and logs. What is unknown is null."""

from __future__ import annotations

from node.rpc.forms import parse_bool, parse_filter, parse_hash, parse_number_or_tag, parse_quantity
from node.rpc.limits import INDEX_BITS
from node.rpc.methods.context import Context, Method
from node.rpc.render import render_block, render_logs
from shard.views import BlockSelector, BlockView


async def _block(context: Context, selector: BlockSelector, full: bool) -> object:
    view = await context.shard().block(selector)
    if view is None:
        return None
    return await render_block(view, full)


async def get_block_by_number(context: Context, arguments: list[object]) -> object:
    """eth_getBlockByNumber."""
    selector = parse_number_or_tag(arguments[0], "argument 0")
    return await _block(context, selector, parse_bool(arguments[1], "argument 1"))


async def get_block_by_hash(context: Context, arguments: list[object]) -> object:
    """eth_getBlockByHash."""
    selector = parse_hash(arguments[0], "argument 0")
    return await _block(context, selector, parse_bool(arguments[1], "argument 1"))


async def _by_number(context: Context, argument: object) -> BlockView | None:
    return await context.shard().block(parse_number_or_tag(argument, "argument 0"))


async def _by_hash(context: Context, argument: object) -> BlockView | None:
    return await context.shard().block(parse_hash(argument, "argument 0"))


async def count_by_number(context: Context, arguments: list[object]) -> object:
    """eth_getBlockTransactionCountByNumber."""
    view = await _by_number(context, arguments[0])
    return None if view is None else hex(len(view.transactions))


async def count_by_hash(context: Context, arguments: list[object]) -> object:
    """eth_getBlockTransactionCountByHash."""
    view = await _by_hash(context, arguments[0])
    return None if view is None else hex(len(view.transactions))


async def uncle_count_by_number(context: Context, arguments: list[object]) -> object:
    """eth_getUncleCountByBlockNumber: there are none."""
    return None if await _by_number(context, arguments[0]) is None else hex(0)


async def uncle_count_by_hash(context: Context, arguments: list[object]) -> object:
    """eth_getUncleCountByBlockHash: there are none."""
    return None if await _by_hash(context, arguments[0]) is None else hex(0)


async def uncle_by_number(context: Context, arguments: list[object]) -> object:
    """eth_getUncleByBlockNumberAndIndex: there are none."""
    parse_number_or_tag(arguments[0], "argument 0")
    parse_quantity(arguments[1], "argument 1", INDEX_BITS)
    return None


async def uncle_by_hash(context: Context, arguments: list[object]) -> object:
    """eth_getUncleByBlockHashAndIndex: there are none."""
    parse_hash(arguments[0], "argument 0")
    parse_quantity(arguments[1], "argument 1", INDEX_BITS)
    return None


async def get_logs(context: Context, arguments: list[object]) -> object:
    """eth_getLogs."""
    return await render_logs(await context.shard().logs(parse_filter(arguments[0], "argument 0")))


METHODS = {
    "eth_getBlockByNumber": Method(get_block_by_number, 1, 1),
    "eth_getBlockByHash": Method(get_block_by_hash, 1, 1),
    "eth_getBlockTransactionCountByNumber": Method(count_by_number, 1),
    "eth_getBlockTransactionCountByHash": Method(count_by_hash, 1),
    "eth_getUncleCountByBlockNumber": Method(uncle_count_by_number, 1),
    "eth_getUncleCountByBlockHash": Method(uncle_count_by_hash, 1),
    "eth_getUncleByBlockNumberAndIndex": Method(uncle_by_number, 2),
    "eth_getUncleByBlockHashAndIndex": Method(uncle_by_hash, 2),
    "eth_getLogs": Method(get_logs, 1),
}

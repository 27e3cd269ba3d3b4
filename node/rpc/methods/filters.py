"""eth: filters that are polled."""

from __future__ import annotations

from node.rpc.errors import SERVER, RpcError, invalid_params
from node.rpc.forms import data, parse_filter
from node.rpc.methods.context import ASKER, Context, Method
from node.rpc.render import render_logs
from node.rpc.subscriptions.filters import Filters
from shard.views import LogFilter


def _filters(context: Context) -> Filters:
    filters = context.live.filters.get(context.chain)
    if filters is None:
        raise RpcError(SERVER, f"shard {context.chain} is not hosted by this node: ask a node that hosts it")
    return filters


def _add(context: Context, *, wanted: LogFilter | None = None, of_pool: bool = False) -> str:
    asker = ASKER.get()
    return _filters(context).add(None if asker is None else asker.name, wanted=wanted, of_pool=of_pool)


def _id(argument: object) -> str:
    if not isinstance(argument, str):
        raise invalid_params("invalid argument 0: want the id of a filter")
    return argument


async def new_filter(context: Context, arguments: list[object]) -> object:
    """eth_newFilter: of logs; the filter's id."""
    wanted = parse_filter(arguments[0], "argument 0")
    if wanted.block_hash is not None:
        raise invalid_params("invalid argument 0, field blockHash: a filter is of a range of blocks")
    return _add(context, wanted=wanted)


async def new_block_filter(context: Context, arguments: list[object]) -> object:
    """eth_newBlockFilter; the filter's id."""
    return _add(context)


async def new_pending_transaction_filter(context: Context, arguments: list[object]) -> object:
    """eth_newPendingTransactionFilter; the filter's id."""
    return _add(context, of_pool=True)


async def get_filter_changes(context: Context, arguments: list[object]) -> object:
    """eth_getFilterChanges: what came since it was last asked."""
    filters, id = _filters(context), _id(arguments[0])
    asked = filters.get(id)
    if asked.wanted is None:
        return [data(found) for found in await filters.hashes(asked)]
    return await render_logs(await filters.logs(id, asked))


async def get_filter_logs(context: Context, arguments: list[object]) -> object:
    """eth_getFilterLogs: every log the filter's range holds."""
    asked = _filters(context).get(_id(arguments[0]))
    if asked.wanted is None:
        raise RpcError(SERVER, "filter not found")
    return await render_logs(await context.shard().logs(asked.wanted))


async def uninstall_filter(context: Context, arguments: list[object]) -> object:
    """eth_uninstallFilter: whether there was one."""
    return _filters(context).remove(_id(arguments[0]))


METHODS = {
    "eth_newFilter": Method(new_filter, 1),
    "eth_newBlockFilter": Method(new_block_filter),
    "eth_newPendingTransactionFilter": Method(new_pending_transaction_filter),
    "eth_getFilterChanges": Method(get_filter_changes, 1),
    "eth_getFilterLogs": Method(get_filter_logs, 1),
    "eth_uninstallFilter": Method(uninstall_filter, 1),
}

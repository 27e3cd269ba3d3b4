"""txpool: what waits for a block, in geth's shapes: by sender, then by nonce as a decimal string."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import trio

from node.rpc.backend import PooledTransaction
from node.rpc.errors import RESPONSE_TOO_LARGE, RpcError
from node.rpc.forms import data, parse_address
from node.rpc.limits import ITEMS_PER_TURN, POOL_LISTED_BYTES_MAX, POOL_LISTED_MAX
from node.rpc.methods.context import Context, Method
from node.rpc.render import render_pooled
from shard.transactions import read_transaction

Show = Callable[[PooledTransaction], object]
_Waiting = Mapping[int, PooledTransaction]


async def status(context: Context, arguments: list[object]) -> object:
    """txpool_status."""
    counts = context.shard().pool_counts()
    return {"pending": hex(counts.pending), "queued": hex(counts.queued)}


def _sentence(pooled: PooledTransaction) -> str:
    transaction = read_transaction(pooled.raw)
    to = "contract creation" if transaction.to is None else data(transaction.to)
    return f"{to}: {transaction.value} wei + {transaction.gas_limit} gas \N{MULTIPLICATION SIGN} {transaction.max_fee_per_gas} wei"


async def _by_nonce(waiting: _Waiting, show: Show) -> dict[str, object]:
    shown: dict[str, object] = {}
    for i, (nonce, pooled) in enumerate(waiting.items()):
        if i % ITEMS_PER_TURN == 0:
            await trio.lowlevel.checkpoint()
        shown[str(nonce)] = show(pooled)
    return shown


def _check_size(context: Context, *listed: _Waiting) -> None:
    """Refuses what would not fit an answer before it is written out."""
    if sum(len(pooled.raw) for waiting in listed for pooled in waiting.values()) > POOL_LISTED_BYTES_MAX:
        context.observe.limit_hit("pool_listed_bytes_max")
        raise RpcError(
            RESPONSE_TOO_LARGE,
            f"response too large: over {POOL_LISTED_BYTES_MAX} bytes of transactions are waiting: ask for single ones by their hash",
        )


async def _by_sender(senders: Mapping[bytes, _Waiting], show: Show) -> dict[str, object]:
    return {data(sender): await _by_nonce(waiting, show) for sender, waiting in senders.items()}


async def _whole(context: Context, show: Show) -> object:
    shard = context.shard()
    counts = shard.pool_counts()
    if counts.pending + counts.queued > POOL_LISTED_MAX:
        context.observe.limit_hit("pool_listed_max")
        raise RpcError(
            RESPONSE_TOO_LARGE,
            f"response too large: {counts.pending + counts.queued} transactions are waiting, at most {POOL_LISTED_MAX} are listed: "
            "ask txpool_contentFrom for one account",
        )
    content = shard.pool_content(None)
    _check_size(context, *content.pending.values(), *content.queued.values())
    return {"pending": await _by_sender(content.pending, show), "queued": await _by_sender(content.queued, show)}


async def content(context: Context, arguments: list[object]) -> object:
    """txpool_content: every transaction that waits."""
    return await _whole(context, render_pooled)


async def inspect(context: Context, arguments: list[object]) -> object:
    """txpool_inspect: a sentence for every transaction that waits."""
    return await _whole(context, _sentence)


async def content_from(context: Context, arguments: list[object]) -> object:
    """txpool_contentFrom: those of one account, as many as the pool takes of it."""
    address = parse_address(arguments[0], "argument 0")
    content = context.shard().pool_content(address)
    pending, queued = content.pending.get(address, {}), content.queued.get(address, {})
    _check_size(context, pending, queued)
    return {"pending": await _by_nonce(pending, render_pooled), "queued": await _by_nonce(queued, render_pooled)}


METHODS = {
    "txpool_status": Method(status),
    "txpool_content": Method(content),
    "txpool_contentFrom": Method(content_from, 1),
    "txpool_inspect": Method(inspect),
}

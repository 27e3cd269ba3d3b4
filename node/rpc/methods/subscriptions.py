"""eth and shard: subscriptions of a WebSocket connection."""

from __future__ import annotations

from node.rpc.errors import METHOD_NOT_FOUND, SERVER, RpcError, invalid_params
from node.rpc.forms import parse_address, parse_bool, parse_filter, parse_hash, parse_quantity
from node.rpc.methods.context import Context, Method
from node.rpc.subscriptions.crossings import ReceiptFilter
from node.rpc.subscriptions.filters import choices_of
from node.rpc.subscriptions.session import Notifier
from node.rpc.subscriptions.stream import ShardStream
from shard.executor.logs import Matcher

SHARD_BITS = 32


def _notifier(context: Context) -> Notifier:
    if context.notifier is None:
        raise RpcError(METHOD_NOT_FOUND, "notifications not supported")
    return context.notifier


def stream_of(context: Context) -> ShardStream:
    """The stream of the address's shard.

    Raises:
        RpcError: this node does not host it.
    """
    stream = context.live.streams.get(context.chain)
    if stream is None:
        raise RpcError(SERVER, f"shard {context.chain} is not hosted by this node: subscribe at a node that hosts it")
    return stream


async def subscribe(context: Context, arguments: list[object]) -> object:
    """eth_subscribe: newHeads, logs, newPendingTransactions or syncing; the subscription's id."""
    notifier, name, wanted = _notifier(context), arguments[0], arguments[1]
    stream = stream_of(context)
    match name:
        case "newHeads":
            return notifier.subscribe(stream.heads, "eth_subscription", None)
        case "logs":
            wanted_logs = parse_filter({} if wanted is None else wanted, "argument 1")
            if wanted_logs.block_hash is not None:
                raise invalid_params("invalid argument 1, field blockHash: a subscription is to blocks that are yet to come")
            return notifier.subscribe(stream.logs, "eth_subscription", Matcher(wanted_logs), choices_of(wanted_logs))
        case "newPendingTransactions":
            whole = parse_bool(wanted, "argument 1")
            return notifier.subscribe(stream.pooled_whole if whole else stream.pooled_hashes, "eth_subscription", None)
        case "syncing":
            return notifier.subscribe(stream.syncing, "eth_subscription", None)
    raise _no_such(name, "eth")


async def shard_subscribe(context: Context, arguments: list[object]) -> object:
    """shard_subscribe: finalized or receipts; the subscription's id."""
    notifier, name, crossings = _notifier(context), arguments[0], context.live.crossings
    wanted = {} if arguments[1] is None else arguments[1]
    if not isinstance(wanted, dict):
        raise invalid_params("invalid argument 1: want a filter object")
    match name:
        case "finalized":
            return notifier.subscribe(crossings.finalized, "shard_subscription", _shard(context, wanted, "shard"))
        case "receipts":
            sender, id = wanted.get("sender"), wanted.get("id")
            return notifier.subscribe(
                crossings.receipts, "shard_subscription",
                ReceiptFilter(
                    source=_shard(context, wanted, "source"), destination=_shard(context, wanted, "destination"),
                    sender=None if sender is None else parse_address(sender, "argument 1, field sender"),
                    id=None if id is None else parse_hash(id, "argument 1, field id"),
                ),
            )  # fmt: skip
    raise _no_such(name, "shard")


def _shard(context: Context, wanted: dict[str, object], name: str) -> int | None:
    value = wanted.get(name)
    if value is None:
        return None
    number = parse_quantity(value, f"argument 1, field {name}", SHARD_BITS)
    count = context.backend.genesis.parameters.shard_count
    if number >= count:
        raise invalid_params(f"invalid argument 1, field {name}: this network has shards 0 to {count - 1}")
    return number


def _no_such(name: object, namespace: str) -> RpcError:
    if not isinstance(name, str):
        return invalid_params("invalid argument 0: want the name of a subscription")
    return RpcError(METHOD_NOT_FOUND, f'no "{name[:40]}" subscription in {namespace} namespace')


async def unsubscribe(context: Context, arguments: list[object]) -> object:
    """eth_unsubscribe and shard_unsubscribe: true; an unknown id is an error."""
    notifier, id = _notifier(context), arguments[0]
    if not isinstance(id, str):
        raise invalid_params("invalid argument 0: want the id of a subscription")
    if not notifier.session.remove(id):
        raise RpcError(SERVER, "subscription not found")
    return True


EVERYWHERE = {
    "shard_subscribe": Method(shard_subscribe, 1, 1),
    "shard_unsubscribe": Method(unsubscribe, 1),
}
SHARD = {
    "eth_subscribe": Method(subscribe, 1, 1),
    "eth_unsubscribe": Method(unsubscribe, 1),
}

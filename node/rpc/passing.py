"""Calls for a shard that this node does not host: passed on to a peer that does, as methods like all others.

So ids, batches, limits and errors are handled where they always are; only result or error come from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from node.rpc.errors import SERVER, RpcError
from node.rpc.methods import controls, filters, subscriptions
from node.rpc.methods.context import Context, Elsewhere, Method
from node.rpc.methods.registry import EVERYWHERE, SHARD

_OF_A_SHARD = frozenset({"shard_getAccountsPage"})
"""Methods of every address that ask the shard of theirs."""
_FOR_PEERS = frozenset({"shard_getCrossShardTransaction", "shard_getReceiptProof"})
"""Methods of every address that a peer is answered too, from what is here."""
STAY = frozenset({"eth_chainId", *filters.METHODS, *subscriptions.SHARD, *controls.METHODS}) | (frozenset(EVERYWHERE) - _OF_A_SHARD)
"""Answered, or refused, where they are asked: what every node knows, and what lives with a connection or in one node."""
SERVED: dict[str, Method] = {name: method for name, method in SHARD.items() if name not in STAY or name in _FOR_PEERS}
"""What is answered to peers that pass calls on; none of it is passed on again."""


def passed_on(methods: Mapping[str, Method]) -> dict[str, Method]:
    """The methods of the address of a shard that is not hosted here."""
    return {name: method if name in STAY else _passed_on(name, method) for name, method in methods.items()}


def _passed_on(name: str, method: Method) -> Method:
    async def one(context: Context, arguments: list[object]) -> object:
        result = (await _elsewhere(context).call(context.chain, name, [trimmed(arguments)]))[0]
        if isinstance(result, RpcError):
            raise result
        return result

    async def many(context: Context, calls: list[list[object]]) -> list[object]:
        return await _elsewhere(context).call(context.chain, name, [trimmed(arguments) for arguments in calls])

    return Method(one, method.required, method.optional, many)


def _elsewhere(context: Context) -> Elsewhere:
    if context.elsewhere is None:
        raise RpcError(SERVER, f"shard {context.chain} is not hosted by this node: ask a node that hosts it")
    return context.elsewhere


def trimmed(arguments: Sequence[object]) -> list[object]:
    """Arguments without the None that pads them."""
    end = len(arguments)
    while end and arguments[end - 1] is None:
        end -= 1
    return list(arguments[:end])

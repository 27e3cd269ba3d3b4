"""dev: what only a network for development has; elsewhere these methods do not exist."""

from __future__ import annotations

from node.rpc.errors import SERVER, RpcError, invalid_params
from node.rpc.faucet import GRANT_WEI
from node.rpc.forms import data, parse_address, parse_quantity
from node.rpc.methods.context import Context, Method


async def faucet(context: Context, arguments: list[object]) -> object:
    """dev_faucet: coins of the faucet's account for an address, by a transaction of the shard."""
    parameters = context.backend.genesis.parameters
    address = parse_address(arguments[0], "argument 0")
    number = context.chain if arguments[1] is None else parse_quantity(arguments[1], "argument 1", 32)
    if number >= parameters.shard_count:
        if arguments[1] is None:
            raise invalid_params("missing value for argument 1: the beacon chain holds no coins, so name a shard")
        raise invalid_params(f"invalid argument 1: there is no shard {number}, this network has shards 0 to {parameters.shard_count - 1}")
    shard = context.backend.shard(number)
    if shard is None:
        raise RpcError(SERVER, f"shard {number} is not hosted by this node: ask a node that hosts it")
    grant = await context.faucet.give(shard, parameters.chain_id(number), address)
    return {
        "shard": hex(number), "address": data(address), "amount": hex(GRANT_WEI),
        "transactionHash": data(grant.transaction_hash), "nonce": hex(grant.nonce),
    }  # fmt: skip


METHODS = {"dev_faucet": Method(faucet, 1, 1)}

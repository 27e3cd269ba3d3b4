"""web3 and net: the same at every address."""

from __future__ import annotations

from node.rpc.forms import data, parse_data
from node.rpc.methods.context import Context, Method
from primitives.hashing import keccak256


async def client_version(context: Context, arguments: list[object]) -> object:
    """web3_clientVersion."""
    return context.version


async def sha3(context: Context, arguments: list[object]) -> object:
    """web3_sha3: Keccak-256 of data."""
    return data(keccak256(parse_data(arguments[0], "argument 0")))


async def version(context: Context, arguments: list[object]) -> object:
    """net_version: the chain id as a decimal string."""
    return str(context.chain_id)


async def listening(context: Context, arguments: list[object]) -> object:
    """net_listening."""
    return True


async def peer_count(context: Context, arguments: list[object]) -> object:
    """net_peerCount."""
    return hex(context.backend.peers())


METHODS = {
    "web3_clientVersion": Method(client_version),
    "web3_sha3": Method(sha3, 1),
    "net_version": Method(version),
    "net_listening": Method(listening),
    "net_peerCount": Method(peer_count),
}

"""shard: the network as a whole; the same at every address."""

from __future__ import annotations

import msgspec

from node.rpc.backend import BeaconHead, ShardBackend
from node.rpc.errors import RpcError, invalid_params
from node.rpc.forms import data, parse_address, parse_hash, parse_number_or_tag, parse_quantity, quantity
from node.rpc.limits import ACCOUNTS_PER_PAGE_MAX
from node.rpc.methods.beacon import ref
from node.rpc.methods.context import Context, Method


def _shard_entry(context: Context, number: int, shard: ShardBackend | None, head: BeaconHead) -> dict[str, object]:
    parameters = context.backend.genesis.parameters
    entry: dict[str, object] = {
        "shard": hex(number),
        "chainId": hex(parameters.chain_id(number)),
        "endpoint": f"/shard/{number}",
        "hosted": shard is not None,
        "committee": [hex(index) for index in context.backend.committee(number)],
    }
    if shard is None:
        crosslink = head.crosslinks[number]
        return entry | {
            "latest": None, "safe": None, "finalized": ref(crosslink.block), "baseFeePerGas": hex(crosslink.base_fee), "pool": None,
        }  # fmt: skip
    heads, pool = shard.heads(), shard.pool_counts()
    return entry | {
        "latest": ref(heads.latest), "safe": ref(heads.safe), "finalized": ref(heads.finalized),
        "baseFeePerGas": hex(heads.base_fee), "pool": {"pending": hex(pool.pending), "queued": hex(pool.queued)},
    }  # fmt: skip


async def get_network(context: Context, arguments: list[object]) -> object:
    """shard_getNetwork: every shard's address, heads, base fee and committee."""
    backend, head = context.backend, context.backend.beacon_head()
    parameters = backend.genesis.parameters
    return {
        "genesisRoot": data(backend.genesis.root),
        "shardCount": hex(parameters.shard_count),
        "ready": backend.is_ready(),
        "peers": hex(backend.peers()),
        "beacon": {
            "chain": hex(parameters.beacon),
            "chainId": hex(parameters.chain_id(parameters.beacon)),
            "endpoint": "/beacon",
            "head": ref(head.block),
            "epoch": hex(head.epoch),
            "committee": [hex(index) for index in backend.committee(parameters.beacon)],
        },
        "shards": [_shard_entry(context, number, shard, head) for number, shard in context.hosted()],
    }


async def _account(context: Context, number: int, shard: ShardBackend | None, address: bytes, tag: str) -> tuple[int, int] | None:
    """Balance in wei and nonce, of a shard that is not hosted here as a peer tells them; None where nobody can tell."""
    if shard is not None:
        account = await shard.account(address, tag)
        return None if account is None else (int.from_bytes(account.balance, "big"), account.nonce)
    if context.elsewhere is None:
        return None
    try:
        names, call = ("eth_getBalance", "eth_getTransactionCount"), [data(address), tag]
        found = [(await context.elsewhere.call(number, name, [call]))[0] for name in names]
        balance, nonce = (parse_quantity(msgspec.json.decode(part), "answer") for part in found if isinstance(part, msgspec.Raw))
    except (RpcError, ValueError):
        return None
    return balance, nonce


async def get_balances(context: Context, arguments: list[object]) -> object:
    """shard_getBalances: an account on every shard."""
    address = parse_address(arguments[0], "argument 0")
    tag = "latest" if arguments[1] is None else parse_number_or_tag(arguments[1], "argument 1")
    if isinstance(tag, int):
        raise invalid_params("invalid argument 1: heights differ from shard to shard, so only a tag makes sense here")
    entries, total = [], 0
    for number, shard in context.hosted():
        account = await _account(context, number, shard, address, tag)
        if account is not None:
            total += account[0]
        entries.append({
            "shard": hex(number),
            "chainId": hex(context.backend.genesis.parameters.chain_id(number)),
            "balance": None if account is None else hex(account[0]),
            "nonce": None if account is None else hex(account[1]),
        })  # fmt: skip
    return {"address": data(address), "shards": entries, "total": hex(total)}


async def get_supply(context: Context, arguments: list[object]) -> object:
    """shard_getSupply: every term of the supply invariant, in wei."""
    terms = context.backend.supply()
    return {
        "beacon": ref(terms.block),
        "crosslinks": [ref(crosslink) for crosslink in terms.crosslinks],
        "shards": [hex(value) for value in terms.shards],
        "inFlight": [{"source": hex(s), "destination": hex(d), "value": hex(value)} for s, d, value in terms.in_flight],
        "stakes": hex(terms.stakes),
        "unclaimed": hex(terms.unclaimed),
        "feePool": hex(terms.fee_pool),
        "treasury": hex(terms.treasury),
        "genesis": hex(terms.genesis),
        "issued": hex(terms.issued),
        "burned": hex(terms.burned),
        "imbalance": hex(terms.imbalance),
    }


async def get_accounts_page(context: Context, arguments: list[object]) -> object:
    """shard_getAccountsPage: sums the balances of a part of all accounts at a block, for an audit that walks them all."""
    number = parse_number_or_tag(arguments[0], "argument 0")
    if not isinstance(number, int):
        raise invalid_params("argument 0 is a block number: all pages of a walk are of one block")
    after = None if arguments[1] is None else parse_hash(arguments[1], "argument 1")
    count = ACCOUNTS_PER_PAGE_MAX if arguments[2] is None else parse_number_or_tag(arguments[2], "argument 2")
    if not isinstance(count, int) or not 1 <= count <= ACCOUNTS_PER_PAGE_MAX:
        raise invalid_params(f"argument 2 is a number of accounts, 1 to {ACCOUNTS_PER_PAGE_MAX}")
    page = await context.shard().accounts_page(number, after, count)
    return {"accounts": hex(page.accounts), "sum": quantity(page.balance), "next": None if page.last is None else data(page.last)}


METHODS = {
    "shard_getNetwork": Method(get_network),
    "shard_getBalances": Method(get_balances, 1, 1),
    "shard_getSupply": Method(get_supply),
    "shard_getAccountsPage": Method(get_accounts_page, 1, 2),
}

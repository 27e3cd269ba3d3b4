"""eth: the chain's identity, accounts, code and storage."""

from __future__ import annotations

from node.rpc.errors import RpcError, header_not_found, invalid_params
from node.rpc.forms import data, kind_of, parse_address, parse_block, parse_slot, quantity
from node.rpc.limits import STORAGE_VALUES_MAX
from node.rpc.methods.context import Context, Method
from primitives.errors import InvalidControl
from shard.views import BlockSelector


async def chain_id(context: Context, arguments: list[object]) -> object:
    """eth_chainId."""
    return hex(context.chain_id)


async def block_number(context: Context, arguments: list[object]) -> object:
    """eth_blockNumber."""
    return hex(context.shard().heads().latest.number)


async def syncing(context: Context, arguments: list[object]) -> object:
    """eth_syncing: false once the node has caught up."""
    current = context.shard().heads().latest.number
    if context.memory.starting_block is None:
        context.memory.starting_block = current
    if context.backend.is_ready():
        return False
    recorded = context.backend.beacon_head().crosslinks[context.chain].block.number
    return {
        "startingBlock": hex(context.memory.starting_block),
        "currentBlock": hex(current),
        "highestBlock": hex(max(current, recorded)),
    }


async def capabilities(context: Context, arguments: list[object]) -> object:
    """eth_capabilities: a node keeps all there is of a shard that it hosts, from genesis on."""
    latest, everything = context.shard().heads().latest, {"disabled": False, "oldestBlock": "0x0"}
    head = {"number": hex(latest.number), "hash": data(latest.hash)}
    return {"head": head} | dict.fromkeys(("state", "tx", "logs", "receipts", "blocks", "stateproofs"), everything)


async def accounts(context: Context, arguments: list[object]) -> object:
    """eth_accounts: those that are impersonated, for a node holds no keys of users."""
    try:
        return [data(address) for address in context.backend.controls.impersonated.listed()]
    except InvalidControl:
        return []


async def get_balance(context: Context, arguments: list[object]) -> object:
    """eth_getBalance."""
    address, selector = parse_address(arguments[0], "argument 0"), parse_block(arguments[1], "argument 1")
    account = await context.shard().account(address, selector)
    if account is None:
        raise header_not_found()
    return quantity(account.balance)


async def get_many_balances(context: Context, calls: list[list[object]]) -> list[object]:
    """Many eth_getBalance at once."""
    results: list[object] = []
    wanted: dict[int, tuple[bytes, BlockSelector]] = {}
    for i, arguments in enumerate(calls):
        results.append(None)
        try:
            wanted[i] = parse_address(arguments[0], "argument 0"), parse_block(arguments[1], "argument 1")
        except RpcError as error:
            results[i] = error
    for i, account in zip(wanted, await context.shard().accounts(list(wanted.values())), strict=True):
        results[i] = header_not_found() if account is None else quantity(account.balance)
    return results


async def get_transaction_count(context: Context, arguments: list[object]) -> object:
    """eth_getTransactionCount; `pending` counts the pool."""
    address, selector = parse_address(arguments[0], "argument 0"), parse_block(arguments[1], "argument 1")
    if _is_pending(arguments[1]):
        return hex(await context.shard().pending_nonce(address))
    account = await context.shard().account(address, selector)
    if account is None:
        raise header_not_found()
    return hex(account.nonce)


def _is_pending(argument: object) -> bool:
    return argument == "pending" or (isinstance(argument, dict) and argument.get("blockNumber") == "pending")


async def get_code(context: Context, arguments: list[object]) -> object:
    """eth_getCode."""
    address, selector = parse_address(arguments[0], "argument 0"), parse_block(arguments[1], "argument 1")
    code = await context.shard().code(address, selector)
    if code is None:
        raise header_not_found()
    return data(code)


async def get_storage_at(context: Context, arguments: list[object]) -> object:
    """eth_getStorageAt: 32 bytes."""
    address, slot = parse_address(arguments[0], "argument 0"), parse_slot(arguments[1], "argument 1")
    value = await context.shard().storage(address, slot, parse_block(arguments[2], "argument 2"))
    if value is None:
        raise header_not_found()
    return data(value)


def _slots_by_address(value: object) -> dict[bytes, list[int]]:
    where = "argument 0"
    if not isinstance(value, dict):
        raise invalid_params(f"invalid {where}: want an object of addresses, each with an array of storage keys, this is {kind_of(value)}")
    wanted: dict[bytes, list[int]] = {}
    count = 0
    for key, slots in value.items():
        address = parse_address(key, f"{where}, key")
        if not isinstance(slots, list):
            raise invalid_params(f"invalid {where}, field {data(address)}: want an array of storage keys, this is {kind_of(slots)}")
        count += len(slots)
        if count > STORAGE_VALUES_MAX:
            raise invalid_params(f"too many slots (max {STORAGE_VALUES_MAX})")
        wanted[address] = [parse_slot(slot, f"{where}, field {data(address)}[{i}]") for i, slot in enumerate(slots)]
    if not count:
        raise invalid_params("empty request")
    return wanted


async def get_storage_values(context: Context, arguments: list[object]) -> object:
    """eth_getStorageValues: many words of many accounts, all at one block."""
    wanted, shard = _slots_by_address(arguments[0]), context.shard()
    header = await shard.header(parse_block(arguments[1], "argument 1"))
    if header is None:
        raise header_not_found()
    found: dict[str, list[str]] = {}
    for address, slots in wanted.items():
        words = [await shard.storage(address, slot, header.number) for slot in slots]
        if None in words:
            raise header_not_found()
        found[data(address)] = [data(word) for word in words if word is not None]
    return found


METHODS = {
    "eth_chainId": Method(chain_id),
    "eth_blockNumber": Method(block_number),
    "eth_syncing": Method(syncing),
    "eth_accounts": Method(accounts),
    "eth_capabilities": Method(capabilities),
    "eth_getBalance": Method(get_balance, 1, 1, get_many_balances),
    "eth_getTransactionCount": Method(get_transaction_count, 1, 1),
    "eth_getCode": Method(get_code, 1, 1),
    "eth_getStorageAt": Method(get_storage_at, 2, 1),
    "eth_getStorageValues": Method(get_storage_values, 1, 1),
}

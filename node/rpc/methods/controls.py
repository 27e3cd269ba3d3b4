"""dev: what a developer who has a network alone may do to it, and the names that other development networks have for it.

On a network whose genesis says `devnet: false` none of these methods exists (`registry`); where several validators must agree they
are refused with a sentence (docs/decisions/0015).
"""

from __future__ import annotations

from node.rpc.calls import parse_call
from node.rpc.controls_backend import ControlsBackend, Unsigned
from node.rpc.errors import invalid_params
from node.rpc.forms import data, kind_of, parse_address, parse_bool, parse_data, parse_quantity, parse_slot
from node.rpc.methods.context import Context, Handler, Method
from node.rpc.methods.execution import TIP_DEFAULT_WEI, estimate_gas
from shard.operations import Operation, OperationKind
from shard.views import small

_DIGITS_MAX = 80
"""Of a decimal number; the largest of 256 bits has 78, and what is cut off here is out of any range."""


def _controls(context: Context) -> ControlsBackend:
    return context.backend.controls


def _shard(context: Context) -> int | None:
    return None if context.chain == context.backend.genesis.parameters.beacon else context.chain


def parse_number(value: object, where: str, bits: int = 64) -> int:
    """A number as tools for development give it: JSON's, a quantity in hex, or decimal digits in quotes."""
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value[:_DIGITS_MAX])
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value < 1 << bits:
            raise invalid_params(f"invalid {where}: want a number from 0 to 2^{bits} - 1")
        return value
    if not isinstance(value, str):
        raise invalid_params(f"invalid {where}: want a number, this is {kind_of(value)}")
    return parse_quantity(value, where, bits)


def _optional(value: object, where: str, default: int) -> int:
    return default if value is None else parse_number(value, where)


async def mine(context: Context, arguments: list[object]) -> object:
    """dev_mine: makes blocks at once, with work or without; the height of the last one, when it is final."""
    count, interval = _optional(arguments[0], "argument 0", 1), _optional(arguments[1], "argument 1", 1)
    return hex(await _controls(context).mine(context.chain, count, max(1, interval)))


async def set_automine(context: Context, arguments: list[object]) -> object:
    """dev_setAutomine: whether blocks with work are made at once, on all chains."""
    await _controls(context).set_automine(parse_bool(arguments[0], "argument 0"))
    return True


async def evm_mine(context: Context, arguments: list[object]) -> object:
    """evm_mine: makes one block at once, at a time if one is given."""
    controls = _controls(context)
    if arguments[0] is not None:
        await controls.set_next_timestamp(_shard(context), parse_number(arguments[0], "argument 0"))
    await controls.mine(context.chain, 1, 1)
    return "0x0"


async def increase_time(context: Context, arguments: list[object]) -> object:
    """dev_increaseTime: moves the clock of all chains forward; the seconds it is ahead of the machine's now."""
    ahead = await _controls(context).increase_time(parse_number(arguments[0], "argument 0"))
    return hex(ahead)


async def set_next_timestamp(context: Context, arguments: list[object]) -> object:
    """dev_setNextBlockTimestamp: the time of the shard's next block, from which the clock of all chains goes on."""
    await _controls(context).set_next_timestamp(_shard(context), parse_number(arguments[0], "argument 0"))
    return True


async def snapshot(context: Context, arguments: list[object]) -> object:
    """dev_snapshot: keeps all chains as they are now; the id to go back by."""
    return hex(await _controls(context).snapshot())


async def revert(context: Context, arguments: list[object]) -> object:
    """dev_revert: goes back to a snapshot on all chains, whether there was one; it and those after it are gone then."""
    return await _controls(context).revert(parse_number(arguments[0], "argument 0"))


async def jump_epoch(context: Context, arguments: list[object]) -> object:
    """dev_jumpEpoch: makes the beacon blocks that are left of the epoch; the epoch that begins."""
    return hex(await _controls(context).jump_epoch())


async def _operate(context: Context, operation: Operation) -> object:
    await _controls(context).operate(context.chain, operation)
    return True


async def set_balance(context: Context, arguments: list[object]) -> object:
    """dev_setBalance: what an account holds, in wei; the difference is the developer account's."""
    address, value = parse_address(arguments[0], "argument 0"), parse_number(arguments[1], "argument 1", 256)
    return await _operate(context, Operation(OperationKind.BALANCE, address, value))


async def set_nonce(context: Context, arguments: list[object]) -> object:
    """dev_setNonce: an account's nonce, not below the one it has."""
    address, value = parse_address(arguments[0], "argument 0"), parse_number(arguments[1], "argument 1")
    return await _operate(context, Operation(OperationKind.NONCE, address, value))


async def set_code(context: Context, arguments: list[object]) -> object:
    """dev_setCode: an account's code."""
    address, code = parse_address(arguments[0], "argument 0"), parse_data(arguments[1], "argument 1")
    return await _operate(context, Operation(OperationKind.CODE, address, code=code))


async def set_storage_at(context: Context, arguments: list[object]) -> object:
    """dev_setStorageAt: a word of an account's storage."""
    address, slot = parse_address(arguments[0], "argument 0"), parse_slot(arguments[1], "argument 1")
    word = int.from_bytes(parse_data(arguments[2], "argument 2", 32, "a word"), "big")
    return await _operate(context, Operation(OperationKind.STORAGE, address, word, slot=slot))


async def impersonate(context: Context, arguments: list[object]) -> object:
    """dev_impersonateAccount: from now on transactions from an account need no signature, contracts included."""
    address = parse_address(arguments[0], "argument 0")
    _controls(context).impersonated.add(address)
    return True


async def stop_impersonating(context: Context, arguments: list[object]) -> object:
    """dev_stopImpersonatingAccount: transactions from an account need a signature again."""
    address = parse_address(arguments[0], "argument 0")
    _controls(context).impersonated.remove(address)
    return True


async def impersonate_everyone(context: Context, arguments: list[object]) -> object:
    """dev_autoImpersonateAccount: whether transactions from any account need no signature."""
    wanted = parse_bool(arguments[0], "argument 0")
    _controls(context).impersonated.everyone = wanted
    return True


async def send_transaction(context: Context, arguments: list[object]) -> object:
    """eth_sendTransaction: a transaction of an impersonated account, without a signature, into the pool; its hash."""
    controls, fields = _controls(context), arguments[0]
    heads = context.shard().heads()
    request = parse_call(fields, "argument 0", context.chain_id, heads.next_base_fee)
    assert isinstance(fields, dict), "what was parsed is an object"
    if "from" not in fields:
        raise invalid_params("invalid argument 0: a transaction names its sender in the field from")
    controls.impersonated.require(request.sender)
    if request.authorizations:
        raise invalid_params("invalid argument 0, field authorizationList: sign such a transaction and use eth_sendRawTransaction")
    given = {
        name: None if fields.get(name) is None else parse_quantity(fields[name], f"argument 0, field {name}", bits)
        for name, bits in _FIELDS.items()
    }
    tip = None
    if (fee := given["gasPrice"]) is None:
        tip = given["maxPriorityFeePerGas"]
        if tip is None:
            tip = TIP_DEFAULT_WEI if given["maxFeePerGas"] is None else min(TIP_DEFAULT_WEI, given["maxFeePerGas"])
        fee = 2 * heads.next_base_fee + tip if given["maxFeePerGas"] is None else given["maxFeePerGas"]
    gas = request.gas
    if gas is None:
        gas = int(str(await estimate_gas(context, [fields, None, None])), 16)
    wanted = Unsigned(
        sender=request.sender, to=request.to, value=small(request.value), data=request.data, gas=gas, fee=fee, tip=tip,
        nonce=given["nonce"], access_list=request.access_list,
    )
    return data(await controls.send(context.chain, wanted))


_FIELDS = {"gasPrice": 256, "maxFeePerGas": 256, "maxPriorityFeePerGas": 256, "nonce": 64}
"""Quantities of a transaction that a call object's request does not keep apart, and their bits."""
def _order(handler: Handler, required: int = 0, optional: int = 0) -> Method:
    return Method(handler, required, optional, is_order=True)


EVERYWHERE = {
    "dev_snapshot": _order(snapshot),
    "dev_revert": _order(revert, 1),
    "dev_mine": _order(mine, 0, 2),
    "dev_setAutomine": _order(set_automine, 1),
    "dev_jumpEpoch": _order(jump_epoch),
    "dev_increaseTime": _order(increase_time, 1),
    "dev_setNextBlockTimestamp": _order(set_next_timestamp, 1),
}
"""At the beacon chain's address, too."""
ALIASES = {
    "evm_snapshot": "dev_snapshot",
    "anvil_snapshot": "dev_snapshot",
    "evm_revert": "dev_revert",
    "anvil_revert": "dev_revert",
    "evm_setAutomine": "dev_setAutomine",
    "anvil_mine": "dev_mine",
    "anvil_autoImpersonateAccount": "dev_autoImpersonateAccount",
    "hardhat_mine": "dev_mine",
    "evm_increaseTime": "dev_increaseTime",
    "anvil_increaseTime": "dev_increaseTime",
    "evm_setNextBlockTimestamp": "dev_setNextBlockTimestamp",
    "anvil_setNextBlockTimestamp": "dev_setNextBlockTimestamp",
}
"""Names that anvil and hardhat have for what means the same here."""
_OF_BOTH = (
    "setBalance", "setNonce", "setCode", "setStorageAt", "impersonateAccount", "stopImpersonatingAccount",
)  # fmt: skip
ALIASES |= {f"{tool}_{name}": f"dev_{name}" for name in _OF_BOTH for tool in ("anvil", "hardhat")}
_OF_A_SHARD = {
    "evm_mine": _order(evm_mine, 0, 1),
    "dev_setBalance": _order(set_balance, 2),
    "dev_setNonce": _order(set_nonce, 2),
    "dev_setCode": _order(set_code, 2),
    "dev_setStorageAt": _order(set_storage_at, 3),
    "dev_impersonateAccount": Method(impersonate, 1),
    "dev_stopImpersonatingAccount": Method(stop_impersonating, 1),
    "dev_autoImpersonateAccount": Method(impersonate_everyone, 1),
    "eth_sendTransaction": Method(send_transaction, 1),
}
SHARD = _OF_A_SHARD | {alias: (EVERYWHERE | _OF_A_SHARD)[name] for alias, name in ALIASES.items()}
"""At the address of a shard only."""
METHODS = EVERYWHERE | SHARD

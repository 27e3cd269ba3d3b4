"""dev: what a developer who has a network alone may do to it, and the names that other development networks have for it.

On a network whose genesis says `devnet: false` none of these methods exists (`registry`); where several validators must agree they
are refused with a sentence (docs/decisions/0015).
"""

from __future__ import annotations

from node.rpc.controls_backend import ControlsBackend
from node.rpc.errors import invalid_params
from node.rpc.forms import kind_of, parse_quantity
from node.rpc.methods.context import Context, Method

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


async def jump_epoch(context: Context, arguments: list[object]) -> object:
    """dev_jumpEpoch: makes the beacon blocks that are left of the epoch; the epoch that begins."""
    return hex(await _controls(context).jump_epoch())


EVERYWHERE = {
    "dev_jumpEpoch": Method(jump_epoch),
    "dev_mine": Method(mine, 0, 2),
    "dev_increaseTime": Method(increase_time, 1),
    "dev_setNextBlockTimestamp": Method(set_next_timestamp, 1),
}
"""At the beacon chain's address, too."""
ALIASES = {
    "anvil_mine": "dev_mine",
    "hardhat_mine": "dev_mine",
    "evm_increaseTime": "dev_increaseTime",
    "anvil_increaseTime": "dev_increaseTime",
    "evm_setNextBlockTimestamp": "dev_setNextBlockTimestamp",
    "anvil_setNextBlockTimestamp": "dev_setNextBlockTimestamp",
}
"""Names that anvil and hardhat have for what means the same here."""
_OF_A_SHARD = {"evm_mine": Method(evm_mine, 0, 1)}
SHARD = _OF_A_SHARD | {alias: (EVERYWHERE | _OF_A_SHARD)[name] for alias, name in ALIASES.items()}
"""At the address of a shard only."""
METHODS = EVERYWHERE | SHARD

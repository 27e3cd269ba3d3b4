"""Steps of translated code that are more than an expression: what the library's opcodes do, on integers.

Each takes the computation and the gas left, already less the instruction's fixed price, and returns the gas left after it (besides a
word, where it gives one). The order of checks is the library's wherever it can be told apart from outside the frame.
"""

from __future__ import annotations

from typing import Any

from eth.exceptions import InvalidInstruction, InvalidJumpDestination, OutOfBoundsRead, OutOfGas, Revert, WriteProtection

from primitives.hashing import keccak256
from shard.engine.fast.instructions import NAMES

_COLD_SLOAD_GAS, _WARM_GAS = 2100, 100
_SSTORE_SENTRY_GAS = 2300
_SET_GAS, _RESET_GAS, _CLEARED_REFUND = 20_000, 2900, 4800
_COPY_WORD_GAS, _HASH_WORD_GAS, _LOG_BYTE_GAS, _LOG_TOPIC_GAS, _EXPONENT_BYTE_GAS = 3, 6, 8, 375, 50
_JUMPDEST = 0x5B


def _word_count(size: int) -> int:
    return (size + 31) >> 5


def _out_of_gas() -> OutOfGas:
    return OutOfGas("out of gas")


def grow(computation: Any, gas: int, end: int) -> int:
    """Makes memory, which stays the same object, reach to `end`, which lies beyond it."""
    memory = computation._memory._bytes
    before, after = len(memory) >> 5, _word_count(end)
    gas -= 3 * (after - before) + after * after // 512 - before * before // 512
    if gas < 0:
        raise _out_of_gas()
    memory.extend(bytes((after - before) << 5))
    return gas


def touch(computation: Any, gas: int, start: int, size: int) -> int:
    """Makes memory reach over what is read or written; nothing where that is no bytes."""
    if size and start + size > len(computation._memory._bytes):
        return grow(computation, gas, start + size)
    return gas


def mload(computation: Any, gas: int, start: int) -> tuple[int, int]:
    """MLOAD."""
    memory = computation._memory._bytes
    if len(memory) < start + 32:
        gas = grow(computation, gas, start + 32)
    return gas, int.from_bytes(memory[start : start + 32], "big")


def sload(computation: Any, gas: int, slot: int) -> tuple[int, int]:
    """EIP-2929."""
    if computation.meter is not None:
        computation.meter()
    accounts, here = computation.accounts, computation.here
    if accounts.is_storage_warm(here, slot):
        gas -= _WARM_GAS
    else:
        accounts.mark_storage_warm(here, slot)
        gas -= _COLD_SLOAD_GAS
    if gas < 0:
        raise _out_of_gas()
    return gas, accounts.get_storage(here, slot)


def sstore(computation: Any, gas: int, slot: int, value: int) -> int:
    """EIP-2200, EIP-2929 and EIP-3529."""
    if computation.meter is not None:
        computation.meter()
    check_writable(computation)
    if gas <= _SSTORE_SENTRY_GAS:
        raise _out_of_gas()
    accounts, here = computation.accounts, computation.here
    current = accounts.get_storage(here, slot)
    if current == value:
        gas -= _WARM_GAS
        refund = 0
    else:
        original = accounts.get_storage(here, slot, False)
        price, refund = _price_of_change(original, current, value)
        gas -= price
    if gas < 0:
        raise _out_of_gas()
    if refund:
        computation._gas_meter.gas_refunded += refund
    accounts.set_storage(here, slot, value)
    if not accounts.is_storage_warm(here, slot):
        accounts.mark_storage_warm(here, slot)
        gas -= _COLD_SLOAD_GAS
        if gas < 0:
            raise _out_of_gas()
    return gas


def _price_of_change(original: int, current: int, value: int) -> tuple[int, int]:
    """Gas and refund of a store that changes a word."""
    if original == current:
        if not original:
            return _SET_GAS, 0
        return _RESET_GAS, 0 if value else _CLEARED_REFUND
    refund = 0
    if original:
        if not current:
            refund -= _CLEARED_REFUND
        if not value:
            refund += _CLEARED_REFUND
    if original == value:
        refund += (_RESET_GAS if original else _SET_GAS) - _WARM_GAS
    return _WARM_GAS, refund


def tload(computation: Any, slot: int) -> int:
    """EIP-1153."""
    return int.from_bytes(computation.accounts.get_transient_storage(computation.here, slot), "big")


def tstore(computation: Any, slot: int, value: int) -> None:
    """EIP-1153."""
    check_writable(computation)
    computation.accounts.set_transient_storage(computation.here, slot, value.to_bytes(32, "big"))


def check_writable(computation: Any) -> None:
    """EIP-214."""
    if computation.msg.is_static:
        raise WriteProtection("Cannot modify state while inside of a STATICCALL context")


def log(computation: Any, gas: int, start: int, size: int, topics: tuple[int, ...]) -> int:
    """LOG0 to LOG4."""
    if computation.meter is not None:
        computation.meter()
    check_writable(computation)
    gas -= _LOG_BYTE_GAS * size + _LOG_TOPIC_GAS * len(topics)
    if gas < 0:
        raise _out_of_gas()
    gas = touch(computation, gas, start, size)
    data = bytes(computation._memory._bytes[start : start + size])
    computation._log_entries.append((computation.transaction_context.get_next_log_counter(), computation.here, topics, data))
    return gas


def hash_memory(computation: Any, gas: int, start: int, size: int) -> tuple[int, int]:
    """KECCAK256."""
    if computation.meter is not None:
        computation.meter()
    gas = touch(computation, gas, start, size) - _HASH_WORD_GAS * _word_count(size)
    if gas < 0:
        raise _out_of_gas()
    return gas, int.from_bytes(keccak256(bytes(computation._memory._bytes[start : start + size])), "big")


def exponentiate(computation: Any, gas: int, base: int, exponent: int) -> tuple[int, int]:
    """EXP."""
    if computation.meter is not None:
        computation.meter()
    gas -= _EXPONENT_BYTE_GAS * ((exponent.bit_length() + 7) >> 3)
    if gas < 0:
        raise _out_of_gas()
    return gas, pow(base, exponent, 2**256)


def copy(computation: Any, gas: int, source: bytes, to: int, start: int, size: int) -> int:
    """CALLDATACOPY and CODECOPY: bytes beyond the source's end are zero."""
    if computation.meter is not None:
        computation.meter()
    gas = touch(computation, gas, to, size) - _COPY_WORD_GAS * _word_count(size)
    if gas < 0:
        raise _out_of_gas()
    if size:
        computation._memory._bytes[to : to + size] = bytes(source[start : start + size]).ljust(size, b"\0")
    return gas


def copy_returned(computation: Any, gas: int, to: int, start: int, size: int) -> int:
    """RETURNDATACOPY."""
    if start + size > len(computation.return_data):
        raise OutOfBoundsRead("beyond the return data")
    return copy(computation, gas, computation.return_data, to, start, size)


def copy_memory(computation: Any, gas: int, to: int, start: int, size: int) -> int:
    """MCOPY (EIP-5656)."""
    if computation.meter is not None:
        computation.meter()
    gas = touch(computation, gas, max(to, start), size) - _COPY_WORD_GAS * _word_count(size)
    if gas < 0:
        raise _out_of_gas()
    if size:
        memory = computation._memory._bytes
        memory[to : to + size] = memory[start : start + size]
    return gas


def finish(computation: Any, gas: int, start: int, size: int) -> int:
    """RETURN."""
    gas = touch(computation, gas, start, size)
    computation._output = bytes(computation._memory._bytes[start : start + size])
    return gas


def revert(computation: Any, gas: int, start: int, size: int) -> None:
    """REVERT."""
    computation._gas_meter.gas_remaining = finish(computation, gas, start, size)
    raise Revert(computation._output)


def by_library(computation: Any, gas: int, opcode: int) -> int:
    """What is left to the library's opcode, its words on the stack."""
    stack, meter = computation._stack.values, computation._gas_meter
    meter.gas_remaining = gas
    computation.opcodes[opcode](computation)
    if stack and type(stack[-1]) is not int:
        stack[-1] = int.from_bytes(stack[-1], "big")
    left: int = meter.gas_remaining
    return left


def jump(code: bytes, marks: bytes, to: int) -> int:
    """`to`, if a jump can go there; `marks` is the code without what is pushed."""
    if to >= len(code) or code[to] != _JUMPDEST:
        raise InvalidJumpDestination("Invalid Jump Destination")
    if marks[to] != _JUMPDEST:
        raise InvalidInstruction("Jump resulted in invalid instruction")
    return to


STEP_NAMES: dict[str, Any] = {
    **NAMES,
    "OutOfGas": OutOfGas,
    "grow": grow,
    "mload": mload,
    "sload": sload,
    "sstore": sstore,
    "tload": tload,
    "tstore": tstore,
    "log": log,
    "hash_memory": hash_memory,
    "exponentiate": exponentiate,
    "copy": copy,
    "copy_returned": copy_returned,
    "copy_memory": copy_memory,
    "finish": finish,
    "revert": revert,
    "by_library": by_library,
    "jump": jump,
}
"""What translated code refers to."""

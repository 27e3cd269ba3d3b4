"""Running code instruction by instruction: cold code, init code, and wherever a frame is about to fail.

What an instruction does when all goes well is done here for the common ones. Everything else, above all whatever fails, is left to the
library's own opcodes, which look at gas and stack in the order the rules have.
"""

from __future__ import annotations

from typing import Any

from eth.exceptions import Halt
from eth.vm.logic.invalid import InvalidOpcode

from shard.engine.fast.instructions import CONTEXT, CONTEXT_FUNCTIONS, EXPRESSIONS, FUNCTIONS

END = -1
"""Where a frame that has ended goes on."""
_STACK_MAX = 1024
_STOP, _POP, _MLOAD, _MSTORE, _JUMP, _JUMPI, _JUMPDEST, _PUSH0, _PUSH32, _DUP1, _DUP16, _SWAP1, _SWAP16 = (
    0x00, 0x50, 0x51, 0x52, 0x56, 0x57, 0x5B, 0x5F, 0x7F, 0x80, 0x8F, 0x90, 0x9F,
)  # fmt: skip
_SIMPLE = {opcode: (e.gas, e.pops, FUNCTIONS[opcode]) for opcode, e in EXPRESSIONS.items()} | {
    opcode: (gas, 0, CONTEXT_FUNCTIONS[opcode]) for opcode, (gas, _) in CONTEXT.items()
}
"""Gas, words taken, and the function from them to a word, or where none are taken from the computation."""


def interpret(computation: Any, padded: bytes, marks: bytes, place: int) -> tuple[int, int]:
    """Runs from `place` up to the next jump, taken or not, or the frame's end; where to go on, or END, and how many instructions ran.

    `padded` is the frame's code with zeros for what lies beyond its end, `marks` the code without what is pushed. The stack holds
    integers alone. What makes the frame fail is raised.
    """
    stack: list[Any] = computation._stack.values
    meter = computation._gas_meter
    gas: int = meter.gas_remaining
    # Moved on by what is pushed, so that its distance from the end is the number of instructions.
    start = place
    while True:
        opcode = padded[place]
        simple = _SIMPLE.get(opcode)
        if simple is not None:
            price, pops, function = simple
            if gas >= price and pops <= len(stack) < _STACK_MAX:
                gas -= price
                if pops == 2:
                    stack.append(function(stack.pop(), stack.pop()))
                elif pops == 1:
                    stack[-1] = function(stack[-1])
                elif pops:
                    stack.append(function(stack.pop(), stack.pop(), stack.pop()))
                else:
                    stack.append(function(computation))
                place += 1
                continue
        elif _PUSH0 < opcode <= _PUSH32:
            if gas >= 3 and len(stack) < _STACK_MAX:
                gas -= 3
                size = opcode - _PUSH0
                stack.append(int.from_bytes(padded[place + 1 : place + 1 + size], "big"))
                place += size + 1
                start += size
                continue
        elif _DUP1 <= opcode <= _SWAP16:
            if gas >= 3 and _move(stack, opcode):
                gas -= 3
                place += 1
                continue
        elif opcode == _JUMPDEST and gas >= 1:
            gas -= 1
            place += 1
            continue
        elif opcode == _POP and gas >= 2 and stack:
            stack.pop()
            gas -= 2
            place += 1
            continue
        elif opcode == _JUMP or opcode == _JUMPI:
            to = _jump(stack, gas, opcode, place, marks)
            if to >= 0:
                meter.gas_remaining = gas - (8 if opcode == _JUMP else 10)
                return to, place + 1 - start
        elif opcode == _MLOAD or opcode == _MSTORE:
            if gas >= 3 and _access(stack, computation._memory._bytes, opcode):
                gas -= 3
                place += 1
                continue
        elif opcode == _STOP:
            meter.gas_remaining = gas
            return END, place + 1 - start
        meter.gas_remaining = gas
        next_place = _by_library(computation, stack, opcode, place)
        if next_place == END or opcode == _JUMP or opcode == _JUMPI:
            return next_place, place + 1 - start
        gas = meter.gas_remaining
        place = next_place


def _by_library(computation: Any, stack: list[Any], opcode: int, place: int) -> int:
    """The general case, and whatever fails; where to go on."""
    code = computation.code
    code.program_counter = place + 1
    try:
        (computation.opcodes.get(opcode) or InvalidOpcode(opcode))(computation)
    except Halt:
        return END
    if stack and type(stack[-1]) is not int:
        stack[-1] = int.from_bytes(stack[-1], "big")
    after: int = code.program_counter
    return after


def _move(stack: list[int], opcode: int) -> bool:
    """DUP and SWAP; False where the stack does not allow it."""
    if opcode <= _DUP16:
        depth = opcode - _DUP1 + 1
        if depth > len(stack) or len(stack) >= _STACK_MAX:
            return False
        stack.append(stack[-depth])
        return True
    depth = opcode - _SWAP1 + 2
    if depth > len(stack):
        return False
    stack[-1], stack[-depth] = stack[-depth], stack[-1]
    return True


def _jump(stack: list[int], gas: int, opcode: int, place: int, marks: bytes) -> int:
    """Where JUMP or JUMPI at `place` leads; -1 where the library has to see to it."""
    if opcode == _JUMP:
        if gas < 8 or not stack:
            return -1
        to = stack[-1]
        if to >= len(marks) or marks[to] != _JUMPDEST:
            return -1
        stack.pop()
        return to
    if gas < 10 or len(stack) < 2:
        return -1
    to = stack[-1] if stack[-2] else place + 1
    if stack[-2] and (to >= len(marks) or marks[to] != _JUMPDEST):
        return -1
    del stack[-2:]
    return to


def _access(stack: list[int], memory: bytearray, opcode: int) -> bool:
    """MLOAD and MSTORE within memory; False where it has to grow, or the stack does not allow it."""
    if not stack or stack[-1] + 32 > len(memory):
        return False
    start = stack[-1]
    if opcode == _MLOAD:
        stack[-1] = int.from_bytes(memory[start : start + 32], "big")
        return True
    if len(stack) < 2:
        return False
    memory[start : start + 32] = stack[-2].to_bytes(32, "big")
    del stack[-2:]
    return True

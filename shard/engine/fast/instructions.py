"""Instructions that are one Python expression: used as they are in translated code, and as functions where code is interpreted.

Words are integers from 0 below 2**256 throughout; in an expression `{a}` is the top of the stack, `{b}` and `{c}` are the next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

WORD_MAX = 2**256 - 1
SIGN = 2**255


class Expression(NamedTuple):
    """What an instruction without side effects computes."""

    gas: int
    pops: int
    text: str
    is_test: bool = False
    """Whether the text is a condition: 1 where it holds, else 0."""


def signed(word: int) -> int:
    """A word in two's complement as a number."""
    return word - 2**256 if word & SIGN else word


def signed_divide(a: int, b: int) -> int:
    """SDIV: rounds towards 0, and by 0 is 0."""
    if not b:
        return 0
    a, b = signed(a), signed(b)
    quotient = abs(a) // abs(b)
    return (quotient if (a < 0) == (b < 0) else -quotient) & WORD_MAX


def signed_modulo(a: int, b: int) -> int:
    """SMOD: of the sign of the dividend, and by 0 is 0."""
    if not b:
        return 0
    a, b = signed(a), signed(b)
    rest = abs(a) % abs(b)
    return (-rest if a < 0 else rest) & WORD_MAX


def extend_sign(place: int, word: int) -> int:
    """SIGNEXTEND of a number whose highest byte is at `place`, counted from the lowest."""
    if place > 30:
        return word
    sign = 1 << (place * 8 + 7)
    return (word | (2**256 - sign)) if word & sign else word & (sign - 1)


def shift_signed(shift: int, word: int) -> int:
    """SAR."""
    return (signed(word) >> min(shift, 256)) & WORD_MAX


EXPRESSIONS = {
    0x01: Expression(3, 2, "({a} + {b}) & M"),
    0x02: Expression(5, 2, "({a} * {b}) & M"),
    0x03: Expression(3, 2, "({a} - {b}) & M"),
    0x04: Expression(5, 2, "{a} // {b} if {b} else 0"),
    0x05: Expression(5, 2, "signed_divide({a}, {b})"),
    0x06: Expression(5, 2, "{a} % {b} if {b} else 0"),
    0x07: Expression(5, 2, "signed_modulo({a}, {b})"),
    0x08: Expression(8, 3, "({a} + {b}) % {c} if {c} else 0"),
    0x09: Expression(8, 3, "({a} * {b}) % {c} if {c} else 0"),
    0x0B: Expression(5, 2, "extend_sign({a}, {b})"),
    0x10: Expression(3, 2, "{a} < {b}", True),
    0x11: Expression(3, 2, "{a} > {b}", True),
    0x12: Expression(3, 2, "({a} ^ T) < ({b} ^ T)", True),
    0x13: Expression(3, 2, "({a} ^ T) > ({b} ^ T)", True),
    0x14: Expression(3, 2, "{a} == {b}", True),
    0x15: Expression(3, 1, "not {a}", True),
    0x16: Expression(3, 2, "{a} & {b}"),
    0x17: Expression(3, 2, "{a} | {b}"),
    0x18: Expression(3, 2, "{a} ^ {b}"),
    0x19: Expression(3, 1, "M ^ {a}"),
    0x1A: Expression(3, 2, "({b} >> (8 * (31 - {a}))) & 255 if {a} < 32 else 0"),
    0x1B: Expression(3, 2, "({b} << {a}) & M if {a} < 256 else 0"),
    0x1C: Expression(3, 2, "{b} >> {a} if {a} < 256 else 0"),
    0x1D: Expression(3, 2, "shift_signed({a}, {b})"),
}
"""By opcode."""
NAMES: dict[str, Any] = {
    "M": WORD_MAX,
    "T": SIGN,
    "signed_divide": signed_divide,
    "signed_modulo": signed_modulo,
    "extend_sign": extend_sign,
    "shift_signed": shift_signed,
}
"""What the expressions refer to."""
_ARGUMENTS = {"a": "a", "b": "b", "c": "c"}


def value_of(expression: Expression, **operands: object) -> str:
    """The Python expression of a word, for operands given as Python expressions."""
    text = expression.text.format(**operands)
    return f"1 if {text} else 0" if expression.is_test else text


def _function(expression: Expression) -> Callable[..., int]:
    arguments = ", ".join("abc"[: expression.pops])
    function: Callable[..., int] = eval(f"lambda {arguments}: {value_of(expression, **_ARGUMENTS)}", dict(NAMES))
    return function


FUNCTIONS = {opcode: _function(expression) for opcode, expression in EXPRESSIONS.items()}
"""The same as functions of the operands, the top of the stack first."""
CONTEXT = {
    0x30: (2, 'int.from_bytes(C.here, "big")'),
    0x32: (2, 'int.from_bytes(C.transaction_context.origin, "big")'),
    0x33: (2, 'int.from_bytes(C.msg.sender, "big")'),
    0x34: (2, "C.msg.value"),
    0x36: (2, "len(C.msg.data)"),
    0x38: (2, "len(C.msg.code)"),
    0x3A: (2, "C.transaction_context.gas_price"),
    0x3D: (2, "len(C.return_data)"),
    0x41: (2, 'int.from_bytes(C.state.coinbase, "big")'),
    0x42: (2, "C.state.timestamp"),
    0x43: (2, "C.state.block_number"),
    0x44: (2, 'int.from_bytes(C.state.mix_hash, "big")'),
    0x45: (2, "C.state.gas_limit"),
    0x46: (2, "C.state.execution_context.chain_id"),
    0x47: (5, "C.accounts.get_balance(C.here)"),
    0x48: (2, "C.state.base_fee"),
}
"""Gas and Python expression of what a computation `C` can tell of where it runs, by opcode."""
CONTEXT_FUNCTIONS: dict[int, Callable[[Any], int]] = {opcode: eval(f"lambda C: {text}") for opcode, (_, text) in CONTEXT.items()}
"""The same as functions of the computation."""

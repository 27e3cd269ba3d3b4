"""From a place in a contract's code to a Python function: the instructions from there on, along the way that is mostly taken.

A translation goes on through jumps to known places and past conditional jumps, as long as what follows is warm; wherever the way leaves
it, it gives stack and gas back and says where to go on. Items of the stack are local variables meanwhile, and gas is charged for all
instructions up to the next that can be told apart from outside (docs/decisions/0016-the-fast-engine.md).
"""

from __future__ import annotations

import re
from typing import Any, Protocol

from shard.engine.fast.instructions import CONTEXT, EXPRESSIONS, value_of
from shard.engine.fast.interpreter import END, interpret
from shard.engine.fast.steps import STEP_NAMES

TRANSLATION_SIZE_MAX = 2048
"""Instructions in one translation, and items of the stack it gives back wherever it can be left."""
VISITS_MAX = 2
"""How often one translation may pass the same jump destination."""
_STACK_MAX = 1024
_JUMPDEST = 0x5B
_NAME = re.compile(r"\b[vb]\d+\b")
_FOLDED = {opcode: compile(value_of(e, a="a", b="b", c="c"), "<fold>", "eval") for opcode, e in EXPRESSIONS.items()}
_LIBRARY = {
    0x31: (1, 1), 0x3B: (1, 1), 0x3C: (4, 0), 0x3F: (1, 1), 0x40: (1, 1), 0x49: (1, 1), 0x4A: (0, 1), 0x53: (2, 0),
    0xF0: (3, 1), 0xF1: (7, 1), 0xF2: (7, 1), 0xF4: (6, 1), 0xF5: (4, 1), 0xFA: (6, 1),
}  # fmt: skip
"""Opcodes left to the library: words taken and given."""
Operand = int | str
"""A word that is known, or the name of a local variable."""


class Profiled(Protocol):
    """Code, and how often its parts ran."""

    code: bytes
    marks: bytes
    padded: bytes
    runs: dict[int, int]


def translate(program: Profiled, place: int, warm: int) -> tuple[Any, int]:
    """Translates from `place` on, into parts that ran at least `warm` times; the function, and its size (of `TRANSLATION_SIZE_MAX`)."""
    source = _Source(program, place, warm)
    source.run()
    names = dict(STEP_NAMES, interpret=interpret, code=program.code, marks=program.marks, padded=program.padded)
    exec(compile(source.text(), f"<evm {place}>", "exec"), names)
    return names["run"], source.size


class _Source:
    """A translation in the making."""

    def __init__(self, program: Profiled, place: int, warm: int) -> None:
        self._program, self._entry, self._warm = program, place, warm
        self.size = 0
        self._place = place
        self._visits: dict[int, int] = {}
        self._lines: list[tuple[str | None, str]] = []
        """Name that is set, if the line does nothing else, and the line."""
        self._names = 0
        self._tests: dict[str, str] = {}
        """Conditions that names are 1 or 0 by."""
        self._above: list[Operand] = []
        """What lies on the stack above what is still as it was."""
        self._taken = 0
        """Items of the stack that `above` stands in place of."""
        self._seen: dict[int, str] = {}
        """Names of items of the stack as it was, by depth from 1."""
        self._height = self._least = self._most = 0
        """Of the stack against the entry's: now, the lowest and the highest so far."""
        self._segment: int | None = None
        self._gas = 0
        self._known = 0
        """Bytes that memory is known to have at least."""
        self._is_over = False

    # -- stack

    def _name(self) -> str:
        self._names += 1
        return f"v{self._names}"

    def _item(self, depth: int) -> str:
        """An item of the stack as it was."""
        name = self._seen.get(depth)
        if name is None:
            self._names += 1
            name = self._seen[depth] = f"b{self._names}"
            self._lines.append((name, f"{name} = S[-{depth}]"))
        return name

    def _need(self, count: int) -> None:
        self._least = min(self._least, self._height - count)

    def _have(self, count: int) -> None:
        while len(self._above) < count:
            self._taken += 1
            self._above.insert(0, self._item(self._taken))

    def _pop(self) -> Operand:
        self._need(1)
        self._have(1)
        self._height -= 1
        return self._above.pop()

    def _push(self, operand: Operand) -> None:
        self._above.append(operand)
        self._height += 1
        self._most = max(self._most, self._height)

    def _assign(self, expression: str) -> str:
        name = self._name()
        self._lines.append((name, f"{name} = {expression}"))
        return name

    def _do(self, line: str) -> None:
        self._lines.append((None, line))

    def _flush(self) -> str:
        """The statement that makes the stack be what it stands for; empty where it is already."""
        same = 0
        while same < min(len(self._above), self._taken) and self._above[same] == self._seen.get(self._taken - same):
            same += 1
        above, taken = self._above[same:], self._taken - same
        self.size += len(above) + (same >> 3)
        items = "".join(f"{operand}, " for operand in above)
        if taken:
            return f"S[-{taken}:] = ({items})" if above else f"del S[-{taken}:]"
        if not above:
            return ""
        return f"S.append({above[0]})" if len(above) == 1 else f"S.extend(({items}))"

    def _flushed(self) -> None:
        """The stack is as it stands from here on."""
        flush = self._flush()
        if flush:
            self._do(flush)
        self._above.clear()
        self._seen.clear()
        self._taken = 0

    # -- gas

    def _charge(self, gas: int) -> None:
        if self._segment is None:
            self._segment = len(self._lines)
            self._do("")
            self._gas = 0
        self._gas += gas

    def _settle(self) -> None:
        """What was charged up to here is charged where its segment began."""
        if self._segment is not None and self._gas:
            self._lines[self._segment] = (None, f"g -= {self._gas}\nif g < 0: raise OutOfGas('out of gas')")
        self._segment = None

    def _exit(self, to: object) -> str:
        flush = self._flush()
        return "\n".join(line for line in ("G.gas_remaining = g", flush, f"return {to}") if line)

    def _leave(self, to: object) -> None:
        self._settle()
        self._do(self._exit(to))
        self._is_over = True

    # -- instructions

    def run(self) -> None:
        """Takes in instructions until the way ends or is no longer warm, or there are too many."""
        padded, end = self._program.padded, len(self._program.code)
        while not self._is_over:
            place = self._place
            if self.size >= TRANSLATION_SIZE_MAX or (padded[place] == _JUMPDEST and not self._may_pass(place)):
                self._leave(place)
                return
            opcode = padded[place]
            self.size += 1
            self._place = place + 1
            if place >= end:
                self._leave(END)
            else:
                self._take(opcode)

    def _may_pass(self, place: int) -> bool:
        """Whether the way goes on over a jump destination; counted."""
        visits = self._visits[place] = self._visits.get(place, 0) + 1
        return visits <= VISITS_MAX

    def _take(self, opcode: int) -> None:
        if 0x5F <= opcode <= 0x7F:
            self._push_code(opcode - 0x5F)
        elif 0x80 <= opcode <= 0x8F:
            self._duplicate(opcode - 0x7F)
        elif 0x90 <= opcode <= 0x9F:
            self._swap(opcode - 0x8F)
        elif opcode in EXPRESSIONS:
            self._express(opcode)
        elif opcode in CONTEXT:
            gas, text = CONTEXT[opcode]
            self._charge(gas)
            self._push(self._assign(text))
        elif opcode in _OWN:
            _OWN[opcode](self)
        elif 0xA0 <= opcode <= 0xA4:
            self._log(opcode - 0xA0)
        elif opcode in _LIBRARY:
            self._library(opcode)
        else:
            # It fails, or ends the frame, and is left to the interpreter.
            self._leave_to_interpreter()

    def _leave_to_interpreter(self) -> None:
        self._settle()
        self._flushed()
        self._do(f"G.gas_remaining = g\nreturn interpret(C, padded, marks, {self._place - 1})[0]")
        self._is_over = True

    def _push_code(self, count: int) -> None:
        self._charge(3 if count else 2)
        start = self._place
        self._push(int.from_bytes(self._program.padded[start : start + count].ljust(count, b"\0"), "big"))
        self._place += count

    def _duplicate(self, depth: int) -> None:
        self._charge(3)
        self._need(depth)
        above = self._above
        self._push(above[-depth] if depth <= len(above) else self._item(self._taken + depth - len(above)))

    def _swap(self, depth: int) -> None:
        self._charge(3)
        self._need(depth + 1)
        self._have(depth + 1)
        above = self._above
        above[-1], above[-1 - depth] = above[-1 - depth], above[-1]

    def _express(self, opcode: int) -> None:
        expression = EXPRESSIONS[opcode]
        self._charge(expression.gas)
        operands = dict(zip("abc", [self._pop() for _ in range(expression.pops)], strict=False))
        if all(isinstance(operand, int) for operand in operands.values()):
            self._push(eval(_FOLDED[opcode], STEP_NAMES, operands))
            return
        test = ""
        if expression.is_test:
            test = expression.text.format(**operands)
            if opcode == 0x15 and operands["a"] in self._tests:
                test = _negated(self._tests[str(operands["a"])])
        name = self._assign(f"1 if {test} else 0" if test else value_of(expression, **operands))
        if test:
            self._tests[name] = test
        self._push(name)

    def _drop(self) -> None:
        self._charge(2)
        self._pop()

    def _destination(self) -> None:
        self._charge(1)

    def _counter(self) -> None:
        self._charge(2)
        self._push(self._place - 1)

    def _memory_size(self) -> None:
        self._charge(2)
        self._push(self._assign("len(m)"))

    def _gas_left(self) -> None:
        self._charge(2)
        self._settle()
        self._push(self._assign("g"))

    def _reach(self, start: Operand) -> None:
        """Makes memory hold the word at `start`."""
        if isinstance(start, int):
            end = start + 32
            if end > self._known:
                self._do(f"if len(m) < {end}: g = grow(C, g, {end})")
                self._known = end
        else:
            self._do(f"if len(m) < {start} + 32: g = grow(C, g, {start} + 32)")

    def _load_word(self) -> None:
        self._charge(3)
        start = self._pop()
        if isinstance(start, int):
            self._reach(start)
            self._push(self._assign(f'int.from_bytes(m[{start}:{start + 32}], "big")'))
        else:
            # Written out it would take the compiler five times as long as any other.
            name = self._name()
            self._do(f"g, {name} = mload(C, g, {start})")
            self._push(name)

    def _store_word(self) -> None:
        self._charge(3)
        start, word = self._pop(), self._pop()
        self._reach(start)
        end = start + 32 if isinstance(start, int) else f"{start} + 32"
        self._do(f"m[{start}:{end}] = " + (repr(word.to_bytes(32, "big")) if isinstance(word, int) else f'{word}.to_bytes(32, "big")'))

    def _call_data_word(self) -> None:
        self._charge(3)
        start = self._pop()
        end = start + 32 if isinstance(start, int) else f"{start} + 32"
        self._push(self._assign(f'int.from_bytes(bytes(C.msg.data[{start}:{end}]).ljust(32, b"\\0"), "big")'))

    def _hash(self) -> None:
        self._charge(30)
        self._word_from("hash_memory")

    def _exponentiate(self) -> None:
        self._charge(10)
        self._word_from("exponentiate", 2)

    def _load(self) -> None:
        self._word_from("sload", 1)

    def _word_from(self, step: str, pops: int = 2) -> None:
        operands = "".join(f", {self._pop()}" for _ in range(pops))
        name = self._name()
        self._do(f"g, {name} = {step}(C, g{operands})")
        self._push(name)

    def _store(self) -> None:
        self._settle()
        slot, word = self._pop(), self._pop()
        self._do(f"g = sstore(C, g, {slot}, {word})")

    def _load_transient(self) -> None:
        self._charge(100)
        self._push(self._assign(f"tload(C, {self._pop()})"))

    def _store_transient(self) -> None:
        self._charge(100)
        self._settle()
        slot, word = self._pop(), self._pop()
        self._do(f"tstore(C, {slot}, {word})")

    def _log(self, count: int) -> None:
        self._charge(375)
        self._settle()
        start, size = self._pop(), self._pop()
        topics = "".join(f"{self._pop()}, " for _ in range(count))
        self._do(f"g = log(C, g, {start}, {size}, ({topics}))")

    def _copy(self, source: str) -> None:
        self._charge(3)
        to, start, size = self._pop(), self._pop(), self._pop()
        self._do(f"g = copy(C, g, {source}, {to}, {start}, {size})")

    def _copy_with(self, step: str) -> None:
        self._charge(3)
        self._settle()
        to, start, size = self._pop(), self._pop(), self._pop()
        self._do(f"g = {step}(C, g, {to}, {start}, {size})")

    def _stop(self) -> None:
        self._leave(END)

    def _return(self) -> None:
        self._settle()
        start, size = self._pop(), self._pop()
        self._do(f"G.gas_remaining = finish(C, g, {start}, {size})\nreturn {END}")
        self._is_over = True

    def _revert(self) -> None:
        self._settle()
        start, size = self._pop(), self._pop()
        self._do(f"revert(C, g, {start}, {size})")
        self._is_over = True

    def _library(self, opcode: int) -> None:
        pops, pushes = _LIBRARY[opcode]
        self._settle()
        self._need(pops)
        self._flushed()
        self._height += pushes - pops
        self._most = max(self._most, self._height)
        self._do(f"g = by_library(C, g, {opcode})\nm = C._memory._bytes")

    # -- jumps

    def _is_destination(self, to: int) -> bool:
        marks = self._program.marks
        return to < len(marks) and marks[to] == _JUMPDEST

    def _is_warm(self, place: int) -> bool:
        return self._program.runs.get(place, 0) >= self._warm

    def _jump(self) -> None:
        self._charge(8)
        to = self._pop()
        if isinstance(to, int) and self._is_destination(to):
            if self._is_warm(to):
                self._place = to
            else:
                self._leave(to)
        else:
            self._leave(f"jump(code, marks, {to})")

    def _jump_if(self) -> None:
        self._charge(10)
        to, test = self._pop(), self._pop()
        self._settle()
        after = self._place
        target: object = to if isinstance(to, int) and self._is_destination(to) else f"jump(code, marks, {to})"
        if isinstance(test, int):
            if not test:
                return
            if isinstance(target, int) and self._is_warm(target):
                self._place = target
            else:
                self._leave(target)
            return
        condition = self._tests.get(test, test)
        runs = self._program.runs
        if isinstance(target, int) and runs.get(target, 0) > runs.get(after, 0) and self._is_warm(target):
            self._branch(_negated(str(condition)), after)
            self._place = target
            return
        self._branch(condition, target)
        if not self._is_warm(after):
            self._leave(after)

    def _branch(self, condition: str, to: object) -> None:
        body = self._exit(to).replace("\n", "\n ")
        self._do(f"if {condition}:\n {body}")

    # -- text

    def text(self) -> str:
        """The function's source."""
        live: set[str] = set()
        kept: list[str] = []
        for name, line in reversed(self._lines):
            if not line or (name is not None and name not in live):
                continue
            kept.append(line)
            live.update(_NAME.findall(line))
        lines = ["def run(C, S, G):", " g = G.gas_remaining", " m = C._memory._bytes"]
        lines.append(f" if not {-self._least} <= len(S) <= {_STACK_MAX - self._most}:")
        lines.append(f"  return interpret(C, padded, marks, {self._entry})[0]")
        lines.extend(" " + line.replace("\n", "\n ") for line in reversed(kept))
        return "\n".join(lines) + "\n"


def _negated(test: str) -> str:
    """Never more than one negation, however many the code has: nested ones would be too much for the compiler."""
    return test[5:-1] if test.startswith("not (") else f"not ({test})"


_OWN: dict[int, Any] = {
    0x00: _Source._stop, 0x0A: _Source._exponentiate, 0x20: _Source._hash, 0x35: _Source._call_data_word,
    0x37: lambda source: source._copy("C.msg.data"), 0x39: lambda source: source._copy("C.msg.code"),
    0x3E: lambda source: source._copy_with("copy_returned"), 0x50: _Source._drop, 0x51: _Source._load_word, 0x52: _Source._store_word,
    0x54: _Source._load, 0x55: _Source._store, 0x56: _Source._jump, 0x57: _Source._jump_if, 0x58: _Source._counter,
    0x59: _Source._memory_size, 0x5A: _Source._gas_left, 0x5B: _Source._destination, 0x5C: _Source._load_transient,
    0x5D: _Source._store_transient, 0x5E: lambda source: source._copy_with("copy_memory"), 0xF3: _Source._return, 0xFD: _Source._revert,
}  # fmt: skip
"""Instructions with a translation of their own."""

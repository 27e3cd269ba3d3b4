"""Instructions of one expression against the library's own, over the words where something changes."""

import itertools
from types import SimpleNamespace

import pytest
from eth.vm.stack import Stack

from shard.engine.fast.instructions import EXPRESSIONS, FUNCTIONS
from shard.engine.reference.computation import ShardComputation

WORDS = (
    0, 1, 2, 3, 7, 29, 30, 31, 32, 33, 127, 128, 255, 256, 257, 2**128 - 1, 2**247, 2**248 - 1, 2**255 - 1, 2**255, 2**256 - 2, 2**256 - 1,
)  # fmt: skip


def by_library(opcode, operands):
    stack = Stack()
    computation = SimpleNamespace(
        stack_pop_ints=stack.pop_ints, stack_pop1_int=stack.pop1_int, stack_push_int=stack.push_int, stack_push_bytes=stack.push_bytes
    )
    for operand in reversed(operands):
        stack.push_int(operand)
    ShardComputation.opcodes[opcode].logic_fn(computation)
    return stack.pop1_int()


@pytest.mark.parametrize("opcode", EXPRESSIONS, ids=hex)
def test_they_come_to_what_the_library_does(opcode):
    expression = EXPRESSIONS[opcode]
    assert ShardComputation.opcodes[opcode].gas_cost == expression.gas
    for operands in itertools.product(WORDS, repeat=expression.pops):
        assert FUNCTIONS[opcode](*operands) == by_library(opcode, operands), operands

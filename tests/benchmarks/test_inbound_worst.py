"""The programs that are measured: none ends by a mistake of its own, and precompiled contracts accept their input."""

import pytest

from benchmarks.inbound_worst import CODE_BYTES_MAX, FAMILIES, TARGET, Program, with_callback
from primitives.parameters import Parameters
from shard.contracts import OUTBOX
from shard.engine.interface import BlockContext
from shard.views import CallOutcome, CallRequest
from tests.shard.engine.support import GWEI, Shard, address

PROGRAMS = [program for programs in FAMILIES.values() for program in programs()]
INPUT_BYTES_MAX = 400
"""Of a precompiled contract's input that is tried: larger ones repeat smaller ones, and take seconds."""
PLAIN = [program for program in PROGRAMS if not program.precompile]
PRECOMPILED = [program for program in PROGRAMS if program.precompile and len(program.data) <= INPUT_BYTES_MAX]


def run(program: Program, to: bytes, data: bytes, gas: int) -> CallOutcome:
    shard = Shard({TARGET: program.code, **program.others})
    context: BlockContext = shard.context()
    request = CallRequest(sender=address(0), to=to, gas=gas, gas_price=b"", value=b"", data=data)
    return shard.engine.call(shard.root, context, request)


def test_results_are_those_of_calls_that_wait_for_them() -> None:
    rules = Parameters()
    asking, results = with_callback(3, rules)
    shard = Shard(shard_count=rules.shard_count)
    block = shard.begin()
    assert [block.deliver(receipt).status for receipt in asking] == [1, 1, 1]
    shard.finish(block)
    block = shard.begin()
    assert [(outcome.status, outcome.effective_gas_price) for outcome in map(block.deliver, results)] == [(1, GWEI)] * 3
    assert shard.finish(block).gas_used == 3 * 21_000
    assert shard.balance(OUTBOX) == 0


def test_names_differ_and_code_is_no_longer_than_a_contract_may_be() -> None:
    assert len({program.name for program in PROGRAMS}) == len(PROGRAMS) > 130
    assert max(len(code) for program in PROGRAMS for code in (program.code, *program.others.values())) <= CODE_BYTES_MAX


@pytest.mark.parametrize("program", PLAIN, ids=lambda program: program.name)
def test_a_program_runs_until_its_gas_is_used_up(program: Program) -> None:
    ran = run(program, TARGET, b"", 120_000)
    assert ran.error in ("", "out of gas"), ran.error
    assert ran.gas_used > 60_000


@pytest.mark.parametrize("program", PRECOMPILED, ids=lambda program: program.name)
def test_a_precompiled_contract_accepts_its_input(program: Program) -> None:
    ran = run(program, program.precompile.to_bytes(20, "big"), program.data, 2_000_000)
    assert ran.success, ran.error
    assert ran.output or not program.data

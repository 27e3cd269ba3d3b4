"""Struct logs: what each step finds, costs and leaves."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shard.views import AccountOverride
from tests.shard.executor.support import transfer
from tests.shard.executor.test_simulation import CODES
from tests.shard.tracing.support import CALLING, FAILING, LOGGING, Chain

CODE_AT = b"\x61" * 20


@pytest.fixture(scope="module")
def chain():
    return Chain()


def steps(chain, code, gas=100_000, **options):
    traced = chain.trace_call(CODE_AT, tracer="", gas=gas, overrides=(AccountOverride(CODE_AT, code=bytes.fromhex(code)),), **options)
    return traced, traced["structLogs"]


def test_each_step_as_geth_tells_it(chain):
    traced, told = steps(chain, "6001600c01" + "5f52" + "60205ff3")
    assert told == [
        {"pc": 0, "op": "PUSH1", "gas": 79000, "gasCost": 3, "depth": 1, "stack": []},
        {"pc": 2, "op": "PUSH1", "gas": 78997, "gasCost": 3, "depth": 1, "stack": ["0x1"]},
        {"pc": 4, "op": "ADD", "gas": 78994, "gasCost": 3, "depth": 1, "stack": ["0x1", "0xc"]},
        {"pc": 5, "op": "PUSH0", "gas": 78991, "gasCost": 2, "depth": 1, "stack": ["0xd"]},
        {"pc": 6, "op": "MSTORE", "gas": 78989, "gasCost": 6, "depth": 1, "stack": ["0xd", "0x0"]},
        {"pc": 7, "op": "PUSH1", "gas": 78983, "gasCost": 3, "depth": 1, "stack": []},
        {"pc": 9, "op": "PUSH0", "gas": 78980, "gasCost": 2, "depth": 1, "stack": ["0x20"]},
        {"pc": 10, "op": "RETURN", "gas": 78978, "gasCost": 0, "depth": 1, "stack": ["0x20", "0x0"]},
    ]
    assert {**traced, "structLogs": None} == {"gas": 21022, "failed": False, "returnValue": "0x" + "0" * 62 + "0d", "structLogs": None}


def test_what_can_be_left_out_and_put_in(chain):
    code = "60015f52" + "5f5f5f5f73" + LOGGING.hex() + "61fffff4" + "60205f2000"
    _, told = steps(chain, code, disable_stack=True, enable_memory=True, enable_return_data=True)
    assert not any("stack" in step for step in told)
    assert "memory" not in told[0]
    assert told[3]["memory"] == ["0x" + "0" * 63 + "1"]
    hashing = next(step for step in told if step["op"] == "KECCAK256")
    assert hashing["returnData"] == "0x" + "0" * 62 + "2a"
    assert len(steps(chain, code, limit=3)[1]) == 3


def test_storage_is_told_where_it_is_used_and_adds_up(chain):
    # SSTORE 7 to 1, SLOAD 2, SLOAD 1
    _, told = steps(chain, "6007600155" + "6002545060015450" + "00")
    found = [step["storage"] for step in told if "storage" in step]
    one, two = "0x" + "0" * 63 + "1", "0x" + "0" * 63 + "2"
    assert found[0] == {one: "0x" + "0" * 63 + "7"}
    assert found[1] == found[2] == {one: "0x" + "0" * 63 + "7", two: "0x" + "0" * 64}
    assert [step["op"] for step in told if "storage" in step] == ["SSTORE", "SLOAD", "SLOAD"]
    assert not any("storage" in step for step in steps(chain, "6007600155", disable_storage=True)[1])


def test_a_call_costs_what_it_hands_on_and_its_steps_follow(chain):
    _, told = steps(chain, "5f5f5f5f73" + FAILING.hex() + "611000fa" + "00")
    at = next(i for i, step in enumerate(told) if step["op"] == "STATICCALL")
    assert told[at]["gasCost"] == 2600 + 0x1000
    assert told[at + 1] == {"pc": 0, "op": "PUSH1", "gas": 0x1000, "gasCost": 3, "depth": 2, "stack": []}
    assert [step["depth"] for step in told[at + 1 :]][-1] == 1


@pytest.mark.parametrize(
    ("code", "op", "error"),
    [("01", "ADD", "stack underflow"), ("5f5f0c", "opcode 0xc not defined", None), ("600456", "JUMP", None), ("5f5ffd", "REVERT", None)],
)
def test_steps_that_fail(chain, code, op, error):
    traced, told = steps(chain, code)
    assert traced["failed"]
    assert (told[-1]["op"], told[-1].get("error")) == (op, error)


def test_gas_that_is_not_there_is_told_as_the_cost(chain):
    for code, gas, left, cost in (("5f61100052", 21_100, 95, 3 + 3 * 129 + 129**2 // 512), ("60aa" + "31", 21_303, 300, 2600)):
        _, told = steps(chain, code, gas=gas)
        assert (told[-1]["gas"], told[-1]["gasCost"], told[-1]["error"]) == (left, cost, "out of gas")


def test_refunds_are_counted(chain):
    # LOGGING has 1 in slot 0
    _, told = steps(chain, "5f5f5f5f73" + LOGGING.hex() + "5af45000")
    assert all("refund" not in step for step in told)
    traced = chain.trace_call(LOGGING, tracer="", overrides=(AccountOverride(LOGGING, code=bytes.fromhex("5f5f5500")),))
    assert traced["structLogs"][-1]["refund"] == 4800


def test_an_account_without_code_has_no_steps(chain):
    (name,) = chain.add(transfer(chain.genesis, 0, 0))
    assert chain.trace(name, tracer="") == {"gas": 21000, "failed": False, "returnValue": "0x", "structLogs": []}


@settings(max_examples=200, deadline=None)
@given(CODES, st.integers(22_000, 200_000))
def test_gas_adds_up_in_any_code(chain, code, gas):
    overrides = (AccountOverride(CODE_AT, code=code), AccountOverride(CALLING, code=code))
    traced = chain.trace_call(CODE_AT, tracer="", gas=gas, overrides=overrides)
    told = traced["structLogs"]
    open_frames = []
    for step in told:
        open_frames = open_frames[: step["depth"]]
        if len(open_frames) == step["depth"]:
            before = open_frames[-1]
            assert step["gas"] >= before["gas"] - before["gasCost"]
            calls = before["op"] in ("CALL", "CALLCODE", "DELEGATECALL", "STATICCALL", "CREATE", "CREATE2")
            assert calls or step["gas"] == before["gas"] - before["gasCost"]
            open_frames[-1] = step
        else:
            open_frames.append(step)
        assert len(open_frames) == step["depth"]
    simulated = chain.trace_call(CODE_AT, gas=gas, overrides=overrides)
    assert int(simulated["gasUsed"], 16) == traced["gas"]

"""Every method, asked by made-up arguments on the specification's chain: a result or an error that is documented, never a fault."""

import json
import os
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.rpc.errors import CODES, INTERNAL
from node.rpc.limits import RESPONSE_BYTES_MAX
from node.rpc.methods.registry import SHARD
from tests.conformance.rpc.node import serve
from tests.conformance.rpc.schema import SOURCES
from tests.node.rpc.fuzzing.schemas import parameters
from tests.node.rpc.fuzzing.strategies import ANYTHING, arguments

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "6"))
"""Batches of each method."""
CALLS_MAX = 8
"""Of one batch."""
SECONDS_MAX = 60.0
CHAIN_ID = {"jsonrpc": "2.0", "id": "alive", "method": "eth_chainId"}


def check(identity: Any, raw: bytes) -> None:
    """That an answer is one, and no fault of the node's."""
    assert len(raw) <= RESPONSE_BYTES_MAX
    answer = json.loads(raw)
    assert answer["jsonrpc"] == "2.0"
    assert answer["id"] == identity
    assert answer.keys() - {"jsonrpc", "id"} in ({"result"}, {"error"})
    if "error" in answer:
        error = answer["error"]
        assert error["code"] in CODES
        assert error["code"] != INTERNAL, error
        assert isinstance(error["message"], str)
        assert error["message"]


def ask(specification_chain: Any, method: str, calls: list[Any]) -> None:
    """Asks one by one, then once more whether the node is there."""

    async def run() -> None:
        with trio.fail_after(SECONDS_MAX):
            async with serve(*specification_chain) as client:
                for i, params in enumerate(calls):
                    answer = await client.post({"jsonrpc": "2.0", "id": i, "method": method, "params": params})
                    assert answer.status == 200
                    check(i, answer.body)
                assert (await client.post(CHAIN_ID)).json == {"jsonrpc": "2.0", "id": "alive", "result": "0xc72dd9d5e883e"}

    trio.run(run)


@pytest.mark.parametrize("method", sorted(SHARD))
def test_every_answer_is_well_formed(specification_chain: Any, method: str) -> None:
    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None)
    @given(st.lists(arguments(method), min_size=1, max_size=CALLS_MAX))
    def batch(calls: list[Any]) -> None:
        ask(specification_chain, method, calls)

    batch()


def test_every_method_has_a_schema() -> None:
    assert SOURCES.is_dir()
    assert SHARD.keys() <= parameters().keys()
    short = {name: (len(parameters()[name]), m.required + m.optional) for name, m in SHARD.items() if len(parameters()[name]) < m.required}
    assert not short


@settings(max_examples=EXAMPLES * 20, suppress_health_check=list(HealthCheck), deadline=None)
@given(ANYTHING)
def test_whatever_is_json_is_answered(specification_chain: Any, body: Any) -> None:
    async def run() -> None:
        async with serve(*specification_chain) as client:
            answer = await client.post(json.dumps(body).encode())
            assert answer.status == 200
            for part in answer.json if isinstance(answer.json, list) else [answer.json]:
                assert part["error"]["code"] in CODES - {INTERNAL}

    trio.run(run)

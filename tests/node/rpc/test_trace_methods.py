"""debug_trace*: what is asked of the shard, what is passed on as it comes, and what is refused."""

import pytest

from primitives.errors import Interrupted, InvalidQuery, QueryReason
from shard.transactions import decode_transaction
from shard.views import TraceConfig
from tests.node.rpc.fake import ALICE, SIGNED, Client

WHO = "0x" + ALICE.hex()
NAME = "0x" + decode_transaction(SIGNED["legacy"]).hash.hex()


async def test_options_are_passed_on() -> None:
    client = Client()
    options = {"tracer": "callTracer", "tracerConfig": {"onlyTopCall": True, "withLog": True}, "timeout": "5s", "reexec": 9}
    assert await client.result("debug_traceTransaction", NAME, options) == {"traced": NAME}
    assert client.shard.asked[-1] == TraceConfig(tracer="callTracer", only_top_call=True, with_log=True)
    options = {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True, "disableStorage": True}, "disableStorage": False}
    await client.result("debug_traceBlockByNumber", "0x5", options)
    assert client.shard.asked[-1] == TraceConfig(tracer="prestateTracer", diff_mode=True, disable_storage=True)
    options = {"disableStack": True, "enableMemory": True, "disableStorage": True, "enableReturnData": True, "limit": 7}
    await client.result("debug_traceCall", {"to": WHO}, "latest", options)
    assert client.shard.asked[-1] == TraceConfig("", False, False, False, False, True, True, True, True, 7)


async def test_state_overrides_of_a_traced_call() -> None:
    client = Client()
    await client.result("debug_traceCall", {"to": WHO}, "latest", {"stateOverrides": {WHO: {"balance": "0x5"}}})
    assert client.shard.traced_request.overrides[0].balance == b"\x05"


@pytest.mark.parametrize(
    ("method", "arguments", "words"),
    [
        ("debug_traceTransaction", [NAME, "callTracer"], "invalid argument 1: want an object, this is a string"),
        ("debug_traceTransaction", [NAME, {"tracer": "{step: function() {}}"}], "invalid argument 1, field tracer: want one of callTracer"),
        ("debug_traceTransaction", [NAME, {"tracer": "flat"}], "invalid argument 1, field tracer: want one of callTracer"),
        ("debug_traceTransaction", [NAME, {"tracer": ["x"]}], "invalid argument 1, field tracer: want one of callTracer"),
        ("debug_traceTransaction", [NAME, {"tracerConfig": 5}], "invalid argument 1, field tracerConfig: want an object"),
        ("debug_traceTransaction", [NAME, {"limit": -1}], "invalid argument 1, field limit: want a number of steps"),
        ("debug_traceTransaction", [NAME, {"disableStack": "yes"}], "invalid argument 1, field disableStack: want true or false"),
        ("debug_traceTransaction", ["0x12"], "invalid argument 0: hex string has length 2"),
        ("debug_traceBlockByNumber", ["3"], "invalid argument 0: want a block number in hex"),
        ("debug_traceBlockByHash", ["0x3"], "invalid argument 0: hex string has length 1"),
        ("debug_traceCall", [{"to": WHO}, None, {"blockOverrides": {"number": "0x1"}}], "invalid argument 2, field blockOverrides"),
    ],
)
async def test_refusals(method, arguments, words) -> None:
    code, message = await Client().error(method, *arguments)
    assert code == -32602
    assert message.startswith(words)


async def test_what_is_not_there_or_too_much() -> None:
    client = Client()
    assert await client.error("debug_traceTransaction", "0x" + "00" * 32) == (-32000, "transaction not found")
    assert await client.error("debug_traceBlockByNumber", "0x63") == (-32000, "header not found")
    assert await client.error("debug_traceCall", {"to": WHO}, "0x63") == (-32000, "header not found")
    client.shard.raises = Interrupted("call_deadline_ms")
    assert (await client.error("debug_traceTransaction", NAME))[0] == -32002
    client.shard.raises = InvalidQuery(QueryReason.OVER_LIMIT, "trace is over the limit of 9 bytes")
    assert await client.error("debug_traceTransaction", NAME) == (-32602, "trace is over the limit of 9 bytes")

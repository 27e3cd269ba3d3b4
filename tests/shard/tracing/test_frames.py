"""callTracer and the flat forms, of transactions, deliveries and calls."""

import json

import pytest

from primitives.callbacks import Outcome
from primitives.errors import Interrupted, InvalidQuery, QueryReason
from primitives.receipts import ReceiptKind, alias_of
from shard.callbacks import callback_data
from shard.contracts import INBOX, OUTBOX, OUTBOX_CONTRACT
from shard.engine.reference.messages import created_address
from shard.engine.reference.tracing import tracer
from shard.views import TraceConfig
from tests.shard.executor.support import GWEI, LOOP, address, outbox_transfer, transfer
from tests.shard.executor.test_simulation import request
from tests.shard.tracing.support import CALLING, ENDING, FAILING, INIT, LOGGING, Chain, message, no_meter


def hexed(value):
    return "0x" + value.hex()


@pytest.fixture(scope="module")
def chain():
    return Chain()


@pytest.fixture(scope="module")
def visited(chain):
    return chain.add(
        transfer(chain.genesis, 0, 0, CALLING, gas=1_000_000, data=b"\x01\x02"),
        transfer(chain.genesis, 1, 0, FAILING, value=0, gas=100_000),
        transfer(chain.genesis, 2, 0, b"", gas=100_000, data=bytes.fromhex(INIT)),
        transfer(chain.genesis, 1, 1),
    )


def test_frames_within_frames(chain, visited):
    top = chain.trace(visited[0])
    receipt = chain.executor.store.transaction(chain.executor.latest.result.hash, 0)
    assert (top["type"], top["from"], top["to"]) == ("CALL", hexed(address(0)), hexed(CALLING))
    assert (top["value"], top["input"], top["gas"]) == ("0x1", "0x0102", hex(1_000_000))
    assert int(top["gasUsed"], 16) == receipt.gas_used
    assert "error" not in top
    kinds = [(frame["type"], frame["to"], frame.get("value")) for frame in top["calls"]]
    made = hexed(created_address(CALLING, 1))
    assert kinds[:6] == [
        ("CALL", hexed(LOGGING), "0x3"), ("STATICCALL", hexed(FAILING), None), ("DELEGATECALL", hexed(LOGGING), "0x1"),
        ("CALLCODE", hexed(LOGGING), "0x3"), ("CALL", "0x" + "0" * 39 + "4", "0x3"), ("CREATE", made, "0x1"),
    ]  # fmt: skip
    assert kinds[6][0] == "CREATE2"
    assert {frame["from"] for frame in top["calls"]} == {hexed(CALLING)}
    assert top["calls"][0]["output"] == "0x" + "0" * 62 + "2a"
    assert top["calls"][5]["output"] == "0x01"
    assert top["calls"][5]["input"] == "0x" + INIT
    static = top["calls"][1]
    assert static["error"] == "write protection"
    assert static["gasUsed"] == static["gas"]
    assert "output" not in static


def test_logs_lie_where_they_were_written_and_those_that_failed_are_gone(chain, visited):
    top = chain.trace(visited[0], with_log=True)
    told = [(log["address"], log["topics"]) for frame in (*top["calls"], top) for log in frame.get("logs", ())]
    logs = chain.executor.store.transaction(chain.executor.latest.result.hash, 0).logs
    assert told == [(hexed(log.address), [hexed(topic) for topic in log.topics]) for log in logs]
    assert top["logs"][0]["position"] == "0x7"
    assert top["calls"][0]["logs"][0]["position"] == "0x0"
    assert "logs" not in top["calls"][1]


def test_only_the_top(chain, visited):
    top = chain.trace(visited[0], only_top_call=True, with_log=True)
    assert "calls" not in top
    assert [log["address"] for log in top["logs"]] == [hexed(CALLING)]


def test_a_revert(chain, visited):
    top = chain.trace(visited[1], with_log=True)
    assert (top["error"], top["output"]) == ("execution reverted", "0x" + "0" * 63 + "1")
    assert "logs" not in top
    assert chain.trace(visited[1], tracer="error") == "0x" + "0" * 63 + "1"
    assert chain.trace(visited[0], tracer="error") == "0x"


def test_a_creation_and_a_transfer(chain, visited):
    top = chain.trace(visited[2])
    assert (top["type"], top["to"], top["output"]) == ("CREATE", hexed(created_address(address(2), 0)), "0x01")
    plain = chain.trace(visited[3])
    assert (plain["gas"], plain["gasUsed"], plain["input"]) == ("0x5208", "0x5208", "0x")
    assert "calls" not in plain


def test_what_otterscan_asks(chain, visited):
    flat = chain.trace(visited[0], tracer="flat")
    assert [entry["depth"] for entry in flat] == [0, 1, 1, 1, 1, 1, 1, 1]
    assert [entry["value"] for entry in flat[:4]] == ["0x1", "0x3", None, None]
    internal = chain.trace(visited[0], tracer="internal")
    assert [(entry["type"], entry["value"]) for entry in internal] == [(0, "0x3"), (0, "0x3"), (2, "0x1"), (3, "0x0")]


def test_a_creation_that_fails_has_an_address_for_otterscan_only():
    chain = Chain()
    (failed,) = chain.add(transfer(chain.genesis, 2, 0, b"", value=0, gas=100_000, data=bytes.fromhex("602a5f5260205ffd")))
    assert "to" not in chain.trace(failed)
    (entry,) = chain.trace(failed, tracer="flat")
    assert (entry["type"], entry["to"]) == ("CREATE", hexed(created_address(address(2), 0)))
    assert entry["output"] == "0x" + "0" * 62 + "2a"
    assert chain.trace(failed, tracer="internal") == []


def test_selfdestruct_is_a_frame(chain):
    (frame,) = chain.trace_call(ENDING)["calls"]
    assert (frame["type"], frame["from"], frame["to"], frame["value"]) == ("SELFDESTRUCT", hexed(ENDING), "0x" + "99" * 20, "0x7")
    assert chain.trace_call(ENDING, tracer="internal") == [{"type": 1, "from": hexed(ENDING), "to": "0x" + "99" * 20, "value": "0x7"}]


def test_a_whole_block(chain, visited):
    number = chain.executor.latest.result.number
    entries = chain.tracing.block(number, TraceConfig(tracer="callTracer"), no_meter)
    assert [chain.trace(name) for name in visited] == [entry["result"] for entry in json.loads(entries)]
    assert chain.tracing.block(99, TraceConfig(), no_meter) is None
    assert chain.tracing.transaction(bytes(32), TraceConfig(), no_meter) is None
    with pytest.raises(InvalidQuery) as refused:
        chain.tracing.block(0, TraceConfig(), no_meter)
    assert refused.value.reason is QueryReason.BAD_RANGE


def test_deliveries():
    chain = Chain()
    sent = (
        message(0, ReceiptKind.CREDIT, to=b"\x77" * 20),
        message(1, to=CALLING, gas=500_000, fee=500_000 * GWEI),
        message(2, to=FAILING),
        message(3, fee=3),
        message(4, ReceiptKind.CALL_REFUND_THERE),
    )
    names = chain.add_deliveries(sent, outbox_transfer(chain.genesis, 0, 0, 9))
    alias = hexed(alias_of(1, address(3)))
    credit, calling, failing, unpaid, here, user = (chain.trace(name, with_log=True) for name in names)
    assert credit == {
        "type": "CALL", "from": hexed(address(3)), "to": "0x" + "77" * 20, "value": "0x5", "gas": "0x5208", "gasUsed": "0x5208",
        "input": "0x",
    }  # fmt: skip
    assert (calling["from"], calling["to"], calling["gas"], calling["value"]) == (alias, hexed(CALLING), hex(500_000), "0x5")
    assert len(calling["calls"]) == 7
    assert failing["error"] == "execution reverted"
    assert unpaid["error"].startswith("call not run")
    assert (here["from"], here["to"]) == (alias, hexed(LOGGING))
    assert user["logs"] or user["calls"]
    stored = list(chain.executor.store.transactions(chain.executor.latest.result.hash))
    assert [int(chain.trace(name)["gasUsed"], 16) for name in names] == [transaction.gas_used for transaction in stored]


def test_a_trace_ends_at_its_meter_and_at_its_bytes(chain, visited, monkeypatch):
    def meter():
        raise Interrupted("call_deadline_ms")

    with pytest.raises(Interrupted):
        chain.tracing.transaction(visited[0], TraceConfig(), meter)
    monkeypatch.setattr(tracer.Budget.__init__, "__defaults__", (1000,))
    for name in ("callTracer", "prestateTracer", ""):
        with pytest.raises(InvalidQuery) as refused:
            chain.trace_call(CALLING, tracer=name)
        assert refused.value.reason is QueryReason.OVER_LIMIT


def test_endless_work_asks_the_meter(chain):
    steps = iter(range(1000))

    def meter():
        if next(steps, None) is None:
            raise Interrupted("call_deadline_ms")

    with pytest.raises(Interrupted):
        chain.tracing.call("latest", request(LOOP), TraceConfig(), meter)


def test_calls_with_a_callback_and_their_results():
    """The frame is what ran: without the gas before a call's data, and with the outcome as the sender was called with it."""
    chain = Chain()
    call = OUTBOX_CONTRACT.encode_call("sendWithCallback", 1, LOGGING, 50_000, 40_000, address(0), b"")
    chain.add(*(transfer(chain.genesis, i, 0, OUTBOX, 10**15, 400_000, call) for i in range(2)))
    asked = chain.executor.outgoing(1, 0, 2).receipts
    told = [Outcome(receipt.identity(chain.genesis.parameters.chain_id_base), True, b"\7") for receipt in asked]
    sent = (
        message(0, ReceiptKind.CALL_WITH_CALLBACK, data=(7).to_bytes(8, "big") + b"\1\2"),
        message(1, ReceiptKind.RESULT, to=address(0), gas=40_000, fee=0, data=told[0].encode()),
        message(2, ReceiptKind.RESULT, to=address(0), gas=30_000, fee=0, data=told[1].encode()),
    )
    called, callback, unpaid = (chain.trace(name) for name in chain.add_deliveries(sent, view=2))
    assert (called["from"], called["input"]) == (hexed(alias_of(1, address(3))), "0x0102")
    assert (callback["from"], callback["to"], callback["input"]) == (hexed(INBOX), hexed(address(0)), hexed(callback_data(told[0])))
    assert (callback["gas"], callback["gasUsed"], callback["value"]) == (hex(40_000), hex(21_000), "0x0")
    assert "error" not in callback
    assert unpaid["error"].startswith("callback not run")

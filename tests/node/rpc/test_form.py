"""The form rules of docs/json-rpc.md, each row by name."""

import json

import pytest
import trio
import trio.testing

from node.rpc import limits
from tests.node.rpc.fake import Client


def envelope(**fields) -> dict:
    return {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", **fields}


@pytest.mark.parametrize(
    "identity", ['"a\\u00e9b"', '""', "0", "-7", "123456789012345678901234567890123456789", "1.50", "null", '"' + "x" * 5000 + '"']
)
async def test_ids_are_echoed_as_written(identity):
    answer = await Client().post(b'{"jsonrpc":"2.0","method":"eth_chainId","id": ' + identity.encode() + b" }")
    assert b'"id":' + identity.encode() + b"," in answer.body
    assert answer.json["result"] == "0xb39d4"


@pytest.mark.parametrize("params", [{}, {"params": []}, {"params": None}])
async def test_params_absent_empty_or_null_are_the_same(params):
    assert (await Client().post(envelope(**params))).json["result"] == "0xb39d4"


PARSE = [
    b"", b" ", b"{", b"[", b"]", b"{]", b"\xff\xfe", b'{"a":1}x', b"[1,]", b"nul", b'{"method":"\xff"}', b"{'a':1}",
    b'{"params":' + b"[" * 100_000, b"[" * 100_000, b'{"id":"\\ud800"}', b"5 6", b'{"params":[1e999]}',
]  # fmt: skip


@pytest.mark.parametrize("body", PARSE, ids=range(len(PARSE)))
async def test_parse_error_has_id_null(body):
    answer = await Client().post(body)
    assert answer.status == 200
    assert answer.json["error"]["code"] == -32700
    assert answer.json["error"]["message"].startswith("parse error: ")
    assert answer.json["id"] is None


@pytest.mark.parametrize(
    ("body", "identity"),
    [
        (b"5", None), (b'"x"', None), (b"null", None), (b"true", None), (b"[]", None), (b"{}", None), (b'{"id":3}', 3),
        (b'{"jsonrpc":"1.0","id":3,"method":"eth_chainId"}', 3), (b'{"id":3,"method":"eth_chainId"}', 3),
        (b'{"jsonrpc":"2.0","id":3,"method":7}', 3), (b'{"jsonrpc":"2.0","id":[3],"method":"eth_chainId"}', None),
        (b'{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}', None), (b'{"jsonrpc":"2.0","id":true,"method":"eth_chainId"}', None),
    ],
)  # fmt: skip
async def test_not_a_request(body, identity):
    answer = (await Client().post(body)).json
    assert answer["error"]["code"] == -32600
    assert answer["id"] == identity


async def test_unknown_method_has_geths_sentence():
    client = Client()
    assert await client.error("eth_nonsense") == (-32601, "the method eth_nonsense does not exist/is not available")
    assert client.observer.requests == [("unknown", "-32601")]


async def test_duplicated_keys_are_fine():
    assert (await Client().post(b'{"jsonrpc":"2.0","id":1,"id":2,"method":"x","method":"eth_chainId"}')).json["id"] == 2


@pytest.mark.parametrize("body", [{"jsonrpc": "2.0", "method": "eth_sendRawTransaction", "params": ["0x"]}, [envelope(id=None)]])
async def test_null_id_is_answered_and_absent_id_is_not(body):
    answer = await Client().post(body)
    assert answer.status == 200
    if isinstance(body, list):
        assert answer.json == [{"jsonrpc": "2.0", "id": None, "result": "0xb39d4"}]
    else:
        assert answer.body == b""


async def test_notifications_are_carried_out_in_silence():
    client = Client()
    note = {"jsonrpc": "2.0", "method": "eth_chainId"}
    assert (await client.post(note)).body == b""
    assert (await client.post([note, note])).body == b""
    assert client.observer.requests == [("eth_chainId", "ok")] * 3


async def test_batch_keeps_its_order_and_answers_what_is_wrong_in_place():
    body = [
        envelope(id=9),
        5,
        {"jsonrpc": "2.0", "method": "eth_chainId"},
        envelope(id="b", method="nope"),
        envelope(id=7, method="net_version"),
    ]
    answers = (await Client().post(body)).json
    assert [a["id"] for a in answers] == [9, None, "b", 7]
    assert [a.get("error", {}).get("code") for a in answers] == [None, -32600, -32601, None]
    assert answers[3]["result"] == "735700"


async def test_batch_limit():
    client = Client()
    most = [envelope(id=i) for i in range(limits.BATCH_CALLS_MAX)]
    assert [a["id"] for a in (await client.post(most)).json] == list(range(limits.BATCH_CALLS_MAX))
    refused = (await client.post([*most, envelope()])).json
    assert refused["error"] == {"code": -32600, "message": "batch too large: 1001 calls, at most 1000"}
    assert refused["id"] is None
    assert client.observer.limits == ["batch_calls_max"]


async def test_a_batch_lets_the_loop_turn():
    client, turns = Client(), []

    async def count():
        while True:
            turns.append(1)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count)
        await client.post([envelope(id=i) for i in range(1000)])
        nursery.cancel_scope.cancel()
    assert len(turns) >= 1000 // limits.BATCH_CALLS_PER_TURN


async def test_response_limit(monkeypatch):
    monkeypatch.setattr("node.rpc.dispatch.RESPONSE_BYTES_MAX", 5000)
    client = Client()
    full = envelope(method="eth_getBlockByNumber", params=["0x5", True])
    assert (await client.post(full)).json["error"] == {"code": -32003, "message": "response too large: over 5000 bytes"}
    answers = (await client.post([envelope(id=1), full | {"id": 2}, envelope(id=3), {"jsonrpc": "2.0", "method": "eth_chainId"}])).json
    assert [(a["id"], a.get("error", {}).get("code")) for a in answers] == [(1, None), (2, -32003), (3, -32003)]
    assert client.observer.limits == ["response_bytes_max"] * 3


@pytest.mark.parametrize("content_type", [None, b"text/plain", b"application/x-www-form-urlencoded", b"application/jsonx"])
async def test_wrong_type_is_415(content_type):
    assert (await Client().post(envelope(), headers={b"content-type": content_type})).status == 415


@pytest.mark.parametrize("content_type", [b"application/json; charset=utf-8", b"Application/JSON", b"application/json-rpc"])
async def test_right_types(content_type):
    assert (await Client().post(envelope(), headers={b"content-type": content_type})).status == 200


async def test_compressed_body_is_415():
    assert (await Client().post(envelope(), headers={b"content-encoding": b"gzip"})).status == 415


@pytest.mark.parametrize("declared", [True, False])
async def test_too_large_is_413_and_the_rest_is_read(declared):
    client = Client()
    size = limits.BODY_BYTES_MAX + 1
    chunks = [bytes(65536)] * (size // 65536) + [b"x" * (size % 65536)]
    answer = await client.http(chunks=chunks, headers={b"content-length": str(size).encode()} if declared else {})
    assert answer.status == 413
    assert not client.connection.aborted
    assert client.observer.limits == ["body_bytes_max"]


@pytest.mark.parametrize("declared", [limits.BODY_DRAINED_BYTES_MAX + 1, 10**20 - 1])
async def test_far_too_large_is_413_too_and_closes_the_connection(declared):
    client = Client()
    answer = await client.http(headers={b"content-length": str(declared).encode()})
    assert (answer.status, answer.headers[b"connection"]) == (413, b"close")
    assert client.connection.aborted


async def test_of_a_body_without_end_only_so_much_is_read(monkeypatch):
    for name, value in (("BODY_BYTES_MAX", 100), ("BODY_DRAINED_BYTES_MAX", 1000)):
        monkeypatch.setattr(f"node.rpc.app.{name}", value)
    client, events = Client(), []

    async def receive():
        events.append(100)
        return {"type": "http.request", "body": bytes(100), "more_body": True}

    async def send(message):
        events.append(message.get("status", "body"))

    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "path": "/", "headers": [(b"content-type", b"application/json")],
        "state": {"connection": client.connection},
    }  # fmt: skip
    await client.app(scope, receive, send)
    assert events == [100] * 13 + [413, "body"] + [100] * 11
    assert client.connection.aborted
    assert client.observer.limits == ["body_bytes_max", "body_drained_bytes_max"]


async def test_the_sender_of_a_body_without_end_has_so_long_to_read_its_answer(monkeypatch, autojump_clock):
    client, began = Client(), trio.current_time()

    async def receive():
        await trio.sleep_forever()

    async def send(message):
        """Takes it."""

    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "path": "/",
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"99999999999999999999")],
        "state": {"connection": client.connection},
    }  # fmt: skip
    await client.app(scope, receive, send)
    assert trio.current_time() - began == limits.UNREAD_SECONDS_MAX
    assert client.connection.aborted
    assert client.observer.limits[-1] == "unread_seconds_max"


async def test_largest_body_is_taken():
    body = json.dumps(envelope()).encode()
    assert (await Client().post(body + b" " * (limits.BODY_BYTES_MAX - len(body)))).json["result"] == "0xb39d4"


async def test_slow_body_closes_the_connection(autojump_clock):
    client = Client()

    async def receive():
        await trio.sleep(limits.BODY_SECONDS_MAX / 3)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def send(message):
        raise AssertionError(message)

    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "path": "/", "headers": [(b"content-type", b"application/json")],
        "state": {"connection": client.connection},
    }  # fmt: skip
    await client.app(scope, receive, send)
    assert client.connection.aborted
    assert client.observer.limits == ["body_seconds_max"]


@pytest.mark.parametrize(
    "host",
    [b"localhost", b"LOCALHOST:8545", b"127.0.0.1", b"10.1.2.3:1", b"[::1]:8545", b"[::1]", b"node.example:8545", b"Node.Example.", None],
)
async def test_hosts_that_are_answered(host):
    assert (await Client().post(envelope(), headers={b"host": host})).status == 200


@pytest.mark.parametrize(
    "host",
    [
        b"evil.example",
        b"localhost.evil.example",
        b"127.0.0.1.evil.example:8545",
        b"node.example:x",
        b"",
        b"[::1]evil",
        b"[evil]:1",
        b"\xff",
    ],
)
async def test_hosts_that_are_refused(host):
    for method in ("POST", "GET", "OPTIONS"):
        answer = await Client().http(method, body=b"{}", headers={b"host": host})
        assert answer.status == 403
        assert answer.body.startswith(b"invalid host")


async def test_cors_is_open():
    client = Client()
    answer = await client.http("OPTIONS", "/shard/1", headers={b"origin": b"https://wallet.example"})
    assert answer.status == 204
    assert answer.headers[b"access-control-allow-origin"] == b"*"
    assert b"POST" in answer.headers[b"access-control-allow-methods"]
    assert answer.headers[b"access-control-allow-headers"] == b"*"
    for served in (await client.post(envelope()), await client.http("GET", "/nowhere"), await client.http("GET", "/health")):
        assert served.headers[b"access-control-allow-origin"] == b"*"


@pytest.mark.parametrize(
    ("default", "path", "chain_id"),
    [("/shard/0", "/", 735_700), ("/shard/1", "/", 735_701), ("/shard/0", "/shard/1", 735_701), ("/shard/1", "/shard/0/", 735_700)],
)
async def test_every_port_serves_every_shard_and_its_own_at_the_root(default, path, chain_id):
    client = Client(default)
    assert await client.result("eth_chainId", path=path) == hex(chain_id)
    assert await client.result("net_version", path=path) == str(chain_id)


async def test_beacon_address():
    client = Client()
    assert (await client.result("beacon_getHead", path="/beacon"))["number"] == "0xc"
    assert await client.result("net_version", path="/beacon") == "735702"
    assert (await client.error("eth_blockNumber", path="/beacon"))[0] == -32601


@pytest.mark.parametrize(
    "path", ["/shard/2", "/shard/01", "/shard/99999999999", "/shard/", "/shard/-1", "/shards", "//", "/beacon/x", "/Health"]
)
async def test_unknown_addresses_are_404_with_a_sentence(path):
    for method in ("POST", "GET"):
        answer = await Client().http(method, path, body=b"{}")
        assert answer.status == 404
        assert answer.body.startswith(b"no such ")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_other_verbs_are_405(method):
    answer = await Client().http(method)
    assert answer.status == 405
    assert answer.headers[b"allow"] == b"POST, OPTIONS"


async def test_http2_is_not_served():
    client = Client()
    assert await client.http(version="2") is None
    assert client.connection.aborted


async def test_health_and_ready():
    client = Client()
    assert (await client.http("GET", "/ready")).json == {"ready": True}
    assert (await client.http("GET", "/health")).json == {"status": "ok", "problems": [], "peers": 3}
    client.node.ready, client.node.problems = False, ["no peers"]
    for path in ("/ready", "/health"):
        assert (await client.http("GET", path)).status == 503
        assert (await client.http("POST", path)).status == 405
    assert (await client.http("GET", "/health")).json["problems"] == ["no peers"]


async def test_a_shard_that_is_not_hosted():
    client = Client()
    client.node.shards[1] = None
    assert await client.error("eth_blockNumber", path="/shard/1") == (
        -32000,
        "shard 1 is not hosted by this node: ask a node that hosts it",
    )
    network = await client.result("shard_getNetwork", path="/shard/1")
    assert [s["hosted"] for s in network["shards"]] == [True, False]
    assert network["shards"][1]["finalized"] == {"number": "0x14", "hash": "0x" + "0d" * 32}


async def test_too_many_requests_in_flight():
    client = Client()
    client.shard.gate = trio.Event()
    codes = []

    async def ask():
        answer = await client.post(envelope(method="eth_getBalance", params=["0x" + "00" * 20]))
        codes.append(answer.json.get("error", {}).get("code"))

    async with trio.open_nursery() as nursery:
        for _ in range(limits.REQUESTS_IN_FLIGHT_MAX + 3):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        assert codes == [-32005] * 3
        client.shard.gate.set()
    assert codes[3:] == [None] * limits.REQUESTS_IN_FLIGHT_MAX
    assert client.observer.limits == ["requests_in_flight_max"] * 3


async def test_too_many_bytes_of_bodies(monkeypatch):
    monkeypatch.setattr("node.rpc.app.BODIES_BYTES_MAX", 1000)
    client = Client()
    refused = await client.http(chunks=[b" " * 600, b" " * 600])
    assert refused.json["error"]["code"] == -32005
    assert (await client.post(envelope())).json["result"] == "0xb39d4"
    assert client.observer.limits == ["bodies_bytes_max"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":' + b"[" * 2000 + b"]" * 2000 + b"}",
        b"[" * 2_000_000,
        b'{"x":' * 500_000,
        b'["' + b'\\"' * 1_000_000 + b"[" * 1000,
        b'[{"a":' * 300_000 + b"0" + b"}]" * 300_000,
    ],
    ids=["closed", "open arrays", "open objects", "open string", "mixed"],
)
async def test_deep_nesting_is_a_parse_error_and_not_the_end_of_the_process(body):
    assert (await Client().post(body)).json["error"]["code"] == -32700


async def test_an_id_that_is_no_text_is_a_parse_error():
    body = b'{"jsonrpc":"2.0","id":"\xff","method":"eth_chainId"}'
    for sent in (body, b"[" + body + b"]"):
        answer = (await Client().http(chunks=[sent])).json
        (answer,) = answer if isinstance(answer, list) else [answer]
        assert (answer["id"], answer["error"]["code"]) == (None, -32700)


async def test_many_brackets_that_do_not_nest_are_fine():
    topics = [["0x" + "00" * 32]] * 4
    calls = [envelope(id=i, method="eth_getLogs", params=[{"topics": topics}]) for i in range(300)]
    assert all("result" in answer for answer in (await Client().post(calls)).json)
    quoted = envelope(method="eth_getLogs", params=['[{\\"' * 2000])
    assert (await Client().post(quoted)).json["error"]["code"] == -32602

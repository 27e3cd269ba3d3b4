"""Rates of calls on real sockets: clients of other machines, as which connections from 127.0.0.2 and 127.0.0.3 are taken here."""

import json
from contextlib import suppress

import pytest
import trio

from node import shares
from node.rpc import allowances, app, server, websocket
from node.rpc.limits import CLIENT_EXECUTIONS_MAX
from node.rpc.subscriptions import filters, session
from p2p.limits import Rate
from tests.node.rpc.subscriptions.support import Running, Socket, accepted, handshake, masked, running
from tests.node.rpc.test_server import CALL, Peer, request, result

pytestmark = pytest.mark.network
NEVER = 1e-3
"""Calls a second: none comes back while a test runs."""
ONE, OTHER = "127.0.0.2", "127.0.0.3"
TEXT, PING = 0x1, 0x9


@pytest.fixture(autouse=True)
def _strangers(monkeypatch):
    strangers = {ONE: "192.0.2.2", OTHER: "2001:db8::3"}
    monkeypatch.setattr(shares, "_host_of", lambda stream: strangers.get(host := stream.socket.getpeername()[0], host))
    rates(monkeypatch, connection_calls=(NEVER, 10), client_calls=(NEVER, 50), connection_refusals=(NEVER, 5), client_refusals=(NEVER, 20))


def rates(monkeypatch, **changed):
    for name, rate in changed.items():
        monkeypatch.setattr(allowances, f"{name.upper()}_RATE", Rate(*rate))


async def peer(it: Running, address: str = ONE) -> Peer:
    it.streams.append(await trio.open_tcp_stream("127.0.0.1", it.ports[0], local_address=address))
    return Peer(it.streams[-1])


async def socket(it: Running, address: str = ONE) -> Socket:
    stream = (await peer(it, address)).stream
    await stream.send_all(handshake())
    return Socket(await accepted(stream))


async def ask(peer: Peer, body: bytes = CALL) -> tuple[int, bytes]:
    await peer.send(request(body))
    return await peer.answer()


def batch(count: int, method: str = "eth_chainId") -> bytes:
    return json.dumps([{"jsonrpc": "2.0", "id": i, "method": method, "params": []} for i in range(count)]).encode()


def refusal(answer: tuple[int, bytes]) -> str:
    """The sentence of one."""
    status, body = answer
    assert status == 429
    told = json.loads(body)
    assert told.keys() == {"jsonrpc", "id", "error"}
    assert told["id"] is None
    assert told["error"]["code"] == -32005
    return told["error"]["message"]


async def test_over_http_calls_over_the_rate_are_refused_and_say_when_to_come_again(monkeypatch):
    rates(monkeypatch, connection_calls=(0.25, 3))
    async with running() as it:
        one = await peer(it)
        for _ in range(3):
            assert result(await ask(one)) == hex(735_700)
        await one.send(request(CALL))
        while b"\r\n\r\n" not in one.buffer:
            await one._more()
        head = one.buffer.partition(b"\r\n\r\n")[0].lower()
        assert b"\r\nretry-after: 4" in head
        assert b"\r\naccess-control-allow-origin: *" in head
        assert b"\r\nconnection: close" not in head
        sentence = refusal(await one.answer())
        assert sentence == (
            "limit exceeded: one connection may make 0.25 calls a second, 3 after a pause; "
            "nothing of this request was done, send it again in 4 s"
        )
        assert it.observer.limits == ["connection_calls_rate"]
        assert result(await ask(await peer(it))) == hex(735_700)  # another connection


async def test_what_was_refused_is_done_once_the_time_that_was_told_has_passed(monkeypatch):
    rates(monkeypatch, connection_calls=(2, 1))
    async with running() as it:
        one = await peer(it)
        assert result(await ask(one)) == hex(735_700)
        assert "send it again in 1 s" in refusal(await ask(one))
        await trio.sleep(1)
        assert result(await ask(one)) == hex(735_700)


async def test_an_address_has_a_rate_for_all_its_connections_and_others_do_not_feel_it():
    async with running() as it:
        for _ in range(5):
            await ask(await peer(it), batch(9))
        last = await peer(it)
        assert "one address may make" in refusal(await ask(last))
        assert it.observer.limits == ["client_calls_rate"]
        assert len(json.loads((await ask(await peer(it, OTHER), batch(9)))[1])) == 9
        assert result(await ask(await peer(it, "127.0.0.1"))) == hex(735_700)


async def test_a_batch_costs_its_calls_and_is_done_or_refused_as_a_whole():
    async with running() as it:
        one = await peer(it)
        assert len(json.loads((await ask(one, batch(9)))[1])) == 9
        asked = len(it.observer.requests)
        assert result(await ask(one)) == hex(735_700)
        refusal(await ask(one, batch(2)))
        assert len(it.observer.requests) == asked + 1
        big = await peer(it)
        assert len(json.loads((await ask(big, batch(1000)))[1])) == 1000  # nothing is too large by itself
        refusal(await ask(big))


async def test_a_batch_that_takes_the_last_call_and_wants_more_is_refused_when_it_has_been_read():
    async with running() as it:
        one = await peer(it)
        assert len(json.loads((await ask(one, batch(9)))[1])) == 9
        refusal(await ask(one, batch(1000)))
        assert "eth_chainId" not in [method for method, _ in it.observer.requests[9:]]


@pytest.mark.parametrize("method", ["eth_call", "eth_getLogs", "debug_traceTransaction", "ots_traceTransaction", "txpool_content"])
async def test_what_is_heavy_counts_as_more(method):
    async with running() as it:
        one = await peer(it)
        for _ in range(2):
            assert (await ask(one, json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": []}).encode()))[0] == 200
        refusal(await ask(one))


@pytest.mark.parametrize("bad", [
    request(b"{"), request(b"[]"), request(b"", method="GET"), request(CALL, path="/nowhere"),
    request(CALL).replace(b"application/json", b"text/plain"),
    request(CALL).replace(b"127.0.0.1", b"a.example"),
])  # fmt: skip
async def test_what_is_no_call_counts_too(bad):
    async with running() as it:
        one = await peer(it)
        for _ in range(10):
            await one.send(bad)
            assert (await one.answer())[0] != 429
        await one.send(bad)
        assert (await one.answer())[0] == 429
        refusal(await ask(one))


@pytest.mark.parametrize("watched", [request(b"", method="OPTIONS"), request(b"", method="GET", path="/health")])
async def test_a_preflight_and_a_look_at_the_node_cost_a_call_and_are_refused_to_floods_alone(watched):
    async with running() as it:
        one = await peer(it)
        for _ in range(15):
            await one.send(watched)
            assert (await one.answer())[0] in (200, 204)
        refusal(await ask(one))
        with suppress(trio.BrokenResourceError):
            await one.send(watched * 100)
        for _ in range(13):
            assert (await one.answer())[0] in (200, 204)
        assert await one.closed()
        assert "overdraft_bursts_max" in it.observer.limits


@pytest.mark.parametrize("preface", [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", request(CALL) + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
async def test_frames_of_http_2_are_not_read(preface):
    async with running() as it:
        one = await peer(it)
        await one.send(preface + bytes.fromhex("000000040000000000") + bytes.fromhex("000008060000000000") * 100)
        if preface.startswith(b"POST"):
            assert result(await one.answer()) == hex(735_700)
        assert await one.closed()
        assert one.buffer == b""


async def test_an_upgrade_to_http_2_is_not_taken():
    async with running() as it:
        one = await peer(it)
        settings = b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
        await one.send(request(b"", method="GET", path="/health").partition(b"\r\n\r\n")[0] + b"\r\n" + settings)
        assert (await one.answer())[0] == 200
        assert result(await ask(one)) == hex(735_700)


async def test_bodies_in_tiny_parts_are_cut_off():
    async with running() as it:
        one = await peer(it)
        head = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        with suppress(trio.BrokenResourceError):
            await one.send(head + b"1\r\n \r\n" * 1000)
        assert await one.closed()
        assert it.observer.limits == ["overdraft_bursts_max"]
        loopback = await peer(it, "127.0.0.1")
        await loopback.send(head + b"".join(b"1\r\n%c\r\n" % byte for byte in CALL) + b"0\r\n\r\n")
        assert result(await loopback.answer()) == hex(735_700)


async def test_a_batch_of_nothings_is_paid_before_it_is_taken_apart():
    async with running() as it:
        one = await peer(it)
        assert b"batch too large" in (await ask(one, b"[" + b"[]," * 100_000 + b"[]]"))[1]
        refusal(await ask(one))


async def test_frames_after_the_end_was_said_are_few(monkeypatch):
    monkeypatch.setattr(websocket, "BODY_BYTES_MAX", 10)
    async with running() as it:
        one = await socket(it, "127.0.0.1")
        with suppress(trio.BrokenResourceError):
            await one.raw(masked(TEXT, b"x" * 11) + masked(PING, b"") * 2000)
            await one.closed()
        assert it.observer.limits == ["body_bytes_max", "websocket_frames_after_close_max"]


async def test_large_bodies_cost_more_whatever_is_in_them():
    async with running() as it:
        one = await peer(it)
        assert (await ask(one, b" " * (64 * 1024 * 9)))[0] == 200
        refusal(await ask(one))


async def test_who_goes_on_is_disconnected_and_then_not_let_in_for_a_while():
    async with running() as it:
        for _ in range(3):
            one = await peer(it)
            await one.send(request(batch(10)) + request(CALL) * 100)
            assert (await one.answer())[0] == 200
            for _ in range(6):
                refusal(await one.answer())
            assert await one.closed()
        assert it.observer.limits.count("connection_refusals_rate") == 3
        one = await peer(it)
        await one.send(request(batch(10)) + request(CALL) * 100)
        assert await one.closed()
        assert it.observer.limits.count("client_refusals_rate") == 1
        assert await (await peer(it)).closed()
        assert it.observer.limits.count("client_refusals_rate") == 2
        assert result(await ask(await peer(it, OTHER))) == hex(735_700)
        assert it.observer.open_now == 1


async def test_bodies_without_end_are_cut_off(monkeypatch):
    rates(monkeypatch, connection_calls=(NEVER, 1))
    async with running() as it:
        one = await peer(it)
        await one.send(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        with suppress(trio.BrokenResourceError):
            while True:
                await one.send(b"10000\r\n" + b" " * 65536 + b"\r\n")
        assert "overdraft_bursts_max" in it.observer.limits


async def test_a_websocket_connection_is_answered_by_id_on_the_same_socket():
    async with running() as it:
        one = await socket(it)  # which has cost a call
        await one.raw(masked(TEXT, batch(8)))
        assert len(await one.message()) == 8
        assert (await one.call("eth_chainId"))["result"] == hex(735_700)
        answer = await one.call("eth_chainId")
        assert (answer["id"], answer["error"]["code"]) == (1, -32005)
        assert "nothing of this request was done, send it again in" in answer["error"]["message"]
        await one.raw(masked(TEXT, batch(3)))
        assert [(each["id"], each["error"]["code"]) for each in await one.message()] == [(i, -32005) for i in range(3)]
        for sent in (b'{"jsonrpc":"2.0","method":"eth_chainId"}', b"{", b"[" * 10_000):
            await one.raw(masked(TEXT, sent))
            answer = await one.message()
            assert (answer["id"], answer["error"]["code"]) == (None, -32005)
        assert it.observer.limits == ["connection_calls_rate"] * 5
        assert (await (await socket(it, OTHER)).call("eth_chainId"))["result"] == hex(735_700)


async def test_a_websocket_connection_that_goes_on_is_closed_and_its_subscriptions_end():
    async with running() as it:
        one = await socket(it)
        await one.subscribe("eth_subscribe", "newHeads")
        await one.raw(masked(TEXT, CALL) * 100)
        assert await one.closed() == 1008
        assert one.reason == "far more was sent than the limits of calls allow"
        answers = [json.loads(message) for message in one.messages]
        assert ["result" in answer for answer in answers] == [True] * 8 + [False] * (len(answers) - 8)
        assert len(answers) >= 8 + 5
        assert "connection_refusals_rate" in it.observer.limits


@pytest.mark.parametrize("frame", [masked(PING, b""), masked(0x0, b"", fin=False), masked(0xA, b"")])
async def test_frames_that_are_no_calls_count_too(frame):
    async with running() as it:
        one = await socket(it)
        if frame == masked(0x0, b"", fin=False):
            await one.raw(masked(TEXT, b"", fin=False))
        await one.raw(frame * 400)
        assert await one.closed() == 1008
        assert it.observer.limits == ["overdraft_bursts_max"]


async def test_a_handshake_is_refused_too():
    async with running() as it:
        for _ in range(3):
            await ask(await peer(it), batch(1000))
        for _ in range(2):
            await ask(await peer(it), batch(10))
        stream = (await peer(it)).stream
        await stream.send_all(handshake())
        got = b""
        while part := await stream.receive_some():
            got += part
        assert got.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
        assert b"\r\nretry-after: " in got


async def test_one_address_leaves_room_for_the_requests_of_others(monkeypatch):
    monkeypatch.setattr(app, "CLIENT_REQUESTS_IN_FLIGHT_MAX", 2)
    monkeypatch.setattr(app, "REQUESTS_IN_FLIGHT_MAX", 5)
    monkeypatch.setattr(app, "OWN_REQUESTS_IN_FLIGHT", 1)
    rates(monkeypatch, client_calls=(NEVER, 1000))
    async with running() as it:
        slow = [await peer(it) for _ in range(6)]
        for one in slow:
            await one.send(request(CALL)[:-1])
        while True:
            error = json.loads((await ask(await peer(it)))[1]).get("error")
            if error is not None:
                break
        assert (error["code"], error["message"]) == (-32005, "busy: 2 requests of one address are being answered, try again")
        one = await socket(it)
        answer = await one.call("eth_chainId")
        assert (answer["id"], answer["error"]["code"]) == (1, -32005)
        for address in (OTHER, "127.0.0.1"):
            assert result(await ask(await peer(it, address))) == hex(735_700)
        for one in slow:
            await one.send(b"}")
            await one.answer()
        assert result(await ask(slow[0])) == hex(735_700)
        assert set(it.observer.limits) == {"client_requests_in_flight_max"}


async def test_one_address_leaves_room_for_the_subscriptions_of_others(monkeypatch):
    monkeypatch.setattr(session, "CLIENT_SUBSCRIPTIONS_MAX", 3)
    async with running() as it:
        first, second, other, own = [await socket(it, address) for address in (ONE, ONE, OTHER, "127.0.0.1")]
        ids = [await one.subscribe("eth_subscribe", "newHeads") for one in (first, first, second)]
        error = (await second.call("eth_subscribe", "newHeads"))["error"]
        assert (error["code"], error["message"]) == (-32005, "busy: one address has at most 3 subscriptions, end one of them first")
        assert it.observer.limits == ["client_subscriptions_max"]
        for one in (other, own, own, own, own):
            await one.subscribe("eth_subscribe", "newHeads")
        assert (await first.call("eth_unsubscribe", ids[0]))["result"]
        await second.subscribe("eth_subscribe", "newHeads")
        assert "error" in await second.call("eth_subscribe", "newHeads")
        await first.raw(masked(0x8, b"\x03\xe8"))
        assert await first.closed() == 1000
        await second.subscribe("eth_subscribe", "newHeads")


@pytest.mark.parametrize(("limit", "most"), [("client_bodies_bytes_max", len(CALL) - 1), ("client_answers_bytes_max", 30)])
async def test_one_address_leaves_room_for_the_bytes_of_others(monkeypatch, limit, most):
    monkeypatch.setattr(app, limit.upper(), most)
    async with running() as it:
        for _ in range(2):
            status, body = await ask(await peer(it))
            assert status == 200
            assert json.loads(body)["error"]["code"] == -32005
        assert it.observer.limits == [limit] * 2
        assert result(await ask(await peer(it, "127.0.0.1"))) == hex(735_700)
        monkeypatch.setattr(app, limit.upper(), 1000)
        assert result(await ask(await peer(it))) == hex(735_700)  # nothing is left behind


async def test_one_address_leaves_room_for_what_others_have_executed(monkeypatch):
    rates(monkeypatch, client_calls=(NEVER, 1000))
    call = b'{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{"to":"0x%s"}]}' % (b"00" * 20)
    async with running() as it:
        shard = it.node.shard(0)
        shard.gate = trio.Event()
        slow = [await peer(it) for _ in range(CLIENT_EXECUTIONS_MAX)]
        for one in slow:
            await one.send(request(call))
        while True:
            error = json.loads((await ask(await peer(it), call.replace(b"eth_call", b"eth_estimateGas")))[1]).get("error")
            if error is not None:
                break
        assert (error["code"], error["message"]) == (-32005, "busy: 6 calls of one address are being executed, try again")
        others = [await peer(it, address) for address in (OTHER, "127.0.0.1")]
        for one in others:
            await one.send(request(call))
        shard.gate.set()
        for one in (*slow, *others):
            assert "result" in json.loads((await one.answer())[1])
        assert "result" in json.loads((await ask(slow[0], call))[1])
        assert set(it.observer.limits) == {"client_executions_max"}


async def test_one_address_leaves_filters_to_others_and_keeps_its_share_when_it_comes_again(monkeypatch):
    monkeypatch.setattr(filters, "CLIENT_FILTERS_MAX", 2)
    monkeypatch.setattr(filters, "CLIENT_FILTER_CHOICES_MAX", 2)
    new = b'{"jsonrpc":"2.0","id":1,"method":"eth_newFilter","params":[{"topics":[["0x%s","0x%s"]]}]}' % (b"01" * 32, b"02" * 32)
    plain = CALL.replace(b"eth_chainId", b"eth_newBlockFilter")
    async with running() as it:
        made = json.loads((await ask(await peer(it), new))[1])["result"]
        for body, sentence in (
            (new, "busy: filters of one address with 2 addresses and topics are in use, end one with eth_uninstallFilter"),
            (plain, None),
            (plain, "busy: 2 filters of one address are in use, end one with eth_uninstallFilter or subscribe over a WebSocket"),
        ):
            told = json.loads((await ask(await peer(it), body))[1])
            assert told.get("error", {}).get("message") == sentence
        for address in (OTHER, "127.0.0.1", "127.0.0.1", "127.0.0.1"):
            assert "result" in json.loads((await ask(await peer(it, address), new))[1])
        gone = CALL.replace(b"eth_chainId", b"eth_uninstallFilter")[:-1] + b',"params":["%s"]}' % made.encode()
        assert json.loads((await ask(await peer(it), gone))[1])["result"] is True
        assert "result" in json.loads((await ask(await peer(it), new))[1])
        assert it.observer.limits == ["client_filter_choices_max", "client_filters_max"]


async def test_some_connections_are_kept_for_the_nodes_own_machine(monkeypatch):
    monkeypatch.setattr(server, "CONNECTIONS_MAX", 4)
    monkeypatch.setattr(server, "OWN_CONNECTIONS", 1)
    async with running() as it:
        for _ in range(3):
            assert result(await ask(await peer(it))) == hex(735_700)
        assert await (await peer(it)).closed()
        assert result(await ask(await peer(it, "127.0.0.1"))) == hex(735_700)
        assert await (await peer(it, "127.0.0.1")).closed()
        assert it.observer.limits == ["connections_max"] * 2


async def test_the_nodes_own_machine_is_never_refused():
    async with running() as it:
        for address in ("127.0.0.1", "127.0.0.9"):
            one = await peer(it, address)
            await one.send(request(CALL) * 300)
            for _ in range(300):
                assert result(await one.answer()) == hex(735_700)
            assert len(json.loads((await ask(one, batch(1000)))[1])) == 1000
            ws = await socket(it, address)
            await ws.raw(masked(PING, b"") * 1000 + masked(TEXT, CALL) * 300)
            for _ in range(300):
                assert (await ws.message())["result"] == hex(735_700)
        assert set(it.observer.limits) <= {"websocket_calls_max"}

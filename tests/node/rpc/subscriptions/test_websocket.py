"""WebSocket connections on real sockets, against clients that mean no good."""

import json
import random
import zlib

import pytest
import trio
import trio.testing

from node.rpc import limits, websocket
from tests.node.rpc.fake import FakeShard
from tests.node.rpc.subscriptions.support import Socket, accepted, handshake, masked, running

pytestmark = pytest.mark.network
CALL = b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}'
TEXT, BINARY, CONTINUATION, CLOSE, PING = 0x1, 0x2, 0x0, 0x8, 0x9


def post(body: bytes, extra: str = "") -> bytes:
    head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


async def test_every_address_answers():
    async with running() as it:
        for path, index, chain in (("/", 0, 0), ("/", 1, 1), ("/shard/1", 0, 1), ("/shard/0/", 1, 0), ("/beacon?x=1", 0, 2)):
            socket = await it.socket(path, index)
            assert (await socket.call("net_version"))["result"] == str(735_700 + chain)


async def test_text_binary_fragments_and_batches():
    async with running() as it:
        socket = await it.socket(rest=masked(TEXT, CALL))
        answer = {"jsonrpc": "2.0", "id": 1, "result": hex(735_700)}
        assert await socket.message() == answer
        await socket.raw(masked(BINARY, CALL))
        assert await socket.message() == answer
        await socket.raw(masked(TEXT, CALL[:9], fin=False) + masked(PING, b"hello") + masked(CONTINUATION, b"", fin=False))
        await socket.raw(masked(CONTINUATION, CALL[9:]))
        assert await socket.message() == answer
        assert socket.pongs == [b"hello"]
        await socket.raw(masked(TEXT, b"[" + CALL + b"," + CALL + b"]"))
        assert await socket.message() == [answer, answer]
        await socket.raw(masked(TEXT, b'{"jsonrpc":"2.0","method":"eth_chainId"}') + masked(TEXT, CALL))
        assert await socket.message() == answer, "a notification gets no answer"


@pytest.mark.parametrize("body", [b"", b"{", b"5", b"[]", b"[" * 10_000, b'{"jsonrpc":"2.0","id":1,"method":"nope"}'])
async def test_garbage_of_json_leaves_the_connection_alive(body):
    async with running() as it:
        socket = await it.socket()
        await socket.raw(masked(TEXT, body))
        assert (await socket.message())["error"]["code"] in (-32700, -32600, -32601)
        assert (await socket.call("eth_chainId"))["result"] == hex(735_700)


async def test_a_handshake_after_requests_on_the_same_connection():
    async with running() as it:
        stream = await it.stream()
        await stream.send_all(post(CALL))
        answered = b""
        while b"0xb39d4" not in answered:
            answered += await stream.receive_some()
        whole = handshake()
        await stream.send_all(whole[:40])
        await stream.send_all(whole[40:])
        socket = Socket(await accepted(stream))
        assert (await socket.call("eth_chainId"))["result"] == hex(735_700)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (handshake("/nowhere"), 404),
        (handshake("/shard/2"), 404),
        (handshake(host="rebound.example"), 403),
        (handshake(version=8), 426),
        (handshake(key=b"c2hvcnQ="), 400),
        (handshake(key=b"\xff!"), 400),
        (handshake().replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n", 400),
    ],
)
async def test_handshakes_that_are_refused(data, status):
    async with running() as it:
        got, body = await it.refused(data)
        assert got == status
        assert body.endswith(b"\n")


async def test_compression_is_not_agreed_on_and_a_compressed_frame_ends_the_connection():
    async with running() as it:
        socket = await it.socket(extra=b"Sec-WebSocket-Extensions: permessage-deflate\r\n")
        await socket.raw(masked(TEXT, zlib.compress(bytes(1_000_000)), rsv=0x40))
        assert await socket.closed() == 1002


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (masked(0x3, b"x"), 1002),
        (masked(PING, bytes(126)), 1002),
        (masked(PING, b"x", fin=False), 1002),
        (masked(CONTINUATION, b"x"), 1002),
        (b"\x81\x05hello", 1002),
        (masked(TEXT, b"\xff\xfe"), 1007),
        (masked(TEXT, b"", length=1 << 63), 1002),
        (masked(CLOSE, b"\x03\xe8bye"), 1000),
        (masked(CLOSE, b""), 1005),
        (masked(CLOSE, b"\x00\x01"), 1002),
    ],
)
async def test_frames_that_end_the_connection(data, code):
    async with running() as it:
        socket, other = await it.socket(), await it.socket()
        await socket.raw(data)
        assert await socket.closed() == code
        assert (await other.call("eth_chainId"))["result"] == hex(735_700)


async def test_a_message_over_the_limit_is_1009(monkeypatch):
    monkeypatch.setattr(websocket, "BODY_BYTES_MAX", 1000)
    async with running() as it:
        socket = await it.socket()
        await socket.raw(masked(TEXT, b"x" * 2000, length=1 << 40))
        assert await socket.closed() == 1009
        fragments = await it.socket()
        for _ in range(12):
            await fragments.raw(masked(TEXT if _ == 0 else CONTINUATION, b"x" * 100, fin=False))
        assert await fragments.closed() == 1009
        assert it.observer.limits == ["body_bytes_max"] * 2


async def test_room_for_messages_under_way_is_bounded_and_given_back(monkeypatch):
    monkeypatch.setattr("node.rpc.app.BODIES_BYTES_MAX", 1000)
    async with running() as it:
        holder, other = await it.socket(), await it.socket()
        await holder.raw(masked(TEXT, b"x" * 900, fin=False) + masked(PING, b"taken"))
        while not holder.pongs:
            await holder.more()
        await other.raw(masked(TEXT, b"x" * 200))
        assert await other.closed() == 1013
        await holder.stream.aclose()
        third = await it.socket()
        while True:
            await third.raw(masked(TEXT, b"x" * 200))
            if (await third.message())["error"]["code"] == -32700:
                break
        assert set(it.observer.limits) == {"bodies_bytes_max"}


async def test_a_message_that_drips_in_is_cut_off(monkeypatch):
    monkeypatch.setattr(websocket, "BODY_SECONDS_MAX", 0.2)
    async with running() as it:
        socket = await it.socket()
        await socket.raw(masked(TEXT, b"{", fin=False))
        assert await socket.closed() == 1008
        assert it.observer.limits == ["body_seconds_max"]


async def test_calls_of_one_connection_are_bounded_and_go_on():
    async with running() as it:
        shard = it.node.shards[0]
        assert isinstance(shard, FakeShard)
        shard.gate = trio.Event()
        socket = await it.socket()
        count = limits.WEBSOCKET_CALLS_MAX + 3
        body = '{"jsonrpc":"2.0","id":%d,"method":"eth_getBalance","params":["0x' + "00" * 20 + '"]}'
        for i in range(count):
            await socket.send(body % i)
        await shard.waiting.wait()
        while not it.observer.limits:
            await trio.testing.wait_all_tasks_blocked(0.01)
        assert it.observer.limits == ["websocket_calls_max"]
        assert len(shard.asked) == limits.WEBSOCKET_CALLS_MAX
        shard.gate.set()
        assert {(await socket.message())["id"] for _ in range(count)} == set(range(count))


async def test_answers_being_sent_are_bounded_and_given_back(monkeypatch):
    monkeypatch.setattr("node.rpc.app.ANSWERS_BYTES_MAX", 1000)
    async with running() as it:
        socket = await it.socket()
        block = {"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": ["0x5", True]}
        await socket.send(block)
        assert (await socket.message())["error"]["code"] == -32005
        status, body = await it.refused(post(json.dumps(block).encode(), "Connection: close\r\n"))
        assert status == 200
        assert json.loads(body)["error"]["code"] == -32005
        assert (await socket.call("eth_chainId"))["result"] == hex(735_700)
        assert it.observer.limits == ["answers_bytes_max"] * 2


async def test_connections_are_bounded(monkeypatch):
    monkeypatch.setattr(websocket, "WEBSOCKETS_MAX", 1)
    async with running() as it:
        first = await it.socket()
        assert (await it.refused(handshake()))[0] == 503
        assert it.observer.limits == ["websockets_max"]
        assert (await first.call("eth_chainId"))["result"] == hex(735_700)


async def test_a_silent_client_is_pinged_and_cut_off(monkeypatch):
    monkeypatch.setattr(websocket, "WEBSOCKET_PING_SECONDS", 0.05)
    monkeypatch.setattr(websocket, "WEBSOCKET_SILENCE_SECONDS_MAX", 0.3)
    async with running() as it:
        socket = await it.socket()
        assert await socket.closed() is None
        assert socket.pings >= 2
        assert it.observer.limits == ["websocket_silence_seconds_max"]


async def test_a_stopping_node_says_so():
    async with running() as it:
        socket = await it.socket()
        assert (await socket.call("eth_chainId"))["result"] == hex(735_700)
        it.nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            assert await socket.closed() == 1001


async def test_half_a_handshake_is_cut_off(monkeypatch):
    monkeypatch.setattr("node.rpc.server.HEAD_SECONDS_MAX", 0.2)
    async with running() as it:
        stream = await it.stream()
        await stream.send_all(handshake()[:60])
        assert await stream.receive_some() == b""
        assert it.observer.limits == ["head_seconds_max"]


async def test_connections_that_come_and_go_leave_nothing_behind():
    async with running() as it:
        for data in (b"", b"GET /hea", handshake(), handshake() + masked(TEXT, b"x", fin=False), b"\x16\x03\x01"):
            stream = await it.stream()
            if data:
                await stream.send_all(data)
            await stream.aclose()
        await it.observer.all_closed.wait()


async def test_random_bytes_end_their_own_connection_without_a_fault(caplog):
    rng = random.Random(7)
    opcodes = [*range(16)]
    async with running() as it:
        good = await it.socket()
        for _ in range(150):
            data = b""
            for _ in range(rng.randrange(1, 6)):
                payload = rng.randbytes(rng.choice((0, 1, 2, 5, 125, 130)))
                length = rng.choice((None, None, None, 0, 126, 70_000))
                frame = masked(rng.choice(opcodes), payload, fin=rng.random() < 0.7, length=length, rsv=rng.choice((0, 0, 0, 0x40, 0x10)))
                data += rng.choice((frame, frame, rng.randbytes(9)))
            socket = await it.socket(rest=data)
            socket.stream.socket.close()
        assert (await good.call("eth_chainId"))["result"] == hex(735_700)
        await good.stream.aclose()
        await it.observer.all_closed.wait()
    assert "fault" not in caplog.text

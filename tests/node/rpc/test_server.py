"""The server on real sockets, against clients that mean no good."""

import json
import socket
from contextlib import asynccontextmanager

import pytest
import trio

from node import shares
from node.rpc import limits, server
from primitives.errors import StartupRefused
from tests.node.rpc.fake import FakeNode, Observer

pytestmark = pytest.mark.network
CALL = b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}'


def request(body: bytes, *, path: str = "/", method: str = "POST", extra: str = "") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


class Peer:
    """A client made of bytes."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.buffer = b""

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def answer(self, *, head: bool = False) -> tuple[int, bytes]:
        while b"\r\n\r\n" not in self.buffer:
            await self._more()
        top, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in top.split(b"\r\n")[1:])
        length = 0 if head else int(fields.get(b"content-length", b"0"))
        while len(self.buffer) < length:
            await self._more()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return int(top.split()[1]), body

    async def _more(self) -> None:
        received = await self.stream.receive_some(65536)
        assert received, "closed"
        self.buffer += received

    async def closed(self) -> bool:
        """Reads to the end."""
        try:
            while await self.stream.receive_some(65536):
                pass
        except trio.BrokenResourceError:
            pass
        return True


class Running:
    def __init__(self, node: FakeNode, observer: Observer, ports: list[int]) -> None:
        self.node, self.observer, self.ports = node, observer, ports
        self.peers: list[Peer] = []

    async def peer(self, index: int = 0, **kwargs) -> Peer:
        self.peers.append(Peer(await trio.open_tcp_stream("127.0.0.1", self.ports[index], **kwargs)))
        return self.peers[-1]

    async def ask(self, data: bytes, index: int = 0, **kwargs) -> tuple[int, bytes]:
        peer = await self.peer(index)
        await peer.send(data)
        answer = await peer.answer(**kwargs)
        await peer.stream.aclose()
        return answer


@asynccontextmanager
async def running():
    node, observer = FakeNode(), Observer()
    listeners = [("127.0.0.1", 0, "/shard/0"), ("127.0.0.1", 0, "/shard/1")]

    async def start(task_status):
        await server.serve(node, listeners, version="shardnet/test", allowed_hosts=[], observe=observer, task_status=task_status)

    with trio.fail_after(120):
        async with trio.open_nursery() as nursery:
            ports = await nursery.start(start)
            it = Running(node, observer, ports)
            yield it
            nursery.cancel_scope.cancel()
    for peer in it.peers:
        peer.stream.socket.close()
    assert observer.open_now == 0


def result(answer: tuple[int, bytes]):
    assert answer[0] == 200
    return json.loads(answer[1])["result"]


async def test_every_port_and_path():
    async with running() as it:
        assert result(await it.ask(request(CALL))) == hex(735_700)
        assert result(await it.ask(request(CALL), 1)) == hex(735_701)
        assert result(await it.ask(request(CALL, path="/shard/0"), 1)) == hex(735_700)
        assert (await it.ask(request(CALL, path="/shard/2")))[0] == 404


async def test_keep_alive_and_pipelining():
    async with running() as it:
        peer = await it.peer()
        await peer.send(request(CALL) * 50)
        for _ in range(50):
            assert result(await peer.answer()) == hex(735_700)
        await peer.send(request(CALL))
        assert result(await peer.answer()) == hex(735_700)


async def test_garbage_of_json_leaves_the_connection_alive():
    async with running() as it:
        peer = await it.peer()
        for body in (b"{", b"[" * 100_000, b"\xff", b"[]", b"[1]", b'{"id":{}}', b""):
            await peer.send(request(body))
            status, answer = await peer.answer()
            assert status == 200
            assert b'"error"' in answer
        await peer.send(request(b'{"jsonrpc":"2.0","method":"eth_chainId"}'))
        assert await peer.answer() == (200, b"")
        calls = b"[" + b",".join([CALL] * 1001) + b"]"
        await peer.send(request(calls))
        assert json.loads((await peer.answer())[1])["error"]["code"] == -32600
        await peer.send(request(CALL))
        assert result(await peer.answer()) == hex(735_700)


GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    b"GET\r\n\r\n",
    b"\r\n" * 100 + b"\x00\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\nContent-Length: 3\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: " + b"y" * (limits.HEAD_BYTES_MAX + 1),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 50,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000") + bytes.fromhex("000000010500000001"),
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: h2c\r\nConnection: upgrade\r\nHTTP2-Settings: !!!\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
]


@pytest.mark.parametrize("data", GARBAGE, ids=range(len(GARBAGE)))
async def test_garbage_of_bytes_ends_its_own_connection_only(data):
    async with running() as it:
        peer, other = await it.peer(), await it.peer()
        await other.send(request(CALL)[:30])
        await peer.send(data)
        await peer.stream.send_eof()
        assert await peer.closed()
        await other.send(request(CALL)[30:])
        assert result(await other.answer()) == hex(735_700)


async def test_body_over_the_limit():
    async with running() as it:
        peer = await it.peer()
        await peer.send(request(b"x" * (limits.BODY_BYTES_MAX + 1)))
        assert (await peer.answer())[0] == 413
        await peer.send(request(CALL))
        assert result(await peer.answer()) == hex(735_700)
        chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
        head = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        await peer.send(head + chunk * 81 + b"0\r\n\r\n")
        assert (await peer.answer())[0] == 413
        assert it.observer.limits == ["body_bytes_max"] * 2


@pytest.mark.parametrize("declared", [limits.BODY_DRAINED_BYTES_MAX + 1, 10**20 - 1])
async def test_a_body_too_large_to_be_read_is_answered_all_the_same(declared):
    """With its head alone, and while the client sends on without a look at the answer."""
    head = request(b"").replace(b"Content-Length: 0", b"Content-Length: %d" % declared)
    async with running() as it:
        peer = await it.peer()
        await peer.send(head)
        assert (await peer.answer())[0] == 413
        assert await peer.closed()
        await peer.stream.aclose()
        peer = await it.peer()
        await peer.send(head + bytes(limits.BODY_DRAINED_BYTES_MAX // 2))
        status, sentence = await peer.answer()
        assert (status, sentence[:24]) == (413, b"content length too large")
        assert await peer.closed()
        assert result(await it.ask(request(CALL))) == hex(735_700)
        assert it.observer.limits == ["body_bytes_max", "body_drained_bytes_max"] * 2


async def test_verbs():
    async with running() as it:
        assert (await it.ask(request(b"", method="GET")))[0] == 405
        assert (await it.ask(request(b"", method="HEAD"), head=True))[0] == 405
        assert (await it.ask(request(b"", method="GET", path="/health")))[0] == 200
        assert (await it.ask(request(b"", method="HEAD", path="/ready"), head=True))[0] == 200
        assert (await it.ask(request(b"", method="OPTIONS")))[0] == 204


async def test_slow_head_is_cut_off(monkeypatch):
    monkeypatch.setattr(server, "HEAD_SECONDS_MAX", 0.2)
    async with running() as it:
        peer = await it.peer()
        await peer.send(b"POST / HTTP/1.1\r\n")
        assert await peer.closed()
        assert it.observer.limits == ["head_seconds_max"]
        assert result(await it.ask(request(CALL))) == hex(735_700)


async def test_a_dripping_head_gains_nothing(monkeypatch):
    monkeypatch.setattr(server, "HEAD_SECONDS_MAX", 0.3)
    async with running() as it:
        peer = await it.peer()

        async def drip():
            while True:
                try:
                    await peer.send(b"P")
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    return
                await trio.sleep(0.05)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(drip)
            assert await peer.closed()
            nursery.cancel_scope.cancel()
        assert it.observer.limits == ["head_seconds_max"]


async def test_slow_body_is_cut_off(monkeypatch):
    monkeypatch.setattr("node.rpc.app.BODY_SECONDS_MAX", 0.2)
    async with running() as it:
        peer = await it.peer()
        await peer.send(request(CALL)[:-5])
        assert await peer.closed()
        assert it.observer.limits == ["body_seconds_max"]


async def test_idle_connection_is_closed(monkeypatch):
    monkeypatch.setattr(server, "IDLE_SECONDS_MAX", 0.2)
    async with running() as it:
        peer = await it.peer()
        await peer.send(request(CALL))
        await peer.answer()
        assert await peer.closed()


async def test_a_client_that_does_not_read_is_cut_off(monkeypatch):
    monkeypatch.setattr(server, "WRITE_SECONDS_MAX", 0.2)
    async with running() as it:
        it.node.shards[0].code = lambda address, selector: _large()
        peer = await it.peer()
        await peer.send(request(b'{"jsonrpc":"2.0","id":1,"method":"eth_getCode","params":["0x' + b"00" * 20 + b'"]}'))
        await it.observer.all_closed.wait()
        assert it.observer.limits == ["write_seconds_max"]
        assert result(await it.ask(request(CALL))) == hex(735_700)


async def _large() -> bytes:
    return bytes(10_000_000)


async def test_connections_are_bounded(monkeypatch):
    monkeypatch.setattr(server, "CONNECTIONS_MAX", 2)
    async with running() as it:
        first, second = await it.peer(), await it.peer()
        for peer in (first, second):
            await peer.send(request(CALL))
            await peer.answer()
        third = await it.peer()
        assert await third.closed()
        assert it.observer.limits == ["connections_max"]
        await first.send(request(CALL))
        assert result(await first.answer()) == hex(735_700)


async def test_one_address_leaves_room_for_others(monkeypatch):
    monkeypatch.setattr(server, "CLIENT_CONNECTIONS_MAX", 2)
    monkeypatch.setattr(shares, "_host_of", lambda stream: stream.socket.getpeername()[0].replace("127.0.0.2", "192.0.2.2"))
    async with running() as it:
        held = [await it.peer(index, local_address="127.0.0.2") for index in (0, 1)]
        for peer in held:
            await peer.send(request(CALL))
            await peer.answer()
        assert await (await it.peer(local_address="127.0.0.2")).closed()
        assert it.observer.limits == ["client_connections_max"]
        for _ in range(3):  # programs of this machine share an address
            peer = await it.peer()
            await peer.send(request(CALL))
            assert result(await peer.answer()) == hex(735_700)
        await held[0].send(request(CALL))
        assert result(await held[0].answer()) == hex(735_700)
        is_closed, it.observer.connections = trio.Event(), lambda open_now: is_closed.set()
        await held[0].stream.aclose()
        await is_closed.wait()
        del it.observer.connections
        again = await it.peer(local_address="127.0.0.2")  # there is room again
        await again.send(request(CALL))
        assert result(await again.answer()) == hex(735_700)


async def test_an_answer_under_way_is_finished_when_the_server_stops():
    node, observer = FakeNode(), Observer()
    node.shards[0].gate = trio.Event()
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:

            async def start(task_status):
                await server.serve(
                    node, [("127.0.0.1", 0, "/shard/0")], version="t", allowed_hosts=[], observe=observer, task_status=task_status
                )

            scope = trio.CancelScope()

            async def run(task_status):
                with scope:
                    await start(task_status)

            ports = await nursery.start(run)
            peer = Peer(await trio.open_tcp_stream("127.0.0.1", ports[0]))
            await peer.send(request(b'{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":["0x' + b"00" * 20 + b'"]}'))
            await node.shards[0].waiting.wait()
            scope.cancel()
            node.shards[0].gate.set()
            assert result(await peer.answer()) == "0x0"
            assert await peer.closed()
            await peer.stream.aclose()


async def test_a_call_without_end_does_not_hold_up_the_stop(monkeypatch):
    monkeypatch.setattr(server, "SHUTDOWN_SECONDS_MAX", 0.1)
    async with running() as it:
        it.node.shards[0].gate = trio.Event()
        peer = await it.peer()
        await peer.send(request(b'{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":["0x' + b"00" * 20 + b'"]}'))
        await it.node.shards[0].waiting.wait()


async def test_port_in_use_is_refused_with_a_sentence_and_opens_nothing():
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as probe:
        port, free = taken.getsockname()[1], probe.getsockname()[1]
        probe.close()
        with pytest.raises(StartupRefused, match=f"127.0.0.1:{port}: the port is in use"):
            await server.serve(
                FakeNode(), [("127.0.0.1", free, "/shard/0"), ("127.0.0.1", port, "/shard/1")],
                version="t", allowed_hosts=[], observe=Observer(),
            )  # fmt: skip
        with socket.create_server(("127.0.0.1", free)):
            pass


async def test_host_that_cannot_be_listened_on():
    with pytest.raises(StartupRefused, match="cannot listen on"):
        await server.serve(FakeNode(), [("203.0.113.1", 0, "/shard/0")], version="t", allowed_hosts=[], observe=Observer())

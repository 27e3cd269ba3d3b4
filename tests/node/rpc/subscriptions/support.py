"""A WebSocket client made of bytes, and a node in memory whose chain goes on when told to."""

import json
from contextlib import asynccontextmanager
from dataclasses import replace

import trio
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Pong, TextMessage

from node.rpc import server
from node.rpc.backend import BeaconHead, BlockRef, CrosslinkView, HeadMoved, PooledTransaction, TransactionPooled, WentBack
from shard.transactions import decode_transaction
from shard.views import BlockView, LogView, OutgoingReceipt, TransactionView
from tests.node.rpc.fake import ALICE, BASE_FEE, POOLED, RECEIPT, FakeNode, FakeShard, Observer, header

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
BEACON = 2
__all__ = ["POOLED", "RECEIPT", "LogView", "OutgoingReceipt", "TransactionView"]


def handshake(path: str = "/", *, host: str = "127.0.0.1", key: bytes = KEY, version: int = 13, extra: bytes = b"") -> bytes:
    return (
        b"GET %b HTTP/1.1\r\nHost: %b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %b\r\n"
        b"Sec-WebSocket-Version: %d\r\n%b\r\n" % (path.encode(), host.encode(), key, version, extra)
    )


def masked(opcode: int, payload: bytes, *, fin: bool = True, length: int | None = None, rsv: int = 0) -> bytes:
    """A client's frame; `length` may lie."""
    size = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | rsv | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 1 << 16:
        head += bytes([0x80 | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([0x80 | 127]) + size.to_bytes(8, "big")
    mask = b"\x37\xfa\x21\x3d"
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


class Socket:
    """One end of a WebSocket connection that is open."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.frames = Connection(ConnectionType.CLIENT)
        self.messages: list[str] = []
        self.pongs: list[bytes] = []
        self.pings = 0
        self.code: int | None = None
        self.reason: str | None = None

    async def send(self, message: object, *, binary: bool = False) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        await self.raw(self.frames.send(BytesMessage(text.encode()) if binary else TextMessage(text)))

    async def raw(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def more(self) -> bool:
        """Takes what comes next; False at the end."""
        try:
            data = await self.stream.receive_some(65536)
        except trio.BrokenResourceError:
            return False
        if not data:
            return False
        self.frames.receive_data(data)
        text = getattr(self, "_text", "")
        for event in self.frames.events():
            if isinstance(event, TextMessage):
                text += event.data
                if event.message_finished:
                    self.messages.append(text)
                    text = ""
            elif isinstance(event, Pong):
                self.pongs.append(bytes(event.payload))
            elif isinstance(event, CloseConnection):
                self.code, self.reason = event.code, event.reason
            else:
                self.pings += 1
        self._text = text
        return True

    async def message(self):
        while not self.messages:
            assert await self.more(), f"closed: {self.code} {self.reason}"
            assert self.code is None or self.messages, f"closed: {self.code} {self.reason}"
        return json.loads(self.messages.pop(0))

    async def call(self, method: str, *params):
        await self.send({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
        return await self.message()

    async def subscribe(self, method: str, *params) -> str:
        return (await self.call(method, *params))["result"]

    async def notification(self):
        """Id and result of the next notification."""
        message = await self.message()
        assert "id" not in message, message
        return message["params"]["subscription"], message["params"]["result"]

    async def closed(self) -> int | None:
        """The code it is closed with."""
        while await self.more():
            pass
        return self.code


class Node(FakeNode):
    """Its chain and pool go on when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.links = [BlockRef(8, b"\x0d" * 32), BlockRef(8, b"\x0d" * 32)]

    def beacon_head(self) -> BeaconHead:
        return replace(super().beacon_head(), crosslinks=tuple(CrosslinkView(link, BASE_FEE) for link in self.links))

    def block(self, shard: int = 0, *, logs: tuple[LogView, ...] = (), transactions=(), sent=(), told: bool = True) -> HeadMoved:
        """One more block, with these logs in its bloom and beside it."""
        fake = self.shards[shard]
        assert isinstance(fake, Chain)
        number = len(fake.blocks)
        view = replace(header(number), logs_bloom=b"\xff" * 256 if logs else bytes(256))
        block_hash = view.hash()
        placed = tuple(replace_view(t, block_number=number, block_hash=block_hash) for t in transactions)
        fake.blocks.append(BlockView(block_hash, view.encode(), 700, placed))
        fake.extra_logs[block_hash] = tuple(replace_view(log, block_number=number, block_hash=block_hash) for log in logs)
        for receipt in sent:
            fake.outgoing[receipt.id] = replace_view(receipt, block_number=number, block_hash=block_hash)
        event = HeadMoved(shard, number, block_hash, view.encode())
        if told:
            self.feed.tell(event)
        return event

    def go_back(self, count: int, shard: int = 0) -> None:
        """The last blocks of a shard were never made."""
        fake = self.shards[shard]
        assert isinstance(fake, Chain)
        del fake.blocks[-count:]
        self.feed.tell(WentBack())

    def crosslink(self, shard: int, number: int) -> None:
        self.links[shard] = BlockRef(number, b"\x0f" * 32)
        self.feed.tell(HeadMoved(BEACON, 13, b"\x0b" * 32, b""))

    def pool(self, raw: bytes = POOLED, shard: int = 0) -> bytes:
        hash = decode_transaction(raw).hash
        self.feed.tell(TransactionPooled(shard, hash, PooledTransaction(raw, ALICE)))
        return hash


def replace_view(view, **changes):
    import msgspec

    return msgspec.structs.replace(view, **changes)


class Chain(FakeShard):
    """Heads move with its blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.extra_logs: dict[bytes, tuple[LogView, ...]] = {}
        self.logs_asked = 0

    def heads(self):
        last = len(self.blocks) - 1
        latest = BlockRef(last, self.blocks[last].hash)
        return replace(super().heads(), latest=latest, safe=latest)

    async def block_logs(self, block_hash):
        self.logs_asked += 1
        return self.extra_logs.get(block_hash, ())


def make_node() -> Node:
    node = Node()
    node.shards = [Chain(), Chain()]
    return node


class Running:
    def __init__(self, node: Node, observer: Observer, ports: list[int], nursery: trio.Nursery) -> None:
        self.node, self.observer, self.ports, self.nursery = node, observer, ports, nursery
        self.streams: list[trio.SocketStream] = []

    async def stream(self, index: int = 0) -> trio.SocketStream:
        self.streams.append(await trio.open_tcp_stream("127.0.0.1", self.ports[index]))
        return self.streams[-1]

    async def refused(self, data: bytes) -> tuple[int, bytes]:
        """Status and body of the answer to a handshake."""
        stream = await self.stream()
        await stream.send_all(data)
        got = b""
        while part := await stream.receive_some():
            got += part
        head, _, body = got.partition(b"\r\n\r\n")
        return int(head.split()[1]), body

    async def socket(self, path: str = "/", index: int = 0, extra: bytes = b"", rest: bytes = b"") -> Socket:
        stream = await self.stream(index)
        await stream.send_all(handshake(path, extra=extra) + rest)
        return Socket(await accepted(stream))


async def accepted(stream: trio.SocketStream) -> trio.SocketStream:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = await stream.receive_some(1)
        assert byte, head
        head += byte
    assert head.startswith(b"HTTP/1.1 101 "), head
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    assert b"extensions" not in head.lower()
    return stream


@asynccontextmanager
async def running(node: Node | None = None):
    node, observer = node or make_node(), Observer()
    listeners = [("127.0.0.1", 0, "/shard/0"), ("127.0.0.1", 0, "/shard/1")]

    async def start(task_status):
        await server.serve(node, listeners, version="shardnet/test", allowed_hosts=[], observe=observer, task_status=task_status)

    with trio.fail_after(120):
        async with trio.open_nursery() as nursery:
            ports = await nursery.start(start)
            it = Running(node, observer, ports, nursery)
            yield it
            for stream in it.streams:
                stream.socket.close()
            nursery.cancel_scope.cancel()
    assert observer.open_now == 0

"""A subscriber over WebSocket."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import trio
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, TextMessage

_HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Subscriber:
    """One connection."""

    def __init__(self, stream: trio.SocketStream, received: bytes) -> None:
        self._stream = stream
        self._frames = Connection(ConnectionType.CLIENT, trailing_data=received)
        self._messages: deque[Any] = deque()
        self._text = ""

    @classmethod
    async def connect(cls, port: int) -> Subscriber:
        """Opens a connection to what `/` means on a port of this machine."""
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        await stream.send_all(_HANDSHAKE)
        received = b""
        while b"\r\n\r\n" not in received:
            received += await stream.receive_some()
        head, _, rest = received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        return cls(stream, rest)

    async def subscribe(self, *params: object) -> str:
        """Subscribes; the id."""
        call = {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": params}
        await self._stream.send_all(self._frames.send(TextMessage(json.dumps(call))))
        return str((await self._message())["result"])

    async def notification(self) -> Any:
        """What comes next."""
        return (await self._message())["params"]["result"]

    async def _message(self) -> Any:
        while not self._messages:
            self._frames.receive_data(await self._stream.receive_some() or None)
            for event in self._frames.events():
                if isinstance(event, TextMessage):
                    self._text += event.data
                    if event.message_finished:
                        self._messages.append(json.loads(self._text))
                        self._text = ""
                elif isinstance(event, CloseConnection):
                    raise ConnectionError(f"closed: {event.code} {event.reason}")
        return self._messages.popleft()

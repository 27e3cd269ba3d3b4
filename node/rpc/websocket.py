"""WebSocket connections: the same addresses, methods and limits as over HTTP, and notifications (RFC 6455).

wsproto takes the frames apart. No extension is agreed on, so a frame is as large as what comes over the wire.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Protocol

import h11
import trio
from wsproto.connection import Connection as Frames
from wsproto.connection import ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.utilities import generate_accept_token

from node.rpc.allowances import Guest
from node.rpc.app import Application, Connection, HttpError
from node.rpc.backend import RpcObserver
from node.rpc.dispatch import Dispatcher
from node.rpc.errors import OverRate
from node.rpc.limits import (
    BODY_BYTES_MAX,
    BODY_SECONDS_MAX,
    BYTES_PER_CALL,
    HEAD_BYTES_MAX,
    PART_COST,
    WEBSOCKET_CALLS_MAX,
    WEBSOCKET_CLOSE_SECONDS_MAX,
    WEBSOCKET_FRAMES_AFTER_CLOSE_MAX,
    WEBSOCKET_FRAMES_PER_TURN,
    WEBSOCKET_PING_SECONDS,
    WEBSOCKET_READ_BYTES,
    WEBSOCKET_SILENCE_SECONDS_MAX,
    WEBSOCKETS_MAX,
)
from node.rpc.subscriptions.frames import close_frame, ping_frame, pong_frame
from node.rpc.subscriptions.session import CLOSE_TOO_SLOW, Notifier, Session, Totals, frame_of

CLOSE_NORMAL, CLOSE_STOPPING, CLOSE_NO_CODE, CLOSE_FLOOD, CLOSE_TOO_LARGE, CLOSE_BUSY = 1000, 1001, 1005, 1008, 1009, 1013
_VERSION = b"13"


class Stream(Connection, Protocol):
    """A client's connection."""

    async def receive_some(self, max_bytes: int) -> bytes:
        """Bytes of the client; empty at their end."""
        ...

    async def send_all(self, data: bytes) -> None:
        """Sends, as long as the client keeps taking."""
        ...


class WebSockets:
    """All WebSocket connections of a server."""

    def __init__(self, app: Application, observe: RpcObserver, stopping: Callable[[], Awaitable[None]]) -> None:
        """`stopping` returns when the server stops."""
        self._app, self._observe, self._stopping = app, observe, stopping
        self._open = 0
        self._totals = Totals()

    async def serve(self, stream: Stream, received: bytes) -> None:
        """Serves a connection from its handshake on, of which `received` holds the whole head."""
        head, _, rest = received.partition(b"\r\n\r\n")
        try:
            dispatcher, accept = self._handshake(stream, head + b"\r\n\r\n")
        except HttpError as refused:
            await stream.send_all(_refusal(refused))
            return
        self._open += 1
        try:
            await stream.send_all(accept)
            await _Socket(stream, self._app, dispatcher, self._observe, self._totals).run(rest, self._stopping)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client is gone
        finally:
            self._open -= 1

    def _handshake(self, stream: Stream, head: bytes) -> tuple[Dispatcher, bytes]:
        try:
            self._app.let_in(stream.guest)
        except OverRate as error:
            raise HttpError(429, error.message, (b"retry-after", b"%d" % error.seconds)) from error
        request = _parse(head)
        headers: dict[bytes, bytes] = dict(request.headers)
        dispatcher = self._app.websocket(headers, request.target.partition(b"?")[0].decode("latin-1"), stream)
        if request.http_version != b"1.1":
            raise HttpError(400, "invalid WebSocket handshake: not HTTP/1.1")
        if b"upgrade" not in [token.strip().lower() for token in headers.get(b"connection", b"").split(b",")]:
            raise HttpError(400, "invalid WebSocket handshake: no Connection: Upgrade")
        if headers.get(b"sec-websocket-version") != _VERSION:
            raise HttpError(426, "this node speaks version 13 of WebSocket", (b"sec-websocket-version", _VERSION))
        key = headers.get(b"sec-websocket-key", b"")
        if not _is_key(key):
            raise HttpError(400, "invalid WebSocket handshake: Sec-WebSocket-Key is not 16 bytes in base64")
        if self._open >= WEBSOCKETS_MAX:
            self._observe.limit_hit("websockets_max")
            raise HttpError(503, f"busy: {WEBSOCKETS_MAX} WebSocket connections are open, try again")
        lines = (b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade",
                 b"Sec-WebSocket-Accept: " + generate_accept_token(key), b"", b"")
        return dispatcher, b"\r\n".join(lines)


def _parse(head: bytes) -> h11.Request:
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
    parser.receive_data(head)
    try:
        request = parser.next_event()
    except h11.RemoteProtocolError as error:
        raise HttpError(400, f"invalid request: {error}") from error
    if not isinstance(request, h11.Request):
        raise HttpError(400, "invalid request")
    return request


def _is_key(key: bytes) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        return False


def _refusal(refused: HttpError) -> bytes:
    body = refused.sentence.encode() + b"\n"
    lines = [f"HTTP/1.1 {refused.status} {HTTPStatus(refused.status).phrase}".encode(), b"Content-Type: text/plain; charset=utf-8",
             b"Content-Length: %d" % len(body), b"Connection: close", *(b"%b: %b" % header for header in refused.headers), b"", body]
    return b"\r\n".join(lines)


class _Socket:
    """One connection after its handshake."""

    def __init__(self, stream: Stream, app: Application, dispatcher: Dispatcher, observe: RpcObserver, totals: Totals) -> None:
        self._stream, self._app, self._dispatcher, self._observe = stream, app, dispatcher, observe
        self._frames = Frames(ConnectionType.SERVER)
        self._guest: Guest | None = stream.guest
        self._session = Session(observe, totals, None if stream.guest is None else stream.guest.held)
        self._slots = trio.Semaphore(WEBSOCKET_CALLS_MAX)
        self._heard = trio.current_time()
        self._message = bytearray()
        self._frames_after_close = 0
        self._message_deadline = math.inf
        self._peer_closed = trio.Event()

    async def run(self, received: bytes, stopping: Callable[[], Awaitable[None]]) -> None:
        """Serves until either end closes."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read, received, nursery)
                nursery.start_soon(self._ping)
                nursery.start_soon(self._stop, stopping)
                nursery.start_soon(self._limit_close, nursery.cancel_scope)
                await self._write()
                nursery.cancel_scope.cancel()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client is gone
        finally:
            self._session.close(CLOSE_NORMAL, "")
            self._app.take_bytes(-len(self._message), self._guest)

    async def _write(self) -> None:
        session = self._session
        while taken := await session.take():
            try:
                await self._stream.send_all(b"".join(map(frame_of, taken)))
            finally:
                session.done(taken)
        assert session.closing is not None
        await self._stream.send_all(close_frame(*session.closing))
        await self._peer_closed.wait()

    async def _limit_close(self, scope: trio.CancelScope) -> None:
        await self._session.closed.wait()
        await trio.sleep(WEBSOCKET_CLOSE_SECONDS_MAX)
        scope.cancel()

    async def _stop(self, stopping: Callable[[], Awaitable[None]]) -> None:
        await stopping()
        self._session.close(CLOSE_STOPPING, "the node is stopping")

    async def _ping(self) -> None:
        while True:
            await trio.sleep(WEBSOCKET_PING_SECONDS)
            if trio.current_time() - self._heard > WEBSOCKET_SILENCE_SECONDS_MAX:
                self._observe.limit_hit("websocket_silence_seconds_max")
                self._stream.abort()
            self._session.control(ping_frame())

    async def _read(self, received: bytes, nursery: trio.Nursery) -> None:
        while not self._peer_closed.is_set():
            if received:
                self._heard = trio.current_time()
                await self._take(received, nursery)
            with trio.move_on_at(self._message_deadline) as scope:
                received = await self._stream.receive_some(WEBSOCKET_READ_BYTES)
                if not received:
                    self._peer_closed.set()
                    self._session.close(CLOSE_NORMAL, "")
            if scope.cancelled_caught:
                self._message_deadline = math.inf
                self._observe.limit_hit("body_seconds_max")
                self._session.close(CLOSE_TOO_SLOW, f"a message may take {BODY_SECONDS_MAX:g} s")
                received = b""

    async def _take(self, received: bytes, nursery: trio.Nursery) -> None:
        self._frames.receive_data(received)
        i = -1
        for i, event in enumerate(self._frames.events()):
            if i % WEBSOCKET_FRAMES_PER_TURN == WEBSOCKET_FRAMES_PER_TURN - 1:
                await trio.lowlevel.checkpoint()
            if self._is_late():
                return
            if not getattr(event, "message_finished", False):
                self._spend(PART_COST + len(getattr(event, "data", b"")) / BYTES_PER_CALL)
            match event:
                case TextMessage(data=text):
                    await self._part(text.encode(), event.message_finished, nursery)
                case BytesMessage(data=part):
                    await self._part(bytes(part), event.message_finished, nursery)
                case Ping(payload=payload):
                    self._session.control(pong_frame(bytes(payload)))
                case CloseConnection(code=code, reason=reason):
                    by_peer = self._frames.state is ConnectionState.REMOTE_CLOSING
                    self._peer_closed.set()
                    self._session.close(int(code), "" if by_peer or reason is None else reason)
                    return

        if i < 0:
            self._spend(PART_COST)  # a frame that comes in many reads

    def _is_late(self) -> bool:
        """Whether the client goes on long after it was told that the connection closes, which ends it."""
        if self._session.closing is None:
            return False
        self._frames_after_close += 1
        if self._frames_after_close <= WEBSOCKET_FRAMES_AFTER_CLOSE_MAX:
            return False
        self._observe.limit_hit("websocket_frames_after_close_max")
        self._stream.abort()
        self._peer_closed.set()
        return True

    def _spend(self, cost: float) -> None:
        if self._guest is not None and self._session.closing is None and not self._guest.spend(cost, trio.current_time()):
            self._observe.limit_hit("overdraft_bursts_max")
            self._close_flood()

    def _close_flood(self) -> None:
        self._session.close(CLOSE_FLOOD, "far more was sent than the limits of calls allow")

    async def _part(self, part: bytes, is_last: bool, nursery: trio.Nursery) -> None:
        """A part of a message."""
        if self._session.closing is not None:
            return
        if self._message_deadline == math.inf:
            self._message_deadline = trio.current_time() + BODY_SECONDS_MAX
        if len(self._message) + len(part) > BODY_BYTES_MAX:
            self._observe.limit_hit("body_bytes_max")
            self._session.close(CLOSE_TOO_LARGE, f"a message has at most {BODY_BYTES_MAX} bytes")
            return
        if not self._app.take_bytes(len(part), self._guest):
            self._session.close(CLOSE_BUSY, "too many large messages are being received, try again")
            return
        self._message += part
        if not is_last:
            return
        message = bytes(self._message)
        self._message.clear()
        self._app.take_bytes(-len(message), self._guest)
        self._message_deadline = math.inf
        if self._slots.value == 0:
            self._observe.limit_hit("websocket_calls_max")
            await self._slots.acquire()
            self._heard = trio.current_time()  # it was we who did not listen
        else:
            self._slots.acquire_nowait()
        nursery.start_soon(self._call, message)

    async def _call(self, message: bytes) -> None:
        try:
            notifier = Notifier(self._session)
            async with self._app.answered(self._dispatcher.with_notifier(notifier), message, self._guest) as answer:
                await self._session.answer(answer, notifier)
            if self._guest is not None and self._guest.flooded is not None:
                self._close_flood()
        finally:
            self._slots.release()

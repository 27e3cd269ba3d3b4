"""The server: sockets, connections within their bounds, and hypercorn as the HTTP half of each connection.

hypercorn's own accept loop knows no bound on connections, on the time a request's head may take or on the time a client may
take to read its answer, and an error of one connection ends them all; so its connection handler runs under a loop of ours.
"""

from __future__ import annotations

import errno
import logging
import math
import re
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, cast

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.protocol import ProtocolWrapper
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from trio_typing import TaskStatus

from node.rpc.allowances import Clients, Guest
from node.rpc.app import Application
from node.rpc.backend import NetworkBackend, RpcObserver
from node.rpc.gone import end_gone
from node.rpc.limits import (
    ACCEPT_BACKLOG_MAX,
    BYTES_PER_CALL,
    CLIENT_CONNECTIONS_MAX,
    CONNECTION_REQUESTS_MAX,
    CONNECTIONS_MAX,
    GONE_SECONDS_MAX,
    HEAD_BYTES_MAX,
    HEAD_SECONDS_MAX,
    IDLE_SECONDS_MAX,
    OWN_CONNECTIONS,
    PART_COST,
    SHUTDOWN_SECONDS_MAX,
    WRITE_CHUNK_BYTES,
    WRITE_SECONDS_MAX,
)
from node.rpc.websocket import WebSockets
from node.shares import Shares, client_of
from primitives.errors import StartupRefused

_LOG = logging.getLogger(__name__)

_HEAD_END = b"\r\n\r\n"
_HANDSHAKE = re.compile(rb"\r\nupgrade:[ \t]*websocket[ \t]*\r\n", re.IGNORECASE)

Listener = tuple[str, int, str]
"""Host, port (0: any free one) and what `/` means there."""


class _Connection:
    """One client's stream, with the deadlines that keep it from holding the connection for nothing.

    It stands where hypercorn expects a `trio.SocketStream`, and in the ASGI scope's state for the application.
    """

    def __init__(self, stream: trio.SocketStream, default_path: str, observe: RpcObserver, guest: Guest | None) -> None:
        self._stream = stream
        self.guest = guest
        self._observe = observe
        self._in_request = self._is_ended = self.is_stopping = False
        self._answered: trio.Event | None = None
        self._head: bytes | None = None
        self._head_deadline = math.inf
        self._read_scope = trio.CancelScope()
        self.handshake = b""
        """What came of the client from the head of a WebSocket handshake on; hypercorn does not see it, and is ended."""
        self.http = trio.CancelScope()
        """Of hypercorn's part."""
        self.default_path = default_path
        self.scope = trio.CancelScope(shield=True)
        # Shielded: when the server stops, an answer under way is finished, within the bound of `_Server.run`.

    @property
    def socket(self) -> trio.socket.SocketType:
        """What hypercorn asks for the addresses of both ends."""
        return self._stream.socket

    @property
    def is_working(self) -> bool:
        """Whether there is a request whose answer has not begun."""
        return self._in_request and self._answered is None

    async def receive_some(self, max_bytes: int) -> bytes:
        """Bytes of the client; empty at their end or when a request's head takes too long."""
        self._read_scope = trio.CancelScope(deadline=self._head_deadline)
        with self._read_scope:
            received = bytes(await self._stream.receive_some(max_bytes))
            if self._answered is not None:
                await self._answered.wait()  # what comes now belongs to the next request
            await self._charge(received)
            if not self._in_request and self._head_deadline == math.inf:
                self._head_deadline = self._read_scope.deadline = trio.current_time() + HEAD_SECONDS_MAX
                if received.startswith(b"GET "):
                    received = await self._whole_head(received)
                    if _HANDSHAKE.search(received, 0, received.find(_HEAD_END) + 2):
                        self.handshake = received
                        self.http.cancel()
                        await trio.lowlevel.checkpoint()
            if not received:
                self._end_soon()
            return received
        self._observe.limit_hit("head_seconds_max")
        self._end_soon()
        return b""

    def _end_soon(self) -> None:
        # Left alone, hypercorn would keep an ended connection until it counts as idle.
        self._is_ended = True
        if not self._in_request:
            self.http.deadline = trio.current_time() + GONE_SECONDS_MAX

    async def restart(self, task_group: object, action: object) -> None:
        """Stands in for hypercorn's timer of idle connections, which is a task started anew with every request."""
        del task_group, action
        if self.is_stopping:
            self.http.cancel()
        elif not self._is_ended:
            self.http.deadline = trio.current_time() + IDLE_SECONDS_MAX

    async def stop(self) -> None:
        """The connection is not idle any more."""
        self.http.deadline = math.inf

    def stop_when_idle(self) -> None:
        """The server stops: the connection ends with the request that is under way."""
        self.is_stopping = True
        if not self._in_request and not self.handshake:
            self.http.cancel()

    async def _whole_head(self, received: bytes) -> bytes:
        while _HEAD_END not in received and len(received) <= HEAD_BYTES_MAX:
            more = await self._stream.receive_some(HEAD_BYTES_MAX)
            if not more:
                break
            received += more
            await self._charge(more)
        return received

    async def _charge(self, received: bytes) -> None:
        """What comes of a request after the first part costs something, and a connection that is far overdrawn ends here."""
        if self.guest is None or self.handshake:
            return  # a WebSocket connection counts its frames itself
        is_first = not self._in_request and self._head_deadline == math.inf
        if not is_first and not self.guest.spend(PART_COST + len(received) / BYTES_PER_CALL, trio.current_time()):
            self._observe.limit_hit("overdraft_bursts_max")
            self.abort()
            await trio.lowlevel.checkpoint()

    async def send_all(self, data: bytes) -> None:
        """Sends, as long as the client keeps taking.

        Raises:
            trio.BrokenResourceError: it does not.
        """
        if self._answered is not None and self._head is None:
            self._head = data  # of an answer: what follows at once goes with it, as one packet
            return
        view = memoryview((self._head or b"") + data)
        self._head = b""
        for start in range(0, len(view), WRITE_CHUNK_BYTES):
            with trio.move_on_after(WRITE_SECONDS_MAX) as scope:
                await self._stream.send_all(view[start : start + WRITE_CHUNK_BYTES])
            if scope.cancelled_caught:
                self._observe.limit_hit("write_seconds_max")
                self.abort()
                raise trio.BrokenResourceError("the client does not read its answer")

    async def send_eof(self) -> None:
        """Tells the client that nothing more comes."""
        if not self.handshake:
            await self._stream.send_eof()

    async def aclose(self) -> None:
        """Closes."""
        if not self.handshake:
            await self._stream.aclose()
            self.http.cancel()

    def request_began(self) -> None:
        """The head of a request is complete."""
        self._in_request = True
        self.http.deadline = math.inf
        self._head_deadline = self._read_scope.deadline = math.inf

    def answer_begins(self) -> None:
        """The request is read to its end, and about to be answered."""
        self._answered, self._head = trio.Event(), None

    async def end_answers(self) -> None:
        """The request is answered before its body was read: the client is told that nothing more comes."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self._stream.send_eof()

    def request_ended(self) -> None:
        """The request is answered."""
        self._in_request = False
        if self._answered is not None:
            self._answered.set()
            self._answered = None
        if self._is_ended:
            self._end_soon()

    def abort(self) -> None:
        """Closes at once, whatever is under way; hypercorn shields its writes, so the socket goes first."""
        self._stream.socket.close()
        self.scope.cancel()


class _Server:
    def __init__(self, app: Application, observe: RpcObserver) -> None:
        self._app, self._live = ASGIWrapper(cast(Any, app)), app.live
        self._observe = observe
        self._config = _config()
        self._context = WorkerContext(None)
        self._websockets = WebSockets(app, observe, self._context.terminated.wait)
        self._open: set[_Connection] = set()
        self._shares, self._clients = Shares(), Clients()
        self._all_closed = trio.Event()

    async def run(self, listeners: Sequence[tuple[trio.SocketListener, str]], task_status: TaskStatus[list[int]]) -> None:
        async with trio.open_nursery() as connections:
            try:
                async with trio.open_nursery() as accepting:
                    accepting.start_soon(self._live.run)
                    accepting.start_soon(end_gone, self._open, self._observe)
                    for listener, default_path in listeners:
                        accepting.start_soon(self._accept, listener, default_path, connections)
                    task_status.started([listener.socket.getsockname()[1] for listener, _ in listeners])
            finally:
                await self._context.terminated.set()
                for connection in self._open:
                    connection.stop_when_idle()
                if self._open:
                    with trio.CancelScope(shield=True, deadline=trio.current_time() + SHUTDOWN_SECONDS_MAX):
                        await self._all_closed.wait()
                for connection in list(self._open):
                    connection.abort()

    async def _accept(self, listener: trio.SocketListener, default_path: str, connections: trio.Nursery) -> None:
        async def handle(stream: trio.SocketStream) -> None:
            client = client_of(stream)
            with self._shares.hold(client, CLIENT_CONNECTIONS_MAX) as has_room:
                if not has_room:
                    self._observe.limit_hit("client_connections_max")
                    stream.socket.close()
                elif client is None:
                    await self._connection(stream, default_path, None)
                else:
                    await self._guest_connection(stream, default_path, client)

        await trio.serve_listeners(handle, [listener], handler_nursery=connections)

    async def _guest_connection(self, stream: trio.SocketStream, default_path: str, client: str) -> None:
        guest = self._clients.enter(client, trio.current_time())
        try:
            if guest is None:
                self._observe.limit_hit("client_refusals_rate")
                stream.socket.close()
            else:
                await self._connection(stream, default_path, guest)
        finally:
            if not self._clients.leave(client, trio.current_time()):
                self._observe.limit_hit("clients_remembered_max")

    async def _connection(self, stream: trio.SocketStream, default_path: str, guest: Guest | None) -> None:
        if len(self._open) >= (CONNECTIONS_MAX if guest is None else CONNECTIONS_MAX - OWN_CONNECTIONS):
            self._observe.limit_hit("connections_max")
            stream.socket.close()
            return
        connection = _Connection(stream, default_path, self._observe, guest)
        self._open.add(connection)
        self._observe.connections(len(self._open))
        try:
            with connection.scope:
                state = ConnectionState(cast(Any, {"connection": connection}))
                http = _Http1(self._app, self._config, self._context, cast(Any, state), cast(Any, connection))
                http.idle_task = cast(Any, connection)
                with connection.http:
                    await http
                if connection.handshake:
                    connection.request_began()
                    await self._websockets.serve(connection, connection.handshake)
        except Exception:
            # Whatever a client provokes in the HTTP library ends its own connection and no other.
            _LOG.exception("rpc_connection_fault")
        finally:
            stream.socket.close()
            self._open.discard(connection)
            if self._context.terminated.is_set() and not self._open:
                self._all_closed.set()
            self._observe.connections(len(self._open))


class _Http1(TCPServer):
    """Hypercorn's server of one connection, which keeps to HTTP/1: frames of HTTP/2 would be work that no limit of requests counts."""

    @property
    def protocol(self) -> ProtocolWrapper:
        """What reads the connection's bytes."""
        return self._protocol

    @protocol.setter
    def protocol(self, protocol: ProtocolWrapper) -> None:
        cast(Any, protocol.protocol)._check_protocol = self._stay
        self._protocol = protocol

    async def _stay(self, event: object) -> None:
        """Where hypercorn goes over to HTTP/2."""
        await trio.lowlevel.checkpoint()


def _config() -> Config:
    config = Config()
    config.include_date_header = False
    config.include_server_header = False
    config.errorlog = logging.getLogger("node.rpc.http")
    config.accesslog = None
    config.h11_max_incomplete_size = HEAD_BYTES_MAX
    config.keep_alive_timeout = IDLE_SECONDS_MAX
    config.keep_alive_max_requests = CONNECTION_REQUESTS_MAX
    return config


def _bind(host: str, port: int) -> trio.SocketListener:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise StartupRefused(f"JSON-RPC cannot listen on {host}:{port}: {error.strerror or error}") from error
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(ACCEPT_BACKLOG_MAX)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise StartupRefused(
                f"JSON-RPC cannot listen on {host}:{port}: the port is in use; stop what holds it or choose another with --rpc-port"
            ) from error
        raise StartupRefused(f"JSON-RPC cannot listen on {host}:{port}: {error.strerror}") from error
    sock.setblocking(False)
    return trio.SocketListener(trio.socket.from_stdlib_socket(sock))


async def serve(
    backend: NetworkBackend,
    listeners: Sequence[Listener],
    *,
    version: str,
    allowed_hosts: Iterable[str],
    observe: RpcObserver,
    task_status: TaskStatus[list[int]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves one node's JSON-RPC; see `serve_application` and `Application`."""
    app = Application(backend, version=version, allowed_hosts=allowed_hosts, observe=observe)
    await serve_application(app, listeners, observe, task_status=task_status)


async def serve_application(
    app: Application, listeners: Sequence[Listener], observe: RpcObserver, *, task_status: TaskStatus[list[int]] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serves JSON-RPC on every listener until cancelled; answers under way then get `SHUTDOWN_SECONDS_MAX`.

    Args:
        app: what answers.
        listeners: where to listen, and the path that `/` stands for there (`/shard/0`, `/beacon`).
        observe: told of calls, connections and limits.
        task_status: started, once every port is open, with the ports in the order of `listeners`.

    Raises:
        StartupRefused: a port cannot be opened; none is left open.
    """
    bound: list[tuple[trio.SocketListener, str]] = []
    try:
        for host, port, default_path in listeners:
            bound.append((_bind(host, port), default_path))
        await _Server(app, observe).run(bound, task_status)
    finally:
        for listener, _ in bound:
            listener.socket.close()

"""The ASGI application: addresses, HTTP's own rules, health, and bodies within their bounds."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any, Protocol

import msgspec
import trio

from node.rpc.allowances import Guest, Held
from node.rpc.backend import NetworkBackend, RpcObserver
from node.rpc.dispatch import Charge, Dispatcher, error_answer
from node.rpc.door import Door
from node.rpc.errors import BUSY, OverRate, RpcError
from node.rpc.faucet import Faucet
from node.rpc.hosts import HostGuard
from node.rpc.limits import (
    ANSWERS_BYTES_MAX,
    BODIES_BYTES_MAX,
    BODY_BYTES_MAX,
    BODY_DRAINED_BYTES_MAX,
    BODY_SECONDS_MAX,
    CLIENT_ANSWERS_BYTES_MAX,
    CLIENT_BODIES_BYTES_MAX,
    CLIENT_REQUESTS_IN_FLIGHT_MAX,
    OWN_REQUESTS_IN_FLIGHT,
    REFUSAL_BYTES,
    REQUESTS_IN_FLIGHT_MAX,
    SERVED_BATCH_SECONDS_MAX,
    SHORT_PART_BYTES,
    UNREAD_SECONDS_MAX,
)
from node.rpc.methods.context import ASKER, Context, Elsewhere, ShardMemory
from node.rpc.methods.registry import EVERYWHERE, SHARD, existing
from node.rpc.passing import SERVED, passed_on
from node.rpc.subscriptions.live import Live
from p2p.messages import RPC_ANSWER_BYTES_MAX

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

_CORS: list[Header] = [(b"access-control-allow-origin", b"*"), (b"vary", b"Origin"), (b"access-control-expose-headers", b"Retry-After")]
_PREFLIGHT: list[Header] = [
    *_CORS,
    (b"access-control-allow-methods", b"POST, GET, HEAD, OPTIONS"),
    (b"access-control-allow-headers", b"*"),
    (b"access-control-allow-private-network", b"true"),
    (b"access-control-max-age", b"86400"),
]
_JSON: Header = (b"content-type", b"application/json")
_TEXT: Header = (b"content-type", b"text/plain; charset=utf-8")
_TYPES = frozenset({b"application/json", b"application/json-rpc", b"application/jsonrequest"})
_SHARD_PATH = re.compile(r"/shard/[0-9]+/?", re.ASCII)
_STATUS_PATHS = ("/health", "/ready")
BRACKETS_BYTES = 2
"""Around the answers of a batch."""


class Connection(Protocol):
    """What the application needs of the connection a request came on; the server puts it into the scope's state."""

    @property
    def default_path(self) -> str:
        """What `/` means on the connection's port."""
        ...

    @property
    def guest(self) -> Guest | None:
        """What its client may ask; None for one of this machine, who may ask anything."""
        ...

    def request_began(self) -> None:
        """The head of a request is complete."""
        ...

    def answer_begins(self) -> None:
        """The request is read to its end, and about to be answered."""
        ...

    async def end_answers(self) -> None:
        """The request is answered before its body was read: the client is told that nothing more comes."""
        ...

    def request_ended(self) -> None:
        """The request is answered."""
        ...

    def abort(self) -> None:
        """Closes the connection at once."""
        ...


class HttpError(Exception):
    """A request that is answered by HTTP alone: status, sentence, headers besides the usual."""

    def __init__(self, status: int, sentence: str, *headers: Header) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers


class _GoneError(Exception):
    """There is nobody left to answer, or the connection is beyond use."""


class Application:
    """One for a node, whatever the number of its ports."""

    def __init__(
        self,
        backend: NetworkBackend,
        *,
        version: str,
        allowed_hosts: Iterable[str],
        observe: RpcObserver,
        elsewhere: Elsewhere | None = None,
        door: Door | None = None,
    ) -> None:
        door = door or Door()
        self._backend = backend
        self._observe = observe
        self._hosts = HostGuard(allowed_hosts)
        self._held = Held()
        parameters = backend.genesis.parameters
        self._shard_count = parameters.shard_count
        self._addresses: dict[str, Dispatcher] = {}
        self._served: dict[int, Dispatcher] = {}
        faucet = Faucet(observe)
        self.live = Live(backend, observe, door)
        for chain in range(parameters.shard_count + 1):
            is_beacon = chain == parameters.beacon
            is_hosted = not is_beacon and backend.shard(chain) is not None
            context = Context(backend, observe, version, chain, ShardMemory(), faucet, self.live, door, elsewhere)
            table = existing(EVERYWHERE if is_beacon else SHARD, parameters)
            dispatcher = Dispatcher(context, table if is_beacon or is_hosted else passed_on(table))
            if is_hosted:
                self._served[chain] = Dispatcher(
                    replace(context, elsewhere=None), SERVED, RPC_ANSWER_BYTES_MAX - BRACKETS_BYTES, SERVED_BATCH_SECONDS_MAX
                )
            path = "/beacon" if is_beacon else f"/shard/{chain}"
            self._addresses[path] = self._addresses[path + "/"] = dispatcher

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one ASGI scope."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "websocket":
            await _refuse_websocket(receive, send)
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection: Connection = scope["state"]["connection"]
        if scope["http_version"] not in ("1.0", "1.1"):
            connection.abort()
            return
        connection.request_began()
        body = _Body(dict(scope["headers"]), receive, self._observe, connection.guest)
        try:
            is_last = await self._exchange(scope, connection, body, send)
            if not body.complete:
                await connection.end_answers()
                await body.discard()
                connection.abort()
            elif is_last:
                connection.abort()
        except _GoneError:
            connection.abort()
        finally:
            connection.request_ended()

    async def _exchange(self, scope: Scope, connection: Connection, body: _Body, send: Send) -> bool:
        """Answers a request; whether the connection is to end with it."""
        with self._under_way(connection.guest) as has_room:
            status, headers, answer = await self._respond(scope, connection, body, has_room)
            with self._sending(answer, connection.guest) as answer:
                headers.append((b"content-length", str(len(answer)).encode()))
                if body.complete:
                    connection.answer_begins()
                # Looked at here alone: once this is answered, the next request may have made a flood of it, and wants its answer.
                is_last = not body.complete or _has_flooded(connection)
                if is_last:
                    headers.append((b"connection", b"close"))
                await send({"type": "http.response.start", "status": status, "headers": headers})
                await send({"type": "http.response.body", "body": answer, "more_body": not body.complete})
                return is_last

    @contextmanager
    def _under_way(self, guest: Guest | None) -> Iterator[bool]:
        """A request, counted if its client has room for it: one that is to be refused takes nobody else's meanwhile."""
        if guest is not None and guest.held.requests >= CLIENT_REQUESTS_IN_FLIGHT_MAX:
            yield False
            return
        for held in self._held_with(guest):
            held.requests += 1
        try:
            yield True
        finally:
            for held in self._held_with(guest):
                held.requests -= 1

    def _held_with(self, guest: Guest | None) -> tuple[Held, ...]:
        return (self._held,) if guest is None else (self._held, guest.held)

    async def _respond(self, scope: Scope, connection: Connection, body: _Body, has_room: bool) -> tuple[int, list[Header], bytes]:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        ASKER.set(None if connection.guest is None else connection.guest.held)
        try:
            method, path = scope["method"], scope["path"]
            # A browser takes a refused preflight for a network that is down, and who watches a node for one that is.
            charge: Charge | None = None
            if method == "OPTIONS" or path in _STATUS_PATHS:
                _pay(connection.guest, self._observe)
            else:
                charge = self.let_in(connection.guest)
            self._check_host(headers)
            if method == "POST" and path not in _STATUS_PATHS:
                dispatcher = self._dispatcher(path, connection)
                _check_type(headers)
                self._check_in_flight(has_room, connection.guest is None)
                return 200, [_JSON, *_CORS], await dispatcher.answer(await self._read(body, connection.guest), charge)
            await body.drain()
            return self._without_body(method, path, connection)
        except HttpError as refused:
            await body.drain()
            return refused.status, [_TEXT, *_CORS, *refused.headers], refused.sentence.encode() + b"\n"
        except OverRate as error:
            await body.drain()
            return 429, [_JSON, *_CORS, (b"retry-after", b"%d" % error.seconds)], error_answer(error)
        except RpcError as error:
            await body.drain()
            return 200, [_JSON, *_CORS], error_answer(error)

    def let_in(self, guest: Guest | None) -> Charge | None:
        """Lets a request in that costs one call; what it costs besides is to be charged.

        Raises:
            OverRate: not one is left, now or when it is charged.
        """
        if guest is None:
            return None

        def charge(cost: int) -> None:
            overrun = guest.take(cost, trio.current_time())
            if overrun is not None:
                self._observe.limit_hit(overrun.limit)
                self._refused(guest, 1)
                raise OverRate(overrun)

        charge(1)
        return charge

    def _refused(self, guest: Guest, count: int) -> None:
        guest.refused(trio.current_time(), count)
        if guest.flooded is not None:
            self._observe.limit_hit(guest.flooded)

    def _check_host(self, headers: dict[bytes, bytes]) -> None:
        if not self._hosts.accepts(headers.get(b"host", b"localhost")):
            raise HttpError(403, "invalid host: this node answers to its addresses and to the host names it is configured with")

    def websocket(self, headers: dict[bytes, bytes], path: str, connection: Connection) -> Dispatcher:
        """What answers the messages of a WebSocket connection.

        Raises:
            HttpError: it is refused.
        """
        self._check_host(headers)
        return self._dispatcher(path, connection)

    async def answer_peer(self, chain: int, body: bytes) -> bytes | None:
        """The answer to a request that a peer passes on; None for a shard that is not hosted here."""
        ASKER.set(None)
        dispatcher = self._served.get(chain)
        return None if dispatcher is None else await dispatcher.answer(body)

    def take_bytes(self, count: int, guest: Guest | None) -> bool:
        """Whether there is room for a part of a body or WebSocket message; given back by a negative count."""
        if count > 0:
            if guest is not None and guest.held.body_bytes + count > CLIENT_BODIES_BYTES_MAX:
                self._observe.limit_hit("client_bodies_bytes_max")
                return False
            if self._held.body_bytes + count > BODIES_BYTES_MAX:
                self._observe.limit_hit("bodies_bytes_max")
                return False
        for held in self._held_with(guest):
            held.body_bytes += count
        return True

    @asynccontextmanager
    async def answered(self, dispatcher: Dispatcher, message: bytes, guest: Guest | None) -> AsyncIterator[bytes]:
        """The answer to a WebSocket message, to be sent meanwhile; empty when the message holds only notifications."""
        ASKER.set(None if guest is None else guest.held)
        with self._under_way(guest) as has_room:
            try:
                charge = self.let_in(guest)
                self._check_in_flight(has_room, guest is None)
                answer = await dispatcher.answer(message, charge)
            except RpcError as error:
                answer = await dispatcher.refusal(message, error)
                if guest is not None and (more := len(answer) // REFUSAL_BYTES):
                    self._refused(guest, more)
        with self._sending(answer, guest) as answer:
            yield answer

    @contextmanager
    def _sending(self, answer: bytes, guest: Guest | None) -> Iterator[bytes]:
        """An answer that is being sent, or in its place that there is no room for it."""
        is_share = guest is not None and guest.held.answer_bytes + len(answer) > CLIENT_ANSWERS_BYTES_MAX
        if is_share or self._held.answer_bytes + len(answer) > ANSWERS_BYTES_MAX:
            self._observe.limit_hit("client_answers_bytes_max" if is_share else "answers_bytes_max")
            answer = error_answer(RpcError(BUSY, "busy: too many large answers are being sent, try again"))
        for held in self._held_with(guest):
            held.answer_bytes += len(answer)
        try:
            yield answer
        finally:
            for held in self._held_with(guest):
                held.answer_bytes -= len(answer)

    def _check_in_flight(self, has_room: bool, is_own: bool) -> None:
        if not has_room:
            self._observe.limit_hit("client_requests_in_flight_max")
            raise RpcError(BUSY, f"busy: {CLIENT_REQUESTS_IN_FLIGHT_MAX} requests of one address are being answered, try again")
        most = REQUESTS_IN_FLIGHT_MAX if is_own else REQUESTS_IN_FLIGHT_MAX - OWN_REQUESTS_IN_FLIGHT
        if self._held.requests > most:
            self._observe.limit_hit("requests_in_flight_max")
            raise RpcError(BUSY, f"busy: {most} requests are being answered, try again")

    def _without_body(self, method: str, path: str, connection: Connection) -> tuple[int, list[Header], bytes]:
        if method == "OPTIONS":
            return 204, list(_PREFLIGHT), b""
        if path in _STATUS_PATHS:
            return self._status(method, path)
        self._dispatcher(path, connection)
        raise HttpError(405, "this is a JSON-RPC address: send a POST with content-type application/json", (b"allow", b"POST, OPTIONS"))

    def _dispatcher(self, path: str, connection: Connection) -> Dispatcher:
        dispatcher = self._addresses.get(connection.default_path if path == "/" else path)
        if dispatcher is not None:
            return dispatcher
        if _SHARD_PATH.fullmatch(path):
            raise HttpError(404, f"no such shard: this network has shards 0 to {self._shard_count - 1}")
        raise HttpError(404, "no such address: there are /, /shard/N, /beacon, /health and /ready")

    def _status(self, method: str, path: str) -> tuple[int, list[Header], bytes]:
        if method not in ("GET", "HEAD"):
            raise HttpError(405, f"{path} is read with GET", (b"allow", b"GET, HEAD, OPTIONS"))
        if path == "/ready":
            ready = self._backend.is_ready()
            return (200 if ready else 503), [_JSON, *_CORS], msgspec.json.encode({"ready": ready})
        problems = self._backend.health()
        status = {"status": "unhealthy" if problems else "ok", "problems": problems, "peers": self._backend.peers()}
        return (503 if problems else 200), [_JSON, *_CORS], msgspec.json.encode(status)

    async def _read(self, body: _Body, guest: Guest | None) -> bytes:
        """The request's body.

        Raises:
            HttpError: it is too large.
            _GoneError: it takes too long, or ends early.
            RpcError: there is no room for it now.
        """
        if body.declared > BODY_BYTES_MAX:
            raise self._too_large()
        chunks: list[bytes] = []
        size = 0
        try:
            while not body.complete:
                chunk = await body.chunk()
                if size + len(chunk) > BODY_BYTES_MAX:
                    raise self._too_large()
                if not self.take_bytes(len(chunk), guest):
                    raise RpcError(BUSY, "busy: too many large requests are being received, try again")
                size += len(chunk)
                chunks.append(chunk)
        finally:
            self.take_bytes(-size, guest)
        return b"".join(chunks)

    def _too_large(self) -> HttpError:
        self._observe.limit_hit("body_bytes_max")
        return HttpError(413, f"content length too large: a request has at most {BODY_BYTES_MAX} bytes")


class _Body:
    """A request's body as it comes in, within one deadline."""

    def __init__(self, headers: dict[bytes, bytes], receive: Receive, observe: RpcObserver, guest: Guest | None) -> None:
        self._receive = receive
        self._guest, self._parts = guest, 0
        self._observe = observe
        self._deadline = trio.current_time() + BODY_SECONDS_MAX
        # h11 has checked that the header is a number of at most 20 digits.
        self.declared = int(headers.get(b"content-length", b"0"))
        self.complete = False

    async def chunk(self) -> bytes:
        """The next part; sets `complete` with the last.

        Raises:
            _GoneError: the deadline has passed, the client has gone, or it sent far too much.
        """
        with trio.move_on_at(self._deadline):
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise _GoneError
            self.complete = not message.get("more_body", False)
            chunk: bytes = message.get("body", b"")
            self._parts += 1
            if self._parts > 1 and not self.complete and len(chunk) < SHORT_PART_BYTES:
                _pay(self._guest, self._observe)
            return chunk
        self._observe.limit_hit("body_seconds_max")
        raise _GoneError

    async def drain(self) -> None:
        """Reads and drops what is left, or an answer would be lost with the connection; not of a body that is far too large.

        Raises:
            _GoneError: as for `chunk`.
        """
        left = BODY_DRAINED_BYTES_MAX - self.declared
        while not self.complete and left >= 0:
            left -= len(await self.chunk())
        if not self.complete:
            self._observe.limit_hit("body_drained_bytes_max")

    async def discard(self) -> None:
        """Reads and drops what the sender of a far too large body sends until it has read its answer; not for long.

        Raises:
            _GoneError: the client has gone.
        """
        left = BODY_DRAINED_BYTES_MAX
        with trio.move_on_after(UNREAD_SECONDS_MAX) as scope:
            while not self.complete and left >= 0:
                left -= len(await self.chunk())
        if scope.cancelled_caught:
            self._observe.limit_hit("unread_seconds_max")


def _pay(guest: Guest | None, observe: RpcObserver) -> None:
    """Takes a call, be there one or not; raises _GoneError where far too many have come."""
    if guest is not None and not guest.spend(1, trio.current_time()):
        observe.limit_hit("overdraft_bursts_max")
        raise _GoneError


def _has_flooded(connection: Connection) -> bool:
    return connection.guest is not None and connection.guest.flooded is not None


def _check_type(headers: dict[bytes, bytes]) -> None:
    content_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if content_type not in _TYPES:
        raise HttpError(415, "invalid content type, only application/json is supported")
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise HttpError(415, "compressed requests are not supported")


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _refuse_websocket(receive: Receive, send: Send) -> None:
    """A handshake that came in the middle of other requests; the server takes all others out before they get here."""
    await receive()
    await send({"type": "websocket.close", "code": 1000})

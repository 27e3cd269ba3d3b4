"""The metrics port: the explorer, /metrics, /health and /ready, on h11, apart from JSON-RPC so that a busy wallet hides nothing."""

from __future__ import annotations

import errno
import functools
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import h11
import trio
from trio_typing import TaskStatus

from node.explorer.site import REFUSED, Answer, Site
from node.metrics import NodeMetrics
from node.rpc.allowances import Clients, Guest, Rates
from node.rpc.backend import NetworkBackend
from node.shares import Shares, client_of
from p2p.limits import Rate
from primitives.errors import StartupRefused

CONNECTIONS_MAX = 32
"""Open connections; one more is closed at once, under the limit's name `metrics_connections_max`."""
CLIENT_CONNECTIONS_MAX = 12
"""Of those, that one address holds, or one /64 of IPv6 addresses (two browsers take six each): `metrics_client_connections_max`. Not for
this machine's own (`node/shares.py`)."""
BACKLOG_MAX = 32
"""Connections the system holds until they are accepted."""
HEAD_BYTES_MAX = 8 * 1024
HEAD_SECONDS_MAX = 5.0
"""To the end of a request: from the connection for its first one, from their first byte for others (`metrics_head_seconds_max`)."""
CALLS_RATE = Rate(20, 300)
"""Requests of one address, or one /64 of IPv6, and how many of them at once after a pause: a page of the explorer is about forty. Beyond it
HTTP 429 (`metrics_calls_rate`), and in the end that of the connection. Not for this machine's own."""
REFUSALS_RATE = Rate(5, 50)
"""Of those, refused ones; one more ends the connection, and new ones at once (`metrics_refusals_rate`)."""
OWN_CONNECTIONS = 8
"""Of `CONNECTIONS_MAX`, that only programs of this machine may open."""
IDLE_SECONDS_MAX = 60.0
"""Between two requests of a connection."""
WRITE_SECONDS_MAX = 10.0
_TEXT = "text/plain; version=0.0.4; charset=utf-8"

_PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class _Question:
    method: bytes
    path: str
    """Without query."""
    headers: dict[bytes, bytes]

    def header(self, name: bytes) -> str:
        return self.headers.get(name, b"").decode("latin-1")


async def serve_metrics(
    backend: NetworkBackend, metrics: NodeMetrics, site: Site, host: str, port: int, more: Callable[[], dict[str, Any]],
    *, task_status: TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:  # fmt: skip
    """Serves until cancelled; `more` tells what /health says besides, whatever its status.

    Raises:
        StartupRefused: the port cannot be opened.
    """
    try:
        listeners = await trio.open_tcp_listeners(port, host=host, backlog=BACKLOG_MAX)
    except OSError as error:
        in_use = error.errno == errno.EADDRINUSE
        why = "is in use by another program" if in_use else f"cannot be opened ({error.strerror})"
        raise StartupRefused(f"metrics port {port} on {host} {why}: choose another with metrics_port") from error
    answer = functools.partial(_answer, backend, metrics, site, more)
    clients = Clients(Rates(CALLS_RATE, CALLS_RATE, REFUSALS_RATE, REFUSALS_RATE))
    handler = functools.partial(_bounded, answer, metrics, trio.CapacityLimiter(CONNECTIONS_MAX), Shares(), clients)
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, handler, listeners)
        task_status.started()


def _answer(
    backend: NetworkBackend, metrics: NodeMetrics, site: Site, more: Callable[[], dict[str, Any]], question: _Question
) -> Answer:
    if question.method not in (b"GET", b"HEAD"):
        return Answer(405, _PLAIN, b"GET only\n", (("allow", "GET, HEAD"),))
    host = question.header(b"host") or "localhost"
    if not site.hosts.accepts_neighbour(host.encode("latin-1")):
        return REFUSED
    match question.path:
        case "/metrics":
            return Answer(200, _TEXT, metrics.render())
        case "/ready":
            ready = backend.is_ready()
            return Answer(200 if ready else 503, "application/json", json.dumps({"ready": ready}).encode())
        case "/health":
            problems = backend.health()
            status = {"status": "unhealthy" if problems else "ok", "problems": problems, "peers": backend.peers()} | more()
            return Answer(503 if problems else 200, "application/json", json.dumps(status).encode())
    page = site.answer(question.path, host, question.header(b"if-none-match"))
    return page or Answer(404, _PLAIN, b"no such address: the explorer is at /, and there are /metrics, /health and /ready\n")


async def _bounded(
    answer: Callable[[_Question], Answer], metrics: NodeMetrics, limiter: trio.CapacityLimiter, shares: Shares, clients: Clients,
    stream: trio.SocketStream,
) -> None:  # fmt: skip
    """A connection, if there is room: those that wait would hold the files that the node itself needs."""
    client = client_of(stream)
    with shares.hold(client, CLIENT_CONNECTIONS_MAX) as has_room:
        if not has_room:
            metrics.limit_hit("metrics_client_connections_max")
            await trio.aclose_forcefully(stream)
            return
        if limiter.available_tokens <= (0 if client is None else OWN_CONNECTIONS):
            metrics.limit_hit("metrics_connections_max")
            await trio.aclose_forcefully(stream)
            return
        limiter.acquire_nowait()
        try:
            if client is None:
                await _connection(answer, metrics, stream, None)
            else:
                await _guest_connection(answer, metrics, stream, clients, client)
        finally:
            limiter.release()


async def _guest_connection(
    answer: Callable[[_Question], Answer], metrics: NodeMetrics, stream: trio.SocketStream, clients: Clients, client: str
) -> None:
    guest = clients.enter(client, trio.current_time())
    try:
        if guest is None:
            metrics.limit_hit("metrics_refusals_rate")
            await trio.aclose_forcefully(stream)
        else:
            await _connection(answer, metrics, stream, guest)
    finally:
        if not clients.leave(client, trio.current_time()):
            metrics.limit_hit("clients_remembered_max")


async def _connection(
    answer: Callable[[_Question], Answer], metrics: NodeMetrics, stream: trio.SocketStream, guest: Guest | None
) -> None:
    http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
    is_first = True
    try:
        while await _exchange(answer, metrics, http, stream, guest, is_first):
            http.start_next_cycle()
            is_first = False
    except (h11.RemoteProtocolError, h11.LocalProtocolError, trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # not HTTP, or a client that went away: there is nobody to tell
    finally:
        await trio.aclose_forcefully(stream)


async def _question(http: h11.Connection, stream: trio.SocketStream, metrics: NodeMetrics, is_first: bool) -> _Question | None:
    """The next request, which may be waited for if it is not the connection's first; None where there is no more."""
    question: _Question | None = None
    is_hurried = is_first or bool(http.trailing_data[0])
    with trio.move_on_after(HEAD_SECONDS_MAX if is_hurried else IDLE_SECONDS_MAX) as scope:
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await stream.receive_some(HEAD_BYTES_MAX))
                if not is_hurried:
                    is_hurried, scope.deadline = True, trio.current_time() + HEAD_SECONDS_MAX
            elif isinstance(event, h11.Request):
                path = event.target.decode("ascii", "replace").partition("?")[0]
                question = _Question(event.method, path, dict(event.headers))
            elif isinstance(event, h11.EndOfMessage):
                return question
            elif isinstance(event, h11.ConnectionClosed):
                return None
    if is_hurried:
        metrics.limit_hit("metrics_head_seconds_max")
    return None


async def _exchange(
    answer: Callable[[_Question], Answer], metrics: NodeMetrics, http: h11.Connection, stream: trio.SocketStream, guest: Guest | None,
    is_first: bool,
) -> bool:  # fmt: skip
    """One request and its answer; False when the connection ends."""
    question = await _question(http, stream, metrics, is_first)
    if question is None:
        return False
    given = _over_rate(guest, metrics) or answer(question)
    headers = [("content-type", given.content_type), ("content-length", str(len(given.body))), *given.headers]
    data = http.send(h11.Response(status_code=given.status, headers=headers)) or b""
    if question.method != b"HEAD" and given.status != HTTPStatus.NOT_MODIFIED:
        data += http.send(h11.Data(data=given.body)) or b""
    data += http.send(h11.EndOfMessage()) or b""
    with trio.move_on_after(WRITE_SECONDS_MAX) as scope:
        await stream.send_all(data)
    is_flood = guest is not None and guest.flooded is not None
    return not is_flood and not scope.cancelled_caught and http.our_state is h11.DONE


def _over_rate(guest: Guest | None, metrics: NodeMetrics) -> Answer | None:
    """What a client is told that asks too often; None where it does not."""
    if guest is None or (overrun := guest.take(1, trio.current_time())) is None:
        return None
    guest.refused(trio.current_time())
    metrics.limit_hit("metrics_calls_rate")
    if guest.flooded is not None:
        metrics.limit_hit("metrics_refusals_rate")
    seconds = math.ceil(overrun.seconds)
    return Answer(429, _PLAIN, f"too many requests: come again in {seconds} s\n".encode(), (("retry-after", str(seconds)),))

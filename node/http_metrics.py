"""The metrics port: GET /metrics, /health and /ready, on h11, apart from JSON-RPC so that a busy wallet hides nothing."""

from __future__ import annotations

import errno
import functools
import json
from collections.abc import Callable

import h11
import trio
from trio_typing import TaskStatus

from node.metrics import NodeMetrics
from node.rpc.backend import NetworkBackend
from primitives.errors import StartupRefused

CONNECTIONS_MAX = 32
"""Open connections; one more is closed at once, under the limit's name `metrics_connections_max`."""
BACKLOG_MAX = 32
"""Connections the system holds until they are accepted."""
HEAD_BYTES_MAX = 8 * 1024
IDLE_SECONDS_MAX = 60.0
"""How long a connection may stay without a request."""
WRITE_SECONDS_MAX = 10.0
_TEXT = "text/plain; version=0.0.4; charset=utf-8"

Answer = tuple[int, str, bytes]
"""Status, content type, body."""


async def serve_metrics(
    backend: NetworkBackend, metrics: NodeMetrics, host: str, port: int, *, task_status: TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serves until cancelled.

    Raises:
        StartupRefused: the port cannot be opened.
    """
    try:
        listeners = await trio.open_tcp_listeners(port, host=host, backlog=BACKLOG_MAX)
    except OSError as error:
        in_use = error.errno == errno.EADDRINUSE
        why = "is in use by another program" if in_use else f"cannot be opened ({error.strerror})"
        raise StartupRefused(f"metrics port {port} on {host} {why}: choose another with metrics_port") from error
    handler = functools.partial(_bounded, functools.partial(_answer, backend, metrics), metrics, trio.CapacityLimiter(CONNECTIONS_MAX))
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, handler, listeners)
        task_status.started()


def _answer(backend: NetworkBackend, metrics: NodeMetrics, path: str) -> Answer:
    match path:
        case "/metrics":
            return 200, _TEXT, metrics.render()
        case "/ready":
            ready = backend.is_ready()
            return (200 if ready else 503), "application/json", json.dumps({"ready": ready}).encode()
        case "/health":
            problems = backend.health()
            status = {"status": "unhealthy" if problems else "ok", "problems": problems, "peers": backend.peers()}
            return (503 if problems else 200), "application/json", json.dumps(status).encode()
    return 404, "text/plain", b"no such address: there are /metrics, /health and /ready\n"


async def _bounded(
    answer: Callable[[str], Answer], metrics: NodeMetrics, limiter: trio.CapacityLimiter, stream: trio.SocketStream
) -> None:
    """A connection, if there is room: those that wait would hold the files that the node itself needs."""
    try:
        limiter.acquire_nowait()
    except trio.WouldBlock:
        metrics.limit_hit("metrics_connections_max")
        await trio.aclose_forcefully(stream)
        return
    try:
        await _connection(answer, stream)
    finally:
        limiter.release()


async def _connection(answer: Callable[[str], Answer], stream: trio.SocketStream) -> None:
    http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
    try:
        while await _exchange(answer, http, stream):
            http.start_next_cycle()
    except (h11.RemoteProtocolError, h11.LocalProtocolError, trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # not HTTP, or a client that went away: there is nobody to tell
    finally:
        await trio.aclose_forcefully(stream)


async def _exchange(answer: Callable[[str], Answer], http: h11.Connection, stream: trio.SocketStream) -> bool:
    """One request and its answer; False when the connection ends."""
    target, method, is_whole = "", b"", False
    with trio.move_on_after(IDLE_SECONDS_MAX):
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await stream.receive_some(HEAD_BYTES_MAX))
            elif isinstance(event, h11.Request):
                target, method = event.target.decode("ascii", "replace").partition("?")[0], event.method
            elif isinstance(event, h11.EndOfMessage):
                is_whole = True
                break
            elif isinstance(event, h11.ConnectionClosed):
                return False
    if not is_whole:
        return False
    status, content_type, body = answer(target) if method in (b"GET", b"HEAD") else (405, "text/plain", b"GET only\n")
    headers = [("content-type", content_type), ("content-length", str(len(body)))]
    data = http.send(h11.Response(status_code=status, headers=headers)) or b""
    if method != b"HEAD":
        data += http.send(h11.Data(data=body)) or b""
    data += http.send(h11.EndOfMessage()) or b""
    with trio.move_on_after(WRITE_SECONDS_MAX) as scope:
        await stream.send_all(data)
    return not scope.cancelled_caught and http.our_state is h11.DONE

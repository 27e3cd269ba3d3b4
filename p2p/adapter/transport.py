"""Listening on a socket that is ours alone, and connections that cannot eat the memory.

Source: LIBP2P, traps 15, 17 and "new_host must be given Noise and yamux explicitly".
"""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable
from typing import Any, Final

import trio
from libp2p.custom_types import THandler
from libp2p.io.exceptions import IOException
from libp2p.io.trio import TrioTCPStream
from libp2p.network.auto_connector import AutoConnector
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.stream_muxer.yamux.yamux import Yamux
from libp2p.transport.exceptions import OpenConnectionError
from libp2p.transport.tcp.tcp import TCP, TCPListener
from multiaddr import Multiaddr

from p2p.network import NetworkSettings, PortInUse

log = logging.getLogger(__name__)

FRAME_WRITE_SECONDS_MAX: Final = 10.0
"""How long the other end may take nothing in before its connection is given up."""
CONNECTION_BUFFER_BYTES_MAX: Final = 64 * 1024 * 1024
"""Received bytes a connection may hold unread; a peer that sends more ignores flow control and is cut off."""
_LISTEN_BACKLOG: Final = 128
_TCP_RTO_MAX_MS: Final = 44
"""Socket option of Linux that Python has no name for."""


def bind_exclusively(host: str, port: int) -> socket.socket:
    """A listening socket nobody else shares; libp2p would let two processes bind one port (trap 15).

    Raises:
        PortInUse: somebody else listens there, or the address is not ours to listen on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_LISTEN_BACKLOG)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(f"port {port} on {host} is in use: stop what listens there, or choose another p2p port") from error
        raise PortInUse(f"cannot listen on {host} port {port} ({error.strerror}): choose another p2p address") from error
    return listening


def limit_silence(stream: trio.SocketStream, settings: NetworkSettings) -> None:
    """Notice soon that the other end is gone, or is back.

    The system by itself would try for a quarter of an hour, with pauses that double until they are longer than any partition.
    """
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(settings.unacknowledged_seconds_max * 1000))
    try:
        stream.setsockopt(socket.IPPROTO_TCP, _TCP_RTO_MAX_MS, round(settings.retransmit_seconds_max * 1000))
    except OSError as error:
        # Linux has it since 6.15; on others a connection that is cut for long ends instead, and is dialled anew.
        log.debug("retransmit_limit_unsupported error=%r", error)


class SocketTcp(TCP):  # type: ignore[misc,unused-ignore]
    """TCP that listens on a socket bound beforehand, and knows every socket it ever opened."""

    def __init__(self, listening: socket.socket, accepts: Callable[[str], bool], settings: NetworkSettings) -> None:
        super().__init__()
        self._listening = listening
        self._accepts = accepts
        self._settings = settings
        self._dialled: set[trio.SocketStream] = set()

    async def dial(self, maddr: Multiaddr) -> RawConnection:
        """Connect to an address with an IP in it.

        Raises:
            OpenConnectionError: nobody answers there.
        """
        try:
            with trio.fail_after(self._settings.dial_timeout_seconds):
                connection: Any = await super().dial(maddr)
        except trio.TooSlowError as error:
            raise OpenConnectionError(f"{maddr} did not answer within {self._settings.dial_timeout_seconds:g} s") from error
        stream = connection.stream.stream
        limit_silence(stream, self._settings)
        self._dialled = {dialled for dialled in self._dialled if dialled.socket.fileno() >= 0}
        self._dialled.add(stream)
        return connection  # type: ignore[no-any-return]

    def close_sockets(self) -> None:
        """Close what is still open of the sockets dialled: libp2p, cancelled while it closes them, leaves some."""
        for stream in self._dialled:
            stream.socket.close()
        self._listening.close()

    def create_listener(self, handler_function: THandler) -> TCPListener:
        """A listener on the socket."""
        return _SocketListener(handler_function, self._listening, self._accepts, self._settings)


class _SocketListener(TCPListener):  # type: ignore[misc,unused-ignore]
    """Serves a socket bound beforehand, in a nursery of ours: the library's system task would take the process along."""

    background_nursery: trio.Nursery
    """Set by libp2p before it calls `listen`."""

    def __init__(
        self, handler_function: THandler, listening: socket.socket, accepts: Callable[[str], bool], settings: NetworkSettings
    ) -> None:
        super().__init__(handler_function)
        self._listening = listening
        self._accepts = accepts
        self._settings = settings

    async def listen(self, maddr: Multiaddr) -> None:
        """Start serving; `maddr` only names the socket."""
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(self._listening))
        self.listeners.append(listener)
        self.background_nursery.start_soon(self._serve, listener)

    async def _serve(self, listener: trio.SocketListener) -> None:
        try:
            await trio.serve_listeners(self._handle, [listener])
        except* trio.ClosedResourceError as error:
            # Closing the listener is how it is told to stop.
            log.debug("listener_closed error=%r", error)

    async def _handle(self, socket_stream: trio.SocketStream) -> None:
        """Run a connection; the library's handler would wait for the end of the process and hold a place until then."""
        try:
            address = socket_stream.socket.getpeername()[0]
        except OSError as error:
            log.debug("inbound_gone error=%r", error)
            address = ""
        if not address or not self._accepts(address):
            await trio.aclose_forcefully(socket_stream)
            return
        limit_silence(socket_stream, self._settings)
        stream = _WatchedStream(socket_stream)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_once_closed, stream, nursery.cancel_scope)
                await self.handler(stream)
                nursery.cancel_scope.cancel()
        except Exception as error:
            # A failed handshake is the dialler's trouble.
            log.debug("inbound_failed error=%r", error)
        finally:
            await trio.aclose_forcefully(socket_stream)


class _WatchedStream(TrioTCPStream):  # type: ignore[misc,unused-ignore]
    """A TCP stream that tells when it was closed."""

    def __init__(self, stream: trio.SocketStream) -> None:
        super().__init__(stream)
        self.closed = trio.Event()

    async def close(self) -> None:
        self.closed.set()
        await super().close()


async def _cancel_once_closed(stream: _WatchedStream, scope: trio.CancelScope) -> None:
    await stream.closed.wait()
    scope.cancel()


class BoundedYamux(Yamux):  # type: ignore[misc,unused-ignore]
    """Yamux that cuts off a peer which sends past its credit instead of buffering without end."""

    async def _write_frame(self, data: bytes) -> None:
        """Write a frame whole: one given up after it was encrypted would leave the two ends' ciphers out of step for good."""
        async with self._write_lock:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + FRAME_WRITE_SECONDS_MAX) as scope:
                await self.secured_conn.write(data)
            if scope.cancelled_caught:
                await self.secured_conn.close()
                raise IOException(f"a frame could not be written within {FRAME_WRITE_SECONDS_MAX:g} s")
        await trio.lowlevel.checkpoint()

    async def _read_data_body(self, length: int) -> bytes:
        held = sum(len(buffer) for buffer in self.stream_buffers.values())
        if held + length > CONNECTION_BUFFER_BYTES_MAX:
            # The one exception the frame loop answers by closing the connection.
            raise trio.TooSlowError
        body: bytes = await super()._read_data_body(length)
        return body


class NoAutoConnector(AutoConnector):  # type: ignore[misc,unused-ignore]
    """Dials nobody: the library's own would dial whoever it ever heard of, the banned included."""

    async def maybe_connect(self) -> None:
        """Leave it to `p2p.adapter.dialing`."""


async def cut(connection: Any, timeout_seconds: float) -> None:
    """Close a connection, socket first: a polite good-bye would wait for a peer that no longer reads."""
    with trio.CancelScope(deadline=trio.current_time() + timeout_seconds, shield=True):
        await connection.muxed_conn.secured_conn.close()
        await connection.close()

"""Listening on a socket that is ours alone, and connections that cannot eat the memory.

Source: LIBP2P, traps 15, 17 and "new_host must be given Noise and yamux explicitly".
"""

from __future__ import annotations

import errno
import socket
from typing import Any, Final

import trio
from libp2p.custom_types import THandler
from libp2p.io.trio import TrioTCPStream
from libp2p.network.auto_connector import AutoConnector
from libp2p.stream_muxer.yamux.yamux import Yamux
from libp2p.transport.exceptions import OpenConnectionError
from libp2p.transport.tcp.tcp import TCP, TCPListener
from multiaddr import Multiaddr

from p2p.network import PortInUse

CONNECTION_BUFFER_BYTES_MAX: Final = 64 * 1024 * 1024
"""Received bytes a connection may hold unread; a peer that sends more ignores flow control and is cut off."""
_LISTEN_BACKLOG: Final = 128


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


class SocketTcp(TCP):  # type: ignore[misc,unused-ignore]
    """TCP that listens on a socket bound beforehand."""

    def __init__(self, listening: socket.socket) -> None:
        super().__init__()
        self._listening = listening

    def create_listener(self, handler_function: THandler) -> TCPListener:
        """A listener on the socket."""
        return _SocketListener(handler_function, self._listening)


class _SocketListener(TCPListener):  # type: ignore[misc,unused-ignore]
    """Serves a socket bound beforehand."""

    def __init__(self, handler_function: THandler, listening: socket.socket) -> None:
        super().__init__(handler_function)
        self._listening = listening

    async def listen(self, maddr: Multiaddr) -> None:
        """Start serving; `maddr` only names the socket.

        Raises:
            OpenConnectionError: the listener is closed.
        """
        async with self._lifecycle_lock:
            if self._nursery is None:
                await self._spawn_background_task()
            if self._closed or self._nursery is None:
                raise OpenConnectionError(f"the listener on {maddr} is closed")
            listener = trio.SocketListener(trio.socket.from_stdlib_socket(self._listening))
            self.listeners.append(listener)
            self._nursery.start_soon(trio.serve_listeners, self._handle, [listener])

    async def _handle(self, stream: trio.SocketStream) -> None:
        # A failed handshake is the dialler's trouble; escaping from here would end the whole process.
        try:
            await self.handler(TrioTCPStream(stream))
        except Exception:
            await trio.aclose_forcefully(stream)


class BoundedYamux(Yamux):  # type: ignore[misc,unused-ignore]
    """Yamux that cuts off a peer which sends past its credit instead of buffering without end."""

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

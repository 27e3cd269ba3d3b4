"""What one client may hold of the connections of a port that serves many: one must not keep all others out."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import trio

_IPV6_SITE_BITS = 64
"""Of an IPv6 address, that name whose it is: whoever has one has all that begin with the same."""


class Shares:
    """Counts the open connections of each client. One of this machine is no stranger, and not counted: its programs share an address."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()

    @contextmanager
    def hold(self, client: str | None, most: int) -> Iterator[bool]:
        """Holds one more connection of a client; whether that had fewer than `most` before. Otherwise it is to be closed."""
        if client is None:
            yield True
        elif self._held[client] >= most:
            yield False
        else:
            self._held[client] += 1
            try:
                yield True
            finally:
                self._held[client] -= 1
                if not self._held[client]:
                    del self._held[client]


def client_of(stream: trio.SocketStream) -> str | None:
    """Whose a connection is: its address, the /64 of that where it is IPv6; None for this machine's own."""
    host = _host_of(stream)
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host  # who is gone already, and may have sent something before, is no friend: all such are one
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_loopback:
        return None
    return str(ipaddress.ip_network((address, _IPV6_SITE_BITS), strict=False)) if address.version == 6 else str(address)


def _host_of(stream: trio.SocketStream) -> str:
    try:
        return str(stream.socket.getpeername()[0])
    except OSError:
        return ""

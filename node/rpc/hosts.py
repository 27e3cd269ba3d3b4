"""The guard against DNS rebinding: which `Host` headers are answered (docs/json-rpc.md, form)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

_KNOWN_MAX = 256
_NEIGHBOUR = re.compile(rb"[a-z0-9_-]+(?::[0-9]+)?", re.IGNORECASE)


class HostGuard:
    """Tells whether a request names this node by an address or by a name it is configured to have.

    A page that rebinds its own name to this machine sends that name, so no name is trusted that was not configured.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {name.lower().rstrip(".") for name in names} | {"localhost"}
        self._known: dict[bytes, bool] = {}

    def accepts(self, header: bytes) -> bool:
        """Whether a `Host` header (name or address, with or without port) is one of ours."""
        known = self._known.get(header)
        if known is None:
            known = "*" in self._names or self._is_ours(header)
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            self._known[header] = known
        return known

    def accepts_neighbour(self, header: bytes) -> bool:
        """As `accepts`, and names without a dot: containers are called so by those of their own network, pages of the web are not."""
        return self.accepts(header) or _NEIGHBOUR.fullmatch(header) is not None

    def _is_ours(self, header: bytes) -> bool:
        host = header.decode("latin-1").strip().lower()
        if host.startswith("["):
            host, _, rest = host[1:].partition("]")
        else:
            host, colon, port = host.partition(":")
            rest = colon + port
        if rest and not (rest[0] == ":" and rest[1:].isascii() and rest[1:].isdecimal()):
            return False
        if host.rstrip(".") in self._names:
            return True
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True

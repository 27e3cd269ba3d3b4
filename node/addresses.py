"""Addresses of nodes: which are told to a peer that asks, and which of those that peers tell are dialled (PROTOCOL 8).

A node tells the port it listens on; its host is what its connection shows, so that nobody can send others to a stranger's host
by announcing it as its own, and a node need not know the address under which others see it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from typing import Protocol

from p2p.messages import PEERS_PER_RESPONSE_MAX, KnownPeer, KnownPeers
from p2p.network import PeerAddress, PeerId
from primitives.errors import EncodingReason, InvalidEncoding

PORT_MAX = 65_535
LEARNED_SECONDS_MAX = 120.0
"""How long a peer that others told of is dialled in vain before its place is given away."""


class Connections(Protocol):
    """What is asked of the network; `p2p.adapter.host.Network` is it."""

    def peers(self) -> list[PeerId]:
        """The connected peers."""
        ...

    def address_of(self, peer: PeerId) -> str | None:
        """IP address of a connected peer."""
        ...

    def learn(self, address: PeerAddress) -> bool:
        """Dial a peer from now on; False where it is already, or there is no room."""
        ...

    def unlearn(self, peer: PeerId) -> None:
        """Dial it no more."""
        ...


class AddressBook:
    """Who listens where, as far as this node was told."""

    def __init__(self, network: Connections, kept: Iterable[PeerAddress], check_peer_id: Callable[[str], PeerId]) -> None:
        """`kept` are the peers of the configuration; `check_peer_id` raises InvalidEncoding for what can be no node's name."""
        self._network, self._check_peer_id = network, check_peer_id
        self._ports = {address.peer_id: address.port for address in kept}
        self._announced: dict[PeerId, int] = {}
        self._learned: dict[PeerId, tuple[PeerAddress, float]] = {}
        """With the time at which each was last connected, or was learned."""
        self._turn = 0

    def announce(self, peer: PeerId, port: int) -> None:
        """A connected peer says on which port it listens.

        Raises:
            InvalidEncoding: there is no such port.
        """
        if port > PORT_MAX:
            raise InvalidEncoding(EncodingReason.MALFORMED, f"port {port}")
        connected = set(self._network.peers())
        self._announced = {other: known for other, known in self._announced.items() if other in connected}
        if port and peer in connected:
            self._announced[peer] = port

    def known(self, asker: PeerId) -> KnownPeers:
        """What `asker` is told: connected peers that listen somewhere it may reach, others first the next time."""
        found = []
        is_near = _is_loopback(self._network.address_of(asker))
        for peer in self._network.peers():
            port, host = self._ports.get(peer) or self._announced.get(peer), self._network.address_of(peer)
            if peer != asker and port is not None and host is not None and (is_near or not _is_loopback(host)):
                found.append(KnownPeer(host.encode(), port, peer.encode()))
        self._turn += 1
        start = self._turn % len(found) if found else 0
        return KnownPeers(tuple((found[start:] + found[:start])[:PEERS_PER_RESPONSE_MAX]))

    def learn(self, teller: PeerId, answer: KnownPeers, now_seconds: float) -> bool:
        """Dials those of a peer's addresses that are new, while there is room; whether there were any.

        Raises:
            InvalidEncoding: one of them is none.
        """
        addresses = [self._check(known) for known in answer.peers]
        is_near = _is_loopback(self._network.address_of(teller))
        new = [address for address in addresses if is_near or not _is_loopback(address.host)]
        return self._dial(new, now_seconds)

    def _dial(self, addresses: Iterable[PeerAddress], now_seconds: float) -> bool:
        taken = {address.peer_id: (address, now_seconds) for address in addresses if self._network.learn(address)}
        self._learned |= taken
        return bool(taken)

    def tend(self, now_seconds: float) -> None:
        """Gives up learned peers that could not be reached for long."""
        connected = set(self._network.peers())
        for peer, (address, since) in list(self._learned.items()):
            if peer in connected:
                self._learned[peer] = address, now_seconds
            elif now_seconds - since > LEARNED_SECONDS_MAX:
                del self._learned[peer]
                self._network.unlearn(peer)

    def encode(self) -> bytes:
        """The learned addresses, for the next start."""
        rows = (KnownPeer(a.host.encode(), a.port, a.peer_id.encode()) for a, _ in self._learned.values())
        return KnownPeers(tuple(rows)).encode()

    def restore(self, stored: bytes, now_seconds: float) -> None:
        """Dials what `encode` gave before a restart."""
        self._dial([self._check(known) for known in KnownPeers.decode(stored).peers], now_seconds)

    def _check(self, known: KnownPeer) -> PeerAddress:
        try:
            host, peer_id = known.host.decode("ascii"), known.peer_id.decode("ascii")
            address = ipaddress.ip_address(host)
        except ValueError as error:
            raise InvalidEncoding(EncodingReason.MALFORMED, "a host is an IP address") from error
        if address.is_unspecified or address.is_multicast or "%" in host or not 1 <= known.port <= PORT_MAX:
            raise InvalidEncoding(EncodingReason.MALFORMED, "nobody listens at such an address")
        return PeerAddress(str(address), known.port, self._check_peer_id(peer_id))


def _is_loopback(host: str | None) -> bool:
    return host is not None and ipaddress.ip_address(host).is_loopback


def announced_port(listen_host: str, port: int, peer_host: str | None) -> int:
    """The port a node tells a peer at `peer_host`; 0 where that cannot reach what listens on this machine alone."""
    is_local = listen_host == "localhost" or _is_loopback(listen_host if _is_ip(listen_host) else None)
    return 0 if is_local and not _is_loopback(peer_host) else port


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True

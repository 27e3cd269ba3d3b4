"""Addresses of nodes: which are told to a peer that asks, and which of those that peers tell are dialled (PROTOCOL 8).

A node tells the port it listens on; its host is what its connection shows, so that nobody can send others to a stranger's host
by announcing it as its own, and a node need not know the address under which others see it.

Nothing is told that its hearer would have to hold against us: one check decides what is told and what is believed. Nor does
anybody far away send this node to addresses that only its own surroundings have.
"""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Protocol

from p2p.messages import PEERS_PER_RESPONSE_MAX, KnownPeer, KnownPeers
from p2p.network import PeerAddress, PeerId
from primitives.errors import EncodingReason, InvalidEncoding

PORT_MAX = 65_535
LEARNED_SECONDS_MAX = 120.0
"""How long a peer that others told of is dialled in vain before its place is given away."""


_IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class Reach(IntEnum):
    """From where an address can be reached; each is of use to those within it."""

    MACHINE = 0
    """This one alone."""
    SITE = 1
    """A private network."""
    WORLD = 2


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
        reach, peers = _reach_of(self._network.address_of(asker)), self._network.peers()
        self._turn += 1
        start = self._turn % len(peers) if peers else 0
        rows = (self._row(peer) for peer in peers[start:] + peers[:start] if peer != asker)
        usable = (row for row in rows if row is not None and _reach_of(row.host.decode()) >= reach)
        return KnownPeers(tuple(itertools.islice(usable, PEERS_PER_RESPONSE_MAX)))

    def _row(self, peer: PeerId) -> KnownPeer | None:
        """Where a connected peer listens; None where that is not known, or nothing that anybody would take from us."""
        port, host = self._ports.get(peer) or self._announced.get(peer), self._network.address_of(peer)
        if port is None or host is None:
            return None
        try:
            return _row_of(self._check(KnownPeer(host.encode(), port, peer.encode())))
        except InvalidEncoding:
            return None

    def learn(self, teller: PeerId, answer: KnownPeers, now_seconds: float) -> bool:
        """Dials those of a peer's addresses that are new, while there is room; whether there were any.

        A row that is none is passed over, and so is one of a network nearer than the teller is.

        Raises:
            InvalidEncoding: no row is one.
        """
        addresses = self._usable(answer)
        if answer.peers and not addresses:
            raise InvalidEncoding(EncodingReason.MALFORMED, "nobody listens at any of these addresses")
        reach = _reach_of(self._network.address_of(teller))
        return self._dial([address for address in addresses if _reach_of(address.host) >= reach], now_seconds)

    def _usable(self, told: KnownPeers) -> list[PeerAddress]:
        addresses = []
        for known in told.peers:
            try:
                addresses.append(self._check(known))
            except InvalidEncoding:
                continue
        return addresses

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
        return KnownPeers(tuple(_row_of(address) for address, _ in self._learned.values())).encode()

    def restore(self, stored: bytes, now_seconds: float) -> None:
        """Dials what `encode` gave before a restart."""
        self._dial(self._usable(KnownPeers.decode(stored)), now_seconds)

    def _check(self, known: KnownPeer) -> PeerAddress:
        try:
            host, peer_id = known.host.decode("ascii"), known.peer_id.decode("ascii")
            address = _ip(host)
        except ValueError as error:
            raise InvalidEncoding(EncodingReason.MALFORMED, "a host is an IP address") from error
        if _is_nobodys(address) or "%" in host or not 1 <= known.port <= PORT_MAX:
            raise InvalidEncoding(EncodingReason.MALFORMED, "nobody listens at such an address")
        return PeerAddress(str(address), known.port, self._check_peer_id(peer_id))


def _row_of(address: PeerAddress) -> KnownPeer:
    return KnownPeer(address.host.encode(), address.port, address.peer_id.encode())


def _ip(text: str) -> _IpAddress:
    """An address, IPv4 where it is one written as IPv6; ValueError for what is none."""
    address = ipaddress.ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


def _is_nobodys(address: _IpAddress) -> bool:
    is_reserved = address.is_reserved and not address.is_loopback  # the library counts ::1 among the reserved
    return address.is_unspecified or address.is_multicast or address.is_link_local or is_reserved


def _reach_of(host: str | None) -> Reach:
    """Of the address of a connection; without one the peer may be anywhere."""
    address = None if host is None else _ip(host)
    if address is None or address.is_global:
        return Reach.WORLD
    return Reach.MACHINE if address.is_loopback else Reach.SITE


def announced_port(listen_host: str, port: int, peer_host: str | None) -> int:
    """The port a node tells a peer at `peer_host`; 0 where that cannot reach what listens on this machine alone."""
    is_local = listen_host == "localhost" or (_is_ip(listen_host) and _reach_of(listen_host) is Reach.MACHINE)
    return 0 if is_local and _reach_of(peer_host) is not Reach.MACHINE else port


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True

"""Keeping connections to peers whose addresses are known.

Source: LIBP2P, "Structure" 5 and 6, traps 14 and 16.
"""

from __future__ import annotations

import logging
import random
from typing import Any, Final

import trio
from libp2p.abc import IHost
from libp2p.network.exceptions import SwarmException
from multiaddr import Multiaddr

from p2p.adapter.identity import identity_of
from p2p.network import NetworkSettings, Observe, PeerAddress

log = logging.getLogger(__name__)

ADDRESSES_TRIED_MAX: Final = 4
"""Addresses of one name tried in one round."""
_ADDRESS_LIFE_SECONDS: Final = 60


class Connectivity:
    """Which peers are connected, as something to wait for."""

    def __init__(self) -> None:
        self._peers: set[Any] = set()
        self._changed = trio.Event()

    def set_connected(self, peer: Any, *, connected: bool) -> bool:
        """Record a change; False if it is none."""
        if (peer in self._peers) == connected:
            return False
        (self._peers.add if connected else self._peers.discard)(peer)
        self._changed.set()
        self._changed = trio.Event()
        return True

    def is_connected(self, peer: Any) -> bool:
        """Whether there is a connection with the peer."""
        return peer in self._peers

    def peers(self) -> list[Any]:
        """The connected peers, in no particular order."""
        return list(self._peers)

    async def wait_until(self, peer: Any, *, connected: bool) -> None:
        """Return once the peer is, or is not, connected."""
        while self.is_connected(peer) != connected:
            await self._changed.wait()


async def keep_connected(
    host: IHost, address: PeerAddress, connectivity: Connectivity, settings: NetworkSettings, observe: Observe
) -> None:
    """Redial one peer for ever, with growing pauses while it cannot be reached."""
    peer = identity_of(address.peer_id)
    pause = settings.redial_seconds
    if host.get_id().to_bytes() > peer.to_bytes():
        # Both ends keep each other: the lower one dials first, so that there is one connection and not two.
        await _wait_at_most(connectivity, peer, pause)
    while True:
        if connectivity.is_connected(peer):
            pause = settings.redial_seconds
            await connectivity.wait_until(peer, connected=False)
            await trio.sleep(_jittered(pause))
            continue
        with trio.move_on_after(ADDRESSES_TRIED_MAX * settings.dial_timeout_seconds + settings.handshake_timeout_seconds):
            await dial(host, address, observe)
        await _wait_at_most(connectivity, peer, _jittered(pause))
        pause = min(2 * pause, settings.redial_seconds_max)


async def dial(host: IHost, address: PeerAddress, observe: Observe) -> bool:
    """Try once to connect; whether it worked. The name is resolved by the system, which knows the hosts file and containers."""
    peer = identity_of(address.peer_id)
    network: Any = host.get_network()
    try:
        found = await trio.socket.getaddrinfo(address.host, address.port, type=trio.socket.SOCK_STREAM)
    except OSError as error:
        log.debug("resolve_failed host=%s error=%s", address.host, error)
        observe("p2p_dials", {"result": "unresolved"}, 1)
        return False
    for family, _, _, _, endpoint in found[:ADDRESSES_TRIED_MAX]:
        kind = "ip6" if family == trio.socket.AF_INET6 else "ip4"
        # Old addresses would be dialled first, and expire unasked; a failed dial would block the next one for a minute.
        host.get_peerstore().clear_addrs(peer)
        host.get_peerstore().add_addrs(peer, [Multiaddr(f"/{kind}/{endpoint[0]}/tcp/{endpoint[1]}")], _ADDRESS_LIFE_SECONDS)
        network._negative_peer_cache.evict(str(peer))
        try:
            await network.dial_peer(peer)
        except SwarmException as error:
            log.debug("dial_failed peer=%s address=%s error=%s", peer, endpoint, error)
            continue
        observe("p2p_dials", {"result": "ok"}, 1)
        return True
    observe("p2p_dials", {"result": "failed"}, 1)
    return False


async def _wait_at_most(connectivity: Connectivity, peer: Any, seconds: float) -> None:
    with trio.move_on_after(seconds):
        await connectivity.wait_until(peer, connected=True)


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.75, 1.25)

"""Keeping connections to peers whose addresses are known.

Source: LIBP2P, "Structure" 5 and 6, traps 14 and 16.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from enum import Enum
from typing import Any, Final

import trio
from libp2p.abc import IHost
from libp2p.network.exceptions import SwarmException
from libp2p.security.noise.exceptions import PeerIDMismatchesPubkey
from libp2p.transport.exceptions import OpenConnectionError
from multiaddr import Multiaddr

from p2p.adapter.identity import identity_of
from p2p.network import NetworkSettings, Observe, PeerAddress

log = logging.getLogger(__name__)

ADDRESSES_TRIED_MAX: Final = 4
"""Addresses of one name tried in one round."""
COMPLAINT_SECONDS: Final = 60.0
"""For which the same is not said again of the same peer."""
PATIENCE_SECONDS: Final = 5.0
"""How long nothing is said of a peer that cannot be reached: it may be starting just now."""
CAUSES_FOLLOWED_MAX: Final = 32
"""Errors looked at of those that a failed dial is made of."""
_ADDRESS_LIFE_SECONDS: Final = 60


class DialFailure(Enum):
    """Why a dial brought no connection, by how far it came."""

    UNRESOLVED = "unresolved"
    """The host's name is not known."""
    REFUSED = "refused"
    """Nobody listens on the port."""
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    HANDSHAKE = "handshake"
    """Who listens there is no such node, or turns this one away."""
    OTHER_PEER_ID = "other_peer_id"
    """Another node listens there, or the peer id is wrong."""


class Complaints:
    """What the log says of one peer that cannot be reached: each reason once in `COMPLAINT_SECONDS`."""

    def __init__(self, address: PeerAddress, *, is_configured: bool) -> None:
        """Of a peer that only others told of, nothing is said to an operator."""
        self._address, self._level = address, logging.WARNING if is_configured else logging.DEBUG
        self._failing_since: float | None = None
        self._said: dict[DialFailure, float] = {}

    def reached(self) -> None:
        """There is a connection."""
        self._failing_since = None

    def failed(self, reason: DialFailure) -> None:
        """One more dial has failed."""
        now = trio.current_time()
        if self._failing_since is None:
            self._failing_since = now
        if now - self._failing_since < PATIENCE_SECONDS and reason is not DialFailure.OTHER_PEER_ID:
            return
        if reason in self._said and now - self._said[reason] < COMPLAINT_SECONDS:
            return
        self._said[reason] = now
        log.log(self._level, "dial_failed peer=%s host=%s port=%d reason=%s", self._address.peer_id, self._address.host,
                self._address.port, reason.value)


def failure_of(error: BaseException) -> DialFailure:
    """What a failed dial of libp2p comes down to."""
    causes = list(_causes(error))
    for kind, failure in (
        (PeerIDMismatchesPubkey, DialFailure.OTHER_PEER_ID), (trio.TooSlowError, DialFailure.TIMEOUT),
        (TimeoutError, DialFailure.TIMEOUT), (ConnectionRefusedError, DialFailure.REFUSED), (OpenConnectionError, DialFailure.UNREACHABLE),
    ):
        if any(isinstance(cause, kind) for cause in causes):
            return failure
    return DialFailure.HANDSHAKE


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was raised from, through groups."""
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < CAUSES_FOLLOWED_MAX:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [cause for cause in (one.__cause__, one.__context__) if cause is not None]
        waiting += [*getattr(one, "exceptions", ()), *getattr(one, "errors", ())]


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
    host: IHost, address: PeerAddress, connectivity: Connectivity, settings: NetworkSettings, observe: Observe, complaints: Complaints
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
            complaints.reached()
            await connectivity.wait_until(peer, connected=False)
            await trio.sleep(_jittered(pause))
            continue
        failure: DialFailure | None = DialFailure.TIMEOUT
        with trio.move_on_after(ADDRESSES_TRIED_MAX * settings.dial_timeout_seconds + settings.handshake_timeout_seconds):
            failure = await dial(host, address, observe)
        if failure is not None and not connectivity.is_connected(peer):
            complaints.failed(failure)
        await _wait_at_most(connectivity, peer, _jittered(pause))
        pause = min(2 * pause, settings.redial_seconds_max)


async def dial(host: IHost, address: PeerAddress, observe: Observe) -> DialFailure | None:
    """Try once to connect; None if it worked. The name is resolved by the system, which knows the hosts file and containers."""
    peer = identity_of(address.peer_id)
    network: Any = host.get_network()
    try:
        found = await trio.socket.getaddrinfo(address.host, address.port, type=trio.socket.SOCK_STREAM)
    except OSError as error:
        log.debug("resolve_failed host=%s error=%s", address.host, error)
        observe("p2p_dials", {"result": "unresolved"}, 1)
        return DialFailure.UNRESOLVED
    failures: list[DialFailure] = []
    for family, _, _, _, endpoint in found[:ADDRESSES_TRIED_MAX]:
        kind = "ip6" if family == trio.socket.AF_INET6 else "ip4"
        # Old addresses would be dialled first, and expire unasked; a failed dial would block the next one for a minute.
        host.get_peerstore().clear_addrs(peer)
        host.get_peerstore().add_addrs(peer, [Multiaddr(f"/{kind}/{endpoint[0]}/tcp/{endpoint[1]}")], _ADDRESS_LIFE_SECONDS)
        network._negative_peer_cache.evict(str(peer))
        try:
            await network.dial_peer(peer)
        except SwarmException as error:
            failures.append(failure_of(error))
            log.debug("dial_attempt_failed peer=%s address=%s reason=%s error=%s", peer, endpoint, failures[-1].value, error)
            continue
        observe("p2p_dials", {"result": "ok"}, 1)
        return None
    observe("p2p_dials", {"result": "failed"}, 1)
    return max(failures, key=list(DialFailure).index)


async def _wait_at_most(connectivity: Connectivity, peer: Any, seconds: float) -> None:
    with trio.move_on_after(seconds):
        await connectivity.wait_until(peer, connected=True)


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.75, 1.25)

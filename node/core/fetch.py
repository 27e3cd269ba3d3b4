"""Requests to peers: one at a time a need, another peer each time, never more than a bound in flight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from node.core.effects import Ask, Effect, Observe, Peer
from p2p.messages import BlocksByRange, BlocksByRoot, BundleByNonce, CertificatesByView, Request

IN_FLIGHT_MAX = 64
"""Requests waiting for an answer."""
NEEDS_REMEMBERED_MAX = 4096
PEERS_MAX = 256


@dataclass(frozen=True, slots=True)
class Asked:
    """A request in flight: what it is for, whom it went to."""

    need: tuple[object, ...]
    peer: Peer
    request: Request


def chain_of(request: Request) -> int | None:
    """The chain that a peer must follow to have an answer; None where any peer has one."""
    match request:
        case BlocksByRange(chain) | BlocksByRoot(chain):
            return chain
        case CertificatesByView(instance):
            return instance.chain
        case BundleByNonce(source):
            return source
    return None


class Fetcher:
    """Keeps the needs of a node's chains; who needs something says so again until it is there."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.strangers: set[Peer] = set()
        """Connected peers of another network: nothing is asked of them."""
        self._follows: dict[Peer, Mapping[int, int]] = {}
        """Chains of each peer that has told them, with the height of its final head on each."""
        self._in_flight: dict[int, Asked] = {}
        self._needs: set[tuple[object, ...]] = set()
        self._last_ms: dict[tuple[object, ...], int] = {}
        self._serial = 0

    def connect(self, peer: Peer) -> None:
        """A peer may be asked."""
        if peer not in self.peers and len(self.peers) < PEERS_MAX:
            self.peers.append(peer)

    def disconnect(self, peer: Peer) -> None:
        """A peer is not asked any more."""
        self.strangers.discard(peer)
        if peer in self.peers:
            self.peers.remove(peer)
            self._follows.pop(peer, None)

    def estrange(self, peer: Peer) -> bool:
        """A peer has another genesis: it is not asked any more; False for one that is known for it, or gone."""
        if peer not in self.peers:
            return False
        self.disconnect(peer)
        self.strangers.add(peer)
        return True

    def tell(self, peer: Peer, heights: Mapping[int, int]) -> None:
        """A peer says which chains it follows, and how far it is on each."""
        if peer in self.peers:
            self._follows[peer] = heights

    def followers(self, chain: int | None) -> list[Peer]:
        """Peers worth asking about a chain: those that follow it or have not told yet, in order of connection."""
        if chain is None:
            return self.peers
        return [peer for peer in self.peers if peer not in self._follows or chain in self._follows[peer]]

    def height_of(self, peer: Peer, chain: int) -> int | None:
        """How far a peer has told to be on a chain; None where it has told nothing of it."""
        return self._follows.get(peer, {}).get(chain)

    def want(self, need: tuple[object, ...], request: Request, now_ms: int, interval_ms: int, prefer: Peer | None = None) -> list[Effect]:
        """Ask for `need`, unless it is asked for already or was within `interval_ms`."""
        if need in self._needs or not self.peers:
            return []
        last = self._last_ms.get(need)
        if last is not None and now_ms - last < interval_ms:
            return []
        peers = self.followers(chain_of(request))
        if not peers:
            return []
        if len(self._in_flight) >= IN_FLIGHT_MAX:
            return [Observe("limit_hits", {"limit": "requests_in_flight_max"})]
        if len(self._last_ms) >= NEEDS_REMEMBERED_MAX:
            self._last_ms = {need: ms for need, ms in self._last_ms.items() if now_ms - ms < 60_000}
        self._serial += 1
        peer = prefer if prefer in peers and last is None else peers[self._serial % len(peers)]
        self._last_ms[need] = now_ms
        self._needs.add(need)
        self._in_flight[self._serial] = Asked(need, peer, request)
        return [Ask(self._serial, peer, request)]

    def finish(self, request_id: int) -> Asked | None:
        """The request that `request_id` answers; None for one that is not in flight."""
        asked = self._in_flight.pop(request_id, None)
        if asked is not None:
            self._needs.discard(asked.need)
        return asked

    def helped(self, need: tuple[object, ...]) -> None:
        """What came was of use: the same need may be asked for again at once."""
        self._last_ms.pop(need, None)

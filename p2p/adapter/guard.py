"""Who may connect, and how much each may send: rates, bans, and what many keys of one address may do together.

Source: LIBP2P, "Structure" 4 ("count invalid messages yourself and black-list").
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import trio
from libp2p.peer.id import ID

from p2p.adapter.identity import is_node_name, peer_id_from
from p2p.limits import (
    ADDRESS_FACTOR,
    ASK_FACTOR,
    AUTHOR_LIMIT,
    AUTHORS_MAX,
    CONNECTION_LIMIT,
    OWN_FACTOR,
    RELAY_FACTOR,
    STRANGERS_RELAY_FACTOR,
    MessageLimit,
    RateLimiter,
)
from p2p.network import BANNED_PEERS_MAX, STRANGERS_PER_ADDRESS_MAX, Observe, Report
from primitives.errors import PeerReason, Reason


class Guard:
    """Decides on every connection, stream, frame and message before anything is spent on it."""

    def __init__(self, observe: Observe, report: Report, is_kept: Callable[[ID], bool]) -> None:
        self._observe, self._report, self._is_kept = observe, report, is_kept
        self._limiter, self._sent = RateLimiter(), RateLimiter()
        self._addresses: dict[ID, str] = {}
        self._banned: dict[ID, float] = {}
        self._leaving: set[ID] = set()
        self._authors: OrderedDict[ID, None] = OrderedDict()

    # Connections

    def accepts(self, address: str) -> bool:
        """Whether a connection from an address is worth a handshake: no more than some a second are."""
        if self._limiter.take(address, CONNECTION_LIMIT.name, CONNECTION_LIMIT, 0, trio.current_time()):
            return True
        self._observe("p2p_limit_hits", {"limit": CONNECTION_LIMIT.name}, 1)
        return False

    def admits(self, peer: ID, address: str) -> bool:
        """Whether a peer may stay whose key is known now: a node's, not banned, and not one stranger of an address too many."""
        if self.is_unwelcome(peer):
            return False
        if not self._is_kept(peer):
            neighbours = [other for other, at in self._addresses.items() if at == address and other != peer and not self._is_kept(other)]
            if len(neighbours) >= STRANGERS_PER_ADDRESS_MAX:
                self._observe("p2p_limit_hits", {"limit": "strangers_per_address"}, 1)
                return False
        self._addresses[peer] = address
        return True

    def address_of(self, peer: ID) -> str | None:
        """Where a connected peer is."""
        return self._addresses.get(peer) or None

    def is_stranger(self, peer: ID) -> bool:
        """Whether the peer is not one that this node was told to keep."""
        return not self._is_kept(peer)

    def forget(self, peer: ID) -> None:
        """The peer's last connection is gone."""
        self._addresses.pop(peer, None)
        self._leaving.discard(peer)

    # Bans

    def dismiss(self, peer: ID) -> bool:
        """Nothing more is taken from a connected peer, until it is gone and comes back; False if that is so already."""
        if peer in self._leaving or peer not in self._addresses:
            return False
        self._leaving.add(peer)
        return True

    def ban(self, peer: ID, seconds: float) -> bool:
        """Refuse the peer for a while; False if it was refused already."""
        is_new = not self.is_banned(peer)
        self._banned.pop(peer, None)
        if len(self._banned) >= BANNED_PEERS_MAX:
            self._observe("p2p_limit_hits", {"limit": "banned_peers"}, 1)
            del self._banned[min(self._banned, key=self._banned.__getitem__)]
        self._banned[peer] = trio.current_time() + seconds
        return is_new

    def pardon(self, peer: ID) -> None:
        """Refuse the peer no more; nothing if it is not refused."""
        self._banned.pop(peer, None)

    def is_banned(self, peer: ID) -> bool:
        """Whether the peer is refused now."""
        return self._banned.get(peer, 0.0) > trio.current_time()

    def is_unwelcome(self, peer: ID) -> bool:
        """Whether nothing of what the peer sends is looked at: it is banned, on its way out, or has a key of another kind than nodes.

        Of a peer with another key nobody may be told, for all others would hold its name against whoever tells it.
        """
        return peer in self._leaving or self.is_banned(peer) or not is_node_name(peer)

    def lift_bans(self) -> None:
        """Forget the bans that are over."""
        now = trio.current_time()
        self._banned = {peer: until for peer, until in self._banned.items() if until > now}

    # Messages

    def allows(self, peer: ID, limit: MessageLimit, size_bytes: int, scope: str = "") -> bool:
        """Whether the peer may send one more message of a kind; if not, it is counted and held against it.

        A peer within its own allowance whose address has used up what its strangers share goes unblamed: it may be a neighbour.
        """
        now, scope = trio.current_time(), scope or limit.name
        if not self._limiter.take(peer.to_base58(), scope, limit, size_bytes, now):
            self._observe("p2p_limit_hits", {"limit": f"{limit.name}_rate"}, 1)
            if limit.is_blamed:
                self.blame(peer, PeerReason.OVER_RATE)
            return False
        return self._address_allows(peer, limit, size_bytes, scope)

    def hears(self, deliverer: ID, author: ID) -> bool:
        """Whether a message of an author is worth checking: not of one who is banned, nor of one fresh key after the other.

        A key costs nothing, and what a message says is held against its author; so a peer brings few authors nobody knows.
        It is not blamed for more of them, for an honest one passes on what it is sent.
        """
        if self.is_banned(author):
            return False
        if author == deliverer or author in self._addresses or self._is_kept(author):
            return True
        if author not in self._authors:
            scope = AUTHOR_LIMIT.name
            taken = self._limiter.take(deliverer.to_base58(), scope, AUTHOR_LIMIT, 0, trio.current_time())
            if not taken:
                self._observe("p2p_limit_hits", {"limit": scope}, 1)
            if not taken or not self._address_allows(deliverer, AUTHOR_LIMIT, 0, scope):
                return False
            if len(self._authors) >= AUTHORS_MAX:
                self._authors.popitem(last=False)
        self._authors[author] = None
        self._authors.move_to_end(author)
        return True

    def relays(self, deliverer: ID, limit: MessageLimit, size_bytes: int, topic: str) -> bool:
        """Whether one more message is passed on: less than our peers take from us, so that no flooder sets them against us.

        What strangers bring has a small share of its own, so that it does not crowd out what the configured peers bring.
        """
        share, factor = ("kept", RELAY_FACTOR) if self._is_kept(deliverer) else ("strangers", STRANGERS_RELAY_FACTOR)
        if self._limiter.take(f"relay/{share}", topic, limit, size_bytes, trio.current_time(), factor):
            return True
        self._observe("p2p_limit_hits", {"limit": f"{limit.name}_relay_rate"}, 1)
        return False

    def _address_allows(self, peer: ID, limit: MessageLimit, size_bytes: int, scope: str) -> bool:
        address = None if self._is_kept(peer) else self._addresses.get(peer)
        if address is None or self._limiter.take(address, scope, limit, size_bytes, trio.current_time(), ADDRESS_FACTOR):
            return True
        self._observe("p2p_limit_hits", {"limit": f"{limit.name}_address_rate"}, 1)
        return False

    def charge(self, peer: ID, limit: MessageLimit, size_bytes: int) -> None:
        """The bytes of an answer count as the asker's."""
        now = trio.current_time()
        self._limiter.charge(peer.to_base58(), limit.name, limit, size_bytes, now)
        address = None if self._is_kept(peer) else self._addresses.get(peer)
        if address is not None:
            self._limiter.charge(address, limit.name, limit, size_bytes, now, ADDRESS_FACTOR)

    def says(self, limit: MessageLimit, size_bytes: int, topic: str) -> bool:
        """Whether one more message of our own goes out now: so many that no user of ours sets our peers against us."""
        return not limit.is_paced or self._sent.take("", topic, limit, size_bytes, trio.current_time(), OWN_FACTOR)

    def asks(self, peer: ID, limit: MessageLimit, size_bytes: int) -> bool:
        """Whether one more request goes to a peer: less than it takes from us, so that no need of ours is held against us.

        What is not blamed the peer may refuse itself.
        """
        if not limit.is_blamed or self._sent.take(peer.to_base58(), limit.name, limit, size_bytes, trio.current_time(), ASK_FACTOR):
            return True
        self._observe("p2p_limit_hits", {"limit": f"{limit.name}_ask_rate"}, 1)
        return False

    def answered(self, peer: ID, limit: MessageLimit, size_bytes: int) -> None:
        """The bytes of a peer's answer, which it counts as ours."""
        if limit.is_blamed:
            self._sent.charge(peer.to_base58(), limit.name, limit, size_bytes, trio.current_time(), ASK_FACTOR)

    def blame(self, peer: ID, reason: Reason) -> None:
        """Hold something against a peer."""
        self._report(peer_id_from(peer), reason)

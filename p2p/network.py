"""What the rest of the node knows of the network: names, events, errors and limits.

Nothing here touches libp2p or a clock; `p2p.adapter` is the one implementation.
Source: ARCHITECTURE, "Rooms"; LIBP2P, "Structure".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from primitives.errors import Reason, ShardnetError, StartupRefused

GOSSIP_BYTES_MAX: Final = 256 * 1024
"""Largest payload of one gossip message; anything larger is announced by hash and pulled."""
REQUEST_BYTES_MAX: Final = 1024 * 1024
"""Largest encoded request."""
RESPONSE_BYTES_MAX: Final = 8 * 1024 * 1024
"""Largest encoded response."""
REQUESTS_PER_PEER_MAX: Final = 16
"""Requests under way at once with one peer, each way."""
EVENTS_MAX: Final = 4096
"""Events waiting for the node; what comes on top is dropped and counted."""
PEER_EVENTS_RESERVED: Final = 512
"""Of `EVENTS_MAX`, the room that gossip leaves to news of peers."""
STRANGERS_EVENTS_MAX: Final = 1024
"""Events waiting for the node above which gossip that unconfigured peers delivered is dropped and counted."""
EVENT_BYTES_MAX: Final = 64 * 1024 * 1024
"""Gossip payload bytes waiting for the node; what comes on top is dropped and counted."""
OUTBOUND_FRAMES_MAX: Final = 1024
"""Frames waiting for one peer; what comes on top is dropped and counted."""
OUTBOUND_BYTES_MAX: Final = 16 * 1024 * 1024
"""Bytes waiting for one peer; what comes on top is dropped and counted."""
WAITING_MESSAGES_MAX: Final = 256
"""Own messages a topic holds back until somebody can take them, and would not hold them against us."""
WAITING_SECONDS_MAX: Final = 10.0
"""How long an own message is held back before it is given up."""
TOPICS_MAX: Final = 256
"""Topics one node subscribes to, and topics remembered of one peer."""
TOPIC_CHARACTERS_MAX: Final = 128
"""Longest topic name taken from a peer."""
CONNECTIONS_MAX: Final = 128
"""Connections held at once, both ways together."""
STRANGERS_PER_ADDRESS_MAX: Final = 16
"""Peers connected at once from one address that this node was not told to keep."""
INBOUND_STREAMS_PER_PEER_MAX: Final = 64
"""Streams a peer may have open towards us at once."""
KEPT_PEERS_MAX: Final = 256
"""Static peers, one redial task each."""
LEARNED_PEERS_MAX: Final = 16
"""Peers kept besides that other peers told of, one redial task each."""
BANNED_PEERS_MAX: Final = 1024
"""Peers kept out at once; the ban that ends first makes room."""


PEER_ID_CHARACTERS_MAX: Final = 64
"""Longest name of a peer that is looked at."""


class PeerId(str):
    """A peer's name: the base58 text of the hash of its node key."""

    __slots__ = ()


@dataclass(frozen=True)
class PeerAddress:
    """Where a peer with a known name listens; `host` is a name or an IP address."""

    host: str
    port: int
    peer_id: PeerId


@dataclass(frozen=True)
class GossipReceived:
    """A message of the right form, delivered once, never one of our own."""

    peer: PeerId
    """Who wrote and signed it, which need not be who delivered it."""
    topic: str
    message: object
    """What the topic's decoder made of it."""
    size_bytes: int
    """Of its payload."""


@dataclass(frozen=True)
class PeerConnected:
    """The first connection with a peer is open, whoever dialled."""

    peer: PeerId


@dataclass(frozen=True)
class PeerDisconnected:
    """The last connection with a peer is gone."""

    peer: PeerId


NetworkEvent = GossipReceived | PeerConnected | PeerDisconnected

Decoder = Callable[[bytes], object]
"""Synchronous and cheap: what a payload holds, decoded once for all that follows. A `Rejection` is held against whoever
delivered the message, for an honest peer checks the form before it passes anything on."""
RequestHandler = Callable[[PeerId, bytes], Awaitable[bytes]]
"""Answers one encoded request; a `Rejection` refuses it."""
Report = Callable[[PeerId, Reason], None]
"""Takes what a peer is to blame for; may disconnect or ban it at once."""
Observe = Callable[[str, Mapping[str, str], float], None]
"""Takes a metric's name, its labels and a value (an increment, or the level of a gauge)."""


class RequestFailure(Enum):
    """Why a request brought no response."""

    NOT_CONNECTED = "not_connected"
    TIMEOUT = "timeout"
    REFUSED = "refused"
    """The peer closed the stream, or does not speak the protocol."""
    TOO_LARGE = "too_large"
    """The request or the response is over its limit."""
    OVER_RATE = "over_rate"
    """The peer has been asked as much as it takes of one node; nothing was sent."""


class RequestFailed(ShardnetError):
    """A request without a response; ask the next peer."""

    def __init__(self, reason: RequestFailure, message: str = "") -> None:
        super().__init__(f"{reason.value}: {message}" if message else reason.value)
        self.reason = reason


class PayloadTooLarge(ShardnetError):
    """A payload over its limit was to be published; the caller must announce it by hash instead."""

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"{size_bytes} bytes to publish, the limit is {limit_bytes}")
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class PortInUse(StartupRefused):
    """Another process listens on the port."""


class InvalidNodeKey(StartupRefused):
    """The node key file does not hold a secp256k1 key."""


class UnsupportedLibp2p(StartupRefused):
    """The installed libp2p is not the one the adapter is written against."""


@dataclass(frozen=True)
class NetworkSettings:
    """How the adapter paces itself. The defaults suit a testnet; tests shorten them."""

    heartbeat_seconds: float = 1.0
    """Pace of mesh upkeep."""
    heartbeat_initial_seconds: float = 0.5
    mesh_degree: int = 3
    mesh_degree_low: int = 2
    mesh_degree_high: int = 5
    ping_interval_seconds: float = 2.0
    """A peer that was silent for this long is pinged."""
    ping_timeout_seconds: float = 4.0
    ping_misses_max: int = 2
    """Missed pings in a row after which a peer is disconnected."""
    redial_seconds: float = 0.25
    """First pause after a failed dial; doubles up to `redial_seconds_max`, with jitter."""
    redial_seconds_max: float = 1.0
    """Short, so that a network that was parted is whole again soon after it can be."""
    dial_timeout_seconds: float = 2.0
    """For the connection alone; a slow link may take longer over the handshake."""
    handshake_timeout_seconds: float = 8.0
    """From the connection to the first stream."""
    unacknowledged_seconds_max: float = 6.0
    """A connection whose other end confirms nothing of what it was sent for this long is dead (TCP_USER_TIMEOUT)."""
    retransmit_seconds_max: float = 1.0
    """Pause between two tries to get the same bytes through (TCP_RTO_MAX_MS)."""
    answer_timeout_seconds: float = 10.0
    """How long an answer may take us, and the peer that reads it."""
    waiting_seconds_max: float = WAITING_SECONDS_MAX
    shutdown_seconds: float = 5.0
    """How long an orderly shutdown may take before everything is cancelled."""

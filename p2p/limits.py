"""How much of each kind of message a peer may send: one table, and the token buckets that hold peers to it.

A rate is per deliverer: whoever sent the message to us, not whoever wrote it. For gossip it is also per topic. Each row says
where its figure comes from; "full load" is 8 nodes, 533 transactions/s, a block every 0.5 s, and one peer that brings all of it.
Pure: time is an argument. Source: LIBP2P ("count invalid messages yourself and black-list"); STYLE 11.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from p2p.messages import (
    BLOCKS_PER_RESPONSE_MAX,
    CERTIFICATES_PER_RESPONSE_MAX,
    CHAINS_MAX,
    CONSENSUS_MESSAGES_MAX,
    GOSSIP_BYTES_MAX,
    PEERS_PER_RESPONSE_MAX,
    ROOTS_PER_REQUEST_MAX,
    TRANSACTIONS_PER_BATCH_MAX,
    BlocksByRange,
    BlocksByRoot,
    BundleByNonce,
    CertificatesByView,
    Finality,
    Peers,
    Request,
    RpcCall,
    Status,
    request_type,
)
from p2p.network import REQUEST_BYTES_MAX
from p2p.topics import TopicKind
from primitives.receipts import BUNDLE_RECEIPTS_MAX

KIB, MIB = 1024, 1024 * 1024
AUTHORS_MAX = 1024
"""Authors of gossip remembered besides the connected peers; the one heard longest ago is forgotten first."""
BUCKETS_MAX = 8192
"""Allowances remembered; the one used longest ago is forgotten first, and its owner starts with a full one."""
ADDRESS_FACTOR = 4
"""Peers that nobody configured share, by address, this many times the allowance of one peer: more keys bring no more room."""

RELAY_FACTOR = 0.5
"""Of a row, what one node passes on of gossip that configured peers brought: full load, and well below what its peers take from it."""
STRANGERS_RELAY_FACTOR = 0.125
"""The same for gossip that other peers brought."""
OWN_FACTOR = 0.375
"""The same for gossip of its own whose amount users decide; the three together are what its peers take."""
ASK_FACTOR = 0.5
"""Of a row, what one node asks of one peer, however much it needs: what has gone out evenly may arrive at once."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A steady rate, and what may come at once after a pause."""

    per_second: float
    burst: float


@dataclass(frozen=True, slots=True)
class MessageLimit:
    """A row of the table."""

    name: str
    """Of the kind; over the rate counts as the metric's limit `<name>_rate`."""
    bytes_max: int
    """Of one encoded message."""
    count_max: int
    """Elements in one message, all its lists together; for a request, elements of its answer."""
    depth_max: int
    """Containers and lists within one another."""
    messages: Rate
    bytes: Rate
    """Of a request, with the bytes of its answer; the last message may overdraw it."""
    reason: str
    """Where the rates come from."""
    is_blamed: bool = True
    """Whether going over the rate is held against the peer; what is not its own doing is only refused."""
    is_paced: bool = False
    """Whether gossip of our own past `OWN_FACTOR` of the row waits: users decide how much there is."""


GOSSIP_LIMITS: Mapping[TopicKind, MessageLimit] = {
    TopicKind.CONSENSUS: MessageLimit(
        "consensus", GOSSIP_BYTES_MAX, CONSENSUS_MESSAGES_MAX, 5, Rate(512, 2048), Rate(1.5 * MIB, 8 * MIB),
        "a node speaks at most 8 times a view and chain: 8 x 8 / 0.5 s = 128/s; two blocks of 200 KiB a second and votes: 0.6 MiB/s",
    ),
    TopicKind.TRANSACTIONS: MessageLimit(
        "transactions", GOSSIP_BYTES_MAX, TRANSACTIONS_PER_BATCH_MAX, 2, Rate(1100, 4096), Rate(MIB, 8 * MIB),
        "a node sends a batch each 20 ms at most, all on one shard: 8 x 50 = 400/s; 533 transactions/s at 200 bytes: 0.1 MiB/s",
        is_paced=True,
    ),
    TopicKind.RECEIPTS: MessageLimit(
        "receipts", GOSSIP_BYTES_MAX, BUNDLE_RECEIPTS_MAX, 3, Rate(128, 1024), Rate(MIB, 4 * MIB),
        "a page a source, block and destination: 8 sources x 2 blocks/s = 16/s; 533 receipts/s at 250 bytes: 0.13 MiB/s",
        is_paced=True,
    ),
}  # fmt: skip
REQUEST_LIMITS: Mapping[type[Request], MessageLimit] = {
    Status: MessageLimit(
        "status", 4 * KIB, CHAINS_MAX, 3, Rate(16, 64), Rate(256 * KIB, MIB),
        "one each two block times, and one after each range: 3/s",
    ),
    BlocksByRange: MessageLimit(
        "blocks_by_range", 64, BLOCKS_PER_RESPONSE_MAX, 1, Rate(32, 128), Rate(16 * MIB, 96 * MIB),
        "one after the other a chain, each executed before the next: 3 chains x 2/s; 6 MiB of blocks take longer than a second to execute",
    ),
    BlocksByRoot: MessageLimit(
        "blocks_by_root", KIB, ROOTS_PER_REQUEST_MAX, 2, Rate(64, 256), Rate(16 * MIB, 96 * MIB),
        "64 in flight at most, each again after 2 network delays at the earliest, spread over the peers: 32/s of one that is alone",
    ),
    CertificatesByView: MessageLimit(
        "certificates_by_view", 64, CERTIFICATES_PER_RESPONSE_MAX, 2, Rate(32, 128), Rate(2 * MIB, 8 * MIB),
        "one a chain each 2 network delays: 3 chains x 2/s",
    ),
    BundleByNonce: MessageLimit(
        "bundle_by_nonce", 64, BUNDLE_RECEIPTS_MAX, 1, Rate(64, 256), Rate(8 * MIB, 32 * MIB),
        "one page after the other a channel: 8 channels x 4/s",
    ),
    Peers: MessageLimit(
        "peers", 16, PEERS_PER_RESPONSE_MAX, 1, Rate(1, 8), Rate(16 * KIB, 64 * KIB), "one when connected, then one each 10 s at most",
    ),
    RpcCall: MessageLimit(
        "rpc_call", REQUEST_BYTES_MAX - 1, 1, 1, Rate(64, 256), Rate(8 * MIB, 64 * MIB),
        "what the users of another node ask of a shard, which is not that node's doing", is_blamed=False,
    ),
    Finality: MessageLimit(
        "finality", KIB, 1, 3, Rate(132, 264), Rate(132 * KIB, 264 * KIB),
        "one a chain each network delay: 33 chains / 250 ms = 132/s; whoever is behind calls for them, not who sends them", is_blamed=False,
    ),
}  # fmt: skip
"""One row for each type of request."""
PING_LIMIT = MessageLimit("ping", 0, 0, 0, Rate(16, 64), Rate(KIB, KIB), "one each 5 s of silence")
UNKNOWN_LIMIT = MessageLimit("unknown_request", KIB, 0, 0, Rate(1, 8), Rate(KIB, 8 * KIB), "no honest peer sends one")
STREAM_LIMIT = MessageLimit(
    "streams", 0, 0, 0, Rate(512, 2048), Rate(1, 1), "one a request, and one for gossip: more than the requests of all kinds together"
)
FRAME_LIMIT = MessageLimit(
    "frames", GOSSIP_BYTES_MAX + 64 * KIB, 0, 0, Rate(5120, 16384), Rate(12 * MIB, 48 * MIB),
    "one a gossip message, 128 x 33 chains + 400 + 32 = 4,656/s, and some control messages a second",
)  # fmt: skip
FOREIGN_LIMIT = MessageLimit(
    "foreign_topics", 0, 0, 0, Rate(16, 512), Rate(MIB, 8 * MIB), "messages of topics not subscribed to come only while one is left"
)
AUTHOR_LIMIT = MessageLimit(
    "new_authors", 0, 0, 0, Rate(0.2, 256), Rate(1, 1),
    "authors that are neither connected nor heard of lately: at most the 127 other nodes, once, and one that joins now and then",
)  # fmt: skip
CONNECTION_LIMIT = MessageLimit(
    "connections_per_address", 0, 0, 0, Rate(8, 128), Rate(1, 1), "127 peers behind one address that all come back at once"
)


def request_limit(payload: bytes) -> MessageLimit:
    """The row of an encoded request, read off its first byte."""
    if not payload:
        return PING_LIMIT
    kind = request_type(payload)
    return UNKNOWN_LIMIT if kind is None else REQUEST_LIMITS[kind]


@dataclass(slots=True)
class _Bucket:
    messages: float
    bytes: float
    at_seconds: float


class RateLimiter:
    """What is left of everybody's allowances."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[tuple[str, str], _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, owner: str, scope: str, limit: MessageLimit, size_bytes: int, now_seconds: float, factor: float = 1) -> bool:
        """Whether `owner` may send one more message of `size_bytes`; what is refused costs nothing.

        `scope` tells allowances of one row apart (the topic). `now_seconds` is monotonic.
        """
        bucket = self._refilled(owner, scope, limit, now_seconds, factor)
        if bucket.messages < 1 or bucket.bytes <= 0:
            return False
        bucket.messages -= 1
        bucket.bytes -= size_bytes
        return True

    def charge(self, owner: str, scope: str, limit: MessageLimit, size_bytes: int, now_seconds: float, factor: float = 1) -> None:
        """Bytes that were sent to `owner` in answer; they may overdraw, and the next message waits until that is made good."""
        self._refilled(owner, scope, limit, now_seconds, factor).bytes -= size_bytes

    def _refilled(self, owner: str, scope: str, limit: MessageLimit, now_seconds: float, factor: float) -> _Bucket:
        bucket = self._buckets.get((owner, scope))
        if bucket is None:
            if len(self._buckets) >= BUCKETS_MAX:
                self._buckets.popitem(last=False)
            bucket = self._buckets[owner, scope] = _Bucket(factor * limit.messages.burst, factor * limit.bytes.burst, now_seconds)
            return bucket
        self._buckets.move_to_end((owner, scope))
        elapsed = max(0.0, now_seconds - bucket.at_seconds)
        bucket.messages = min(factor * limit.messages.burst, bucket.messages + elapsed * factor * limit.messages.per_second)
        bucket.bytes = min(factor * limit.bytes.burst, bucket.bytes + elapsed * factor * limit.bytes.per_second)
        bucket.at_seconds = max(now_seconds, bucket.at_seconds)
        return bucket

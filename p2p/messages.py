"""Wire messages: what a gossip payload or a request holds, each with its bounds (design page LIBP2P, Structure).

Requests and responses travel as one byte of kind and the SSZ encoding; an empty response means "not here".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from p2p.network import PEER_ID_CHARACTERS_MAX, REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX
from p2p.topics import TopicKind
from primitives.blocks import EVIDENCE_PER_BLOCK_MAX, TRANSACTION_BYTES_MAX, Evidence
from primitives.errors import EncodingReason, InvalidEncoding
from primitives.receipts import Bundle
from primitives.ssz import ByteList, Bytes32, Container, Repeated, Uint32, Uint64
from primitives.votes import BLOCK_BYTES_MAX, COMMITTEE_SIZE_MAX, Certificate, Instance, Proposal, Vote, Wake

GOSSIP_BYTES_MAX = 256 * 1024
"""Payload of one gossip message; larger blocks are pulled by root."""
PROPOSAL_INLINE_BYTES_MAX = 200 * 1024
"""A larger encoded block leaves its proposal's `block` empty."""
TRANSACTIONS_PER_BATCH_MAX = 512
CERTIFICATES_PER_BATCH_MAX = 64
PROPOSALS_PER_BATCH_MAX = 4
WAKES_PER_BATCH_MAX = 16
CONSENSUS_MESSAGES_MAX = (
    CERTIFICATES_PER_BATCH_MAX + PROPOSALS_PER_BATCH_MAX + COMMITTEE_SIZE_MAX + WAKES_PER_BATCH_MAX + EVIDENCE_PER_BLOCK_MAX
)
"""In one batch."""
CHAINS_MAX = 33
BLOCKS_PER_RESPONSE_MAX = 64
BLOCKS_RESPONSE_BYTES_MAX = 6 * 1024 * 1024
"""Where a server stops adding blocks; one block always fits."""
ROOTS_PER_REQUEST_MAX = 16
CERTIFICATES_PER_RESPONSE_MAX = 256
PEERS_PER_RESPONSE_MAX = 32
HOST_BYTES_MAX = 64
RPC_BODY_BYTES_MAX = REQUEST_BYTES_MAX - 64
"""JSON-RPC request that is passed on."""
RPC_ANSWER_BYTES_MAX = RESPONSE_BYTES_MAX - 64
"""Its answer."""


@dataclass(frozen=True, slots=True)
class ConsensusBatch(Container):
    """What one node has to say about one chain in one turn of its loop."""

    encoded_bytes_max: ClassVar[int] = GOSSIP_BYTES_MAX

    certificates: Annotated[tuple[Certificate, ...], Repeated(CERTIFICATES_PER_BATCH_MAX)]
    proposals: Annotated[tuple[Proposal, ...], Repeated(PROPOSALS_PER_BATCH_MAX)]
    votes: Annotated[tuple[Vote, ...], Repeated(COMMITTEE_SIZE_MAX)]
    wakes: Annotated[tuple[Wake, ...], Repeated(WAKES_PER_BATCH_MAX)]
    evidence: Annotated[tuple[Evidence, ...], Repeated(EVIDENCE_PER_BLOCK_MAX)]
    """On its way to the beacon chain, on whose topic alone it is looked at."""


@dataclass(frozen=True, slots=True)
class TransactionBatch(Container):
    """User transactions of one shard, signed bytes."""

    encoded_bytes_max: ClassVar[int] = GOSSIP_BYTES_MAX

    transactions: Annotated[tuple[Annotated[bytes, ByteList(TRANSACTION_BYTES_MAX)], ...], Repeated(TRANSACTIONS_PER_BATCH_MAX)]


@dataclass(frozen=True, slots=True)
class ChainStatus(Container):
    """How far a node is on one chain."""

    chain: Uint32
    epoch: Uint64
    """c of the open instance."""
    view: Uint64
    height: Uint64
    """Newest finalized block."""
    root: Bytes32


@dataclass(frozen=True, slots=True)
class Status(Container):
    """Request and response: what each side has; the response doubles as the answer to "are you there"."""

    encoded_bytes_max: ClassVar[int] = 4096

    genesis_root: Bytes32
    chains: Annotated[tuple[ChainStatus, ...], Repeated(CHAINS_MAX)]


@dataclass(frozen=True, slots=True)
class BlocksByRange(Container):
    """Finalized blocks `first_height ..`; the answer ends at a height whose finalization comes with it."""

    encoded_bytes_max: ClassVar[int] = 64

    chain: Uint32
    first_height: Uint64
    count: Uint32


@dataclass(frozen=True, slots=True)
class BlocksByRoot(Container):
    """Blocks by what is voted on, final or not."""

    encoded_bytes_max: ClassVar[int] = 1024

    chain: Uint32
    roots: Annotated[tuple[Bytes32, ...], Repeated(ROOTS_PER_REQUEST_MAX)]


@dataclass(frozen=True, slots=True)
class Blocks(Container):
    """Encoded blocks; for a range in rising order, with the finalization of the last one."""

    encoded_bytes_max: ClassVar[int] = BLOCKS_RESPONSE_BYTES_MAX + BLOCK_BYTES_MAX + 4096

    blocks: Annotated[tuple[Annotated[bytes, ByteList(BLOCK_BYTES_MAX)], ...], Repeated(BLOCKS_PER_RESPONSE_MAX)]
    finalization: Annotated[tuple[Certificate, ...], Repeated(1)]


@dataclass(frozen=True, slots=True)
class CertificatesByView(Container):
    """Certificates of one instance, both views included."""

    encoded_bytes_max: ClassVar[int] = 64

    instance: Instance
    first_view: Uint64
    last_view: Uint64


@dataclass(frozen=True, slots=True)
class Certificates(Container):
    """Answer to `CertificatesByView`, by rising view; the newest finalization of the chain comes along."""

    encoded_bytes_max: ClassVar[int] = 512 * CERTIFICATES_PER_RESPONSE_MAX

    certificates: Annotated[tuple[Certificate, ...], Repeated(CERTIFICATES_PER_RESPONSE_MAX)]


@dataclass(frozen=True, slots=True)
class BundleByNonce(Container):
    """A page of one channel that starts at `first_nonce` and ends before `end_nonce` or earlier."""

    encoded_bytes_max: ClassVar[int] = 64

    source: Uint32
    destination: Uint32
    first_nonce: Uint64
    end_nonce: Uint64


@dataclass(frozen=True, slots=True)
class Peers(Container):
    """Asks for addresses of other nodes, and tells where the asking one listens; its host is what the connection shows."""

    encoded_bytes_max: ClassVar[int] = 16

    listen_port: Uint32
    """0: it takes no connections."""


@dataclass(frozen=True, slots=True)
class KnownPeer(Container):
    """Where a connected node listens, as far as this one knows."""

    host: Annotated[bytes, ByteList(HOST_BYTES_MAX)]
    """An IP address as text."""
    port: Uint32
    peer_id: Annotated[bytes, ByteList(PEER_ID_CHARACTERS_MAX)]
    """Base58, as text."""


@dataclass(frozen=True, slots=True)
class KnownPeers(Container):
    """Answer to `Peers`: nodes the answering one is connected with."""

    encoded_bytes_max: ClassVar[int] = 8 * 1024

    peers: Annotated[tuple[KnownPeer, ...], Repeated(PEERS_PER_RESPONSE_MAX)]


@dataclass(frozen=True, slots=True)
class RpcCall(Container):
    """A JSON-RPC request for a shard that the asking node does not host."""

    encoded_bytes_max: ClassVar[int] = REQUEST_BYTES_MAX - 1

    chain: Uint32
    body: Annotated[bytes, ByteList(RPC_BODY_BYTES_MAX)]


@dataclass(frozen=True, slots=True)
class RpcAnswer(Container):
    """The JSON of the answer."""

    encoded_bytes_max: ClassVar[int] = RESPONSE_BYTES_MAX

    body: Annotated[bytes, ByteList(RPC_ANSWER_BYTES_MAX)]


@dataclass(frozen=True, slots=True)
class Finality(Container):
    """Tells a peer that is behind the newest finalization of a chain (PROTOCOL 2, rule 7); there is nothing to answer."""

    encoded_bytes_max: ClassVar[int] = 1024

    certificate: Certificate


GossipPayload = ConsensusBatch | TransactionBatch | Bundle
GOSSIP_TYPES = (ConsensusBatch, TransactionBatch, Bundle)
Request = Status | BlocksByRange | BlocksByRoot | CertificatesByView | BundleByNonce | Peers | RpcCall | Finality
Response = Status | Blocks | Certificates | Bundle | KnownPeers | RpcAnswer

_GOSSIP: dict[TopicKind, type[ConsensusBatch] | type[TransactionBatch] | type[Bundle]] = {
    TopicKind.CONSENSUS: ConsensusBatch,
    TopicKind.TRANSACTIONS: TransactionBatch,
    TopicKind.RECEIPTS: Bundle,
}
REQUEST_TYPES: tuple[type[Request], ...] = (
    Status, BlocksByRange, BlocksByRoot, CertificatesByView, BundleByNonce, Peers, RpcCall, Finality
)  # fmt: skip
"""By the byte of their kind."""
_RESPONSES: dict[type[Request], type[Response]] = {
    Status: Status,
    BlocksByRange: Blocks,
    BlocksByRoot: Blocks,
    CertificatesByView: Certificates,
    BundleByNonce: Bundle,
    Peers: KnownPeers,
    RpcCall: RpcAnswer,
}


def decode_gossip(kind: TopicKind, payload: bytes) -> GossipPayload:
    """What a payload on a topic of `kind` holds.

    Raises:
        InvalidEncoding: not that, or over a bound.
    """
    if len(payload) > GOSSIP_BYTES_MAX:
        raise InvalidEncoding(EncodingReason.TOO_LARGE, f"gossip of {len(payload)} bytes, at most {GOSSIP_BYTES_MAX}")
    return _GOSSIP[kind].decode(payload)


def encode_request(request: Request) -> bytes:
    """One byte of kind and the SSZ encoding."""
    return bytes([REQUEST_TYPES.index(type(request))]) + request.encode()


def request_type(payload: bytes) -> type[Request] | None:
    """What an encoded request claims to be; None for no known kind."""
    return REQUEST_TYPES[payload[0]] if payload and payload[0] < len(REQUEST_TYPES) else None


def decode_request(payload: bytes) -> Request:
    """The request a peer sent.

    Raises:
        InvalidEncoding: an unknown kind, or bytes that are not it.
    """
    kind = request_type(payload)
    if kind is None:
        raise InvalidEncoding(EncodingReason.UNKNOWN_KIND, f"request kind {payload[:1].hex() or 'missing'}")
    return kind.decode(payload[1:])


def decode_response(request: Request, payload: bytes) -> Response | None:
    """What a peer answered to `request`; None when it has nothing.

    Raises:
        InvalidEncoding: not an answer to that request.
    """
    return _RESPONSES[type(request)].decode(payload) if payload else None

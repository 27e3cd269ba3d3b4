"""Events that reach a node's core, and the effects it answers with (design page ARCHITECTURE, Pure core).

The driver performs the effects of one turn in this order: all `Persist` in one batch, synced when any is durable; then
the rest in the order given. What a vote or a finalization says therefore never leaves before it is on disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from p2p.messages import Finality, GossipPayload, Request, Response
from p2p.topics import Topic
from primitives.blocks import ShardReference
from primitives.errors import InvalidBlock, Reason
from primitives.receipts import Bundle, CrossShardReceipt
from shard.results import BlockResult, Built, FinalizedBlock

Peer = str
"""A peer's id as text."""


@dataclass(frozen=True, slots=True)
class Now:
    """The driver's two clocks at an event."""

    monotonic_ms: int
    """For all waiting; never goes back."""
    wall_ms: int
    """Milliseconds since 1970; for timestamps only."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The core's deadline has come."""


@dataclass(frozen=True, slots=True)
class GossipReceived:
    """A message on a subscribed topic, written and signed by `peer` (who need not have delivered it)."""

    peer: Peer
    topic: Topic
    message: GossipPayload


@dataclass(frozen=True, slots=True)
class PeerConnected:
    """A peer may be asked from now on."""

    peer: Peer


@dataclass(frozen=True, slots=True)
class PeerDisconnected:
    """A peer is gone."""

    peer: Peer


@dataclass(frozen=True, slots=True)
class ResponseReceived:
    """The end of a request: None where the peer had nothing or the request failed or timed out."""

    request_id: int
    response: Response | None


@dataclass(frozen=True, slots=True)
class BlockExecuted:
    """Answer to `Execute`; None where the executor was lost meanwhile."""

    shard: int
    root: bytes
    result: BlockResult | InvalidBlock | None


@dataclass(frozen=True, slots=True)
class ExecutionWithdrawn:
    """Answer to `Execute` where `Withdraw` came before the end: nothing is known of the block."""

    shard: int
    root: bytes


@dataclass(frozen=True, slots=True)
class BlockBuilt:
    """Answer to `Build`; None where building failed."""

    shard: int
    parent: bytes
    view: int
    built: Built | None


@dataclass(frozen=True, slots=True)
class ShardFinalized:
    """Answer to `Finalize`: the blocks made final, in order, are synced; None where the executor was lost."""

    shard: int
    root: bytes
    blocks: tuple[FinalizedBlock, ...] | None


@dataclass(frozen=True, slots=True)
class OutgoingRead:
    """Answer to `ReadOutgoing`; None where the receipts are not there yet."""

    source: int
    destination: int
    bundle: Bundle | None


@dataclass(frozen=True, slots=True)
class ShardTruncated:
    """Answer to `Truncate`, synced; `result` is None where the executor was lost."""

    shard: int
    root: bytes
    result: BlockResult | None
    """Of the block that is the newest now."""
    accounts: Mapping[bytes, tuple[int, int]]
    """(nonce, balance) after that block, of each account that sent in an undone one."""
    transactions: tuple[bytes, ...]
    """User transactions of the undone blocks, signed bytes."""


@dataclass(frozen=True, slots=True)
class Mine:
    """A developer wants blocks of a chain made at once, one after another, up to a height (docs/decisions/0015)."""

    chain: int
    until: int
    """Height of the last one."""
    interval_s: int
    """From the time of each block to that of the next, on a shard; the first is by the clock."""


@dataclass(frozen=True, slots=True)
class SetTimestamp:
    """A developer wants the next block of a shard to have a time that is above its parent's (docs/decisions/0015)."""

    shard: int
    timestamp: int
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class SetAutomine:
    """A developer wants work to be waited for by nobody, or the usual pace again (docs/decisions/0015)."""

    enabled: bool


Event = (
    Tick | GossipReceived | PeerConnected | PeerDisconnected | ResponseReceived | BlockExecuted | ExecutionWithdrawn | BlockBuilt
    | ShardFinalized | ShardTruncated | OutgoingRead | Mine | SetTimestamp | SetAutomine
)


@dataclass(frozen=True, slots=True)
class Persist:
    """A record of the node's store; None deletes. Durable: synced before the turn's other effects."""

    key: bytes
    value: bytes | None
    durable: bool = True


@dataclass(frozen=True, slots=True)
class Publish:
    """Something to be gossiped; a driver with a wire encodes it."""

    topic: Topic
    message: GossipPayload


@dataclass(frozen=True, slots=True)
class Tell:
    """Something for one connected peer, which it does not answer; lost when the peer is gone."""

    peer: Peer
    message: Finality


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to one peer; ends in exactly one `ResponseReceived`."""

    request_id: int
    peer: Peer
    request: Request


@dataclass(frozen=True, slots=True)
class Execute:
    """Check and execute a shard block on its parent."""

    shard: int
    root: bytes
    block: bytes
    reference: ShardReference
    coinbase: bytes
    certified: bool = False
    """It is final, and is never withdrawn."""


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Nobody needs the block that is being executed any more; ends in `ExecutionWithdrawn`, or in `BlockExecuted` where that was faster."""

    shard: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Build:
    """Build a shard block; see `shard.results.BuildContext`."""

    shard: int
    parent: bytes
    view: int
    epoch: int
    proposer: int
    coinbase: bytes
    timestamp: int
    """Seconds since 1970."""
    reference: ShardReference
    available: Mapping[int, tuple[CrossShardReceipt, ...]]
    """By source, from the parent's cursor on."""
    candidates: tuple[tuple[bytes, bytes], ...]
    """(signed bytes, sender) in the order to try."""


@dataclass(frozen=True, slots=True)
class Finalize:
    """Make a shard block and its ancestors canonical, synced."""

    shard: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    """End a shard's canonical chain in a block below its head: what follows is void (PROTOCOL 3, forced close)."""

    shard: int
    root: bytes


@dataclass(frozen=True, slots=True)
class MarkCrosslinked:
    """A shard's `finalized` tag has moved; and how far other chains have taken its receipts in, by destination."""

    shard: int
    height: int
    taken: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class ReadOutgoing:
    """Receipts [first_nonce, end_nonce) of a channel whose source this node hosts."""

    source: int
    destination: int
    first_nonce: int
    end_nonce: int


@dataclass(frozen=True, slots=True)
class Admit:
    """User transactions a peer gossiped, or of undone blocks: check them outside the loop, then hand each to `Core.submit`."""

    shard: int
    peer: Peer | None
    transactions: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Penalize:
    """A peer did something it could have known better than; the shell scores it."""

    peer: Peer
    reason: Reason


@dataclass(frozen=True, slots=True)
class Observe:
    """Something worth a metric or a log line; names are fields of `node.metrics`."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    value: float = 1.0


Effect = (
    Persist | Publish | Tell | Ask | Execute | Withdraw | Build | Finalize | Truncate | MarkCrosslinked | ReadOutgoing | Admit | Penalize
    | Observe
)

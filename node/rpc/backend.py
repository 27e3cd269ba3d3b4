"""What the JSON-RPC server asks of a node: immutable views in, transactions out (ARCHITECTURE, pure core and processes).

Every read may raise `primitives.errors.InvalidQuery`, whose UNKNOWN_BLOCK says the same as answering None;
`primitives.errors.Interrupted` when its time is up (answered -32002); and `primitives.errors.Unavailable` when the shard cannot
be asked now (answered -32005, busy).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from node.rpc.beacon_backend import BeaconBackend, ChannelBackend
from node.rpc.controls_backend import ControlsBackend
from primitives.genesis import Genesis
from primitives.headers import ShardHeader
from shard.simulations import BlockToSimulate, SimulatedBlock
from shard.views import (
    AccessOutcome,
    AccountProof,
    AccountView,
    BalancePage,
    BlockSelector,
    BlockView,
    CallOutcome,
    CallRequest,
    Estimate,
    FeeHistoryBlock,
    LogFilter,
    LogView,
    OutgoingReceipt,
    ReceiptView,
    SearchPage,
    TraceConfig,
    TransactionView,
)


@dataclass(frozen=True, slots=True)
class BlockRef:
    """A block by height and hash (a beacon block by height and root)."""

    number: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Heads:
    """Where a shard stands; published anew after each change."""

    latest: BlockRef
    safe: BlockRef
    finalized: BlockRef
    """Newest block crosslinked in a finalized beacon block."""
    base_fee: int
    """Of `latest`, wei a gas."""
    next_base_fee: int
    """Of a child of `latest`, wei a gas."""


@dataclass(frozen=True, slots=True)
class PooledTransaction:
    """A transaction that waits in the pool."""

    raw: bytes
    """Signed bytes."""
    sender: bytes


@dataclass(frozen=True, slots=True)
class PoolView:
    """Transactions of a pool by sender, each sender's by rising nonce."""

    pending: Mapping[bytes, Mapping[int, PooledTransaction]]
    """Executable now."""
    queued: Mapping[bytes, Mapping[int, PooledTransaction]]
    """Behind a nonce gap."""


@dataclass(frozen=True, slots=True)
class PoolCounts:
    """Transactions in a shard's pool."""

    pending: int
    """Executable now."""
    queued: int
    """Behind a nonce gap."""


@dataclass(frozen=True, slots=True)
class CrosslinkView:
    """What the beacon chain has recorded of a shard."""

    block: BlockRef
    base_fee: int
    """Wei a gas."""


@dataclass(frozen=True, slots=True)
class BeaconHead:
    """The newest finalized beacon block."""

    block: BlockRef
    epoch: int
    view: int
    timestamp: int
    """Seconds since 1970."""
    proposer: int
    parent_root: bytes
    state_root: bytes
    crosslinks: tuple[CrosslinkView, ...]
    """By shard; a shard never crosslinked has its genesis block."""


@dataclass(frozen=True, slots=True)
class SupplyTerms:
    """Every term of the supply invariant at one finalized beacon block, in wei (PROTOCOL 4)."""

    block: BlockRef
    crosslinks: tuple[BlockRef, ...]
    """By shard: the newest crosslinked block, at which the shard's accounts add up to its `supply`."""
    shards: tuple[int, ...]
    """`supply` by shard."""
    in_flight: tuple[tuple[int, int, int], ...]
    """(source, destination, value) of each channel that holds value."""
    stakes: int
    """Own, delegated, queued and unbonding."""
    unclaimed: int
    fee_pool: int
    treasury: int
    genesis: int
    issued: int
    burned: int

    @property
    def imbalance(self) -> int:
        """What exists less what should; 0 unless something is broken."""
        held = sum(self.shards) + sum(value for _, _, value in self.in_flight)
        held += self.stakes + self.unclaimed + self.fee_pool + self.treasury
        return held - (self.genesis + self.issued - self.burned)


@dataclass(frozen=True, slots=True)
class Crossing:
    """What this node knows of a cross-shard receipt between its source block and its delivery; None: not yet, or not seen."""

    crosslink: BlockRef | None
    """Finalized beacon block that took in the source block."""
    crosslink_timestamp: int | None
    """Its seconds since 1970."""
    bundle_ms: int | None
    """When this node first held the body and knew it for true, milliseconds since 1970."""


@dataclass(frozen=True, slots=True)
class HeadMoved:
    """A chain followed here has a new final head; the beacon chain's moves what is finalized on the shards."""

    chain: int
    number: int
    hash: bytes
    header: bytes
    """RLP of a shard's header; empty for the beacon chain."""


@dataclass(frozen=True, slots=True)
class TransactionPooled:
    """A transaction was taken into a shard's pool."""

    shard: int
    hash: bytes
    transaction: PooledTransaction


@dataclass(frozen=True, slots=True)
class WentBack:
    """A developer has gone back to a snapshot: every chain has the head it had then, and every pool is empty."""


FeedEvent = HeadMoved | TransactionPooled | WentBack
FeedListener = Callable[[FeedEvent], None]
"""Called on the event loop; must neither wait nor raise."""


class Feed(Protocol):
    """What goes on in the node, as it happens."""

    def listen(self, listener: FeedListener) -> None:
        """Has `listener` called with every event from now on."""
        ...


class ShardBackend(Protocol):
    """One hosted shard. A selector that names no block known here makes a read return None."""

    def heads(self) -> Heads:
        """The published heads; never waits."""
        ...

    async def block(self, selector: BlockSelector) -> BlockView | None:
        """A finalized block with its transactions."""
        ...

    async def header(self, selector: BlockSelector) -> ShardHeader | None:
        """The header of a finalized block."""
        ...

    async def transaction(self, hash: bytes) -> TransactionView | None:
        """A transaction of a finalized block."""
        ...

    async def pooled_transaction(self, hash: bytes) -> PooledTransaction | None:
        """A transaction that waits in the pool."""
        ...

    async def receipt(self, hash: bytes) -> ReceiptView | None:
        """What the EVM left for a transaction of a finalized block."""
        ...

    async def transaction_at(self, selector: BlockSelector, index: int) -> TransactionView | None:
        """A transaction by its place in a block."""
        ...

    async def block_receipts(self, selector: BlockSelector) -> tuple[ReceiptView, ...] | None:
        """What the EVM left for each transaction of a block, in order."""
        ...

    async def logs(self, wanted: LogFilter) -> tuple[LogView, ...]:
        """Logs that match, oldest first.

        Raises:
            InvalidQuery: UNKNOWN_BLOCK, BAD_RANGE, BEYOND_HEAD or OVER_LIMIT.
        """
        ...

    async def block_logs(self, block_hash: bytes) -> tuple[LogView, ...]:
        """Every log of a finalized block, in order; none for a block not known here."""
        ...

    async def account(self, address: bytes, selector: BlockSelector) -> AccountView | None:
        """An account; one that does not exist has nonce and balance 0."""
        ...

    async def accounts(self, wanted: Sequence[tuple[bytes, BlockSelector]]) -> Sequence[AccountView | None]:
        """Many accounts at once, each an address and a block; in order, as `account` gives them."""
        ...

    async def code(self, address: bytes, selector: BlockSelector) -> bytes | None:
        """An account's code, empty if it has none."""
        ...

    async def storage(self, address: bytes, slot: int, selector: BlockSelector) -> bytes | None:
        """A storage slot's 32 bytes, zero if never written."""
        ...

    async def proof(self, address: bytes, slots: Sequence[int], selector: BlockSelector) -> AccountProof | None:
        """An account and words of its storage with their Merkle proofs.

        Raises:
            Interrupted: as for `call`.
        """
        ...

    async def call(self, request: CallRequest, selector: BlockSelector) -> CallOutcome | None:
        """Simulates a message call on top of a block.

        Raises:
            InvalidTransaction: the sender cannot pay, or the fee is below the base fee.
            Interrupted: it ran into its deadline (PROTOCOL 5).
        """
        ...

    async def create_access_list(self, request: CallRequest, selector: BlockSelector) -> AccessOutcome | None:
        """What the call accesses, and what it does when that is its access list.

        Raises:
            InvalidTransaction: as for `call`.
            Interrupted: as for `call`.
        """
        ...

    async def estimate_gas(self, request: CallRequest, selector: BlockSelector) -> Estimate | None:
        """Least gas limit with which the call succeeds, or how it fails.

        Raises:
            InvalidTransaction: as for `call`.
            Interrupted: as for `call`.
        """
        ...

    async def search(self, address: bytes, height: int, count: int, *, before: bool) -> SearchPage:
        """Transactions that an account is party to, in blocks before or after a height, the nearest first.

        Raises:
            Interrupted: as for `call`.
        """
        ...

    async def sent_by(self, address: bytes, nonce: int) -> bytes | None:
        """Hash of the transaction that an account sent with a nonce.

        Raises:
            Interrupted: as for `call`.
        """
        ...

    async def creator(self, address: bytes) -> tuple[bytes, bytes] | None:
        """Hash of the transaction that made a contract, and the account that did in it.

        Raises:
            InvalidQuery: OVER_LIMIT.
            Interrupted: as for `call`.
        """
        ...

    async def simulate(
        self, blocks: Sequence[BlockToSimulate], selector: BlockSelector, validation: bool, transfers: bool
    ) -> tuple[SimulatedBlock, ...]:
        """Blocks of calls on top of a block that is known.

        Raises:
            InvalidTransaction: a call is no transaction that could be in its block.
            InvalidQuery: UNKNOWN_BLOCK, OVER_LIMIT.
            Interrupted: as for `call`.
        """
        ...

    async def trace_call(self, request: CallRequest, selector: BlockSelector, config: TraceConfig) -> bytes | None:
        """The trace of a simulated call as JSON.

        Raises:
            InvalidTransaction, Interrupted: as for `call`.
            InvalidQuery: OVER_LIMIT.
        """
        ...

    async def trace_transaction(self, hash: bytes, config: TraceConfig) -> bytes | None:
        """The trace of a transaction of a finalized block as JSON.

        Raises:
            InvalidQuery: OVER_LIMIT.
            Interrupted: as for `call`.
        """
        ...

    async def trace_block(self, selector: BlockSelector, config: TraceConfig) -> bytes | None:
        """The traces of all transactions of a finalized block as JSON.

        Raises:
            InvalidQuery: BAD_RANGE (block 0), OVER_LIMIT.
            Interrupted: as for `call`.
        """
        ...

    async def fee_history(self, count: int, newest: int, percentiles: Sequence[float]) -> tuple[FeeHistoryBlock, ...]:
        """At most `count` blocks that end at height `newest` (which exists), oldest first."""
        ...

    async def accounts_page(self, number: int, after: bytes | None, count: int) -> BalancePage:
        """Balances of at most `count` accounts at the block of a height, in order of their keys, from just after key `after`.

        Raises:
            InvalidQuery: UNKNOWN_BLOCK.
        """
        ...

    async def submit(self, raw: bytes) -> bytes:
        """Takes a signed transaction into the pool and passes it on; its hash.

        Raises:
            InvalidTransaction: refused.
            Unavailable: there is no room to check it now.
        """
        ...

    async def pending_nonce(self, address: bytes) -> int:
        """Next nonce after the account's executable transactions in the pool, of one moment; raises Busy, `head_reads_max`."""
        ...

    def pool_counts(self) -> PoolCounts:
        """What the pool holds; never waits."""
        ...

    def pool_content(self, sender: bytes | None) -> PoolView:
        """All transactions of the pool, or those of one sender; never waits."""
        ...

    async def outgoing_receipt(self, id: bytes) -> OutgoingReceipt | None:
        """A cross-shard receipt that left this shard in a finalized block."""
        ...

    async def outgoing_of(self, transaction_hash: bytes) -> tuple[OutgoingReceipt, ...]:
        """Cross-shard receipts that a transaction of a finalized block sent, in order."""
        ...

    async def outgoing_in(self, block_hash: bytes) -> tuple[OutgoingReceipt, ...]:
        """Cross-shard receipts that left this shard in a finalized block, in order; none for a block not known here."""
        ...

    async def delivered_receipt(self, id: bytes) -> ReceiptView | None:
        """The transaction receipt of a cross-shard receipt delivered here."""
        ...


class NetworkBackend(Protocol):
    """One node. Everything that is not async is a view that is ready and never waits."""

    @property
    def genesis(self) -> Genesis:
        """What the network agreed on."""
        ...

    @property
    def feed(self) -> Feed:
        """Heads and pooled transactions as they come."""
        ...

    def shard(self, shard: int) -> ShardBackend | None:
        """A shard of this network; None when this node does not host it."""
        ...

    def beacon_head(self) -> BeaconHead:
        """The newest finalized beacon block."""
        ...

    @property
    def beacon(self) -> BeaconBackend:
        """The beacon chain in full."""
        ...

    @property
    def channels(self) -> ChannelBackend:
        """The channels between shards."""
        ...

    @property
    def controls(self) -> ControlsBackend:
        """A developer's orders; raises InvalidControl (NOT_GRANTED, NOT_ALONE) where there are none."""

    def committee(self, chain: int) -> tuple[int, ...]:
        """Validator indices that run a chain in the current epoch, in committee order."""
        ...

    def peers(self) -> int:
        """Connected peers."""

    def supply(self) -> SupplyTerms:
        """Every term of the supply invariant."""
        ...

    def final_at(self, chain: int, height: int) -> int | None:
        """When a block became final at this node, milliseconds since 1970; None where it was not there, or has forgotten."""
        ...

    def arrived_at(self, source: int, destination: int, nonce: int) -> int | None:
        """When this node had a receipt's body and knew it for true, milliseconds since 1970; None: not yet, or as for `final_at`."""
        ...

    def queued_at(self, transaction: bytes) -> int | None:
        """When this node's pool took a transaction that sent messages, milliseconds since 1970; None where it did not, or forgot."""
        ...

    async def receipt_proof(self, receipt: OutgoingReceipt) -> bytes | None:
        """SSZ of the proof that a receipt of a hosted shard is final; None while it is not crosslinked in a final beacon block.

        Raises:
            InvalidProof: TOO_LARGE.
            Interrupted: looking up the ids took too long.
        """
        ...

    async def crossing(self, receipt: OutgoingReceipt) -> Crossing:
        """How far a cross-shard receipt has come."""
        ...

    def is_ready(self) -> bool:
        """Whether the node has caught up with the network and answers for it."""
        ...

    def health(self) -> list[str]:
        """What is wrong, a sentence each; empty when all is well."""
        ...


class RpcObserver(Protocol):
    """Where the server reports to; each call is made on the event loop and must not wait."""

    def request(self, method: str, outcome: str) -> None:
        """A call was answered; `method` is a known name or `unknown`, `outcome` is `ok` or the error code."""
        ...

    def limit_hit(self, limit: str) -> None:
        """A limit of `node.rpc.limits`, in lower case, refused something."""
        ...

    def connections(self, open_now: int) -> None:
        """The number of open connections changed."""
        ...

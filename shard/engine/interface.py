"""What executes a shard's blocks, behind one interface: same inputs, same bytes out, whichever implementation runs.

State is content-addressed: every node of a state trie and every contract's code is stored under its keccak, so writes of
competing blocks never collide, may be stored at any time, and every state root stays readable.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from primitives.blocks import ChannelTerms, ShardReference
from primitives.genesis import GenesisAccount
from primitives.receipts import CrossShardReceipt, Summary
from shard.simulations import BlockToSimulate, SimulatedTransaction
from shard.transactions import Transaction
from shard.views import AccessOutcome, AccountProof, CallOutcome, CallRequest, TraceConfig

Meter = Callable[[], None]
"""Called at every jump, call, hash, storage access and other dear step; raises `Interrupted` to stop the work."""
ANCESTORS_MAX = 256
"""Blocks whose hash the BLOCKHASH instruction can ask for."""


class NodeReader(Protocol):
    """Where state is read from."""

    def get(self, key: bytes) -> bytes | None:
        """Trie node or code whose keccak is `key`; None when it is not stored."""


@dataclass(frozen=True, slots=True)
class BlockContext:
    """All that execution knows of the block it works on, before any transaction."""

    number: int
    timestamp: int
    """Seconds since 1970."""
    coinbase: bytes
    """Receives the tips."""
    gas_limit: int
    base_fee: int
    """Wei a gas."""
    parent_hash: bytes
    reference: ShardReference
    """Gives prev_randao, parent_beacon_block_root, the terms of the channels and what is deliverable."""
    block_hash: Callable[[int], bytes | None]
    """Hash of the ancestor with a number among the last `ANCESTORS_MAX`; None when there is none."""


@dataclass(frozen=True, slots=True)
class Log:
    """One log of a transaction."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class TransactionOutcome:
    """What a transaction of a block, user or inbound receipt, did."""

    raw: bytes
    """Signed bytes, or 0x7d and its ABI encoding."""
    hash: bytes
    type: int
    sender: bytes
    """Recovered signer; the alias for a 0x7d call, the receipt's sender for a credit."""
    to: bytes | None
    status: int
    gas_used: int
    """Gas counted; of a credit 21,000, which nobody pays."""
    cumulative_gas_used: int
    effective_gas_price: int
    """Wei a gas paid; 0 for a credit."""
    logs: tuple[Log, ...]
    logs_bloom: bytes
    contract_address: bytes | None
    receipt: bytes
    """The transaction receipt as it enters the receipts trie (EIP-2718)."""


@dataclass(frozen=True, slots=True)
class AccountState:
    """An account at one state root."""

    nonce: int
    balance: int
    code_hash: bytes
    storage_root: bytes
    has_contract_code: bool
    """Code other than an EIP-7702 delegation: such an account cannot send transactions (EIP-3607)."""


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """What a block did; all that its header commits to, and what is to be stored."""

    state_root: bytes
    transactions_root: bytes
    receipts_root: bytes
    logs_bloom: bytes
    gas_used: int
    summary: Summary
    requests_hash: bytes
    """`summary.requests_hash()`."""
    taken_in: int
    """Wei minted for inbound receipts in this block."""
    sent: int
    """Wei that left in cross-shard receipts in this block."""
    burned: int
    """Wei: base fees and what SELFDESTRUCT destroyed, in this block."""
    fees: int
    """Wei set aside for the beacon chain's fee pool, in this block."""
    balance_change: int
    """Wei by which all accounts together hold more than before the block; `imbalance` says whether that is right."""
    outcomes: tuple[TransactionOutcome, ...]
    """Inbound receipts first."""
    accounts: Mapping[bytes, AccountState]
    """Every account whose record this block wrote, as it is now; one that is gone reads as empty."""
    writes: Mapping[bytes, bytes]
    """Trie nodes and code by their keccak."""

    @property
    def imbalance(self) -> int:
        """Wei by which balances changed beyond what went in less what went out: 0, or a bug of ours."""
        return self.balance_change - (self.taken_in - self.sent - self.burned - self.fees)


@dataclass(frozen=True, slots=True)
class GenesisState:
    """The state before block 1."""

    state_root: bytes
    supply: int
    """Wei of all accounts."""
    writes: Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class SimulatedResult:
    """What a simulated block did; all that its header is made of."""

    state_root: bytes
    transactions_root: bytes
    receipts_root: bytes
    logs_bloom: bytes
    gas_used: int
    raws: tuple[bytes, ...]
    """Encodings of the transactions, signed with zeros."""
    transactions: tuple[SimulatedTransaction, ...]
    calls: tuple[tuple[CallOutcome, int, tuple[Log, ...]], ...]
    """What each did, its gas before refunds, and its logs, transfers among them where they are asked for."""


SimulateBlock = Callable[[bytes, BlockContext, BlockToSimulate], SimulatedResult]
"""Runs a block on its parent's state root, with its context; see `Engine.simulation`."""


class BlockExecution(Protocol):
    """One block being executed; inbound receipts come before user transactions. Dropped, it leaves no trace."""

    @property
    def gas_used(self) -> int:
        """Gas counted so far."""

    def deliver(self, receipt: CrossShardReceipt, meter: Meter | None = None) -> TransactionOutcome:
        """Delivers the next inbound receipt. Delivery is total: it never fails, whatever a corrupted source wrote (PROTOCOL 6).

        Raises:
            Interrupted: raised by `meter`; then the whole block is to be dropped.
        """

    def apply(self, transaction: Transaction, sender: bytes, meter: Meter | None = None) -> TransactionOutcome:
        """Executes a user transaction that passed `check_stateless`.

        Raises:
            InvalidTransaction: it must not be in this block; nothing changed.
            Interrupted: raised by `meter`; nothing changed.
        """

    def finish(self) -> ExecutionResult:
        """Ends the block: cursors, burn, Summary, roots. Nothing may be called after it."""


class Engine(Protocol):
    """The EVM of one shard."""

    def genesis(self, accounts: Sequence[GenesisAccount]) -> GenesisState:
        """The genesis state: the accounts that name this shard, and the system contracts."""

    def begin(self, parent_state_root: bytes, context: BlockContext) -> BlockExecution:
        """Starts a block: EIP-4788, EIP-2935 and the new terms of the channels are written."""

    def call(self, state_root: bytes, context: BlockContext, request: CallRequest, meter: Meter | None = None) -> CallOutcome:
        """Simulates a message call or creation on a state; leaves no trace.

        The request's overrides hold before it. Gas left out of it is the block's gas limit; more is cut to that. With a gas price of
        0 fees are not looked at.

        Raises:
            InvalidTransaction: INSUFFICIENT_FUNDS, FEE_BELOW_BASE, INTRINSIC_GAS, INIT_CODE_SIZE or AUTHORIZATION_LIST.
            Interrupted: raised by `meter`.
        """

    def access_list(self, state_root: bytes, context: BlockContext, request: CallRequest, meter: Meter | None = None) -> AccessOutcome:
        """As `call`; tells besides what was accessed, the request's own access list included, apart from what is warm anyway.

        Raises:
            InvalidTransaction, Interrupted: as for `call`.
        """

    def simulation(self, validation: bool, transfers: bool, meter: Meter) -> SimulateBlock:
        """What runs the blocks of one simulation, each on a state that is stored or that one before it left; leaves no trace.

        Args:
            validation: whether nonces and base fees must be right; senders and signatures are never looked at.
            transfers: whether logs tell of transfers of value too.
            meter: as for `call`.

        Raises (what it returns does):
            InvalidTransaction: a call is no transaction that could be in the block: NONCE_TOO_LOW, NONCE_TOO_HIGH, NONCE_MAX,
                FEE_BELOW_BASE, TIP_ABOVE_FEE, INTRINSIC_GAS, INSUFFICIENT_FUNDS, GAS_LIMIT, INIT_CODE_SIZE or AUTHORIZATION_LIST.
            InvalidQuery: OVER_LIMIT: what comes of the simulation is too large.
            Interrupted: raised by `meter`.
        """

    def trace_call(self, state_root: bytes, context: BlockContext, request: CallRequest, config: TraceConfig, meter: Meter) -> bytes:
        """As `call`; the trace as JSON (docs/json-rpc.md, Traces).

        Raises:
            InvalidTransaction, Interrupted: as for `call`.
            InvalidQuery: OVER_LIMIT: the trace is too large.
        """

    def trace_block(
        self,
        parent_state_root: bytes,
        context: BlockContext,
        items: Sequence[CrossShardReceipt | tuple[Transaction, bytes]],
        wanted: Container[int],
        config: TraceConfig,
        meter: Meter,
    ) -> tuple[bytes, ...]:
        """Runs a valid block, or its beginning, again; the traces, as JSON, of those of its items that are wanted.

        Args:
            parent_state_root: of its parent.
            context: its own.
            items: its inbound receipts, then its user transactions, each with its sender.
            wanted: places in `items`.
            config: of each trace.
            meter: as for `call`.

        Raises:
            InvalidQuery: OVER_LIMIT: the traces together are too large.
            Interrupted: raised by `meter`.
        """

    def terms(self, state_root: bytes) -> tuple[ChannelTerms, ...]:
        """The terms of the channels by destination, as the block that left this state had them."""

    def account(self, state_root: bytes, address: bytes) -> AccountState:
        """An account; one that does not exist reads as empty."""

    def code(self, state_root: bytes, address: bytes) -> bytes:
        """An account's code."""

    def storage(self, state_root: bytes, address: bytes, slot: int) -> int:
        """A word of an account's storage."""

    def proof(self, state_root: bytes, address: bytes, slots: Sequence[int], meter: Meter) -> AccountProof:
        """An account and words of its storage with their Merkle proofs.

        Raises:
            Interrupted: raised by `meter`, which is asked before each slot.
        """

    def summary(self, state_root: bytes) -> Summary:
        """The Summary as Outbox and Inbox hold it."""

    def take_forgotten(self) -> int:
        """How many contracts' translations were forgotten for want of room since this was last asked."""

    def iterate_accounts(self, state_root: bytes, after: bytes = b"") -> Iterator[tuple[bytes, AccountState]]:
        """Accounts by keccak of their address, in trie order, from just above the key `after`: for audits."""

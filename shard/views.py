"""What a shard tells its readers: frozen structures that travel between executor, node and JSON-RPC as MessagePack.

MessagePack has no integers above 64 bits, so wei and other 256-bit quantities travel as `Big` (big-endian bytes, no
leading zeros) and are made by `big` and read by `small`.
"""

from __future__ import annotations

import msgspec

Big = bytes
"""A 256-bit quantity: big-endian bytes without leading zeros (empty for 0)."""
AccessList = tuple[tuple[bytes, tuple[bytes, ...]], ...]
"""EIP-2930: (address, storage keys of 32 bytes) pairs."""
BlockSelector = int | bytes | str
"""A height, a block hash, or one of `earliest latest safe finalized` (`pending` reads as `latest`)."""


def big(value: int) -> Big:
    """`value` as it travels."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def small(value: Big) -> int:
    """The integer that travelled as `value`."""
    return int.from_bytes(value, "big")


class LogView(msgspec.Struct, frozen=True):
    """One log of a finalized block."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    block_hash: bytes
    transaction_hash: bytes
    transaction_index: int
    log_index: int
    """Position in the block."""
    block_timestamp: int
    """Seconds since 1970."""


class TransactionView(msgspec.Struct, frozen=True):
    """A transaction of a finalized block, user (types 0 to 4) or inbound receipt (0x7d)."""

    hash: bytes
    raw: bytes
    """Signed bytes, or 0x7d and its ABI encoding."""
    sender: bytes
    """Recovered signer; the alias for a 0x7d call, the receipt's sender for a credit."""
    block_number: int
    block_hash: bytes
    index: int
    base_fee: Big
    """Of its block, wei a gas."""
    timestamp: int
    """Of its block, seconds since 1970."""


class ReceiptView(msgspec.Struct, frozen=True):
    """What the EVM left for a transaction."""

    transaction: TransactionView
    status: int
    gas_used: int
    cumulative_gas_used: int
    effective_gas_price: Big
    logs_bloom: bytes
    logs: tuple[LogView, ...]
    to: bytes | None
    contract_address: bytes | None


class BlockView(msgspec.Struct, frozen=True):
    """A finalized block with its transactions in order, inbound receipts first."""

    hash: bytes
    header: bytes
    """RLP of `primitives.headers.ShardHeader`."""
    size: int
    """Bytes of the encoded block."""
    transactions: tuple[TransactionView, ...]


class AccountView(msgspec.Struct, frozen=True):
    """An account at one block."""

    nonce: int
    balance: Big
    code_hash: bytes
    has_contract_code: bool = False
    """Code other than an EIP-7702 delegation: such an account cannot send transactions (EIP-3607)."""


class SlotProof(msgspec.Struct, frozen=True):
    """A storage word, and why it is that."""

    word: Big
    nodes: tuple[bytes, ...]
    """RLP of the storage trie's nodes on the way to it, from the root on; none where the account has no storage."""


class AccountProof(msgspec.Struct, frozen=True):
    """An account at one block, and why it is that (EIP-1186); one that does not exist is empty, and the proof shows its absence."""

    nonce: int
    balance: Big
    code_hash: bytes
    storage_root: bytes
    nodes: tuple[bytes, ...]
    """RLP of the state trie's nodes on the way to it, from the root on."""
    slots: tuple[SlotProof, ...]
    """In the order asked."""


class AccountOverride(msgspec.Struct, frozen=True):
    """What an account is taken to be in a simulated call; None where it is as the state has it."""

    address: bytes
    balance: Big | None = None
    nonce: int | None = None
    code: bytes | None = None
    words: tuple[tuple[bytes, bytes], ...] = ()
    """(slot, word) pairs, 32 bytes each."""
    is_whole_storage: bool = False
    """`words` are all of the account's storage, and not changes to it."""


class SignedAuthorization(msgspec.Struct, frozen=True):
    """A signed delegation of an account to code (EIP-7702)."""

    chain_id: Big
    address: bytes
    nonce: int
    y_parity: int
    r: Big
    s: Big


class CallRequest(msgspec.Struct, frozen=True):
    """A message call to simulate; None where the caller left it out."""

    sender: bytes
    to: bytes | None
    gas: int | None
    gas_price: Big
    """Wei a gas the sender pays; 0 skips the base fee check."""
    value: Big
    data: bytes
    access_list: AccessList = ()
    authorizations: tuple[SignedAuthorization, ...] = ()
    overrides: tuple[AccountOverride, ...] = ()
    """At most one an address; they hold before the call."""


class CallOutcome(msgspec.Struct, frozen=True):
    """What a simulated call did."""

    success: bool
    output: bytes
    """Return data, or the revert's raw bytes."""
    gas_used: int
    error: str
    """Empty on success; `execution reverted` or the EVM's reason otherwise."""


class TraceConfig(msgspec.Struct, frozen=True):
    """What is to be told of a transaction while it runs again."""

    tracer: str = ""
    """`callTracer`, `prestateTracer`, Otterscan's `flat`, `internal` and `error`; empty: every step."""
    only_top_call: bool = False
    with_log: bool = False
    diff_mode: bool = False
    disable_code: bool = False
    disable_storage: bool = False
    """Of steps and of `prestateTracer`."""
    disable_stack: bool = False
    enable_memory: bool = False
    enable_return_data: bool = False
    limit: int = 0
    """Steps told; 0: all."""


class FeeHistoryBlock(msgspec.Struct, frozen=True):
    """One block's part in eth_feeHistory."""

    number: int
    base_fee: Big
    next_base_fee: Big
    gas_used: int
    gas_limit: int
    rewards: tuple[Big, ...]
    """Effective priority fees at the asked percentiles, weighted by gas."""


class Estimate(msgspec.Struct, frozen=True):
    """Least gas limit with which a call succeeds; None when it does not, whatever it is given."""

    gas: int | None
    failure: CallOutcome | None
    """How it fails with all the gas it may have."""


class AccessOutcome(msgspec.Struct, frozen=True):
    """What a simulated call accesses, and what it does when that is its access list."""

    access_list: AccessList
    outcome: CallOutcome


class LogFilter(msgspec.Struct, frozen=True):
    """Which logs are asked for."""

    first: BlockSelector = "latest"
    last: BlockSelector = "latest"
    block_hash: bytes | None = None
    """Asks for this one block instead of a range."""
    addresses: tuple[bytes, ...] = ()
    """Any of these; empty: any at all."""
    topics: tuple[tuple[bytes, ...] | None, ...] = ()
    """By position: any of these; None or empty: any at all."""


class SearchPage(msgspec.Struct, frozen=True):
    """Transactions that an account is party to: it sent them, was called or made by them, or logged in them."""

    receipts: tuple[ReceiptView, ...]
    """In the direction of the search, whole blocks."""
    is_last: bool
    """There are none beyond these."""


class BalancePage(msgspec.Struct, frozen=True):
    """A part of the walk over all accounts of one block."""

    accounts: int
    balance: Big
    """Wei of the accounts of this page together."""
    last: bytes | None
    """Keccak of the last account's address, from which the next page goes on; None: there is no next page."""


class OutgoingPath(msgspec.Struct, frozen=True):
    """A cross-shard receipt that left this shard, and what followed it in its channel up to some count."""

    receipt: bytes
    """SSZ of CrossShardReceipt."""
    accumulator_before: bytes
    """Of the channel, before the receipt."""
    following: tuple[bytes, ...]
    """Ids of the receipts after it, in order."""


class OutgoingReceipt(msgspec.Struct, frozen=True):
    """Where a cross-shard receipt left this shard."""

    id: bytes
    source: int
    destination: int
    nonce: int
    kind: int
    sender: bytes
    to: bytes
    amount: Big
    gas_limit: int
    fee: Big
    refund_to: bytes
    data: bytes
    block_number: int
    block_hash: bytes
    transaction_hash: bytes

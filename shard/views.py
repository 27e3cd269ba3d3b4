"""What a shard tells its readers: frozen structures that travel between executor, node and JSON-RPC as MessagePack.

MessagePack has no integers above 64 bits, so wei and other 256-bit quantities travel as `Big` (big-endian bytes, no
leading zeros) and are made by `big` and read by `small`.
"""

from __future__ import annotations

import msgspec

Big = bytes
"""A 256-bit quantity: big-endian bytes without leading zeros (empty for 0)."""


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


class CallRequest(msgspec.Struct, frozen=True):
    """A message call to simulate; None where the caller left it out."""

    sender: bytes
    to: bytes | None
    gas: int | None
    gas_price: Big
    """Wei a gas the sender pays; 0 skips the base fee check."""
    value: Big
    data: bytes
    access_list: tuple[tuple[bytes, tuple[bytes, ...]], ...] = ()


class CallOutcome(msgspec.Struct, frozen=True):
    """What a simulated call did."""

    success: bool
    output: bytes
    """Return data, or the revert's raw bytes."""
    gas_used: int
    error: str
    """Empty on success; `execution reverted` or the EVM's reason otherwise."""


class FeeHistoryBlock(msgspec.Struct, frozen=True):
    """One block's part in eth_feeHistory."""

    number: int
    base_fee: Big
    next_base_fee: Big
    gas_used: int
    gas_limit: int
    rewards: tuple[Big, ...]
    """Effective priority fees at the asked percentiles, weighted by gas."""


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


BlockSelector = int | bytes | str
"""A height, a block hash, or one of `earliest latest safe finalized` (`pending` reads as `latest`)."""

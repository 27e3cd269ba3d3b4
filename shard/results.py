"""What block work of a shard takes and gives, as it travels between node and executor (MessagePack)."""

from __future__ import annotations

import msgspec

from shard.views import Big


class BlockResult(msgspec.Struct, frozen=True):
    """A valid, executed block."""

    hash: bytes
    parent: bytes
    number: int
    timestamp: int
    header: bytes
    """RLP of `primitives.headers.ShardHeader`."""
    summary: bytes
    """SSZ of `primitives.receipts.Summary` after the block."""
    gas_used: int
    base_fee: Big
    next_base_fee: Big
    """Of a child, wei a gas."""
    transaction_hashes: tuple[bytes, ...]
    """User transactions, in order."""
    senders: dict[bytes, tuple[int, Big]]
    """(nonce, balance) after the block of each account that sent in it."""
    execution_ms: int
    supply: Big
    """Wei of all accounts after the block: the genesis supply and the change of balances of every block since."""


class RejectedTransaction(msgspec.Struct, frozen=True):
    """A candidate that cannot be in a child of this parent."""

    hash: bytes
    code: str
    """Code of its `TransactionReason`."""
    message: str


class Built(msgspec.Struct, frozen=True):
    """A block this node has built and executed."""

    block: bytes
    """SSZ of `primitives.blocks.ShardBlock`."""
    result: BlockResult
    rejected: tuple[RejectedTransaction, ...]
    too_slow: tuple[bytes, ...]
    """Hashes of transactions that alone overran their share of the build budget."""


class FinalizedBlock(msgspec.Struct, frozen=True):
    """A block made canonical."""

    hash: bytes
    number: int
    timestamp: int
    transaction_hashes: tuple[bytes, ...]
    senders: dict[bytes, tuple[int, Big]]
    gas_used: int
    next_base_fee: Big
    receipts_delivered: int
    sent: dict[int, tuple[int, int]]
    """Outgoing receipts by destination: [first nonce, end nonce)."""
    programs_forgotten: int = 0
    """Contracts whose translations the engine has forgotten since the last block that told of some, as there were too many."""


class HeadInfo(msgspec.Struct, frozen=True):
    """Where a shard's store is."""

    result: BlockResult
    """Of the newest canonical block; for genesis `parent` is zero."""
    finalized_number: int
    """Height of the newest crosslinked block that the store was told of."""
    genesis_header: bytes
    genesis_supply: Big

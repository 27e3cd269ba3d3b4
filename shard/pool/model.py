"""What goes into the pool and what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from primitives.types import Address
from shard.transactions import Transaction


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Operator settings of one shard's pool."""

    transactions_max: int = 65_536
    transactions_per_sender_max: int = 2_048
    bytes_max: int = 64 * 1024 * 1024
    """Sum of signed bytes; decoded, a transaction takes several times as much memory."""
    queued_lifetime_ms: int = 3 * 3_600_000
    """How long a transaction may wait behind a nonce gap."""
    price_bump_percent: int = 10
    """By how much a replacement must raise both max fee and tip."""
    too_slow_hashes_max: int = 4_096
    """Hashes remembered of transactions that overran the build budget alone."""


class DropReason(Enum):
    """Why a transaction left the pool; a metric label."""

    NONCE_USED = "nonce_used"
    """A block took it, or another one with its nonce."""
    REPLACED = "replaced"
    EVICTED = "evicted"
    """Room was needed for one worth more."""
    EXPIRED = "expired"
    """It waited behind a nonce gap for too long."""
    UNAFFORDABLE = "unaffordable"
    """Its sender's balance fell below what it may cost."""
    INVALID = "invalid"
    """A block builder found that it cannot be executed."""
    TOO_SLOW = "too_slow"


@dataclass(frozen=True, slots=True)
class PoolTransaction:
    """A transaction in the pool."""

    transaction: Transaction
    sender: Address
    arrival: int
    """Counts additions to this pool; the tie-breaker among equal tips."""
    arrived_ms: int
    """When it was added, in the caller's time."""

    @property
    def hash(self) -> bytes:
        """The transaction's hash."""
        return self.transaction.hash


@dataclass(frozen=True, slots=True)
class Added:
    """What an addition changed."""

    is_pending: bool
    """Executable: no nonce is missing before it."""
    replaced: bytes | None
    """Hash of the transaction with the same sender and nonce that it displaced."""
    evicted: tuple[bytes, ...]
    """Hashes of transactions that made room."""


@dataclass(frozen=True, slots=True)
class PoolContent:
    """The transactions of one or all senders, by rising nonce."""

    pending: Mapping[Address, tuple[PoolTransaction, ...]]
    """Executable: from the sender's next nonce without a gap."""
    queued: Mapping[Address, tuple[PoolTransaction, ...]]
    """Behind a nonce gap."""

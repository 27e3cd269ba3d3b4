"""What eth_simulateV1 asks of a shard and is told: blocks of calls on top of one another, as they travel (see `shard.views`)."""

from __future__ import annotations

import msgspec

from shard.views import AccessList, AccountOverride, Big, CallOutcome, LogView, SignedAuthorization


class CallToSimulate(msgspec.Struct, frozen=True):
    """A transaction that nobody signed; None where the caller left it out."""

    sender: bytes
    to: bytes | None
    nonce: int | None
    gas: int | None
    max_fee: Big
    """Wei a gas."""
    tip: Big
    value: Big
    data: bytes
    access_list: AccessList = ()
    authorizations: tuple[SignedAuthorization, ...] = ()


class BlockToSimulate(msgspec.Struct, frozen=True):
    """A block to make, with what replaces its fields and the state before it."""

    number: int
    timestamp: int
    coinbase: bytes | None = None
    """None: as the block it is all on top of has it, as with `gas_limit`."""
    gas_limit: int | None = None
    base_fee: Big | None = None
    """Wei a gas; None: what follows from the parent when all is checked, otherwise 0."""
    prev_randao: bytes = bytes(32)
    overrides: tuple[AccountOverride, ...] = ()
    """At most one an address; of a built-in contract it takes the contract away."""
    moves: tuple[tuple[bytes, bytes], ...] = ()
    """Built-in contracts, each with the address it moves to."""
    calls: tuple[CallToSimulate, ...] = ()


class SimulatedTransaction(msgspec.Struct, frozen=True):
    """A call as the transaction it makes, without a signature."""

    hash: bytes
    type: int
    sender: bytes
    to: bytes | None
    nonce: int
    gas: int
    max_fee: Big
    tip: Big
    price: Big
    """Wei a gas paid."""
    value: Big
    data: bytes
    access_list: AccessList
    authorizations: tuple[SignedAuthorization, ...]


class SimulatedCall(msgspec.Struct, frozen=True):
    """What a call did."""

    outcome: CallOutcome
    gas_before_refunds: int
    logs: tuple[LogView, ...]


class SimulatedBlock(msgspec.Struct, frozen=True):
    """A block that was made."""

    hash: bytes
    header: bytes
    """RLP of `primitives.headers.ShardHeader`."""
    size: int
    """Bytes of its RLP."""
    transactions: tuple[SimulatedTransaction, ...]
    calls: tuple[SimulatedCall, ...]

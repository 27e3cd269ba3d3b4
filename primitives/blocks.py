"""Beacon blocks, crosslinks and shard blocks in their wire form (PROTOCOL 4 and 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from primitives.receipts import CHANNELS_MAX, ChannelTotals, CrossShardReceipt
from primitives.ssz import ByteList, Bytes32, Bytes96, Container, Repeated, Uint8, Uint32, Uint64, Uint256
from primitives.votes import BLOCK_BYTES_MAX, Certificate, Instance, Vote

BLOCK_VERSION = 1
HEADER_BYTES_MAX = 1024
SHARDS_MAX = 32
TRANSACTION_BYTES_MAX = 128 * 1024
"""One user transaction, as geth's pool limits it."""
TRANSACTIONS_PER_BLOCK_MAX = 65_536
INBOUND_PER_BLOCK_MAX = 4096
EVIDENCE_PER_BLOCK_MAX = 16
OPERATIONS_PER_BLOCK_MAX = 64
OPERATION_BYTES_MAX = 1024


@dataclass(frozen=True, slots=True)
class SummaryChange(Container):
    """One channel entry of a Summary that differs from the beacon's stored one."""

    chain: Uint32
    totals: ChannelTotals


@dataclass(frozen=True, slots=True)
class Crosslink(Container):
    """A finalized shard block, recorded in the beacon chain."""

    shard: Uint32
    header: Annotated[bytes, ByteList(HEADER_BYTES_MAX)]
    """RLP; its keccak is the hash the shard's committee voted on."""
    burned: Uint256
    fees: Uint256
    outgoing: Annotated[tuple[SummaryChange, ...], Repeated(CHANNELS_MAX)]
    """Changed entries, by rising chain number."""
    incoming: Annotated[tuple[SummaryChange, ...], Repeated(CHANNELS_MAX)]
    finalization: Certificate
    """Names the instance; its root is the header's keccak."""


@dataclass(frozen=True, slots=True)
class Evidence(Container):
    """Two votes of one validator in one instance and view that no honest one casts (PROTOCOL 2)."""

    first: Vote
    second: Vote


@dataclass(frozen=True)
class BeaconBlock(Container):
    """A block of the coordinator; its root (hash tree root) is what is voted on."""

    encoded_bytes_max: ClassVar[int] = BLOCK_BYTES_MAX
    remembers_root: ClassVar[bool] = True

    version: Uint8
    height: Uint64
    view: Uint64
    epoch: Uint64
    parent_root: Bytes32
    parent_certificate: Certificate
    """Notarization or finalization of the parent, or the base certificate of the instance."""
    proposer: Uint32
    timestamp: Uint64
    """Seconds since 1970."""
    randao_reveal: Bytes96
    crosslinks: Annotated[tuple[Crosslink, ...], Repeated(SHARDS_MAX)]
    """At most one a shard, by rising shard."""
    evidence: Annotated[tuple[Evidence, ...], Repeated(EVIDENCE_PER_BLOCK_MAX)]
    operations: Annotated[tuple[Annotated[bytes, ByteList(OPERATION_BYTES_MAX)], ...], Repeated(OPERATIONS_PER_BLOCK_MAX)]
    """Empty until the economy is built."""
    state_root: Bytes32


@dataclass(frozen=True, slots=True)
class ShardBlock(Container):
    """A block of a shard chain; what is voted on is the keccak of `header`, which commits to the rest."""

    encoded_bytes_max: ClassVar[int] = BLOCK_BYTES_MAX

    header: Annotated[bytes, ByteList(HEADER_BYTES_MAX)]
    """RLP of a Prague header (primitives/headers.py)."""
    inbound: Annotated[tuple[CrossShardReceipt, ...], Repeated(INBOUND_PER_BLOCK_MAX)]
    """In the inbound order of PROTOCOL 5; they are the block's first transactions."""
    transactions: Annotated[tuple[Annotated[bytes, ByteList(TRANSACTION_BYTES_MAX)], ...], Repeated(TRANSACTIONS_PER_BLOCK_MAX)]
    """User transactions, signed bytes as received (EIP-2718)."""


@dataclass(frozen=True, slots=True)
class ExtraData(Container):
    """A shard header's `extra_data`: what agreement needs to know and the EVM does not (29 bytes)."""

    encoded_bytes_max: ClassVar[int] = 29

    version: Uint8
    epoch: Uint64
    """c of the instance the block was built in."""
    view: Uint64
    proposer: Uint32
    missing: Uint64
    """Bit s set: source s was passed over because its next bundle is missing here; at most CHANNELS_MAX bits."""


CHANNEL_CLOSED = 1
"""In `ChannelTerms.closed`: nothing new may be sent there."""
RETURN_CHANNEL_CLOSED = 2
"""Likewise: no call whose result comes back may be sent there, because the channel back is closed."""


@dataclass(frozen=True, slots=True)
class ChannelTerms(Container):
    """What a shard must know of a destination to send there."""

    base_fee: Uint256
    """Wei a gas, as of the destination's newest crosslink."""
    closed: Uint8
    """CHANNEL_CLOSED, RETURN_CHANNEL_CLOSED, their sum, or 0."""


@dataclass(frozen=True, slots=True)
class ShardReference(Container):
    """What a shard block takes from the beacon block it references; computed from that block's state alone."""

    root: Bytes32
    """The beacon block: the header's parent_beacon_block_root (EIP-4788)."""
    height: Uint64
    epoch: Uint64
    mix: Bytes32
    """The header's prev_randao."""
    terms: Annotated[tuple[ChannelTerms, ...], Repeated(CHANNELS_MAX)]
    """By destination chain number."""
    inbound: Annotated[tuple[ChannelTotals, ...], Repeated(CHANNELS_MAX)]
    """By source: recorded `out[this shard]`, up to which receipts are deliverable."""


def sources_of(missing: int) -> tuple[int, ...]:
    """Chain numbers whose bit is set in `ExtraData.missing`."""
    return tuple(s for s in range(missing.bit_length()) if missing >> s & 1)


def instance_of(chain: int, extra: ExtraData) -> Instance:
    """The instance a shard block was built in."""
    return Instance(chain, extra.epoch)

"""The beacon chain's state: registry, frozen epochs, shard records, and every term of the supply invariant (PROTOCOL 3, 4)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar

from consensus.committee import Committee, Member
from primitives.blocks import SHARDS_MAX
from primitives.genesis import VALIDATORS_MAX
from primitives.receipts import CHANNELS_MAX, ChannelTotals, Summary
from primitives.ssz import Bytes20, Bytes32, Bytes48, Container, Repeated, Uint8, Uint32, Uint64, Uint256
from primitives.types import ValidatorIndex

EPOCH_SETS_MAX = 128
"""Frozen epochs kept: the current and the next one, and each one that began a run some chain still needs."""
HANDOVER_ROOTS_MAX = 1024
"""Beacon blocks remembered while a shard's instance is being closed; above the largest `handover_blocks`."""


@dataclass(frozen=True)
class ValidatorRecord(Container):
    """A validator; its position in the registry is its index, never reused."""

    remembers_root: ClassVar[bool] = True

    public_key: Bytes48
    stake: Uint256
    """Own stake in wei; frozen sets copy it."""
    fee_address: Bytes20
    """Receives the tips of its blocks on every shard."""
    slashed_at: Uint64
    """Beacon height whose block carried evidence against it; 0: none. It is in no set frozen from then on."""


@dataclass(frozen=True)
class FrozenMember(Container):
    """A validator as an epoch was frozen with it."""

    remembers_root: ClassVar[bool] = True

    index: Uint32
    public_key: Bytes48
    stake: Uint256
    """Weight in wei."""


@dataclass(frozen=True)
class EpochSet(Container):
    """Validators, weights and seed of one epoch, frozen an epoch ahead (PROTOCOL 3)."""

    remembers_root: ClassVar[bool] = True
    remembers_encoding: ClassVar[bool] = True

    epoch: Uint64
    seed: Bytes32
    """The mix it was frozen from; leaders and committees are drawn from it."""
    members: Annotated[tuple[FrozenMember, ...], Repeated(VALIDATORS_MAX)]
    """By rising index."""
    runs: Annotated[tuple[Uint64, ...], Repeated(CHANNELS_MAX)]
    """By chain number: the first epoch of the unbroken run with this epoch's committee, the c of its instance."""

    @cached_property
    def everyone(self) -> Committee:
        """All members as one committee, in order of their indices."""
        return Committee(tuple(Member(ValidatorIndex(m.index), m.public_key, m.stake) for m in self.members))


@dataclass(frozen=True)
class ShardRecord(Container):
    """What the beacon chain knows of one shard: its newest crosslink, its totals, its instance and its channels."""

    remembers_root: ClassVar[bool] = True

    height: Uint64
    hash: Bytes32
    """Of the newest crosslinked block; with `height`, the shard's `finalized` once this beacon block is."""
    base_fee: Uint256
    """Of that block, wei a gas: what the other shards quote."""
    timestamp: Uint64
    """Of that block, seconds since 1970."""
    instance_epoch: Uint64
    """c of the open instance."""
    base_height: Uint64
    base_hash: Bytes32
    """With `base_height`: the crosslinked block the open instance starts from."""
    closes_from: Uint64
    """First beacon height of the run that ends the open instance; 0 while none does."""
    summary: Summary
    """As committed to by the newest crosslinked header."""
    supply: Uint256
    """Wei held by the shard's accounts."""
    closed: Annotated[tuple[Uint8, ...], Repeated(CHANNELS_MAX)]
    """By destination: 1 where the shard's Outbox refuses to send."""


@dataclass(frozen=True)
class BeaconState(Container):
    """Everything the next beacon block is judged by; its hash tree root is the block's `state_root`."""

    remembers_root: ClassVar[bool] = True
    remembers_encoding: ClassVar[bool] = True

    height: Uint64
    epoch: Uint64
    """Of `height`."""
    timestamp: Uint64
    mix: Bytes32
    """Randomness after this block: sha256 of the previous mix and the block's reveal."""
    validators: Annotated[tuple[ValidatorRecord, ...], Repeated(VALIDATORS_MAX)]
    votes_due: Annotated[tuple[Uint32, ...], Repeated(VALIDATORS_MAX)]
    """By validator: certificates of this epoch's blocks and crosslinks whose committee it sat on."""
    votes_seen: Annotated[tuple[Uint32, ...], Repeated(VALIDATORS_MAX)]
    """By validator: those that carry its vote."""
    epoch_sets: Annotated[tuple[EpochSet, ...], Repeated(EPOCH_SETS_MAX)]
    """By rising epoch; the last two are the epoch of the next block and the one after it."""
    shards: Annotated[tuple[ShardRecord, ...], Repeated(SHARDS_MAX)]
    handover_start: Uint64
    """Beacon height of the first of `handover_roots`."""
    handover_roots: Annotated[tuple[Bytes32, ...], Repeated(HANDOVER_ROOTS_MAX)]
    """Beacon blocks since the earliest `closes_from` still open: a crosslinked block that references one may be a boundary."""
    own: Summary
    """The beacon chain's totals as a source and destination of receipts."""
    in_flight: Annotated[tuple[Annotated[tuple[Uint256, ...], Repeated(CHANNELS_MAX)], ...], Repeated(CHANNELS_MAX)]
    """Wei sent and not yet taken in, by source, then destination."""
    genesis_wei: Uint256
    issued: Uint256
    burned: Uint256
    fee_pool: Uint256
    treasury: Uint256
    unclaimed: Uint256
    delegated: Uint256
    queued: Uint256
    unbonding: Uint256

    @property
    def beacon(self) -> int:
        """Chain number of the beacon chain."""
        return len(self.shards)

    def summary_of(self, chain: int) -> Summary:
        """Recorded totals of a chain."""
        return self.own if chain == self.beacon else self.shards[chain].summary

    def recorded_out(self, source: int, destination: int) -> ChannelTotals:
        """What `source` has sent to `destination` as of its newest crosslink: up to here receipts are deliverable."""
        return self.summary_of(source).outgoing[destination]

    def recorded_in(self, source: int, destination: int) -> ChannelTotals:
        """What `destination` has taken in from `source` as of its newest crosslink."""
        return self.summary_of(destination).incoming[source]

"""The beacon chain's first block and state (PROTOCOL 3: epochs 0 and 1 come from genesis)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from consensus.beacon.state import BeaconState, EpochSet, FrozenMember, ShardRecord, ValidatorRecord
from primitives.blocks import BLOCK_VERSION, BeaconBlock
from primitives.genesis import Genesis
from primitives.headers import ShardHeader
from primitives.receipts import empty_summary
from primitives.types import ZERO_ROOT
from primitives.votes import EMPTY_SIGNATURE, Instance, base_certificate


@dataclass(frozen=True, slots=True)
class ShardGenesis:
    """A shard's block 0 as the beacon chain records it."""

    header: bytes
    """RLP of its header."""
    supply: int
    """Wei of all its genesis accounts."""


def build_genesis_state(genesis: Genesis, shard_genesis: Sequence[ShardGenesis]) -> tuple[BeaconBlock, BeaconState]:
    """The beacon chain's block 0 and its state; `shard_genesis` by shard number, made from the same genesis file.

    Every channel to the beacon chain is closed (docs/decisions/0002-channel-to-the-beacon-stays-closed.md).
    """
    parameters = genesis.parameters
    chains = parameters.shard_count + 1
    assert len(shard_genesis) == parameters.shard_count, "one genesis block a shard"
    validators = tuple(ValidatorRecord(v.public_key, v.stake, v.fee_address, 0) for v in genesis.validators)
    members = tuple(FrozenMember(i, v.public_key, v.stake) for i, v in enumerate(validators))
    stakes, supply = sum(v.stake for v in validators), sum(shard.supply for shard in shard_genesis)
    state = BeaconState(
        height=0,
        epoch=0,
        timestamp=genesis.timestamp,
        mix=genesis.seed,
        validators=validators,
        votes_due=(0,) * len(validators),
        votes_seen=(0,) * len(validators),
        epoch_sets=tuple(EpochSet(epoch, genesis.seed, members, (0,) * chains) for epoch in (0, 1)),
        shards=tuple(_shard_record(shard, parameters.shard_count) for shard in shard_genesis),
        handover_start=0,
        handover_roots=(),
        own=empty_summary(parameters.shard_count),
        in_flight=((0,) * chains,) * chains,
        genesis_wei=stakes + supply,
        issued=0,
        burned=0,
        fee_pool=0,
        treasury=0,
        unclaimed=0,
        delegated=0,
        queued=0,
        unbonding=0,
    )
    block = BeaconBlock(
        version=BLOCK_VERSION,
        height=0,
        view=0,
        epoch=0,
        parent_root=ZERO_ROOT,
        parent_certificate=base_certificate(Instance(parameters.beacon, 0), ZERO_ROOT),
        proposer=0,
        timestamp=genesis.timestamp,
        randao_reveal=EMPTY_SIGNATURE,
        crosslinks=(),
        evidence=(),
        operations=(),
        state_root=state.hash_tree_root(),
    )
    return block, state


def _shard_record(genesis: ShardGenesis, shard_count: int) -> ShardRecord:
    header, summary = ShardHeader.decode(genesis.header), empty_summary(shard_count)
    assert header.number == 0, "a chain starts at height 0"
    assert header.requests_hash == summary.requests_hash(), "nothing has been sent at genesis"
    return ShardRecord(
        height=0,
        hash=header.hash(),
        base_fee=header.base_fee_per_gas,
        timestamp=header.timestamp,
        instance_epoch=0,
        base_height=0,
        base_hash=header.hash(),
        closes_from=0,
        summary=summary,
        supply=genesis.supply,
        closed=(0,) * shard_count + (1,),
    )

"""What a shard block takes from the beacon block it references (PROTOCOL 5)."""

from __future__ import annotations

from consensus.beacon.state import BeaconState
from primitives.blocks import CHANNEL_CLOSED, RETURN_CHANNEL_CLOSED, ChannelTerms, ShardReference
from primitives.types import Root


def shard_reference(state: BeaconState, block_root: Root, shard: int) -> ShardReference:
    """What `shard` needs of the beacon block `block_root`, which led to `state`.

    The beacon chain charges no gas, so its base fee is 0. A shard's terms for itself are its own base fee, open: its
    Outbox refuses itself as an unknown shard.
    """
    chains = range(state.beacon + 1)
    there = state.shards[shard].closed
    # Results go past a closed channel, so what makes them has to stop where they pile up.
    back = (*(record.closed[shard] for record in state.shards), 0)
    closed = [there[chain] * CHANNEL_CLOSED + back[chain] * RETURN_CHANNEL_CLOSED for chain in chains]
    base_fees = (*(record.base_fee for record in state.shards), 0)
    return ShardReference(
        root=block_root,
        height=state.height,
        epoch=state.epoch,
        mix=state.mix,
        terms=tuple(ChannelTerms(base_fees[chain], closed[chain]) for chain in chains),
        inbound=tuple(state.recorded_out(source, shard) for source in chains),
    )

"""Who runs which chain, in which instance, and in whose turn (PROTOCOL 2 and 3)."""

from __future__ import annotations

from consensus.beacon.state import BeaconState, EpochSet
from consensus.committee import Committee
from primitives.types import Epoch, Root
from primitives.votes import Instance


def epoch_set(state: BeaconState, epoch: int) -> EpochSet:
    """The frozen set of `epoch`, which the state must still hold (`BeaconState.epoch_sets`)."""
    found = next((held for held in state.epoch_sets if held.epoch == epoch), None)
    assert found is not None, f"the set of epoch {epoch} is not held at height {state.height}"
    return found


def current_set(state: BeaconState) -> EpochSet:
    """The set of the epoch in which the next beacon block falls."""
    return state.epoch_sets[-2]


def committee_in(members: EpochSet, chain: int) -> Committee:
    """The committee of `chain` under one frozen set: every validator serves on every chain."""
    assert 0 <= chain < len(members.runs), f"no chain {chain}"
    return members.everyone


def committee(state: BeaconState, chain: int, epoch: int) -> Committee:
    """The committee of `chain` in `epoch`, one that the state holds a frozen set of."""
    return committee_in(epoch_set(state, epoch), chain)


def instance_of(state: BeaconState, chain: int) -> Instance:
    """The instance in which the chain's next block after this state is built.

    Of a shard it is the open one, which may end later than the epoch that replaces its committee begins.
    """
    if chain == state.beacon:
        return Instance(chain, current_set(state).runs[chain])
    return Instance(chain, state.shards[chain].instance_epoch)


def committee_of(state: BeaconState, chain: int) -> Committee:
    """The committee of `instance_of(state, chain)`."""
    return committee(state, chain, instance_of(state, chain).epoch)


def leader_seed(state: BeaconState, chain: int) -> Root:
    """The seed from which the leaders of `instance_of(state, chain)` are drawn."""
    return Root(epoch_set(state, instance_of(state, chain).epoch).seed)


def is_boundary(state: BeaconState, instance: Instance) -> bool:
    """Whether a block of `instance` is the last one of it (PROTOCOL 3, Boundary).

    For a block of the beacon chain `state` is the one it leads to; for a shard block, the one of the beacon block it
    references.
    """
    chain = instance.chain
    if chain == state.beacon:
        return current_set(state).runs[chain] != instance.epoch
    record = state.shards[chain]
    return record.closes_from > 0 or record.instance_epoch != instance.epoch


def compute_epoch(height: int, epoch_length: int) -> Epoch:
    """The epoch of a beacon height: heights 1 .. epoch_length are epoch 0, and so is genesis."""
    return Epoch(max(height - 1, 0) // epoch_length)

"""What happens at the turn of an epoch, and how a shard passes from one instance to the next (PROTOCOL 3)."""

from __future__ import annotations

import itertools
from dataclasses import replace

from consensus.beacon.committees import committee_in, epoch_set
from consensus.beacon.state import BeaconState, EpochSet, FrozenMember, ShardRecord
from primitives.types import Root


def freeze_members(state: BeaconState) -> tuple[FrozenMember, ...]:
    """The registry as members of an epoch frozen now: every validator with its stake, but those slashed.

    Where that leaves nobody, the newest set stays: a chain without a committee could never tell of a better one.
    """
    members = tuple(FrozenMember(i, v.public_key, v.stake) for i, v in enumerate(state.validators) if v.slashed_at == 0)
    return members or state.epoch_sets[-1].members


def end_epoch(state: BeaconState) -> BeaconState:
    """After the last block of an epoch: freezes the epoch after the next, drops sets no longer needed, clears the counters."""
    newest = state.epoch_sets[-1]
    frozen = EpochSet(newest.epoch + 1, state.mix, freeze_members(state), newest.runs)
    runs = []
    for chain, began in enumerate(newest.runs):
        same = committee_in(frozen, chain) == committee_in(newest, chain)
        runs.append(began if same else frozen.epoch)
    frozen = replace(frozen, runs=tuple(runs))
    needed = {newest.epoch, *newest.runs, frozen.epoch, *runs, *(record.instance_epoch for record in state.shards)}
    kept = tuple(held for held in (*state.epoch_sets, frozen) if held.epoch in needed)
    cleared = (0,) * len(state.validators)
    return replace(state, epoch_sets=kept, votes_due=cleared, votes_seen=cleared)


def note_handovers(state: BeaconState, parent_root: Root) -> BeaconState:
    """Marks the shards whose committee this block's epoch replaced, and remembers the parent while one is being closed."""
    runs = epoch_set(state, state.epoch).runs
    shards = tuple(
        replace(record, closes_from=state.height) if record.closes_from == 0 and record.instance_epoch != began else record
        for record, began in zip(state.shards, runs[: state.beacon], strict=True)
    )
    parent_height = state.height - 1
    start, roots = state.handover_start, state.handover_roots
    if any(0 < record.closes_from <= parent_height for record in shards):
        start, roots = (start, (*roots, parent_root)) if roots else (parent_height, (parent_root,))
    return replace(state, shards=shards, handover_start=start, handover_roots=roots)


def is_boundary_reference(state: BeaconState, record: ShardRecord, reference: bytes) -> bool:
    """Whether a block of the shard's open instance that references `reference` is the instance's boundary."""
    if record.closes_from == 0:
        return False
    known = itertools.islice(state.handover_roots, max(record.closes_from - state.handover_start, 0), None)
    return reference in known


def open_next_instance(state: BeaconState, shard: int) -> BeaconState:
    """Ends the shard's open instance; the next one starts from the newest crosslink."""
    record = state.shards[shard]
    began = epoch_set(state, state.epoch).runs[shard]
    opened = replace(record, instance_epoch=began, base_height=record.height, base_hash=record.hash, closes_from=0)
    return replace(state, shards=(*state.shards[:shard], opened, *state.shards[shard + 1 :]))


def force_handovers(state: BeaconState, handover_blocks: int) -> BeaconState:
    """Opens the next instance of shards whose boundary was not crosslinked in time, and forgets roots nobody needs."""
    for shard, record in enumerate(state.shards):
        if 0 < record.closes_from <= state.height - handover_blocks:
            state = open_next_instance(state, shard)
    pending = [record.closes_from for record in state.shards if record.closes_from]
    if not state.handover_roots:
        return state
    if not pending:
        return replace(state, handover_start=0, handover_roots=())
    outdated = max(min(pending) - state.handover_start, 0)
    return replace(state, handover_start=state.handover_start + outdated, handover_roots=state.handover_roots[outdated:])

"""The proposer's side of the beacon chain: which crosslinks there are to carry, and the block with its state root (PROTOCOL 4)."""

from __future__ import annotations

from dataclasses import replace

from consensus.beacon.committees import compute_epoch, instance_of
from consensus.beacon.epochs import is_boundary_reference
from consensus.beacon.state import BeaconState
from consensus.beacon.transition import apply_block
from primitives.blocks import BLOCK_VERSION, BeaconBlock, Crosslink, Evidence, SummaryChange
from primitives.headers import ShardHeader
from primitives.parameters import Parameters
from primitives.receipts import ChannelTotals, Summary
from primitives.types import ZERO_ROOT, Root
from primitives.votes import Certificate


def build_crosslink(state: BeaconState, header: bytes, summary: Summary, finalization: Certificate) -> Crosslink | None:
    """The crosslink that records a block executed here; None when nothing is new or its instance is not open.

    `header` and `summary` are of the finalized block; that the shard stayed within its bounds is for `check_crosslink`.

    Raises:
        InvalidEncoding: `header` is not a shard header.
    """
    shard = finalization.instance.chain
    record = state.shards[shard]
    if finalization.instance != instance_of(state, shard) or ShardHeader.decode(header).number <= record.height:
        return None

    def changes(old: tuple[ChannelTotals, ...], new: tuple[ChannelTotals, ...]) -> tuple[SummaryChange, ...]:
        pairs = zip(old, new, strict=True)
        return tuple(SummaryChange(chain, after) for chain, (before, after) in enumerate(pairs) if after != before)

    return Crosslink(
        shard, header, summary.burned, summary.fees,
        changes(record.summary.outgoing, summary.outgoing), changes(record.summary.incoming, summary.incoming), finalization,
    )


def crosslink_is_work(state: BeaconState, crosslink: Crosslink) -> bool:
    """Whether a crosslink is worth a beacon block ahead of time: it changes more than its height, or closes an instance.

    An empty shard block is not, or idle chains would keep waking one another (PROTOCOL 2, Pacing).
    """
    record = state.shards[crosslink.shard]
    if crosslink.outgoing or crosslink.incoming:
        return True
    if (crosslink.burned, crosslink.fees) != (record.summary.burned, record.summary.fees):
        return True
    return is_boundary_reference(state, record, ShardHeader.decode(crosslink.header).parent_beacon_block_root)


def prepare_block(
    state: BeaconState,
    *,
    view: int,
    proposer: int,
    parent_root: Root,
    parent_certificate: Certificate,
    timestamp: int,
    reveal: bytes,
    crosslinks: tuple[Crosslink, ...],
    evidence: tuple[Evidence, ...],
    parameters: Parameters,
) -> BeaconBlock:
    """The block a leader proposes on `state`, with the root of the state it leads to.

    Crosslinks are those that `check_crosslink` lets pass, evidence what is good and news, each in any order; the time is raised to
    the parent's if it is behind.

    Raises:
        InvalidBlock: a crosslink that breaks a rule.
    """
    height = state.height + 1
    block = BeaconBlock(
        version=BLOCK_VERSION,
        height=height,
        view=view,
        epoch=compute_epoch(height, parameters.epoch_length),
        parent_root=parent_root,
        parent_certificate=parent_certificate,
        proposer=proposer,
        timestamp=max(timestamp, state.timestamp),
        randao_reveal=reveal,
        crosslinks=tuple(sorted(crosslinks, key=lambda crosslink: crosslink.shard)),
        evidence=tuple(sorted(evidence, key=lambda one: one.first.validator)),
        operations=(),
        state_root=ZERO_ROOT,
    )
    return replace(block, state_root=apply_block(state, block, parameters).hash_tree_root())

"""The beacon state transition: a state and a block to the next state, or the reason why not (PROTOCOL 3 and 4)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace

from consensus.beacon.channels import update_channels
from consensus.beacon.committees import committee_of, compute_epoch, instance_of, leader_seed
from consensus.beacon.crosslinks import apply_crosslink, verify_finalization
from consensus.beacon.epochs import end_epoch, force_handovers, note_handovers
from consensus.beacon.slashing import apply_evidence
from consensus.beacon.state import BeaconState
from consensus.beacon.supply import imbalance
from consensus.beacon.verifier import Verifier
from consensus.committee import Committee
from consensus.signatures import SignatureScheme, VerifiedCertificates
from primitives.blocks import BLOCK_VERSION, BeaconBlock
from primitives.errors import BlockReason, InvalidBlock, InvalidConsensusMessage
from primitives.hashing import sha256
from primitives.parameters import Parameters
from primitives.types import Root
from primitives.votes import Certificate, VoteKind, base_certificate


def process_block(
    state: BeaconState,
    block: BeaconBlock,
    *,
    parent_root: Root,
    genesis_root: Root,
    parameters: Parameters,
    scheme: SignatureScheme,
    verified: VerifiedCertificates | None = None,
) -> BeaconState:
    """The state after `block`, whose parent has the root `parent_root` and led to `state`.

    Cheap rules come first, signatures last.

    Raises:
        InvalidBlock: the first rule that is broken.
    """
    _check_place(state, block, parent_root, parameters)
    after = apply_block(state, block, parameters)
    if block.state_root != after.hash_tree_root():
        raise InvalidBlock(BlockReason.BAD_STATE_ROOT, f"height {block.height}")
    _verify_signatures(state, block, Verifier(scheme, genesis_root, parameters.fork_version, verified))
    return after


def apply_block(state: BeaconState, block: BeaconBlock, parameters: Parameters) -> BeaconState:
    """What a block in its right place does to the state; neither signatures nor its `state_root` are looked at.

    Raises:
        InvalidBlock: NOT_BUILT_YET, MALFORMED, BAD_EVIDENCE, SUPPLY_MISMATCH, or a crosslink's reason.
    """
    if block.operations:
        raise InvalidBlock(BlockReason.NOT_BUILT_YET, "operations are not taken in yet")
    shards = [crosslink.shard for crosslink in block.crosslinks]
    if any(first >= second for first, second in itertools.pairwise(shards)):
        raise InvalidBlock(BlockReason.MALFORMED, "at most one crosslink a shard, by rising shard")
    before, beacon = state, state.beacon
    state = replace(
        state,
        height=block.height,
        epoch=block.epoch,
        timestamp=block.timestamp,
        mix=sha256(state.mix + block.randao_reveal),
    )
    state = apply_evidence(state, block.evidence, block.proposer, parameters)
    state = note_handovers(state, Root(block.parent_root))
    for crosslink in block.crosslinks:
        state = apply_crosslink(state, crosslink, parameters)
    state = force_handovers(state, parameters.handover_blocks)
    state = update_channels(state, parameters.channel_backlog_max)
    proofs = [(block.parent_certificate, committee_of(before, beacon))] if block.parent_certificate.kind != VoteKind.BASE else []
    proofs += [(crosslink.finalization, committee_of(before, crosslink.shard)) for crosslink in block.crosslinks]
    state = _count_participation(state, proofs)
    if block.height % parameters.epoch_length == 0:
        state = end_epoch(state)
    surplus = imbalance(state)
    if surplus:
        raise InvalidBlock(BlockReason.SUPPLY_MISMATCH, f"{surplus} wei too many at height {block.height}")
    return state


def _check_place(state: BeaconState, block: BeaconBlock, parent_root: Root, parameters: Parameters) -> None:
    """Where the block stands: version, height, epoch, parent, view, proposer and time."""
    def need(condition: bool, reason: BlockReason, why: str) -> None:
        if not condition:
            raise InvalidBlock(reason, f"beacon block {block.height}: {why}")

    need(block.version == BLOCK_VERSION, BlockReason.MALFORMED, f"version {block.version}, not {BLOCK_VERSION}")
    need(block.height == state.height + 1, BlockReason.WRONG_HEIGHT, f"the parent's is {state.height}")
    epoch = compute_epoch(block.height, parameters.epoch_length)
    need(block.epoch == epoch, BlockReason.WRONG_EPOCH, f"epoch {block.epoch}, not {epoch}")
    need(block.parent_root == parent_root, BlockReason.WRONG_PARENT, "its parent is another block")
    need(block.view > block.parent_certificate.view, BlockReason.WRONG_VIEW, "its view is not above its parent's")
    _check_parent_certificate(state, block.parent_certificate, parent_root, parameters)
    leader = committee_of(state, state.beacon).leader(leader_seed(state, state.beacon), state.beacon, block.view)
    need(block.proposer == leader.index, BlockReason.WRONG_PROPOSER, f"view {block.view} is {leader.index}'s, not {block.proposer}'s")
    need(block.timestamp >= state.timestamp, BlockReason.BAD_TIMESTAMP, "older than its parent")


def _check_parent_certificate(state: BeaconState, certificate: Certificate, parent_root: Root, parameters: Parameters) -> None:
    """What the certificate says; that it was signed is checked later. The base, and only it, needs no signatures."""
    def need(condition: bool, why: str) -> None:
        if not condition:
            raise InvalidBlock(BlockReason.BAD_PARENT_CERTIFICATE, why)

    instance = instance_of(state, state.beacon)
    need(certificate.instance == instance, f"of {certificate.instance}, not {instance}")
    need(certificate.root == parent_root, "of another block")
    if state.height == instance.epoch * parameters.epoch_length:
        need(certificate == base_certificate(instance, parent_root), "an instance's first block stands on the base certificate")
    else:
        need(certificate.kind in (VoteKind.NOTARIZE, VoteKind.FINALIZE), "neither a notarization nor a finalization")
        need(len(certificate.participation) == len(committee_of(state, state.beacon).members), "one participation bit a member")


def _verify_signatures(state: BeaconState, block: BeaconBlock, verifier: Verifier) -> None:
    committee = committee_of(state, state.beacon)
    if block.parent_certificate.kind != VoteKind.BASE:
        try:
            verifier.certificate(block.parent_certificate, committee)
        except InvalidConsensusMessage as error:
            raise InvalidBlock(BlockReason.BAD_PARENT_CERTIFICATE, str(error)) from error
    if not verifier.reveal(state.validators[block.proposer].public_key, state.beacon, block.height, block.randao_reveal):
        raise InvalidBlock(BlockReason.BAD_RANDAO, f"not the signature of validator {block.proposer} over height {block.height}")
    for evidence in block.evidence:
        verifier.evidence(evidence, state.validators[evidence.first.validator].public_key)
    for crosslink in block.crosslinks:
        verify_finalization(state, crosslink, verifier)


def _count_participation(state: BeaconState, proofs: Iterable[tuple[Certificate, Committee]]) -> BeaconState:
    due, seen = list(state.votes_due), list(state.votes_seen)
    for certificate, committee in proofs:
        for member, voted in zip(committee.members, certificate.participation, strict=True):
            due[member.index] += 1
            seen[member.index] += voted
    return replace(state, votes_due=tuple(due), votes_seen=tuple(seen))

"""How committees follow from genesis, for whoever holds no beacon chain: each boundary proves the set that comes after it.

The committee that ran the beacon chain so far has made a block final whose state holds the members of the next run: so the members
of each instance are known from those of the one before, and those of the first are in genesis (PROTOCOL 3, docs/decisions/0012).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from consensus.beacon.state import EPOCH_SETS_MAX, BeaconState, EpochSet
from consensus.beacon.verifier import Verifier
from consensus.committee import Committee, Member
from primitives.blocks import BeaconBlock
from primitives.errors import InvalidConsensusMessage, InvalidProof, ProofReason
from primitives.genesis import Genesis
from primitives.merkle import climb, element_branch, field_branch, field_position, field_roots
from primitives.ssz import Bytes32, Container, Repeated, Uint8, Uint32, Uint64
from primitives.types import ValidatorIndex
from primitives.votes import Certificate, Instance, VoteKind

_SET_BRANCH_LENGTH = (EPOCH_SETS_MAX - 1).bit_length() + 1 + 5
"""From a set to the list of sets, past the list's length, to the root of the state, which has 17 to 32 fields."""
_FOLDED = ("parent_certificate", "randao_reveal", "crosslinks", "evidence", "operations")


@dataclass(frozen=True, slots=True)
class BeaconHeader(Container):
    """A beacon block whose larger fields are given by their hash tree roots: so its own root is the block's."""

    version: Uint8
    height: Uint64
    view: Uint64
    epoch: Uint64
    parent_root: Bytes32
    parent_certificate: Bytes32
    proposer: Uint32
    timestamp: Uint64
    randao_reveal: Bytes32
    crosslinks: Bytes32
    evidence: Bytes32
    operations: Bytes32
    state_root: Bytes32


@dataclass(frozen=True, slots=True)
class SetProof(Container):
    """A frozen set of the state after a beacon block, and the way from it to the state's root."""

    members: EpochSet
    position: Uint8
    """Among the state's `epoch_sets`."""
    branch: Annotated[tuple[Bytes32, ...], Repeated(_SET_BRANCH_LENGTH)]


@dataclass(frozen=True, slots=True)
class Handover(Container):
    """A boundary of the beacon chain: made final by one committee, its state names the next."""

    header: BeaconHeader
    finalization: Certificate
    """Of the instance that ends."""
    successor: SetProof


def header_of(block: BeaconBlock) -> BeaconHeader:
    """The header of a beacon block."""
    roots = field_roots(block)
    values: dict[str, Any] = {name: roots[name] if name in _FOLDED else getattr(block, name) for name in roots}
    return BeaconHeader(**values)


def prove_set(state: BeaconState, epoch: int) -> SetProof:
    """The proof of the set of an epoch that a state holds."""
    position = next(i for i, held in enumerate(state.epoch_sets) if held.epoch == epoch)
    branch = (*element_branch(state.epoch_sets, EPOCH_SETS_MAX, position), *field_branch(state, "epoch_sets"))
    return SetProof(state.epoch_sets[position], position, branch)


def check_set(proof: SetProof, state_root: bytes) -> None:
    """Whether the set is in the state with this root.

    Raises:
        InvalidProof: BAD_BRANCH.
    """
    if len(proof.branch) != _SET_BRANCH_LENGTH or proof.position >= EPOCH_SETS_MAX:
        raise InvalidProof(ProofReason.BAD_BRANCH, f"a set's branch has {_SET_BRANCH_LENGTH} nodes and one of {EPOCH_SETS_MAX} places")
    above_list = field_position(BeaconState, "epoch_sets") << EPOCH_SETS_MAX.bit_length()
    if climb(proof.members.hash_tree_root(), proof.branch, proof.position | above_list) != state_root:
        raise InvalidProof(ProofReason.BAD_BRANCH, "the committee's members are not in the state of the boundary block")


def genesis_committee(genesis: Genesis) -> Committee:
    """Who runs every chain's first instance."""
    return Committee(tuple(Member(ValidatorIndex(i), v.public_key, v.stake) for i, v in enumerate(genesis.validators)))


def committees_since_genesis(genesis: Genesis, handovers: Sequence[Handover], verifier: Verifier) -> dict[int, Committee]:
    """By c: the committee of each instance of the beacon chain, from the first up to the one the last handover leads to.

    Every validator serves on every chain, so these are the committees of the shards' instances too.

    Raises:
        InvalidProof: BAD_CERTIFICATE, BAD_BRANCH or BAD_HANDOVER.
    """
    epoch, committee = 0, genesis_committee(genesis)
    known = {epoch: committee}
    beacon = genesis.parameters.beacon
    for handover in handovers:
        check_final(handover.header, handover.finalization, Instance(beacon, epoch), committee, verifier)
        check_set(handover.successor, handover.header.state_root)
        members = handover.successor.members
        began = members.runs[beacon] if len(members.runs) == beacon + 1 else None
        if began != members.epoch or not members.epoch > epoch or not _is_committee(members):
            why = f"the set of epoch {members.epoch} is no committee that follows that of epoch {epoch}"
            raise InvalidProof(ProofReason.BAD_HANDOVER, why)
        if handover.header.height != members.epoch * genesis.parameters.epoch_length:
            raise InvalidProof(ProofReason.BAD_HANDOVER, f"block {handover.header.height} is not the last before epoch {members.epoch}")
        epoch, committee = members.epoch, members.everyone
        known[epoch] = committee
    return known


def _is_committee(members: EpochSet) -> bool:
    indices = [member.index for member in members.members]
    return any(member.stake for member in members.members) and len(set(indices)) == len(indices)


def check_final(
    header: BeaconHeader, finalization: Certificate, instance: Instance, committee: Committee, verifier: Verifier
) -> None:
    """Whether a beacon block was made final by the committee of an instance.

    Raises:
        InvalidProof: BAD_CERTIFICATE.
    """
    check_certificate(finalization, header.hash_tree_root(), instance, committee, verifier, f"beacon block {header.height}")


def check_certificate(
    certificate: Certificate, root: bytes, instance: Instance, committee: Committee, verifier: Verifier, what: str
) -> None:
    """Whether a certificate is the finalization of a block in an instance; `what` names the block in the refusal.

    Raises:
        InvalidProof: BAD_CERTIFICATE.
    """
    if certificate.kind != VoteKind.FINALIZE or certificate.root != root or certificate.instance != instance:
        raise InvalidProof(ProofReason.BAD_CERTIFICATE, f"{what}: the certificate is not its finalization in {instance}")
    try:
        verifier.certificate(certificate, committee)
    except InvalidConsensusMessage as error:
        raise InvalidProof(ProofReason.BAD_CERTIFICATE, f"{what}: {error}") from error

"""Evidence: two signed words of one validator that no honest one says both (PROTOCOL 2, Evidence)."""

from __future__ import annotations

from consensus.signatures import SignatureScheme
from primitives.blocks import Evidence
from primitives.errors import BlockReason, InvalidBlock
from primitives.types import ZERO_ROOT, Root
from primitives.votes import Vote, VoteKind, vote_signing_root


def contradicts(one: Vote, other: Vote) -> bool:
    """Whether no honest validator casts both votes; they are of one validator, instance and view."""
    if one.kind == other.kind:
        return one.root != other.root
    return {one.kind, other.kind} == {VoteKind.NULLIFY, VoteKind.FINALIZE}


def make_evidence(one: Vote, other: Vote) -> Evidence:
    """The one form in which a contradiction is told."""
    return Evidence(*sorted((one, other), key=lambda vote: (vote.kind, vote.root)))


def check_form(evidence: Evidence) -> None:
    """Checks everything about evidence but its signatures.

    Raises:
        InvalidBlock: BAD_EVIDENCE.
    """
    first, second = evidence.first, evidence.second
    if (first.validator, first.instance, first.view) != (second.validator, second.instance, second.view):
        raise InvalidBlock(BlockReason.BAD_EVIDENCE, "two votes of one validator in one instance and view make evidence")
    if any(vote.kind not in (VoteKind.NOTARIZE, VoteKind.NULLIFY, VoteKind.FINALIZE) or vote.view < 1 for vote in (first, second)):
        raise InvalidBlock(BlockReason.BAD_EVIDENCE, "not votes")
    if any((vote.kind == VoteKind.NULLIFY) != (vote.root == ZERO_ROOT) for vote in (first, second)):
        raise InvalidBlock(BlockReason.BAD_EVIDENCE, "a block is named exactly when the view is not nullified")
    if not contradicts(first, second):
        raise InvalidBlock(BlockReason.BAD_EVIDENCE, "an honest validator may cast both votes")
    if evidence != make_evidence(first, second):
        raise InvalidBlock(BlockReason.BAD_EVIDENCE, "the votes stand in the order of kind, then root")


def verify_evidence(evidence: Evidence, public_key: bytes, scheme: SignatureScheme, fork_version: int, genesis_root: Root) -> None:
    """Checks that `public_key` signed both votes; whether it sat on the committee is of no matter.

    Raises:
        InvalidBlock: BAD_EVIDENCE.
    """
    for vote in (evidence.first, evidence.second):
        message = vote_signing_root(fork_version, genesis_root, vote.instance, vote.view, vote.kind, vote.root)
        if not scheme.verify(public_key, message, vote.signature):
            raise InvalidBlock(BlockReason.BAD_EVIDENCE, f"not the signature of validator {vote.validator}")

"""Proposals of the views at hand: their form, and how far each has come (PROTOCOL 2, Proposal)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from consensus.simplex.events import Peer
from consensus.simplex.limits import PARENTS_PER_PROPOSAL_MAX, PROPOSAL_BYTES_HELD_MAX, PROPOSALS_PER_VIEW_MAX
from primitives.errors import ConsensusReason, InvalidConsensusMessage
from primitives.types import ZERO_ROOT
from primitives.votes import Certificate, Proposal, Vote, VoteKind


class Stage(Enum):
    """How far a proposal has come here."""

    WAITING = "waiting"
    """Its parent or a nullification in between is missing: undecided, not invalid."""
    CHECKING = "checking"
    SETTLED = "settled"
    """Voted for, invalid or refused; the vote log knows which votes followed."""


@dataclass(slots=True)
class Entry:
    """A block a leader voted for in its view, and the parents it came with.

    The leader's vote does not cover the parent certificate, so whoever relays a proposal could swap it: all that came are
    kept until the block itself says which is meant.
    """

    vote: Vote
    block: bytes
    """Encoded; empty once handed on, or when it has to be pulled by its root."""
    parents: list[tuple[Certificate, Peer | None]]
    """With who delivered them; None for our own. Newest first."""
    block_from: Peer | None
    """Who delivered the block, to blame if it is not the one voted for: a parent may have come from another."""
    stage: Stage = Stage.WAITING
    checked: Certificate | None = None
    """The parent it is being checked on."""


def check_form(proposal: Proposal, base: Certificate) -> None:
    """Checks what a proposal must look like whatever is held here; signatures and the leader are not looked at.

    Raises:
        InvalidConsensusMessage: PROPOSAL_WITHOUT_VOTE or PARENT_MISMATCH.
    """
    vote, parent = proposal.vote, proposal.parent
    if vote.kind != VoteKind.NOTARIZE or vote.root == ZERO_ROOT or vote.view < 1:
        raise InvalidConsensusMessage(ConsensusReason.PROPOSAL_WITHOUT_VOTE, "the leader's own notarize vote belongs to a proposal")
    if parent.instance != vote.instance or parent.view >= vote.view:
        raise InvalidConsensusMessage(ConsensusReason.PARENT_MISMATCH, "the parent is of an earlier view of the same instance")
    if parent.kind == VoteKind.BASE:
        if parent != base:
            raise InvalidConsensusMessage(ConsensusReason.PARENT_MISMATCH, "not the base of this instance")
    elif parent.kind not in (VoteKind.NOTARIZE, VoteKind.FINALIZE):
        raise InvalidConsensusMessage(ConsensusReason.PARENT_MISMATCH, "a parent is notarized or finalized")


class ProposalBook:
    """Proposals by view; bounded in views by the engine, in number and bytes here."""

    def __init__(self) -> None:
        self._entries: dict[int, list[Entry]] = {}
        self._bytes = 0

    def of(self, view: int) -> list[Entry]:
        """The proposals of a view, in order of arrival."""
        return self._entries.get(view, [])

    def find(self, view: int, root: bytes) -> Entry | None:
        """The proposal of this block."""
        return next((entry for entry in self.of(view) if entry.vote.root == root), None)

    def full(self, view: int) -> bool:
        """Whether no further block of this view is taken."""
        return len(self.of(view)) >= PROPOSALS_PER_VIEW_MAX

    def add(self, proposal: Proposal, peer: Peer | None) -> bool:
        """Keeps a proposal whose leader's vote is verified; False when its block was left out for `PROPOSAL_BYTES_HELD_MAX`."""
        entry = self.find(proposal.vote.view, proposal.vote.root)
        if entry is not None:
            self._add_parent(entry, proposal.parent, peer)
            return True
        fits = self._bytes + len(proposal.block) <= PROPOSAL_BYTES_HELD_MAX
        block = proposal.block if fits else b""
        self._bytes += len(block)
        self._entries.setdefault(proposal.vote.view, []).append(Entry(proposal.vote, block, [(proposal.parent, peer)], peer))
        return fits

    @staticmethod
    def _add_parent(entry: Entry, parent: Certificate, peer: Peer | None) -> None:
        if any((held.view, held.root) == (parent.view, parent.root) for held, _ in entry.parents):
            return
        entry.parents.append((parent, peer))
        entry.parents.sort(key=lambda known: -known[0].view)
        del entry.parents[PARENTS_PER_PROPOSAL_MAX:]

    def release(self, entry: Entry) -> bytes:
        """Hands out an entry's block, which is then no longer held here."""
        block, entry.block = entry.block, b""
        self._bytes -= len(block)
        return block

    def prune(self, below: int) -> None:
        """Forgets all views below `below`."""
        for view in [view for view in self._entries if view < below]:
            self._bytes -= sum(len(entry.block) for entry in self._entries.pop(view))

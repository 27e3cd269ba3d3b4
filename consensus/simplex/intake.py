"""Messages from peers: each is checked in the order it becomes possible, then taken up or refused with a reason (PROTOCOL 2)."""

from __future__ import annotations

from collections.abc import Iterable

from consensus.committee import positions_of
from consensus.signatures import verify_certificate
from consensus.simplex import journal, voting
from consensus.simplex.events import Broadcast, CertificateHeld, Check, EvidenceFound, Peer, Persist
from consensus.simplex.limits import VIEWS_AHEAD_MAX
from consensus.simplex.proposals import Entry, Stage, check_form
from consensus.simplex.state import State
from consensus.simplex.turn import Turn
from consensus.simplex.votebook import Outcome
from primitives.errors import ConsensusReason, InvalidConsensusMessage
from primitives.types import ZERO_ROOT, Root, ValidatorIndex, View
from primitives.votes import Certificate, Instance, Proposal, Vote, VoteKind, Wake

_OUTCOMES = {VoteKind.NOTARIZE: "notarized", VoteKind.NULLIFY: "nullified", VoteKind.FINALIZE: "finalized"}


def _is_ours(state: State, turn: Turn, peer: Peer, instance: Instance) -> bool:
    """Whether a message is of this running instance; one of an ended instance is answered."""
    if instance != state.instance:
        later = instance.chain == state.instance.chain and instance.epoch > state.instance.epoch
        turn.reject(peer, ConsensusReason.FUTURE_INSTANCE if later else ConsensusReason.OTHER_INSTANCE)
        return False
    if state.ended:
        state.answer(turn, peer)
        return False
    return True


def _is_near(state: State, turn: Turn, peer: Peer, view: int) -> bool:
    """Whether a view is not too far ahead to be kept for."""
    if view <= state.view + VIEWS_AHEAD_MAX:
        return True
    turn.limit("views_ahead_max")
    turn.reject(peer, ConsensusReason.FAR_FUTURE_VIEW)
    return False


def apply(turn: Turn, outcome: Outcome) -> None:
    """Reports what the vote book found."""
    for peer in outcome.blamed:
        turn.reject(peer, ConsensusReason.BAD_VOTE_SIGNATURE)
    if outcome.over_limit:
        turn.limit("roots_per_voter_max")
    if outcome.evidence is not None:
        turn.count("simplex_evidence_total")
        turn.add(EvidenceFound(outcome.evidence))


def on_vote(state: State, turn: Turn, peer: Peer, vote: Vote) -> None:
    """Takes up a vote; its signature is verified with its quorum, or at once where it contradicts another."""
    if not _is_ours(state, turn, peer, vote.instance):
        return
    if vote.kind not in _OUTCOMES or vote.view < 1 or (vote.kind == VoteKind.NULLIFY) != (vote.root == ZERO_ROOT):
        turn.reject(peer, ConsensusReason.MALFORMED_VOTE)
        return
    position = state.committee.position(vote.validator)
    if position is None:
        turn.reject(peer, ConsensusReason.NOT_IN_COMMITTEE)
    elif _is_near(state, turn, peer, vote.view):
        if vote.view < state.certificates.final:
            state.answer(turn, peer)
        if vote.view < state.vote_floor:
            turn.reject(peer, ConsensusReason.STALE_VIEW)
        else:
            keep(state, turn, vote, position, peer, verified=False)


def keep(state: State, turn: Turn, vote: Vote, position: int, peer: Peer, verified: bool) -> None:
    """Puts a vote where it is counted."""
    outcome = state.votes.add(vote, position, peer, verified)
    apply(turn, outcome)
    if outcome.kept:
        state.ripe.append((vote.view, vote.kind, Root(vote.root)))
    if verified:
        state.activity.vote(vote.view, position)


def count_ripe(state: State, turn: Turn) -> None:
    """Makes certificates of the words that got votes and now have a quorum."""
    while state.ripe:
        view, kind, root = state.ripe.popleft()
        if state.ended or view <= state.certificates.final or state.certificates.holds(view, kind):
            continue
        outcome = Outcome()
        certificate = state.votes.form_certificate(view, kind, root, outcome)
        apply(turn, outcome)
        if certificate is not None:
            accept(state, turn, certificate)


def on_certificate(state: State, turn: Turn, peer: Peer, certificate: Certificate) -> bool:
    """Takes up a certificate of any view; True when it, or one that says more, is now held."""
    if not _is_ours(state, turn, peer, certificate.instance):
        return False
    if certificate.kind in _OUTCOMES and certificate.view < state.certificates.final:
        state.answer(turn, peer)
        return False
    if certificate.kind in _OUTCOMES and certificate.view >= 1 and state.certificates.holds(certificate.view, certificate.kind):
        return True
    if certificate.kind in _OUTCOMES and certificate.view < state.first_view:
        # of a past that was taken back here: whoever followed it still has it, and it was true
        turn.reject(peer, ConsensusReason.STALE_VIEW)
        return False
    fork_version, genesis_root = state.parameters.fork_version, state.genesis_root
    try:
        verify_certificate(certificate, state.committee, state.scheme, fork_version, genesis_root, state.verified)
    except InvalidConsensusMessage as error:
        turn.reject(peer, error.reason)
        return False
    accept(state, turn, certificate)
    return True


def accept(state: State, turn: Turn, certificate: Certificate, stored: bool = False) -> None:
    """Acts on a verified certificate that was not held (rules 3 to 5); `stored`: it was read back after a restart."""
    view, kind = certificate.view, VoteKind(certificate.kind)
    state.certificates.add(certificate, turn.now_ms)
    state.activity.certificate(view, positions_of(certificate.participation))
    if not stored:
        turn.add(journal.persist_certificate(certificate), Broadcast(certificate))
        turn.count("simplex_views_total", outcome=_OUTCOMES[kind])
    if kind != VoteKind.NULLIFY:
        turn.add(CertificateHeld(certificate))
        if state.block(certificate.root) is None:
            _pull(state, turn, certificate)
    if kind == VoteKind.NOTARIZE and not state.ended:
        voting.finalize(state, turn, certificate)
    dropped = list(state.certificates.overflow())
    if dropped:
        turn.limit("certified_views_max")
        forget(turn, dropped)
    if view >= state.view:
        voting.enter(state, turn, view + 1, certificate)


def forget(turn: Turn, certificates: Iterable[Certificate]) -> None:
    """Deletes the records of certificates."""
    turn.add(*(Persist(journal.certificate_key(certificate), None) for certificate in certificates))


def _pull(state: State, turn: Turn, certificate: Certificate) -> None:
    """Gets the body of a certified block, out of a proposal that waits here if there is one."""
    entry = state.proposals.find(certificate.view, certificate.root)
    if entry is None or not entry.block:
        state.want_block(turn, certificate.root)
    elif entry.stage == Stage.WAITING:
        hand_on(state, turn, entry, entry.parents[0][0])


def hand_on(state: State, turn: Turn, entry: Entry, parent: Certificate) -> None:
    """Has a proposed block checked on `parent`."""
    vote = entry.vote
    entry.stage, entry.checked = Stage.CHECKING, parent
    is_reproposal, leader = parent.root == vote.root, ValidatorIndex(vote.validator)
    turn.add(Check(Root(vote.root), state.proposals.release(entry), View(vote.view), parent, leader, is_reproposal, entry.block_from))


def on_proposal(state: State, turn: Turn, peer: Peer, proposal: Proposal) -> None:
    """Takes up a proposal of the current view or one soon to come; of an earlier view only the body may still be of use."""
    vote = proposal.vote
    if not _is_ours(state, turn, peer, vote.instance):
        return
    try:
        position = _check_proposal(state, proposal)
    except InvalidConsensusMessage as error:
        turn.reject(peer, error.reason)
        return
    if vote.view < state.certificates.final:
        state.answer(turn, peer)
    if vote.view < state.vote_floor:
        turn.reject(peer, ConsensusReason.STALE_VIEW)
        return
    above = proposal.parent.view >= state.certificates.final
    if above and proposal.parent.kind != VoteKind.BASE and not on_certificate(state, turn, peer, proposal.parent):
        return
    if not _is_near(state, turn, peer, vote.view):
        return
    known = state.proposals.find(vote.view, vote.root)
    if (known is None or known.vote != vote) and not state.votes.verify(vote, position):
        turn.reject(peer, ConsensusReason.BAD_VOTE_SIGNATURE)
        return
    keep(state, turn, vote, position, peer, verified=True)
    held = state.certificates.notarized.get(vote.view)
    if vote.view >= state.view:
        _keep_proposal(state, turn, peer, proposal)
    elif held is not None and held.root == vote.root and proposal.block and state.block(vote.root) is None:
        turn.add(Check(Root(vote.root), proposal.block, View(vote.view), proposal.parent, ValidatorIndex(vote.validator), False, peer))


def _check_proposal(state: State, proposal: Proposal) -> int:
    """Checks form and turn; the leader's position.

    Raises:
        InvalidConsensusMessage: PROPOSAL_WITHOUT_VOTE, PARENT_MISMATCH, NOT_IN_COMMITTEE or NOT_THE_LEADER.
    """
    check_form(proposal, state.certificates.base)
    position = state.committee.position(proposal.vote.validator)
    if position is None:
        raise InvalidConsensusMessage(ConsensusReason.NOT_IN_COMMITTEE)
    if state.leader(proposal.vote.view).index != proposal.vote.validator:
        raise InvalidConsensusMessage(ConsensusReason.NOT_THE_LEADER)
    return position


def _keep_proposal(state: State, turn: Turn, peer: Peer, proposal: Proposal) -> None:
    view = proposal.vote.view
    if state.proposals.find(view, proposal.vote.root) is None and state.proposals.full(view):
        turn.limit("proposals_per_view_max")
        turn.reject(peer, ConsensusReason.TOO_MANY_PROPOSALS)
    elif not state.proposals.add(proposal, peer):
        turn.limit("proposal_bytes_held_max")


def on_wake(state: State, turn: Turn, peer: Peer, wake: Wake) -> None:
    """Notes that somebody sees work in this view or one soon to come."""
    if _is_ours(state, turn, peer, wake.instance) and wake.view >= state.view and _is_near(state, turn, peer, wake.view):
        state.woken.add(wake.view)

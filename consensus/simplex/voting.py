"""Casting votes and entering views: what changes a validator's own position (PROTOCOL 2, rules 1 to 4)."""

from __future__ import annotations

from consensus.simplex import journal
from consensus.simplex.events import Broadcast, PersistBlock
from consensus.simplex.limits import RESEND_VIEWS_MAX
from consensus.simplex.state import State
from consensus.simplex.turn import Turn
from primitives.types import ZERO_ROOT, Root, View
from primitives.votes import Certificate, Vote, VoteKind


def sign(state: State, turn: Turn, kind: VoteKind, view: int, root: Root) -> tuple[Vote, ...]:
    """Decides on a vote, signs it with every local validator and makes it durable; sending it is the caller's."""
    assert not state.ended, "an ended instance is not voted in"
    assert view >= state.first_view, "nothing is said anew of views that were taken back"
    assert view > state.certificates.final, "votes below a finalization are no longer on record"
    assert not state.has_voted(kind, view), "one vote of a kind a view"
    assert kind != VoteKind.NULLIFY or not state.has_voted(VoteKind.FINALIZE, view)
    assert kind != VoteKind.FINALIZE or not state.has_voted(VoteKind.NULLIFY, view)
    state.decided[kind, view] = root
    message = state.votes.message(view, kind, root)
    votes = []
    for index, position in sorted(state.local.items()):
        vote = Vote(state.instance, view, kind, root, index, state.scheme.sign(index, message))
        state.own_votes[view, kind, index] = vote
        state.votes.add(vote, position, None, verified=True)
        state.activity.vote(view, position)
        turn.add(journal.persist_vote(vote))
        votes.append(vote)
    if kind == VoteKind.NOTARIZE:
        turn.add(PersistBlock(root))
    state.ripe.append((view, kind, root))
    return tuple(votes)


def cast(state: State, turn: Turn, kind: VoteKind, view: int, root: Root) -> None:
    """Signs a vote with every local validator and sends it; nothing where none is local."""
    if state.local:
        turn.add(*(Broadcast(vote) for vote in sign(state, turn, kind, view, root)))


def notarize(state: State, turn: Turn, root: Root) -> None:
    """Rule 1: at most one a view; allowed after nullify."""
    if not state.has_voted(VoteKind.NOTARIZE):
        cast(state, turn, VoteKind.NOTARIZE, state.view, root)


def nullify(state: State, turn: Turn, cause: str) -> None:
    """Rule 2: never after finalize; allowed after notarize."""
    if state.local and not state.has_voted(VoteKind.NULLIFY) and not state.has_voted(VoteKind.FINALIZE):
        turn.count("simplex_nullify_votes_total", cause=cause)
        cast(state, turn, VoteKind.NULLIFY, state.view, ZERO_ROOT)


def finalize(state: State, turn: Turn, notarization: Certificate) -> None:
    """Rule 3: on a notarization, even of a view left meanwhile, unless nullify was voted in it."""
    view = notarization.view
    if view < state.first_view or view <= state.certificates.final:
        return
    if not state.has_voted(VoteKind.NULLIFY, view) and not state.has_voted(VoteKind.FINALIZE, view):
        cast(state, turn, VoteKind.FINALIZE, view, Root(notarization.root))


def enter(state: State, turn: Turn, view: int, certificate: Certificate | None) -> None:
    """Enters a view because of a certificate; None at the start of an instance."""
    assert view > state.view, "views never go back"
    if certificate is not None and certificate.kind == VoteKind.NULLIFY:
        state.nullified_in_a_row += 1
    state.view, state.entered_ms, state.entered_by = View(view), turn.now_ms, certificate
    state.told, state.building_on = False, None
    state.woken = {woken for woken in state.woken if woken >= view}
    state.proposals.prune(view)
    state.votes.prune(state.vote_floor)
    state.activity.enter(view)
    turn.add(journal.persist_view(view))
    turn.count("simplex_view", view)


def resend(state: State, turn: Turn) -> None:
    """Rule 6: the same bytes again, so that what was lost on the way cannot stop the chain."""
    state.resent_ms = turn.now_ms
    turn.count("simplex_resends_total")
    certificates, votes = state.certificates, state.own_votes
    newest = certificates.notarized[certificates.newest]
    again = [certificate for certificate in (state.entered_by, newest) if certificate is not None and certificate.kind != VoteKind.BASE]
    turn.add(*(Broadcast(certificate) for certificate in dict.fromkeys(again)))
    if state.own_proposal is not None and state.own_proposal.vote.view == state.view:
        turn.add(Broadcast(state.own_proposal))
    lowest = max(certificates.final + 1, state.view - RESEND_VIEWS_MAX)
    turn.add(*(Broadcast(votes[key]) for key in sorted(votes) if key[0] >= lowest))
    if any(key[0] <= state.view - RESEND_VIEWS_MAX for key in votes):
        turn.limit("resend_views_max")

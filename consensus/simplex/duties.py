"""What a validator does in the view it is in: propose, judge proposals, and keep the timers (PROTOCOL 2, Rules and Pacing)."""

from __future__ import annotations

from consensus.simplex import intake, journal, voting
from consensus.simplex.events import BlockInfo, Broadcast, Build, Verdict
from consensus.simplex.limits import VIEWS_AHEAD_MAX
from consensus.simplex.pacing import RESEND_DELTAS, Schedule, compute_schedule
from consensus.simplex.proposals import Entry, Stage
from consensus.simplex.state import State
from consensus.simplex.turn import Turn
from consensus.simplex.votebook import Outcome
from primitives.errors import ConsensusReason
from primitives.types import Root
from primitives.votes import Certificate, Proposal, VoteKind, Wake


def act(state: State, turn: Turn) -> None:
    """Does what the current moment asks for and sets the next one; doing it twice changes nothing."""
    state.deadline_ms = None
    if state.ended:
        return
    parent = state.certificates.parent_for(state.view)
    known = parent or state.certificates.newest_below(state.view)
    block = state.block(known.root)
    if parent is None:
        state.want_certificates(turn, known.view + 1, state.view - 1)
    if block is None:
        state.want_block(turn, known.root)
    leader = state.leader(state.view)
    leads = leader.index in state.local
    schedule, sees_work = _plan(state, turn, known, block, leads)
    if leads and parent is not None and block is not None:
        _propose(state, turn, schedule, parent, block)
    elif not leads:
        _watch_leader(state, turn, leader.index)
    for entry in tuple(state.proposals.of(state.view)):
        if entry.stage is Stage.WAITING:
            _judge(state, turn, entry)
    moments = _timers(state, turn, schedule, leads, sees_work) if state.local else [_follow(state, turn, schedule)]
    state.deadline_ms = min([moment for moment in moments if moment > turn.now_ms], default=None)


def _plan(state: State, turn: Turn, known: Certificate, block: BlockInfo | None, leads: bool) -> tuple[Schedule, bool]:
    sees_work = block is not None and (state.chain.sees_work(block.root) or (leads and state.view in state.woken))
    if not sees_work:
        state.work_seen_ms = None
    elif state.work_seen_ms is None:
        state.work_seen_ms = turn.now_ms
    if block is None or not state.chain.wants_now(block.root):
        state.urged_ms = None
    elif state.urged_ms is None:
        state.urged_ms = turn.now_ms
    held = state.certificates.first_held_ms(known.root, state.entered_ms)
    above_boundary = block is not None and state.is_boundary(block)
    schedule = compute_schedule(
        state.parameters, state.delta_ms, state.entered_ms, held, state.work_seen_ms, above_boundary, state.urged_ms
    )
    return schedule, sees_work


# Leading -----------------------------------------------------------------------------------------


def _may_propose(state: State) -> bool:
    return not state.has_voted(VoteKind.NOTARIZE) and not state.has_voted(VoteKind.NULLIFY) and state.building_on is None


def _propose(state: State, turn: Turn, schedule: Schedule, parent: Certificate, block: BlockInfo) -> None:
    """At `due` has a block built, or proposes the boundary again, whose body others hold or pull by its root."""
    if turn.now_ms < schedule.due or not _may_propose(state):
        return
    if state.is_boundary(block):
        publish(state, turn, parent, block.root, b"")
        turn.count("simplex_reproposals_total")
        return
    state.building_on = parent
    turn.add(Build(parent, block.root, state.view, state.leader(state.view).index))


def publish(state: State, turn: Turn, parent: Certificate, root: Root, block: bytes) -> None:
    """Votes for an own block with every local validator and proposes it."""
    leader = state.leader(state.view).index
    votes = voting.sign(state, turn, VoteKind.NOTARIZE, state.view, root)
    proposal = Proposal(block, parent, next(vote for vote in votes if vote.validator == leader))
    state.own_proposal = proposal
    state.proposals.add(proposal, None)
    for entry in state.proposals.of(state.view):
        if entry.vote.root == root:
            state.proposals.release(entry)
            entry.stage = Stage.SETTLED
    turn.add(journal.persist_proposal(proposal), Broadcast(proposal), *(Broadcast(vote) for vote in votes))


def on_built(state: State, turn: Turn, view: int, parent_root: Root, block: bytes | None, info: BlockInfo | None) -> None:
    """Proposes what was built, if it still is this view and nothing was voted meanwhile.

    Whether a block is the boundary may be known only once it is executed: nothing is built on it then, and it is proposed again.
    """
    parent = state.building_on
    if state.ended or view != state.view or parent is None or parent.root != parent_root:
        return
    below = state.block(parent_root)
    if below is not None and state.is_boundary(below):
        state.building_on = None
    elif block is None or info is None:
        turn.count("simplex_failed_builds_total")
    elif not state.has_voted(VoteKind.NOTARIZE) and not state.has_voted(VoteKind.NULLIFY):
        publish(state, turn, parent, info.root, block)


# Judging others ----------------------------------------------------------------------------------


def _watch_leader(state: State, turn: Turn, leader: int) -> None:
    """Nullifies with a leader that nullified itself, and at once where it was silent all through the last views."""
    if not state.local or state.has_voted(VoteKind.NULLIFY):
        return
    position = state.committee.position(leader)
    assert position is not None
    outcome = Outcome()
    span = state.activity.span(state.view)
    if state.votes.holds_verified(state.view, position, VoteKind.NULLIFY, outcome):
        voting.nullify(state, turn, "leader")
    elif span and not state.activity.heard_since(span.start, position):
        if not state.votes.heard(range(span.start, state.view + 1), position, outcome):
            voting.nullify(state, turn, "silent")
    intake.apply(turn, outcome)


def _refuse(state: State, turn: Turn, entry: Entry, reason: ConsensusReason) -> None:
    """Gives up on a proposal its leader signed: whoever relayed it is not to blame."""
    entry.stage = Stage.SETTLED
    state.proposals.release(entry)
    turn.reject(None, reason)
    voting.nullify(state, turn, reason.code)


def _judge(state: State, turn: Turn, entry: Entry) -> None:
    """Rule 1: hands a proposal on for checking once its parent and every nullification in between are here."""
    info = state.block(entry.vote.root)
    if info is not None and not _fits(state, turn, entry, info):
        return
    for parent, peer in tuple(entry.parents):
        if parent.view < state.certificates.final:
            entry.parents.remove((parent, peer))
            continue
        missing = state.certificates.missing_nullification(parent.view, state.view)
        block = state.block(parent.root)
        if missing is not None:
            state.want_certificates(turn, parent.view + 1, missing)
        if block is None:
            state.want_block(turn, parent.root)
        if missing is None and block is not None:
            intake.hand_on(state, turn, entry, parent)
            return
    if not entry.parents and info is None:
        _refuse(state, turn, entry, ConsensusReason.PARENT_MISMATCH)


def _fits(state: State, turn: Turn, entry: Entry, info: BlockInfo) -> bool:
    """Whether a block whose body is here may be proposed in this view; parents it does not build on are dropped.

    Above a boundary only the boundary itself is proposed, carrying its own notarization (PROTOCOL 3).
    """
    again = info.view != state.view
    if again and not state.is_boundary(info):
        _refuse(state, turn, entry, ConsensusReason.VIEW_MISMATCH)
        return False
    wanted = info.root if again else info.parent
    for parent, peer in tuple(entry.parents):
        if parent.root != wanted:
            entry.parents.remove((parent, peer))
            turn.reject(peer, ConsensusReason.PARENT_MISMATCH)
    below = None if again else state.block(info.parent)
    if below is not None and state.is_boundary(below):
        _refuse(state, turn, entry, ConsensusReason.NOT_A_REPROPOSAL)
        return False
    return True


def on_checked(state: State, turn: Turn, root: Root, view: int, verdict: Verdict) -> None:
    """Votes as the check came out, if it still is this view and the block was checked on the parent it names."""
    entry = state.proposals.find(view, root)
    if state.ended or view != state.view or entry is None or entry.stage != Stage.CHECKING:
        return
    info = state.block(root)
    if info is not None:
        if not _fits(state, turn, entry, info):
            return
        if not any(parent == entry.checked for parent, _ in entry.parents):
            entry.stage = Stage.WAITING
            return
    entry.stage = Stage.SETTLED
    if verdict == Verdict.VALID:
        voting.notarize(state, turn, root)
    else:
        voting.nullify(state, turn, verdict.value)


# Timers ------------------------------------------------------------------------------------------


def _timers(state: State, turn: Turn, schedule: Schedule, leads: bool, sees_work: bool) -> list[int]:
    """Fires what is over and says when the rest is; a block being checked is given until the advance timer."""
    now, moments = turn.now_ms, []
    proposals = state.proposals.of(state.view)
    if leads and _may_propose(state):
        moments.append(schedule.due)
    if sees_work and not leads and not state.told and not proposals:
        moments.append(schedule.wake)
        if now >= schedule.wake:
            state.told = True
            turn.add(Broadcast(Wake(state.instance, state.view)))
    if not state.has_voted(VoteKind.NOTARIZE) and not any([entry.stage is Stage.CHECKING for entry in proposals]):
        moments.append(schedule.proposal_timer)
        if now >= schedule.proposal_timer:
            voting.nullify(state, turn, "proposal_timer")
    moments.append(schedule.advance_timer)
    if now >= schedule.advance_timer:
        voting.nullify(state, turn, "advance_timer")
    again = _resend_ms(state, schedule)
    if now >= again:
        voting.resend(state, turn)
        again = _resend_ms(state, schedule)
    moments.append(again)
    return moments


def _resend_ms(state: State, schedule: Schedule) -> int:
    """Next moment of rule 6: nothing came past `due`, or the newest notarized block is not final."""
    patience = RESEND_DELTAS * schedule.delta
    moment = max(schedule.due, state.resent_ms) + patience
    newest = state.certificates.notarized[state.certificates.newest]
    if newest.kind == VoteKind.NOTARIZE:
        held = state.certificates.first_held_ms(newest.root, state.entered_ms)
        moment = min(moment, max(held, state.resent_ms) + patience)
    return moment


def _follow(state: State, turn: Turn, schedule: Schedule) -> int:
    """Who has no vote here asks for what it may have missed."""
    patience = RESEND_DELTAS * schedule.delta
    if turn.now_ms >= max(schedule.due, state.resent_ms) + patience:
        state.resent_ms = turn.now_ms
        state.want_certificates(turn, state.view, state.view + VIEWS_AHEAD_MAX)
    return max(schedule.due, state.resent_ms) + patience

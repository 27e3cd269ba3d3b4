"""The engine: one instance of stake-weighted Simplex at one node, from events to effects (PROTOCOL 2)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import islice

from consensus.committee import Committee
from consensus.signatures import SignatureScheme, VerifiedCertificates
from consensus.simplex import duties, intake, journal, voting
from consensus.simplex.events import (
    BlockBuilt,
    BlockChecked,
    BlockFinalized,
    BlockInfo,
    CertificateReceived,
    ChainChanged,
    ChainView,
    Effect,
    Event,
    Persist,
    ProposalReceived,
    Tick,
    VoteReceived,
    WakeReceived,
)
from consensus.simplex.limits import CERTIFICATES_PER_ANSWER_MAX
from consensus.simplex.proposals import Stage
from consensus.simplex.state import State
from consensus.simplex.turn import Turn
from primitives.errors import EncodingReason, InvalidEncoding
from primitives.parameters import Parameters
from primitives.types import Root, ValidatorIndex, View
from primitives.votes import Certificate, Instance, VoteKind


class Simplex:
    """A pure machine; time comes in as local monotonic ms, votes go out only behind the records that bind them."""

    def __init__(
        self,
        instance: Instance,
        committee: Committee,
        seed: bytes,
        base: BlockInfo,
        local: tuple[ValidatorIndex, ...],
        scheme: SignatureScheme,
        genesis_root: Root,
        parameters: Parameters,
        chain: ChainView,
        records: Mapping[bytes, bytes],
        verified: VerifiedCertificates | None = None,
        first_view: int = 1,
    ) -> None:
        """Sets up an instance that starts from the finalized block `base`.

        `local` are the validators that vote here: none for a follower, or where the vote log was lost. `records` is what
        `Persist` wrote in this instance before a restart. `verified` may be shared with whoever checks certificates too. No vote is
        cast below `first_view`, and none of those views is waited for: what happened in them was taken back (docs/decisions/0015).

        Raises:
            InvalidEncoding: the records are damaged or not of this instance.
        """
        verified = VerifiedCertificates() if verified is None else verified
        self._state = State(instance, committee, seed, base, local, scheme, genesis_root, parameters, chain, verified, first_view)
        self._restored = journal.read_records(records)
        instances = {vote.instance for vote in self._restored.votes} | {held.instance for held in self._restored.certificates}
        if instances - {instance}:
            raise InvalidEncoding(EncodingReason.MALFORMED, "a record of another instance")

    # Questions -----------------------------------------------------------------------------------

    @property
    def instance(self) -> Instance:
        """The instance this engine runs."""
        return self._state.instance

    @property
    def committee(self) -> Committee:
        """Who votes in it."""
        return self._state.committee

    @property
    def view(self) -> View:
        """The view it is in; 0 before `start`."""
        return self._state.view

    @property
    def ended(self) -> bool:
        """The instance's boundary is final: nothing is voted for any more, peers that are behind are answered."""
        return self._state.ended

    @property
    def deadline_ms(self) -> int | None:
        """When the next `Tick` is due."""
        return self._state.deadline_ms

    @property
    def newest_finalization(self) -> Certificate | None:
        """The newest finalization held, whether its blocks are here or not; None while only the base is final."""
        return self._state.certificates.newest_finalization

    @property
    def newest_notarization(self) -> Certificate:
        """The newest notarization or finalization held, or the base certificate."""
        return self._state.certificates.notarized[self._state.certificates.newest]

    def certificates(self, first: int, last: int) -> tuple[Certificate, ...]:
        """Certificates held of these views, for a peer that asks; at most `CERTIFICATES_PER_ANSWER_MAX`, the lowest views first."""
        return tuple(islice(self._state.certificates.between(first, last), CERTIFICATES_PER_ANSWER_MAX))

    # Events --------------------------------------------------------------------------------------

    def start(self, now_ms: int) -> list[Effect]:
        """Enters the first view, or takes up where the records end (PROTOCOL 2, Durability)."""
        assert self._state.view == 0, "an engine starts once"
        turn = Turn(now_ms)
        self._state.certificates.begin(now_ms)
        self._restore(turn)
        self._settle(turn)
        return turn.effects()

    def abstain(self) -> None:
        """Casts no vote, proposes nothing and says nothing of its own again, for good; follows as one without validators does."""
        state = self._state
        state.local.clear()
        state.own_votes.clear()
        state.own_proposal = state.building_on = None

    def _restore(self, turn: Turn) -> None:
        state, restored = self._state, self._restored
        for vote in restored.votes:
            state.decided[vote.kind, vote.view] = Root(vote.root)
            state.own_votes[vote.view, vote.kind, vote.validator] = vote
        # Finalizations first: below them the votes that were cast are no longer on record, so none may be cast again.
        for certificate in sorted(restored.certificates, key=lambda c: (c.kind != VoteKind.FINALIZE, c.view)):
            if certificate.view >= state.certificates.final and not state.certificates.holds(certificate.view, certificate.kind):
                intake.accept(state, turn, certificate, stored=True)
        view = max(restored.view, state.first_view)
        if view > state.view:
            newest = max(restored.certificates, key=lambda c: c.view, default=None)
            voting.enter(state, turn, view, newest)
        for vote in restored.votes:
            position = state.committee.position(vote.validator)
            if position is not None and vote.view >= state.vote_floor:
                state.votes.add(vote, position, None, verified=True)
                state.ripe.append((vote.view, vote.kind, Root(vote.root)))
        proposal = restored.proposal
        if proposal is not None and proposal.vote.view == state.view:
            state.own_proposal = proposal
            state.proposals.add(proposal, None)
            for entry in state.proposals.of(state.view):
                state.proposals.release(entry)
                entry.stage = Stage.SETTLED
        if restored.view and state.local:
            voting.resend(state, turn)

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Reacts to one event; everything in the answer happens after its `Persist` effects are synced."""
        return self.handle_all(deque((event,)), now_ms)

    def handle_all(self, events: deque[Event], now_ms: int) -> list[Effect]:
        """Reacts to events that came together, taken out of `events`, and settles once; none is looked at beyond a peer's misdeed."""
        assert self._state.view > 0, "start comes first"
        turn = Turn(now_ms)
        while events:
            self._dispatch(turn, events.popleft())
            if turn.blames:
                break
        self._settle(turn)
        return turn.effects()

    def _dispatch(self, turn: Turn, event: Event) -> None:
        state = self._state
        match event:
            case VoteReceived(peer, vote):
                intake.on_vote(state, turn, peer, vote)
            case CertificateReceived(peer, certificate):
                intake.on_certificate(state, turn, peer, certificate)
            case ProposalReceived(peer, proposal):
                intake.on_proposal(state, turn, peer, proposal)
            case WakeReceived(peer, wake):
                intake.on_wake(state, turn, peer, wake)
            case BlockBuilt(view, parent_root, block, info):
                duties.on_built(state, turn, view, parent_root, block, info)
            case BlockChecked(root, view, verdict):
                duties.on_checked(state, turn, root, view, verdict)
            case BlockFinalized(certificate):
                self._on_finalized(turn, certificate)
            case Tick() | ChainChanged():
                pass

    def _settle(self, turn: Turn) -> None:
        """Counts votes and acts until neither leads to the other; each round more than the first is owed to a vote cast in it."""
        state = self._state
        intake.count_ripe(state, turn)
        duties.act(state, turn)
        while state.ripe:
            intake.count_ripe(state, turn)
            duties.act(state, turn)

    def _on_finalized(self, turn: Turn, certificate: Certificate) -> None:
        """Rule 5, once the blocks are here: what lies below is pruned, delta is as at first, a final boundary ends the instance."""
        state = self._state
        assert certificate.instance == state.instance
        view = certificate.view
        if view >= state.certificates.final and not state.certificates.holds(view, VoteKind.FINALIZE):
            intake.accept(state, turn, certificate)
        state.nullified_in_a_row = 0
        intake.forget(turn, state.certificates.prune(min(view, state.certificates.final)))
        for key in sorted(key for key in state.own_votes if key[0] <= view):
            del state.own_votes[key]
            turn.add(Persist(journal.vote_key(*key), None))
        state.decided = {key: root for key, root in state.decided.items() if key[1] > view}
        if state.own_proposal is not None and state.own_proposal.vote.view <= view:
            state.own_proposal = None
            turn.add(Persist(journal.PROPOSAL_KEY, None))
        block = state.block(certificate.root)
        if block is not None and state.is_boundary(block):
            state.ended = True
            state.ripe.clear()

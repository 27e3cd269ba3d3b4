"""What an engine knows at one moment; the rules in the modules beside this one read and change it."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TypeVar

from consensus.committee import Committee, Member
from consensus.signatures import SignatureScheme, VerifiedCertificates
from consensus.simplex import pacing
from consensus.simplex.certificates import CertificateBook
from consensus.simplex.events import BlockInfo, ChainView, Peer, SendTo, WantBlock, WantCertificates
from consensus.simplex.limits import ANSWERED_PEERS_MAX, VOTE_VIEWS_BEHIND_MAX, WANTED_MAX
from consensus.simplex.proposals import ProposalBook
from consensus.simplex.turn import Turn
from consensus.simplex.votebook import VoteBook
from primitives.parameters import Parameters
from primitives.types import Root, View
from primitives.votes import Certificate, Instance, Proposal, Vote, VoteKind

_Key = TypeVar("_Key")


class State:
    """One instance at one node."""

    def __init__(
        self,
        instance: Instance,
        committee: Committee,
        seed: bytes,
        base: BlockInfo,
        local: tuple[int, ...],
        scheme: SignatureScheme,
        genesis_root: Root,
        parameters: Parameters,
        chain: ChainView,
        verified: VerifiedCertificates,
        first_view: int = 1,
    ) -> None:
        self.instance, self.committee, self.seed, self.base = instance, committee, seed, base
        self.scheme, self.genesis_root, self.parameters, self.chain, self.verified = scheme, genesis_root, parameters, chain, verified
        self.local = {index: p for index in local if (p := committee.position(index)) is not None and scheme.can_sign(index)}
        """Positions of the validators that vote here, by registry index."""
        self.votes = VoteBook(instance, committee, scheme, parameters.fork_version, genesis_root)
        self.certificates = CertificateBook(instance, base.root, first_view)
        self.first_view = first_view
        self.proposals = ProposalBook()
        self.activity = pacing.Activity(parameters.skip_views)

        self.view = View(0)
        self.entered_ms = 0
        self.entered_by: Certificate | None = None
        self.nullified_in_a_row = 0
        self.ended = False
        """The boundary of this instance is final."""
        self.decided: dict[tuple[int, int], Root] = {}
        """What was voted for here above the newest finalization, by (kind, view); all local validators vote alike."""
        self.own_votes: dict[tuple[int, int, int], Vote] = {}
        """By (view, kind, validator), above the newest finalization."""
        self.own_proposal: Proposal | None = None
        self.work_seen_ms: int | None = None
        self.urged_ms: int | None = None
        """Since when a block is wanted without waiting."""
        self.woken: set[int] = set()
        self.told = False
        """A wake was sent in this view."""
        self.building_on: Certificate | None = None
        """Parent of the block asked for in this view."""
        self.resent_ms = 0
        self.ripe: deque[tuple[int, int, Root]] = deque()
        """Words (view, kind, root) that got a vote since they were last counted."""
        self.deadline_ms: int | None = None
        self._answered: OrderedDict[Peer, int] = OrderedDict()
        self._wanted: OrderedDict[object, int] = OrderedDict()
        self._leader: tuple[int, Member] | None = None

    # Questions -----------------------------------------------------------------------------------

    @property
    def delta_ms(self) -> int:
        """Delta after back-off."""
        return pacing.delta_ms(self.parameters, self.nullified_in_a_row)

    @property
    def vote_floor(self) -> int:
        """Lowest view whose votes are kept: late ones still tell who is alive and who contradicts itself."""
        late = self.view - self.parameters.skip_views
        return max(self.view - VOTE_VIEWS_BEHIND_MAX, min(self.certificates.final, late))

    def leader(self, view: int) -> Member:
        """Whose turn a view is."""
        if self._leader is None or self._leader[0] != view:
            self._leader = (view, self.committee.leader(self.seed, self.instance.chain, view))
        return self._leader[1]

    def has_voted(self, kind: VoteKind, view: int | None = None) -> bool:
        """Whether a vote of this kind was cast here in `view` (default: the current one)."""
        return (kind, self.view if view is None else view) in self.decided

    def block(self, root: bytes) -> BlockInfo | None:
        """The block, when its body is held here."""
        return self.base if root == self.base.root else self.chain.block(Root(root))

    def is_boundary(self, block: BlockInfo) -> bool:
        """Whether the block is this instance's last; the base may be the last of the instance before."""
        return block.is_boundary and block.epoch == self.instance.epoch and block.root != self.base.root

    # Traffic that is limited in time -------------------------------------------------------------

    def answer(self, turn: Turn, peer: Peer) -> None:
        """Sends a peer that is behind the newest finalization, at most once a delta (PROTOCOL 2, rule 7)."""
        finalization = self.certificates.newest_finalization
        if finalization is not None and _may(self._answered, peer, turn.now_ms, self.parameters.delta_ms, ANSWERED_PEERS_MAX):
            turn.add(SendTo(peer, finalization))

    def want_block(self, turn: Turn, root: bytes) -> None:
        """Asks for a block's body."""
        if self._may_ask(turn, root):
            turn.add(WantBlock(Root(root)))

    def want_certificates(self, turn: Turn, first: int, last: int) -> None:
        """Asks for the certificates of these views."""
        if first <= last and self._may_ask(turn, (first, last)):
            turn.add(WantCertificates(View(first), View(last)))

    def _may_ask(self, turn: Turn, key: object) -> bool:
        return _may(self._wanted, key, turn.now_ms, pacing.RESEND_DELTAS * self.parameters.delta_ms, WANTED_MAX)


def _may(done: OrderedDict[_Key, int], key: _Key, now_ms: int, every_ms: int, remembered_max: int) -> bool:
    if key in done and now_ms < done[key] + every_ms:
        return False
    done[key] = now_ms
    done.move_to_end(key)
    if len(done) > remembered_max:
        done.popitem(last=False)
    return True

"""Votes by view, counted by stake: aggregated first, verified once, searched only on failure (PROTOCOL 2, Signatures and Evidence)."""

from __future__ import annotations

from dataclasses import dataclass, field

from consensus.committee import Committee
from consensus.evidence import contradicts, make_evidence
from consensus.signatures import SignatureScheme
from consensus.simplex.events import Peer
from consensus.simplex.limits import REPORTED_MAX, ROOTS_PER_VOTER_MAX
from primitives.blocks import Evidence
from primitives.errors import InvalidSignature
from primitives.types import Root
from primitives.votes import Certificate, Instance, Vote, vote_signing_root

Word = tuple[int, bytes]
"""Kind and root of a vote: what it says about its view."""


@dataclass(slots=True)
class Entry:
    """A vote that is kept."""

    vote: Vote
    position: int
    peer: Peer | None
    """Who delivered it; None for our own."""
    verified: bool


@dataclass(slots=True)
class Outcome:
    """What adding or counting votes came to."""

    kept: bool = False
    over_limit: bool = False
    evidence: Evidence | None = None
    blamed: list[Peer] = field(default_factory=list)
    """Deliverers of votes whose signature turned out bad."""


class VoteBook:
    """The votes of one instance; bounded by committee, kinds, `ROOTS_PER_VOTER_MAX` and the views the engine admits."""

    def __init__(self, instance: Instance, committee: Committee, scheme: SignatureScheme, fork_version: int, genesis_root: Root) -> None:
        self._instance, self._committee, self._scheme = instance, committee, scheme
        self._fork_version, self._genesis_root = fork_version, genesis_root
        self._votes: dict[int, dict[int, list[Entry]]] = {}
        self._words: dict[int, dict[Word, bytes]] = {}
        self._reported: dict[tuple[int, int], None] = {}

    def message(self, view: int, kind: int, root: bytes) -> bytes:
        """What is signed for this word."""
        words = self._words.setdefault(view, {})
        if (kind, root) not in words:
            words[kind, root] = vote_signing_root(self._fork_version, self._genesis_root, self._instance, view, kind, root)
        return words[kind, root]

    def verify(self, vote: Vote, position: int) -> bool:
        """Whether a vote's signature is its member's, checked now."""
        message = self.message(vote.view, vote.kind, vote.root)
        return self._scheme.verify(self._committee.members[position].public_key, message, vote.signature)

    def _check(self, entry: Entry, outcome: Outcome) -> bool:
        """Verifies an entry once; a bad one is removed and its deliverer blamed."""
        entry.verified = entry.verified or self.verify(entry.vote, entry.position)
        if not entry.verified:
            mine = self._votes.get(entry.vote.view, {}).get(entry.position, [])
            if entry in mine:
                mine.remove(entry)
            if entry.peer is not None:
                outcome.blamed.append(entry.peer)
        return entry.verified

    def add(self, vote: Vote, position: int, peer: Peer | None, verified: bool = False) -> Outcome:
        """Keeps a vote of the member at `position`, unless it is known or turns out forged or too many.

        Votes that cannot both be honest are verified one by one before either is believed.
        """
        outcome = Outcome()
        entry = Entry(vote, position, peer, verified)
        mine = self._votes.setdefault(vote.view, {}).setdefault(position, [])
        twin = _same_word(mine, vote)
        if twin is not None and twin.vote.signature == vote.signature:
            twin.verified = twin.verified or verified
            return outcome
        rivals = [e for e in mine if contradicts(e.vote, vote)]
        if (twin is not None or rivals) and not self._check(entry, outcome):
            if twin is not None:
                self._check(twin, outcome)
            return outcome
        if twin is not None and self._check(twin, outcome):
            return outcome
        rivals = [rival for rival in rivals if self._check(rival, outcome)]
        if rivals and (vote.view, position) not in self._reported:
            self._report(vote.view, position)
            outcome.evidence = make_evidence(rivals[0].vote, vote)
        if sum(rival.vote.kind == vote.kind for rival in rivals) >= ROOTS_PER_VOTER_MAX:
            outcome.over_limit = True
            return outcome
        mine.append(entry)
        outcome.kept = True
        return outcome

    def _report(self, view: int, position: int) -> None:
        self._reported[view, position] = None
        if len(self._reported) > REPORTED_MAX:
            del self._reported[next(iter(self._reported))]

    def _entries(self, view: int, word: Word) -> list[Entry]:
        by_member, (kind, root) = self._votes.get(view, {}), word
        return [e for position in sorted(by_member) for e in by_member[position] if e.vote.kind == kind and e.vote.root == root]

    def form_certificate(self, view: int, kind: int, root: bytes, outcome: Outcome) -> Certificate | None:
        """The certificate of this word, once verified votes make a quorum; forged ones met on the way go to `outcome`."""
        entries = self._entries(view, (kind, root))
        while self._committee.has_quorum([entry.position for entry in entries]):
            message = self.message(view, kind, root)
            signature = self._aggregate(entries, message)
            if signature is not None:
                signers = {entry.position for entry in entries}
                bits = tuple(position in signers for position in range(len(self._committee.members)))
                return Certificate(self._instance, view, kind, root, bits, signature)
            self._search(entries, message, outcome)
            entries = self._entries(view, (kind, root))
        return None

    def _aggregate(self, entries: list[Entry], message: bytes) -> bytes | None:
        """The entries' aggregate signature, all of them verified by it; None when one of them is bad."""
        try:
            signature = self._scheme.aggregate(tuple(entry.vote.signature for entry in entries))
        except InvalidSignature:
            return None
        if not all(entry.verified for entry in entries):
            keys = tuple(self._committee.members[entry.position].public_key for entry in entries)
            if not self._scheme.fast_aggregate_verify(keys, message, signature):
                return None
        for entry in entries:
            entry.verified = True
        return signature

    def _search(self, entries: list[Entry], message: bytes, outcome: Outcome) -> None:
        """Finds the bad votes among `entries` by halving."""
        if len(entries) == 1:
            self._check(entries[0], outcome)
            return
        for half in (entries[: len(entries) // 2], entries[len(entries) // 2 :]):
            if self._aggregate(half, message) is None:
                self._search(half, message, outcome)

    def holds_verified(self, view: int, position: int, kind: int, outcome: Outcome) -> bool:
        """Whether a vote of this kind by this member is here and good; verified now if it was not."""
        for entry in self._of(view, position):
            if entry.vote.kind == kind and self._check(entry, outcome):
                return True
        return False

    def heard(self, views: range, position: int, outcome: Outcome) -> bool:
        """Whether any good vote of this member in these views is here; verified now if none was."""
        return any(self._check(entry, outcome) for view in views for entry in self._of(view, position))

    def _of(self, view: int, position: int) -> tuple[Entry, ...]:
        by_member = self._votes.get(view)
        return () if by_member is None else tuple(by_member.get(position, ()))

    def prune(self, below: int) -> None:
        """Forgets all views below `below`."""
        for book in (self._votes, self._words):
            for view in [view for view in book if view < below]:
                del book[view]

    def __len__(self) -> int:
        return sum([sum(map(len, members.values())) for members in self._votes.values()])


def _same_word(entries: list[Entry], vote: Vote) -> Entry | None:
    """The entry, if any, that says what this vote says."""
    for entry in entries:
        if entry.vote.kind == vote.kind and entry.vote.root == vote.root:
            return entry
    return None

"""The certificates of one instance, and what may be built on what (PROTOCOL 2, Proposal)."""

from __future__ import annotations

from collections.abc import Iterator

from consensus.simplex.limits import CERTIFIED_VIEWS_MAX
from primitives.types import Root
from primitives.votes import Certificate, Instance, VoteKind, base_certificate


class CertificateBook:
    """Per view at most one notarization or finalization, and at most one nullification; the base is view 0."""

    def __init__(self, instance: Instance, base: Root, first_view: int = 1) -> None:
        """Views below `first_view` of which nothing else is held count as nullified (docs/decisions/0015)."""
        self.base = base_certificate(instance, base)
        self._first_view = first_view
        self.notarized: dict[int, Certificate] = {0: self.base}
        """By view; a finalization takes the place of a notarization."""
        self.nullified: dict[int, Certificate] = {}
        self.newest = 0
        """Newest notarized or finalized view."""
        self.final = 0
        """View of the newest finalization held, whether its blocks are here or not; 0 is the base."""
        self._first_held_ms: dict[Root, int] = {}

    def begin(self, now_ms: int) -> None:
        """The base counts as first held now."""
        self._first_held_ms[Root(self.base.root)] = now_ms

    def holds(self, view: int, kind: int) -> bool:
        """Whether a certificate of this kind, or one that says more, is held; nothing is lacking below the newest finalization."""
        if kind == VoteKind.NULLIFY:
            return view in self.nullified
        held = self.notarized.get(view)
        return held is not None and (kind == VoteKind.NOTARIZE or held.kind in (VoteKind.FINALIZE, VoteKind.BASE))

    def add(self, certificate: Certificate, now_ms: int) -> None:
        """Takes up a verified certificate that was not held."""
        view = certificate.view
        if certificate.kind == VoteKind.NULLIFY:
            self.nullified[view] = certificate
            return
        self.notarized[view] = certificate
        self.newest = max(self.newest, view)
        self._first_held_ms.setdefault(Root(certificate.root), now_ms)
        if certificate.kind == VoteKind.FINALIZE:
            self.final = max(self.final, view)

    @property
    def newest_finalization(self) -> Certificate | None:
        """None while only the base is final."""
        return self.notarized[self.final] if self.final else None

    def first_held_ms(self, root: bytes, default: int) -> int:
        """When a notarization of this block was first held here."""
        return self._first_held_ms.get(Root(root), default)

    def missing_nullification(self, above: int, below: int) -> int | None:
        """The highest view strictly between the two that is not known to be nullified."""
        return next((view for view in range(below - 1, max(above, self._first_view - 1), -1) if view not in self.nullified), None)

    def parent_for(self, view: int) -> Certificate | None:
        """What a leader of `view` builds on: the newest notarized block; None while a view in between is not nullified."""
        below = view - 1
        while below in self.nullified and below not in self.notarized:
            below -= 1
        if below < self._first_view and below not in self.notarized:
            below = max((v for v in self.notarized if v < self._first_view), default=0)
        return self.notarized.get(below)

    def newest_below(self, view: int) -> Certificate:
        """The newest notarized block of a view below `view`, whatever lies between."""
        return self.notarized[max(v for v in self.notarized if v < view)]

    def prune(self, below: int) -> Iterator[Certificate]:
        """Forgets all views below `below`, and says which certificates went."""
        for book in (self.notarized, self.nullified):
            for view in sorted(view for view in book if view < below):
                yield book.pop(view)
        roots = {certificate.root for certificate in self.notarized.values()}
        self._first_held_ms = {root: held for root, held in self._first_held_ms.items() if root in roots}

    def overflow(self) -> Iterator[Certificate]:
        """Forgets the oldest views above `CERTIFIED_VIEWS_MAX` that are neither final nor the newest, and says which."""
        while len(self.notarized) + len(self.nullified) > CERTIFIED_VIEWS_MAX:
            oldest = min(v for book in (self.notarized, self.nullified) for v in book if v not in (self.final, self.newest))
            for book in (self.notarized, self.nullified):
                if oldest in book:
                    yield book.pop(oldest)

    def between(self, first: int, last: int) -> Iterator[Certificate]:
        """The certificates held of these views, both ends included, by rising view."""
        for view in sorted({v for book in (self.notarized, self.nullified) for v in book if max(first, 1) <= v <= last}):
            for book in (self.notarized, self.nullified):
                if view in book:
                    yield book[view]

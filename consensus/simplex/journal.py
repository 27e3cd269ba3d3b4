"""What an engine keeps on disk, and how it reads it back (PROTOCOL 2, Durability).

Keys: `w` the entered view, `p` the newest own proposal, `v/` + view + kind + validator a vote, `c/` + view + (0 | 1) a
notarization or finalization | a nullification. Numbers are big endian, values are SSZ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from consensus.simplex.events import Persist
from primitives.errors import EncodingReason, InvalidEncoding
from primitives.ssz import Container, Uint64
from primitives.votes import Certificate, Proposal, Vote, VoteKind

VIEW_KEY = b"w"
PROPOSAL_KEY = b"p"
VOTE_PREFIX = b"v/"
CERTIFICATE_PREFIX = b"c/"


@dataclass(frozen=True, slots=True)
class EnteredView(Container):
    """The view a validator is in."""

    view: Uint64


@dataclass(frozen=True, slots=True)
class Restored:
    """The records of one instance."""

    view: int
    """0 when the instance was never entered."""
    votes: tuple[Vote, ...]
    """By rising view, kind and validator."""
    certificates: tuple[Certificate, ...]
    """By rising view."""
    proposal: Proposal | None


def vote_key(view: int, kind: int, validator: int) -> bytes:
    """Key of an own vote."""
    return VOTE_PREFIX + view.to_bytes(8, "big") + kind.to_bytes(1, "big") + validator.to_bytes(4, "big")


def certificate_key(certificate: Certificate) -> bytes:
    """Key of a certificate; a finalization takes the place of its notarization."""
    nullifies = certificate.kind == VoteKind.NULLIFY
    return CERTIFICATE_PREFIX + certificate.view.to_bytes(8, "big") + nullifies.to_bytes(1, "big")


def persist_view(view: int) -> Persist:
    """Record of the entered view."""
    return Persist(VIEW_KEY, EnteredView(view).encode())


def persist_proposal(proposal: Proposal) -> Persist:
    """Record of the own proposal, the newest only."""
    return Persist(PROPOSAL_KEY, proposal.encode())


def persist_vote(vote: Vote) -> Persist:
    """Record of an own vote."""
    return Persist(vote_key(vote.view, vote.kind, vote.validator), vote.encode())


def persist_certificate(certificate: Certificate) -> Persist:
    """Record of a certificate."""
    return Persist(certificate_key(certificate), certificate.encode())


def read_records(records: Mapping[bytes, bytes]) -> Restored:
    """Reads back what was persisted.

    Raises:
        InvalidEncoding: the records are damaged; the validators must then stay silent until the next instance.
    """
    view, votes, certificates, proposal = 0, [], [], None
    for key, value in sorted(records.items()):
        if key == VIEW_KEY:
            view = EnteredView.decode(value).view
        elif key == PROPOSAL_KEY:
            proposal = Proposal.decode(value)
        elif key.startswith(VOTE_PREFIX):
            votes.append(Vote.decode(value))
        elif key.startswith(CERTIFICATE_PREFIX):
            certificates.append(Certificate.decode(value))
        else:
            raise InvalidEncoding(EncodingReason.UNKNOWN_KIND, f"no record of an engine has the key {key.hex()}")
    return Restored(view, tuple(votes), tuple(certificates), proposal)

"""Who signs and checks votes, and whether a certificate holds (PROTOCOL 2, Signatures)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Protocol

from consensus.committee import Committee, positions_of
from primitives import bls
from primitives.errors import ConsensusReason, InvalidConsensusMessage
from primitives.hashing import sha256
from primitives.types import ZERO_ROOT, Root
from primitives.votes import Certificate, VoteKind, vote_signing_root

VERIFIED_CERTIFICATES_MAX = 4096
"""Certificates a cache remembers as verified; the one used longest ago goes first."""


class SignatureScheme(Protocol):
    """Signing with the keys of this node, checking with anybody's."""

    def sign(self, validator_index: int, message: bytes) -> bytes:
        """Signature of a local validator, 96 bytes."""

    def can_sign(self, validator_index: int) -> bool:
        """Whether the validator's key is held here."""

    def verify(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's; malformed input is simply False."""

    def aggregate(self, signatures: tuple[bytes, ...]) -> bytes:
        """One signature out of several over one message.

        Raises:
            InvalidSignature: none given, or one is malformed.
        """

    def fast_aggregate_verify(self, public_keys: tuple[bytes, ...], message: bytes, signature: bytes) -> bool:
        """Whether the signature is the aggregate of all these keys' over one message; malformed input is simply False."""


class BlsScheme:
    """BLS12-381 with the secret keys of the local validators, by registry index."""

    def __init__(self, secret_keys: Mapping[int, bls.SecretKey]) -> None:
        self._keys = dict(secret_keys)

    def sign(self, validator_index: int, message: bytes) -> bytes:
        """See `SignatureScheme`."""
        return self._keys[validator_index].sign(message)

    def can_sign(self, validator_index: int) -> bool:
        """See `SignatureScheme`."""
        return validator_index in self._keys

    def verify(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        """See `SignatureScheme`."""
        return bls.verify(public_key, message, signature)

    def aggregate(self, signatures: tuple[bytes, ...]) -> bytes:
        """See `SignatureScheme`."""
        return bls.aggregate(signatures)

    def fast_aggregate_verify(self, public_keys: tuple[bytes, ...], message: bytes, signature: bytes) -> bool:
        """See `SignatureScheme`."""
        return bls.fast_aggregate_verify(public_keys, message, signature)


class VerifiedCertificates:
    """Certificates that were found good, each with the terms it was checked under; bounded, least recently used goes first."""

    def __init__(self, capacity: int = VERIFIED_CERTIFICATES_MAX) -> None:
        self._capacity = capacity
        self._keys: OrderedDict[bytes, None] = OrderedDict()

    def __contains__(self, key: bytes) -> bool:
        if key not in self._keys:
            return False
        self._keys.move_to_end(key)
        return True

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: bytes) -> None:
        """Remembers `key`."""
        self._keys[key] = None
        self._keys.move_to_end(key)
        if len(self._keys) > self._capacity:
            self._keys.popitem(last=False)


def verify_certificate(
    certificate: Certificate,
    committee: Committee,
    scheme: SignatureScheme,
    fork_version: int,
    genesis_root: Root,
    verified: VerifiedCertificates | None = None,
) -> None:
    """Checks form, quorum and aggregate signature of a certificate of `committee`'s instance; BASE never passes.

    That the certificate's instance is the one of this committee is the caller's to know.

    Raises:
        InvalidConsensusMessage: BAD_CERTIFICATE or NO_QUORUM.
    """
    kinds = (VoteKind.NOTARIZE, VoteKind.NULLIFY, VoteKind.FINALIZE)
    if certificate.kind not in kinds or certificate.view < 1:
        raise InvalidConsensusMessage(ConsensusReason.BAD_CERTIFICATE, "a certificate is of a view above 0 and of a votable kind")
    if (certificate.kind == VoteKind.NULLIFY) != (certificate.root == ZERO_ROOT):
        raise InvalidConsensusMessage(ConsensusReason.BAD_CERTIFICATE, "a block is named exactly when the view is not nullified")
    if len(certificate.participation) != len(committee.members):
        raise InvalidConsensusMessage(ConsensusReason.BAD_CERTIFICATE, "one participation bit a member")
    signers = positions_of(certificate.participation)
    if not committee.has_quorum(signers):
        raise InvalidConsensusMessage(ConsensusReason.NO_QUORUM)
    message = vote_signing_root(
        fork_version, genesis_root, certificate.instance, certificate.view, certificate.kind, certificate.root
    )
    key = sha256(committee.digest + message + bytes(certificate.participation) + certificate.signature)
    if verified is not None and key in verified:
        return
    keys = tuple(committee.members[position].public_key for position in signers)
    if not scheme.fast_aggregate_verify(keys, message, certificate.signature):
        raise InvalidConsensusMessage(ConsensusReason.BAD_CERTIFICATE, "the aggregate signature does not verify")
    if verified is not None:
        verified.add(key)

"""Signature checks of the beacon transition with the network they are for."""

from __future__ import annotations

from dataclasses import dataclass

from consensus.committee import Committee
from consensus.evidence import verify_evidence
from consensus.signatures import SignatureScheme, VerifiedCertificates, verify_certificate
from primitives.blocks import Evidence
from primitives.types import Root
from primitives.votes import Certificate, randao_signing_root


@dataclass(frozen=True, slots=True)
class Verifier:
    """Checks signatures of one network, remembering certificates it found good."""

    scheme: SignatureScheme
    genesis_root: Root
    fork_version: int
    verified: VerifiedCertificates | None = None

    def certificate(self, certificate: Certificate, committee: Committee) -> None:
        """As `consensus.signatures.verify_certificate`.

        Raises:
            InvalidConsensusMessage: BAD_CERTIFICATE or NO_QUORUM.
        """
        verify_certificate(certificate, committee, self.scheme, self.fork_version, self.genesis_root, self.verified)

    def evidence(self, evidence: Evidence, public_key: bytes) -> None:
        """As `consensus.evidence.verify_evidence`.

        Raises:
            InvalidBlock: BAD_EVIDENCE.
        """
        verify_evidence(evidence, public_key, self.scheme, self.fork_version, self.genesis_root)

    def reveal(self, public_key: bytes, beacon: int, height: int, reveal: bytes) -> bool:
        """Whether `reveal` is the key's signature over the beacon height (PROTOCOL 3, Randomness)."""
        return self.scheme.verify(public_key, randao_signing_root(self.fork_version, self.genesis_root, beacon, height), reveal)

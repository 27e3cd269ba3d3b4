"""What an engine is told, what it wants done, and what it may ask about its chain (PROTOCOL 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from primitives.blocks import Evidence
from primitives.errors import Reason
from primitives.types import Height, Root, ValidatorIndex, View
from primitives.votes import Certificate, Proposal, Vote, Wake

Peer = str
"""Name of the peer that delivered a message, as the node knows it."""


@dataclass(frozen=True, slots=True)
class BlockInfo:
    """What agreement needs to know of a block."""

    root: Root
    parent: Root
    height: Height
    view: View
    """The view it was built in; a re-proposal keeps it."""
    epoch: int
    """c of the instance it was built in."""
    proposer: ValidatorIndex
    is_boundary: bool
    """It is the last block of the instance it was built in (PROTOCOL 3)."""


class ChainView(Protocol):
    """Pure questions about one chain, answered by the node's core."""

    def block(self, root: Root) -> BlockInfo | None:
        """The block, when its body is held here, executed or not."""

    def sees_work(self, parent: Root) -> bool:
        """Whether a child of `parent` would have something to do (PROTOCOL 2, Pacing)."""

    def wants_now(self, parent: Root) -> bool:
        """Whether a child of `parent` was asked for without waiting: by a developer who has the network alone."""


class Verdict(Enum):
    """What checking a proposed block came to; while it is undecided there is no answer."""

    VALID = "valid"
    INVALID = "invalid"
    REFUSED = "refused"
    """Perhaps valid, but not to be voted for (PROTOCOL 3 and 5)."""


# Events ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tick:
    """The moment of `deadline_ms` has come."""


@dataclass(frozen=True, slots=True)
class ProposalReceived:
    """A peer delivered a proposal."""

    peer: Peer
    proposal: Proposal


@dataclass(frozen=True, slots=True)
class VoteReceived:
    """A peer delivered a vote."""

    peer: Peer
    vote: Vote


@dataclass(frozen=True, slots=True)
class CertificateReceived:
    """A peer delivered a certificate."""

    peer: Peer
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class WakeReceived:
    """A peer sees work."""

    peer: Peer
    wake: Wake


@dataclass(frozen=True, slots=True)
class BlockBuilt:
    """Answer to `Build`."""

    view: View
    parent_root: Root
    block: bytes | None
    """None when building failed."""
    info: BlockInfo | None
    """Of the block; None when building failed."""


@dataclass(frozen=True, slots=True)
class BlockChecked:
    """Answer to `Check`; if the block could be read, `ChainView.block` knows it from now on, whatever the verdict."""

    root: Root
    view: View
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class ChainChanged:
    """Blocks arrived or work changed: everything is to be considered again."""


@dataclass(frozen=True, slots=True)
class BlockFinalized:
    """The block of a finalization and all its ancestors are held here and final."""

    certificate: Certificate


Event = (
    Tick | ProposalReceived | VoteReceived | CertificateReceived | WakeReceived | BlockBuilt | BlockChecked | ChainChanged | BlockFinalized
)


# Effects -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Persist:
    """Write a record of this instance, or delete it; synced before anything of the same turn leaves the process."""

    key: bytes
    """Unique within the instance."""
    value: bytes | None


@dataclass(frozen=True, slots=True)
class PersistBlock:
    """Write a block's body; synced like `Persist`."""

    root: Root


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send to everyone on this chain."""

    message: Proposal | Vote | Certificate | Wake


@dataclass(frozen=True, slots=True)
class SendTo:
    """Send to one peer."""

    peer: Peer
    message: Certificate


@dataclass(frozen=True, slots=True)
class Build:
    """Build a block for `view`, which a local validator leads; answered by `BlockBuilt`."""

    parent: Certificate
    """Goes into the block where blocks carry it."""
    parent_root: Root
    view: View
    leader: ValidatorIndex


@dataclass(frozen=True, slots=True)
class Check:
    """Check a proposed block; answered by `BlockChecked` once it can be decided."""

    root: Root
    block: bytes
    """Encoded; empty, or not what `root` names, when it has to be pulled by its root."""
    view: View
    parent: Certificate
    """Certificate of the parent, or of the block itself for a re-proposal."""
    leader: ValidatorIndex
    is_reproposal: bool
    """The block is the boundary again: valid as it is, not executed again."""
    peer: Peer | None
    """Who delivered the block; to blame when its bytes are not what `root` names."""


@dataclass(frozen=True, slots=True)
class CertificateHeld:
    """A notarization or finalization is held for the first time: execute or finalize on it."""

    certificate: Certificate


@dataclass(frozen=True, slots=True)
class WantBlock:
    """Pull a block's body, trying several peers."""

    root: Root


@dataclass(frozen=True, slots=True)
class WantCertificates:
    """Pull the certificates of these views, both ends included, trying several peers."""

    from_view: View
    to_view: View


@dataclass(frozen=True, slots=True)
class Penalize:
    """A message was refused; `reason.fault` says whether the peer is to blame."""

    peer: Peer
    reason: Reason


@dataclass(frozen=True, slots=True)
class EvidenceFound:
    """A validator contradicted itself; both votes are verified."""

    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Observe:
    """A metric of the engine moved: counters end in `_total` and `value` is added, others are set to it."""

    name: str
    value: int
    labels: Mapping[str, str] = field(default_factory=dict)


Effect = (
    Persist
    | PersistBlock
    | Broadcast
    | SendTo
    | Build
    | Check
    | CertificateHeld
    | WantBlock
    | WantCertificates
    | Penalize
    | EvidenceFound
    | Observe
)

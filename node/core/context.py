"""What the chains of one core share: who we are, what time it is, and the effects of the current turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from consensus.beacon.state import BeaconState
from consensus.beacon.transition import process_block
from consensus.signatures import SignatureScheme, VerifiedCertificates
from node.core.effects import Effect, Now, Observe, Peer, Penalize, Persist
from node.core.fetch import Fetcher
from node.core.passages import Passages
from node.core.records import INCARNATION_VIEW_BITS
from p2p.messages import Request
from primitives.blocks import BeaconBlock, Evidence
from primitives.errors import Reason
from primitives.genesis import Genesis
from primitives.parameters import Parameters
from primitives.types import Root, ValidatorIndex
from primitives.votes import Certificate, Proposal, Vote, Wake


class Transition(Protocol):
    """The beacon chain's state transition (`consensus.beacon.transition.process_block`)."""

    def __call__(
        self, state: BeaconState, block: BeaconBlock, *, parent_root: Root, genesis_root: Root, parameters: Parameters,
        scheme: SignatureScheme, verified: VerifiedCertificates | None = None,
    ) -> BeaconState:
        """The state after a block; raises InvalidBlock."""
        ...


Said = Proposal | Vote | Certificate | Wake | Evidence


@dataclass
class Context:
    """Shared by the chains of one core; `effects` and `said` are drained after each turn."""

    genesis: Genesis
    scheme: SignatureScheme
    local: tuple[ValidatorIndex, ...]
    """Registry indexes of the validators whose keys this node holds."""
    read: Callable[[bytes], bytes | None]
    """A record of the node's store, as of the last finished turn."""
    scan: Callable[[bytes], Mapping[bytes, bytes]]
    """Records whose key starts with a prefix."""
    now: Now
    transition: Transition = process_block
    """What beacon blocks do to the state; a driver of many cores may work each out once."""
    automine: bool = False
    """Blocks with work are made at once, whatever the pace (a developer's order)."""
    incarnation: int = 0
    """How often a developer has taken the past back here; 0 on every network that more than one node decides."""
    verified: VerifiedCertificates = field(default_factory=VerifiedCertificates)
    fetcher: Fetcher = field(default_factory=Fetcher)
    passages: Passages = field(default_factory=Passages)
    effects: list[Effect] = field(default_factory=list)
    said: dict[int, list[Said]] = field(default_factory=dict)
    """Consensus messages of this turn, by chain."""
    found: list[Evidence] = field(default_factory=list)
    """Evidence that the engines found in this turn."""
    unsound: str = ""
    """What does not add up here (node/core/soundness.py), as a sentence; empty while all does. Only a restart empties it."""
    on_unsound: Callable[[], None] = lambda: None
    """Has every engine abstain."""

    @property
    def parameters(self) -> Parameters:
        """The genesis parameters."""
        return self.genesis.parameters

    @property
    def decides_alone(self) -> bool:
        """Whether a developer has the network alone at this node: nobody has what it lacks then, but perhaps a past that it took back."""
        return self.parameters.developer_controls and len(self.local) == len(self.genesis.validators)

    @property
    def first_view(self) -> int:
        """Lowest view of this incarnation: no view has been voted in in an earlier one."""
        return (self.incarnation << INCARNATION_VIEW_BITS) + 1

    def emit(self, effect: Effect) -> None:
        """One more effect of this turn."""
        self.effects.append(effect)

    def persist(self, key: bytes, value: bytes | None, durable: bool = True) -> None:
        """A record of this turn."""
        self.effects.append(Persist(key, value, durable))

    def say(self, chain: int, message: Said) -> None:
        """Gossip a consensus message of a chain at the end of this turn."""
        self.said.setdefault(chain, []).append(message)

    def doubt(self, complaint: str) -> None:
        """Takes a complaint of `node.core.soundness`, if it is one: from the first on, this node casts no vote on any chain."""
        if complaint and not self.unsound:
            self.unsound = complaint
            self.observe("unsound", why=complaint)
            self.on_unsound()

    def want(self, need: tuple[object, ...], request: Request, prefer: Peer | None = None, interval_ms: int | None = None) -> None:
        """Ask a peer for something, again only after two network delays unless told otherwise."""
        interval = 2 * self.parameters.delta_ms if interval_ms is None else interval_ms
        self.effects.extend(self.fetcher.want(need, request, self.now.monotonic_ms, interval, prefer))

    def penalize(self, peer: Peer | None, reason: Reason) -> None:
        """A peer's doing; None where it was our own."""
        if peer is not None:
            self.effects.append(Penalize(peer, reason))

    def observe(self, name: str, /, **labels: str) -> None:
        """Something for the metrics."""
        self.effects.append(Observe(name, labels))

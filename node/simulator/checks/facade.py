"""All checks of a world behind one object, and what they found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from node.core import effects as fx
from node.simulator.checks.agreement import Agreement
from node.simulator.checks.conduct import Conduct
from node.simulator.checks.progress import Progress
from node.simulator.checks.value import Value
from p2p.messages import ConsensusBatch
from primitives.errors import Reason

if TYPE_CHECKING:
    from node.simulator.node import SimulatedNode

VIOLATIONS_MAX = 20
"""Remembered of one run; the first is what matters."""


class Checks:
    """Looks at honest nodes only: what a persona believes is nobody's promise."""

    def __init__(self, personas: frozenset[int] = frozenset()) -> None:
        self.violations: list[str] = []
        self.personas = personas
        self.now_ms = 0
        self.spoiled: set[int] = set()
        """Nodes whose numbers a script has made wrong: that they do not add up is no violation."""
        self.value = Value(self.broken)
        self.agreement = Agreement(self.broken, self.value)
        self.conduct = Conduct(self.broken, personas)
        self.progress = Progress(self.broken)

    def broken(self, what: str) -> None:
        """Something that must hold does not."""
        if len(self.violations) < VIOLATIONS_MAX and all(not known.endswith(what) for known in self.violations):
            self.violations.append(f"{self.now_ms / 1000:.3f} s: {what}")

    def after_turn(self, node: SimulatedNode, now_ms: int) -> None:
        """A node has carried out the effects of a turn."""
        self.now_ms = now_ms
        if node.index in self.personas:
            return
        if node.core.context.unsound and node.index not in self.spoiled:
            self.broken(f"node {node.index}: {node.core.context.unsound}")
        if self.agreement.after_turn(node):
            self.conduct.after_final(node)
        self.conduct.after_turn(node)
        self.progress.after_turn(node)

    def after_restart(self, node: SimulatedNode, now_ms: int) -> None:
        """A node runs again."""
        self.now_ms = now_ms
        if node.index not in self.personas:
            self.agreement.after_restart(node)
            self.conduct.after_restart(node)

    def heard(self, node: SimulatedNode, events: Iterable[fx.Event]) -> None:
        """A node's core has handled events; what that leads to is not on disk yet."""
        if not self.personas or node.index in self.personas:
            return
        for event in events:
            if isinstance(event, fx.GossipReceived) and isinstance(event.message, ConsensusBatch):
                self.conduct.heard(node, event.peer, event.topic.chain, event.message)

    def on_penalty(self, node: int, peer: str, reason: Reason, now_ms: int) -> None:
        """A node finds a peer guilty."""
        self.now_ms = now_ms
        if node not in self.personas:
            self.conduct.on_penalty(node, peer, reason)

    def heal(self, nodes: Iterable[SimulatedNode]) -> None:
        """The faults have ended."""
        self.progress.heal(node for node in nodes if node.index not in self.personas)

    @property
    def blocks(self) -> dict[tuple[int, int], bytes]:
        """Final block by (chain, height)."""
        return self.agreement.blocks

    @property
    def voided(self) -> set[bytes]:
        """Shard blocks that were final and that a forced close undid."""
        return self.agreement.voided

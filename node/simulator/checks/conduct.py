"""Conduct: nobody honest is found guilty or slashed, and who contradicts itself before an honest node is slashed in the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from consensus.evidence import contradicts
from p2p.messages import ConsensusBatch
from primitives.errors import Fault, Reason
from primitives.votes import Instance, Vote

if TYPE_CHECKING:
    from node.simulator.node import SimulatedNode


class Conduct:
    """Who is blamed for what."""

    def __init__(self, broken: Callable[[str], None], personas: frozenset[int]) -> None:
        self._broken, self._personas = broken, personas
        self._names = {f"node-{index}" for index in personas}
        self._votes: dict[int, dict[tuple[Instance, int, int], list[Vote]]] = {}
        """By node: votes of personas heard since it started, by (instance, view, validator)."""
        self._caught: dict[int, set[int]] = {}
        """By node: validators that contradicted themselves in a turn whose records are not on disk yet."""
        self.guilty: set[int] = set()
        """Validators that contradicted themselves before an honest node that lived to note it."""

    def on_penalty(self, node: int, peer: str, reason: Reason) -> None:
        """A node finds a peer guilty."""
        if reason.fault is Fault.PEER and peer not in self._names:
            self._broken(f"node {node} finds {peer} guilty of {reason.code}")

    def heard(self, node: SimulatedNode, peer: str, number: int, batch: ConsensusBatch) -> None:
        """Notes the votes a node took up, and which of them contradict each other."""
        if peer not in self._names:
            return
        chain = node.core.chain(number)
        if chain is None or chain.engine.ended:
            return
        held = self._votes.setdefault(node.index, {})
        for vote in batch.votes:
            if vote.validator not in self._personas or peer != f"node-{vote.validator}" or vote.instance != chain.instance:
                continue
            if not chain.engine._state.vote_floor <= vote.view <= chain.engine.view:
                continue
            votes = held.setdefault((vote.instance, vote.view, vote.validator), [])
            if any(contradicts(vote, other) for other in votes):
                self._caught.setdefault(node.index, set()).add(vote.validator)
            votes.append(vote)

    def after_turn(self, node: SimulatedNode) -> None:
        """What the turn found is on disk."""
        if caught := self._caught.pop(node.index, None):
            self.guilty |= caught

    def after_restart(self, node: SimulatedNode) -> None:
        """A crash takes the votes of others that were heard."""
        self._votes.pop(node.index, None)
        self._caught.pop(node.index, None)

    def after_final(self, node: SimulatedNode) -> None:
        """A beacon block became final at a node."""
        state = node.core.beacon.tree.head.outcome
        assert state is not None
        for index, record in enumerate(state.validators):
            if record.slashed_at and index not in self._personas:
                self._broken(f"validator {index}, which keeps the rules, is slashed at beacon height {record.slashed_at}")

    def unpunished(self, node: SimulatedNode) -> set[int]:
        """Validators that should be slashed and are not at a node."""
        state = node.core.beacon.tree.head.outcome
        assert state is not None
        return {index for index in self.guilty if not state.validators[index].slashed_at}

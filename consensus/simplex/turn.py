"""The effects of one event, in the order that keeps a validator from contradicting itself after a crash."""

from __future__ import annotations

from consensus.simplex.events import Broadcast, Effect, Observe, Peer, Penalize, Persist, PersistBlock
from primitives.errors import Fault, Reason


class Turn:
    """Collects what one event leads to; whatever is durable comes out first (PROTOCOL 2, Durability)."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self._durable: list[Effect] = []
        self._visible: list[Effect] = []
        self._sent: set[Broadcast] = set()
        self.blames = False
        """A peer is to blame for something."""

    def add(self, *effects: Effect) -> None:
        """Takes up effects, each kind in the order given; one message is sent once a turn."""
        for effect in effects:
            if isinstance(effect, (Persist, PersistBlock)):
                self._durable.append(effect)
                continue
            if isinstance(effect, Broadcast):
                if effect in self._sent:
                    continue
                self._sent.add(effect)
            self._visible.append(effect)

    def count(self, name: str, value: int = 1, **labels: str) -> None:
        """Observes a metric."""
        self._visible.append(Observe(name, value, labels))

    def reject(self, peer: Peer | None, reason: Reason) -> None:
        """Refuses a message; `peer` is None for our own."""
        self.count("simplex_rejected_total", reason=reason.code)
        if peer is not None:
            self.add(Penalize(peer, reason))
            self.blames = self.blames or reason.fault is Fault.PEER

    def limit(self, name: str) -> None:
        """Says that a named limit was met."""
        self.count("simplex_limit_hits_total", limit=name)

    def effects(self) -> list[Effect]:
        """Everything collected."""
        return [*self._durable, *self._visible]

"""What goes wrong in a simulated network, by profile."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

HEALED_DELAY_MS = (2, 40)
"""Delay of messages once the faults have ended."""
SLOW_FACTOR = 10


@dataclass(frozen=True, slots=True)
class Faults:
    """A profile of what goes wrong, until two thirds of the views are done."""

    loss: float
    """Share of messages lost."""
    delay_ms: tuple[int, int]
    """Drawn for each message, so that messages overtake one another."""
    slow: float
    """Share of messages ten times slower."""
    duplicates: float
    """Share of gossip that arrives twice."""
    crashes: int
    partitions: int
    """Times at which the network falls into two parts for a while."""


FAULTS = {
    "none": Faults(loss=0.0, delay_ms=(2, 10), slow=0.0, duplicates=0.0, crashes=0, partitions=0),
    "light": Faults(loss=0.01, delay_ms=(5, 60), slow=0.0, duplicates=0.01, crashes=0, partitions=0),
    "standard": Faults(loss=0.05, delay_ms=(10, 120), slow=0.02, duplicates=0.02, crashes=1, partitions=0),
    "heavy": Faults(loss=0.15, delay_ms=(10, 200), slow=0.05, duplicates=0.05, crashes=4, partitions=2),
}


class Weather:
    """The fate of each message, drawn from the world's one source of chance."""

    def __init__(self, faults: Faults, rng: Random) -> None:
        self.faults, self._rng = faults, rng
        self.is_healed = False
        self.island: frozenset[int] = frozenset()
        """Nodes that the others cannot reach now."""

    def delays(self, source: int, target: int) -> list[int]:
        """Delay in ms of each copy of a gossiped message that arrives."""
        first = self.delay(source, target)
        again = None
        if not self.is_healed and self._rng.random() < self.faults.duplicates:
            again = self.delay(source, target)
        return [delay for delay in (first, again) if delay is not None]

    def delay(self, source: int, target: int) -> int | None:
        """Delay of one message in ms; None when it is lost."""
        if self.is_healed:
            return self._rng.randint(*HEALED_DELAY_MS)
        if (source in self.island) != (target in self.island) or self._rng.random() < self.faults.loss:
            return None
        delay = self._rng.randint(*self.faults.delay_ms)
        return delay * SLOW_FACTOR if self._rng.random() < self.faults.slow else delay

    def heal(self) -> None:
        """Ends all faults."""
        self.is_healed, self.island = True, frozenset()

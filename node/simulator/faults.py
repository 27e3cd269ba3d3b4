"""What goes wrong in a simulated network: by profile, and by script."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

HEALED_DELAY_MS = (2, 40)
"""Delay of messages once the faults have ended."""
SLOW_FACTOR = 10


@dataclass(frozen=True, slots=True)
class Faults:
    """A profile of what goes wrong, until two thirds of the views are done."""

    loss: float = 0.0
    """Share of messages lost."""
    delay_ms: tuple[int, int] = (2, 10)
    """Drawn for each message, so that messages overtake one another."""
    slow: float = 0.0
    """Share of messages ten times slower."""
    duplicates: float = 0.0
    """Share of gossip that arrives twice."""
    crashes: int = 0
    """Half of them between two effects of a turn, the others at any moment; what was not synced is lost."""
    down_ms: tuple[int, int] = (2000, 15_000)
    """How long a crashed node is away."""
    partitions: int = 0
    """Times at which the network falls into two parts for a while."""
    cuts: int = 0
    """Times at which a link carries nothing one way for a while."""
    slow_links: int = 0
    """Times at which a link is ten times slower one way for a while."""
    skew_ms: int = 0
    """Every node's clock is wrong by up to this, forward or back."""


FAULTS = {
    "none": Faults(),
    "light": Faults(loss=0.01, delay_ms=(5, 60), duplicates=0.01),
    "standard": Faults(loss=0.05, delay_ms=(10, 120), slow=0.02, duplicates=0.02, crashes=1, cuts=1, slow_links=1, skew_ms=100),
    "heavy": Faults(
        loss=0.15, delay_ms=(10, 200), slow=0.05, duplicates=0.05, crashes=4, partitions=2, cuts=2, slow_links=3, skew_ms=200
    ),
    "crashing": Faults(loss=0.02, delay_ms=(2, 60), crashes=16, down_ms=(200, 2500)),
}


class Weather:
    """The fate of each message, drawn from the world's one source of chance."""

    def __init__(self, faults: Faults, rng: Random) -> None:
        self.faults, self._rng = faults, rng
        self.is_healed = False
        self.island: frozenset[int] = frozenset()
        """Nodes that the others cannot reach now."""
        self.cut: set[tuple[int, int]] = set()
        """Links (from, to) that carry nothing."""
        self.slowed: set[tuple[int, int]] = set()
        """Links (from, to) that are ten times slower."""

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
            return self._draw(*HEALED_DELAY_MS)
        if (source in self.island) != (target in self.island) or (source, target) in self.cut or self._rng.random() < self.faults.loss:
            return None
        delay = self._draw(*self.faults.delay_ms)
        is_slow = (source, target) in self.slowed or self._rng.random() < self.faults.slow
        return delay * SLOW_FACTOR if is_slow else delay

    def _draw(self, least: int, most: int) -> int:
        """What `Random.randint` draws, by the same bits, in one call instead of three: every message asks."""
        count = most - least + 1
        bits, draw = count.bit_length(), self._rng.getrandbits
        drawn = draw(bits)
        while drawn >= count:
            drawn = draw(bits)
        return least + drawn

    def heal(self) -> None:
        """Ends all faults."""
        self.is_healed, self.island = True, frozenset()
        self.cut.clear()
        self.slowed.clear()

"""Figures, and the table they are shown in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure beside what it should reach."""

    benchmark: str
    name: str
    value: float
    unit: str
    target: float | None = None
    """At most this, or at least, in the same unit; None where nothing was promised."""
    at_least: bool = False
    """Whether more is better."""

    @property
    def is_reached(self) -> bool | None:
        """Whether the target is reached; None where there is none."""
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target

    def as_json(self) -> dict[str, object]:
        """For machines."""
        return asdict(self) | {"reached": self.is_reached}


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed (nearest rank)."""
    assert values, "no values, no percentile"
    assert 0 < share <= 1
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * round(share * 1000) // 1000))
    return ordered[rank - 1]

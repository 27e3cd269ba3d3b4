"""The node's two clocks, of which a developer may move the one for timestamps (docs/decisions/0015)."""

from __future__ import annotations

from node.core.effects import Now, Persist
from node.core.records import CLOCK_KEY
from node.loop import clocks

_BYTES = 8


class Clock:
    """Gives the time; monotonic time, by which everything waits, is never moved."""

    def __init__(self, stored: bytes | None = None) -> None:
        """`stored` is what `record` wrote in an earlier life."""
        self.offset_ms = 0
        """Milliseconds that timestamps are ahead of the machine's clock; below 0: behind."""
        self.restore(stored)

    def restore(self, stored: bytes | None) -> None:
        """Goes on as a record says; None: with the machine's clock."""
        self.offset_ms = 0 if stored is None else int.from_bytes(stored, "big", signed=True)

    def __call__(self) -> Now:
        """The time now."""
        now = clocks()
        return Now(now.monotonic_ms, now.wall_ms + self.offset_ms)

    def move_to(self, wall_ms: int) -> None:
        """Has it be another time now, milliseconds since 1970."""
        self.offset_ms = wall_ms - clocks().wall_ms

    def record(self) -> Persist:
        """What a restart needs to know."""
        return Persist(CLOCK_KEY, self.offset_ms.to_bytes(_BYTES, "big", signed=True))

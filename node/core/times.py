"""Which time a shard block that is built here gets: the clock's, unless a developer wants another (docs/decisions/0015)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class BlockTimes:
    """What a developer has asked for on one shard; nothing on any other network."""

    next: int | None = None
    """Time (seconds since 1970) of the next block that is ordered or has work; it has had its effect once a block is not older."""
    _mined_from: int = 0
    """Height of the newest block that was begun when blocks were last ordered."""
    _interval_s: int = 1

    def space(self, begun: int, interval_s: int) -> None:
        """Blocks are ordered above a height: so far apart."""
        self._mined_from, self._interval_s = begun, interval_s

    def of_child(self, height: int, timestamp: int, clock: int, *, is_mined: bool, has_work: bool) -> int:
        """The time of a child.

        Args:
            height: of its parent.
            timestamp: of its parent.
            clock: the node's, seconds since 1970.
            is_mined: whether the child was ordered: it is at least a second younger than its parent then.
            has_work: whether there is something for it to do; an idle block leaves the time that was asked for to the next that is not.
        """
        if self.next is not None and timestamp < self.next:
            return self.next if is_mined or has_work else min(clock, self.next - 1)
        if not is_mined:
            return clock
        if height > self._mined_from:
            return timestamp + self._interval_s
        return max(clock, timestamp + 1)

"""Since when the oldest receipt of each channel waits to be taken in, as far as this node has seen final beacon blocks."""

from __future__ import annotations

from collections import deque
from itertools import permutations

from consensus.beacon.state import BeaconState

MARKS_MAX = 1024
"""Of each channel: beacon blocks that recorded receipts which still wait. Beyond it, younger receipts count as old as the last mark."""


class Flights:
    """Remembers which final beacon block recorded which receipts as sent."""

    def __init__(self) -> None:
        self._marks: dict[tuple[int, int], deque[tuple[int, int]]] = {}

    def note(self, state: BeaconState) -> None:
        """Takes in a final beacon state, not older than the one before."""
        for source, destination in permutations(range(state.beacon + 1), 2):
            sent, taken = state.recorded_out(source, destination).count, state.recorded_in(source, destination).count
            marks = self._marks.get((source, destination))
            if marks is None:
                if sent == taken:
                    continue
                marks = self._marks[source, destination] = deque()
            while marks and marks[0][0] <= taken:
                marks.popleft()
            if sent > (marks[-1][0] if marks else taken):
                at = marks.pop()[1] if len(marks) == MARKS_MAX else state.timestamp
                marks.append((sent, at))

    def oldest_seconds(self, source: int, destination: int, now: float) -> float:
        """Age of the oldest receipt that waits, by the time of the beacon block that recorded it; 0 when none waits."""
        marks = self._marks.get((source, destination))
        return max(0.0, now - marks[0][1]) if marks else 0.0

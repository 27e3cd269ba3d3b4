"""When a view's moments are, how delta backs off, and which leaders have fallen silent (PROTOCOL 2, Pacing)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from primitives.parameters import Parameters

DELTA_MAX_MS = 16_000
"""What delta backs off to at most, unless it starts above."""
NULLIFIED_PER_DOUBLING = 3
BOUNDARY_WAIT_DELTAS = 2
PROPOSAL_TIMER_DELTAS = 2
ADVANCE_TIMER_DELTAS = 3
RESEND_DELTAS = 4


def delta_ms(parameters: Parameters, nullified_in_a_row: int) -> int:
    """Delta after back-off, in ms."""
    base: int = parameters.delta_ms
    if nullified_in_a_row < NULLIFIED_PER_DOUBLING:
        return base
    doublings = min(nullified_in_a_row // NULLIFIED_PER_DOUBLING, DELTA_MAX_MS.bit_length())
    return min(base << doublings, max(base, DELTA_MAX_MS))


@dataclass(frozen=True, slots=True)
class Schedule:
    """The moments of one view, all in local ms."""

    due: int
    """The leader proposes."""
    wake: int
    """Who sees work and no proposal tells the leader."""
    proposal_timer: int
    advance_timer: int
    delta: int


def compute_schedule(
    parameters: Parameters, delta: int, entered_ms: int, parent_held_ms: int, work_seen_ms: int | None, above_boundary: bool,
    urged_ms: int | None = None,
) -> Schedule:  # fmt: skip
    """Moments of a view.

    `delta` is after back-off; `parent_held_ms` is when a notarization of the parent was first held, `work_seen_ms` the moment
    this node first saw work (None: it sees none), so `due` never lies in the past when it is set. `urged_ms` is the moment since
    which a block is wanted without waiting for `block_time_ms` (None: it is not).
    """
    if above_boundary:
        wait = min(parameters.block_time_ms, BOUNDARY_WAIT_DELTAS * delta)
        due = max(entered_ms, parent_held_ms + wait)
    else:
        ready = max(entered_ms, parent_held_ms + parameters.block_time_ms)
        due = max(entered_ms, parent_held_ms + parameters.idle_block_time_ms)
        if work_seen_ms is not None:
            due = min(due, max(ready, work_seen_ms))
        if urged_ms is not None:
            due = min(due, max(entered_ms, urged_ms))
    return Schedule(
        due=due,
        wake=due + delta // 2,
        proposal_timer=due + PROPOSAL_TIMER_DELTAS * delta,
        advance_timer=due + ADVANCE_TIMER_DELTAS * delta + parameters.execution_budget_ms,
        delta=delta,
    )


class Activity:
    """Who was heard in the newest views whose certificate was held here; spans a restart only as far as it is heard again."""

    def __init__(self, skip_views: int) -> None:
        self._skip_views = skip_views
        self._certified: set[int] = set()
        self._heard: dict[int, int] = {}

    def certificate(self, view: int, positions: Iterable[int]) -> None:
        """A certificate of `view` by these members is held."""
        self._certified.add(view)
        for position in positions:
            self.vote(view, position)

    def vote(self, view: int, position: int) -> None:
        """A good vote of this member in `view` is held."""
        self._heard[position] = max(self._heard.get(position, 0), view)

    def span(self, view: int) -> range:
        """The views a leader must have been silent in for `view` to be skipped; empty when not all are certified here."""
        views = range(view - self._skip_views, view)
        return views if self._certified.issuperset(views) else range(0)

    def heard_since(self, view: int, position: int) -> bool:
        """Whether the member was heard in `view` or later."""
        return self._heard.get(position, 0) >= view

    def enter(self, view: int) -> None:
        """Forgets what no later view can ask for."""
        self._certified = {v for v in self._certified if v >= view - self._skip_views}

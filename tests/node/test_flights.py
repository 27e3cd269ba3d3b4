"""Ages of receipts: a bounded memory that never makes the oldest younger."""

import pytest

from node import flights
from node.flights import Flights
from tests.node.support import make_core
from tests.node.test_metrics import send_receipts


def test_beyond_the_limit_younger_receipts_count_as_old_as_the_last_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "MARKS_MAX", 2)
    core, found = make_core(), Flights()
    ages = []
    for count, timestamp, taken in ((1, 10, 0), (2, 20, 0), (3, 30, 0), (4, 40, 0), (4, 50, 1), (4, 60, 2), (4, 60, 4)):
        send_receipts(core, count, timestamp, taken)
        state = core.beacon.tree.head.outcome
        assert state is not None
        found.note(state)
        ages.append(found.oldest_seconds(0, 1, now=100.0))
    assert ages == [90, 90, 90, 90, 80, 80, 0]
    assert found.oldest_seconds(1, 0, now=100.0) == 0


def test_a_clock_that_is_behind_makes_no_negative_age() -> None:
    core, found = make_core(), Flights()
    send_receipts(core, 1, 50)
    state = core.beacon.tree.head.outcome
    assert state is not None
    found.note(state)
    assert found.oldest_seconds(0, 1, now=40.0) == 0

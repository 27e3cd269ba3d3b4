"""A slice of the state machine of receipts, and that it notices broken rules; all of it: `make receipts`."""

import pytest

from tests.simulation.receipt_machine import run_steps
from tests.simulation.receipt_mutations import BROKEN, caught


def test_random_programs_lose_no_receipt_and_no_wei() -> None:
    """Enough steps to come across every kind of receipt, crashes and closed channels."""
    counts = run_steps(400, 1)
    assert counts["steps"] >= 400
    for kind in ("credit", "call", "call_with_callback", "result", "crashes", "closed channels", "callbacks run", "callbacks failed"):
        assert counts[kind], f"nothing of {kind}: {counts}"


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_noticed(name: str) -> None:
    assert caught(name) is not None

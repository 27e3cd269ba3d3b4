"""The figures' arithmetic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.statistics import Figure, percentile


@pytest.mark.parametrize(("share", "expected"), [(0.5, 3), (0.95, 5), (0.2, 1), (0.21, 2), (1.0, 5)])
def test_percentiles_are_values_that_were_measured(share: float, expected: float) -> None:
    assert percentile([5, 1, 4, 2, 3], share) == expected


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.sampled_from([0.5, 0.9, 0.95, 1.0]))
def test_at_least_that_share_does_not_exceed_it(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)


def test_a_figure_says_whether_its_target_is_reached() -> None:
    assert Figure("b", "n", 1.0, "s", 2.0).is_reached is True
    assert Figure("b", "n", 3.0, "s", 2.0).is_reached is False
    assert Figure("b", "n", 3.0, "1/s", 2.0, at_least=True).is_reached is True
    assert Figure("b", "n", 1.0, "1/s", 2.0, at_least=True).is_reached is False
    assert Figure("b", "n", 3.0, "s").as_json()["reached"] is None

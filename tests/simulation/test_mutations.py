"""The checks of a simulated network can fail: each broken rule is noticed, and the same networks are clean with the rules whole."""

import pytest

from tests.simulation.mutations import MUTATIONS, seeds_until_caught

SEEDS_OF_A_SLICE = 5
RARE = {"votes sent before they are synced"}
"""Take more seeds than a slice has; `make mutations` looks for them."""


@pytest.mark.parametrize("name", [name for name in MUTATIONS if name not in RARE])
def test_a_broken_rule_is_noticed(name: str) -> None:
    assert seeds_until_caught(MUTATIONS[name], SEEDS_OF_A_SLICE) is not None


@pytest.mark.parametrize("scenario", list({mutation.scenario.__repr__(): mutation.scenario for mutation in MUTATIONS.values()}.values()))
def test_with_the_rules_whole_nothing_is(scenario) -> None:
    assert [scenario.run(seed) for seed in (1, 2)] == [[], []]

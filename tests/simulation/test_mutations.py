"""The checks of a simulated network can fail: each broken rule is noticed, and the same networks are clean with the rules whole."""

import pytest

from tests.simulation.mutations import MUTATIONS, Scenario, seeds_until_caught

SCENARIOS = {repr(mutation.scenario): mutation.scenario for mutation in MUTATIONS.values()}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_rule_is_noticed(name: str) -> None:
    assert seeds_until_caught(MUTATIONS[name]) is not None


@pytest.mark.parametrize("scenario", SCENARIOS.values())
def test_with_the_rules_whole_nothing_is(scenario: Scenario) -> None:
    assert [scenario.run(seed) for seed in (1, 2)] == [[], []]

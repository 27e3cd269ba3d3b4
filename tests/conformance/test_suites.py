"""Every case of every suite holds, or is excluded and still fails."""

import pytest

from tests.conformance.cases import judge, load_exclusions
from tests.conformance.suites import SUITES, cases_of

GROUPS = [(suite, group) for suite in SUITES for group in dict.fromkeys(case.group for case in cases_of(suite))]


@pytest.mark.parametrize(("suite", "group"), GROUPS, ids=[f"{suite}-{group}" for suite, group in GROUPS])
def test_vectors(suite: str, group: str) -> None:
    outcome = judge(suite, [case for case in cases_of(suite) if case.group == group], load_exclusions())
    assert not outcome.failed
    assert not outcome.outlived, "take them out of exclusions.toml: they pass"
    assert outcome.passed or outcome.excluded


@pytest.mark.parametrize("suite", SUITES)
def test_all_vectors_are_here(suite: str) -> None:
    names = [case.name for case in cases_of(suite)]
    assert len(names) == len(set(names)) == SUITES[suite][1]


def test_every_exclusion_covers_something_and_says_why() -> None:
    for exclusion in load_exclusions():
        assert exclusion.reason
        assert any(exclusion.covers(exclusion.suite, case.name) for case in cases_of(exclusion.suite)), exclusion

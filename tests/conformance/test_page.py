"""docs/conformance.md says what runs."""

import re
from collections import Counter
from pathlib import Path

from tests.conformance.cases import load_exclusions
from tests.conformance.suites import SUITES, cases_of

PAGE = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text()


def excluded() -> Counter[tuple[str, str]]:
    """Cases by suite and reason."""
    return Counter((e.suite, e.reason) for e in load_exclusions() for case in cases_of(e.suite) if e.covers(e.suite, case.name))


def test_suites_and_counts() -> None:
    by_suite = Counter[str]()
    for (suite, _), count in excluded().items():
        by_suite[suite] += count
    said = {name: (int(passed), int(out)) for name, passed, out in re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \|", PAGE, re.MULTILINE)}
    assert said == {suite: (count - by_suite[suite], by_suite[suite]) for suite, (_, count) in SUITES.items()}


def test_exclusions() -> None:
    said = {(suite, reason): int(count) for count, suite, reason in re.findall(r"^\| (\d+) \| `(\w+)` \| (.+) \|$", PAGE, re.MULTILINE)}
    assert said == excluded()

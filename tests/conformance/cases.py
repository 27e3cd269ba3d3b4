"""Cases, how they are judged, and the table of those that are set aside."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

VECTORS = Path(__file__).parents[1] / "vectors"
EXCLUSIONS = Path(__file__).parent / "exclusions.toml"


@dataclass(frozen=True, slots=True)
class Case:
    """One vector; `check` raises if it does not hold."""

    name: str
    """`group/rest`; unique in its suite."""
    check: Callable[[], None]

    @property
    def group(self) -> str:
        """What runs as one test."""
        return self.name.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Cases that are known to fail."""

    suite: str
    cases: str
    """The name of one case, or the start of the names of some and an asterisk."""
    reason: str

    def covers(self, suite: str, name: str) -> bool:
        """Whether a case is one of them."""
        if suite != self.suite:
            return False
        return name.startswith(self.cases[:-1]) if self.cases.endswith("*") else name == self.cases


@dataclass(slots=True)
class Outcome:
    """What came of the cases of a suite."""

    passed: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    """Why, by the case's name."""
    excluded: dict[str, Exclusion] = field(default_factory=dict)
    outlived: list[str] = field(default_factory=list)
    """Excluded cases that pass."""


def load_exclusions() -> list[Exclusion]:
    """The table."""
    return [Exclusion(**entry) for entry in tomllib.loads(EXCLUSIONS.read_text()).get("exclusion", [])]


def _trouble(case: Case) -> str:
    try:
        case.check()
    except Exception as error:  # whatever it is, the case does not hold
        return f"{type(error).__name__}: {error}"[:1000]
    return ""


def judge(suite: str, cases: Iterable[Case], exclusions: list[Exclusion]) -> Outcome:
    """Runs cases, the excluded ones too."""
    outcome = Outcome()
    for case in cases:
        exclusion = next((e for e in exclusions if e.covers(suite, case.name)), None)
        trouble = _trouble(case)
        if exclusion is not None:
            outcome.excluded[case.name] = exclusion
            if not trouble:
                outcome.outlived.append(case.name)
        elif trouble:
            outcome.failed[case.name] = trouble
        else:
            outcome.passed += 1
    return outcome

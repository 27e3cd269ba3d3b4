"""Runs suites, all or those named, and counts: `python -m tests.conformance [suite ...]`."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter

# As in tests/conftest.py: before anything imports eth_hash.
os.environ["ETH_HASH_BACKEND"] = "pysha3"

from tests.conformance.cases import judge, load_exclusions
from tests.conformance.suites import SUITES, cases_of


def main(wanted: list[str]) -> int:
    """The exit code: 1 if a case fails or an excluded one passes, 2 if a suite is not known."""
    unknown = [suite for suite in wanted if suite not in SUITES]
    if unknown:
        print(f"no such suite: {', '.join(unknown)}; there are {', '.join(SUITES)}", file=sys.stderr)
        return 2
    exclusions, troubles, reasons = load_exclusions(), 0, Counter[tuple[str, str]]()
    for suite in wanted or SUITES:
        started = time.monotonic()
        outcome = judge(suite, cases_of(suite), exclusions)
        line = f"{suite}: {outcome.passed} passed, {len(outcome.failed)} failed, {len(outcome.excluded)} excluded"
        print(f"{line} ({time.monotonic() - started:.0f} s)", flush=True)
        for name, trouble in outcome.failed.items():
            print(f"  failed: {name}: {trouble}")
        for name in outcome.outlived:
            print(f"  passes though excluded: {name}")
        troubles += len(outcome.failed) + len(outcome.outlived)
        reasons.update((suite, exclusion.reason) for exclusion in outcome.excluded.values())
    if reasons:
        print("excluded:")
    for (suite, reason), count in reasons.items():
        print(f"  {count} of {suite}: {reason}")
    return 1 if troubles else 0


sys.exit(main(sys.argv[1:]))

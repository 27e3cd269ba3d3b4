"""What every test shares: the keccak implementation, and the rule that CI skips nothing unannounced."""

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Chosen before anything imports eth_hash, which falls back to a slow implementation without it.
os.environ["ETH_HASH_BACKEND"] = "pysha3"
# A test gets its configuration from its own arguments.
for _name in [name for name in os.environ if name.startswith("SHARDNET_")]:
    del os.environ[_name]

# A machine that is busy with something else must fail no test.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

SKIPS = Path(__file__).parent / "skips.toml"


def _announced() -> set[str]:
    return {entry["test"] for entry in tomllib.loads(SKIPS.read_text()).get("skip", [])}


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() == "true"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and _in_ci() and item.nodeid.split("[")[0] not in _announced():
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped in CI and tests/skips.toml does not name it: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    report = yield
    if report.skipped and _in_ci() and collector.nodeid not in _announced():
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} was skipped in CI and tests/skips.toml does not name it"
    return report

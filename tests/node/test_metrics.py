"""Metrics: every observation has one, and docs/metrics.md lists what a scrape holds, both ways."""

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from node.core.core import Core
from node.metrics import COUNTERS, LIMIT_OBSERVATIONS, STATES, NodeMetrics
from tests.node.support import make_core

ROOT = Path(__file__).parents[2]
HISTOGRAMS = {"finality_seconds", "block_execution_seconds", "block_final"}


def documented() -> dict[str, tuple[str, set[str]]]:
    rows = re.findall(r"^\| `(shardnet_\w+)` \| (\w+) \| (.*?) \|", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def scraped(core: Core) -> dict[str, tuple[str, set[str]]]:
    metrics = NodeMetrics(core)
    for field in COUNTERS:
        metrics.observe(field.observation, dict.fromkeys(field.labels, "x"), 1)
    metrics.request("eth_chainId", "ok")
    found: dict[str, tuple[str, set[str]]] = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {label for sample in family.samples for label in sample.labels if label != "le"}
        found[name] = (family.type, labels)
    return found


def test_the_list_and_a_scrape_agree_both_ways() -> None:
    assert scraped(make_core()) == documented()


def test_every_observation_in_the_source_has_a_metric() -> None:
    known = {field.observation for field in COUNTERS} | set(LIMIT_OBSERVATIONS) | STATES | HISTOGRAMS
    pattern = re.compile(r"""(?:_?observe|Observe|count|self\._ports\.observe)\(\s*"([a-z0-9_]+)",\s*(?:\{|[a-z_]+=|\w|["0-9])""")
    used: set[str] = set()
    for folder in ("node/core", "p2p/adapter", "consensus/simplex"):
        for path in (ROOT / folder).glob("*.py"):
            used |= set(pattern.findall(path.read_text()))
    for name in ("loop.py", "admission.py"):
        used |= set(pattern.findall((ROOT / "node" / name).read_text()))
    assert used, "the pattern finds observations"
    assert used <= known, sorted(used - known)


def test_limits_of_all_components_count_under_one_name() -> None:
    metrics = NodeMetrics(make_core())
    metrics.observe("p2p_limit_hits", {"limit": "outbound_frames"}, 1)
    metrics.observe("simplex_limit_hits_total", {"limit": "certified_views_max", "chain": "0"}, 1)
    metrics.limit_hit("batch_calls_max")
    text = metrics.render().decode()
    for limit in ("outbound_frames", "certified_views_max", "batch_calls_max"):
        assert f'shardnet_limit_hits_total{{limit="{limit}"}} 1.0' in text

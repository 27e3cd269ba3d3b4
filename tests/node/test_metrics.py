"""Metrics: every observation has one, and docs/metrics.md lists what a scrape holds, both ways."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from node.core.core import Core
from node.metrics import COUNTERS, LIMIT_OBSERVATIONS, STATES, NodeMetrics
from p2p.topics import topics_of
from tests.node.support import make_core

ROOT = Path(__file__).parents[2]
HISTOGRAMS = {"message_step_seconds", "finality_seconds", "block_execution_seconds", "block_final"}


class Own:
    """Stands for an executor: this very process."""

    process_id: int | None = os.getpid()
    restarts = 2


def documented() -> dict[str, tuple[str, set[str]]]:
    rows = re.findall(r"^\| `((?:shardnet|process)_\w+)` \| (\w+) \| (.*?) \|", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def scraped(core: Core) -> dict[str, tuple[str, set[str]]]:
    metrics = NodeMetrics(core)
    for field in COUNTERS:
        metrics.observe(field.observation, dict.fromkeys(field.labels, "x"), 1)
    metrics.request("eth_chainId", "ok")
    metrics.usage.executors = {0: Own()}
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


def samples(metrics: NodeMetrics) -> dict[str, float]:
    """By name and `label=value`s, without the prefix that all have."""
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        " ".join([sample.name.removeprefix("shardnet_"), *(f"{key}={value}" for key, value in sorted(sample.labels.items()))]): sample.value
        for family in families
        for sample in family.samples
    }


def test_states_are_read_off_the_core_at_each_scrape() -> None:
    core = make_core()
    metrics = NodeMetrics(core)
    metrics.peers = lambda: 3
    metrics.connections(2)
    before = samples(metrics)
    assert (before["supply_imbalance_wei"], before["receipts_in_flight destination=1 source=0"]) == (0, 0)
    head = core.beacon.tree.head
    assert head.outcome is not None
    first, *others = head.outcome.shards
    sent = list(first.summary.outgoing)
    sent[1] = replace(sent[1], count=4)
    summary = replace(first.summary, outgoing=tuple(sent))
    crowded = replace(first, height=5, supply=first.supply - 7, summary=summary, closed=(0, 1, *first.closed[2:]))
    head.outcome = replace(head.outcome, shards=(crowded, *others))
    shard_head = core.shards[0].tree.head
    shard_head.info = replace(shard_head.info, height=6)
    found = samples(metrics)
    assert [found[f"head_height chain=0 tag={tag}"] for tag in ("latest", "safe", "finalized")] == [6, 6, 5]
    assert (found["receipts_in_flight destination=1 source=0"], found["receipts_in_flight destination=0 source=1"]) == (4, 0)
    assert {name: value for name, value in found.items() if name.startswith("channel_closed")} == {
        "channel_closed destination=1 source=0": 1, "channel_closed destination=0 source=1": 0,
    }  # fmt: skip
    assert found["supply_imbalance_wei"] == -7
    assert (found["peers"], found["rpc_connections"]) == (3, 2)


def test_observations_reach_their_metric_under_the_short_name_of_a_topic() -> None:
    core = make_core()
    metrics = NodeMetrics(core)
    for topic in topics_of(2):
        metrics.observe("p2p_messages", {"topic": topic.name(core.context.genesis.root), "result": "accepted"}, 1)
    metrics.observe("finality_seconds", {"chain": "2"}, 0.3)
    metrics.observe("block_execution_seconds", {"shard": "1"}, 0.2)
    metrics.observe("block_final", {"chain": "1", "height": "1", "transactions": "9"}, 1)
    found = samples(metrics)
    assert {name for name in found if name.startswith("messages_total")} == {
        f"messages_total result=accepted topic={topic.kind}/{topic.chain}" for topic in topics_of(2)
    }
    assert (found["finality_seconds_sum chain=2"], found["finality_seconds_count chain=0"]) == (0.3, 0)
    assert found["block_execution_seconds_sum shard=1"] == 0.2
    assert (found["transactions_total shard=1"], found["transactions_total shard=0"]) == (9, 0)


def send_receipts(core: Core, count: int, timestamp: int, taken: int = 0) -> None:
    """Makes the beacon head say that shard 0 sent so many to shard 1, and that so many were taken in."""
    head = core.beacon.tree.head
    assert head.outcome is not None
    first, second = head.outcome.shards
    sent, received = list(first.summary.outgoing), list(second.summary.incoming)
    sent[1], received[0] = replace(sent[1], count=count), replace(received[0], count=taken)
    shards = (
        replace(first, summary=replace(first.summary, outgoing=tuple(sent))),
        replace(second, summary=replace(second.summary, incoming=tuple(received))),
    )
    head.outcome = replace(head.outcome, timestamp=timestamp, shards=shards)


def test_the_oldest_receipt_that_waits_has_an_age(monkeypatch: pytest.MonkeyPatch) -> None:
    core = make_core()
    metrics = NodeMetrics(core)
    monkeypatch.setattr("node.metrics.time.time", lambda: 1_000.0)
    name = "oldest_undelivered_receipt_seconds destination=1 source=0"
    ages = [samples(metrics)[name]]
    for count, timestamp, taken in ((2, 900, 0), (3, 950, 1), (5, 960, 2), (5, 970, 3), (5, 980, 5), (6, 990, 5)):
        send_receipts(core, count, timestamp, taken)
        metrics.observe("finality_seconds", {"chain": str(core.beacon.number)}, 0.1)
        ages.append(samples(metrics)[name])
    assert ages == [0, 100, 100, 50, 40, 0, 10]


def test_an_executor_that_is_away_has_no_sample() -> None:
    metrics = NodeMetrics(make_core())
    away = Own()
    away.process_id = None
    gone = Own()
    gone.process_id = 2**22 + 1
    metrics.usage.executors = {0: away, 1: gone, 2: Own()}
    found = samples(metrics)
    assert found["executor_cpu_seconds_total shard=2"] > 0
    assert found["executor_resident_memory_bytes shard=2"] > 10**6
    assert [name for name in found if name.startswith("executor_") and "shard=2" not in name] == [
        "executor_restarts_total shard=0", "executor_restarts_total shard=1",
    ]  # fmt: skip


def test_an_observation_nobody_knows_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="surprise"):
        NodeMetrics(make_core()).observe("surprise", {}, 1)

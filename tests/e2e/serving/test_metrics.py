"""A scrape of a live node against the list in the documents, both ways."""

import re

from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.harness import ROOT, SHARDS, Cluster

WANTED = {
    "shardnet_head_height": {"chain", "tag"},
    "shardnet_views_total": {"chain", "outcome"},
    "shardnet_finality_seconds": {"chain"},
    "shardnet_transactions_total": {"shard"},
    "shardnet_pool_transactions": {"shard", "state"},
    "shardnet_receipts_in_flight": {"source", "destination"},
    "shardnet_supply_imbalance_wei": set(),
    "shardnet_peers": set(),
    "shardnet_messages_total": {"topic", "result"},
    "shardnet_limit_hits_total": {"limit"},
    "shardnet_block_execution_seconds": {"shard"},
}


def documented() -> dict[str, tuple[str, set[str]]]:
    rows = re.findall(r"^\| `((?:shardnet|process)_\w+)` \| (\w+) \| (.*?) \|", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def test_documents_and_a_scrape_agree_both_ways(cluster: Cluster) -> None:
    found: dict[str, tuple[str, set[str]]] = {}
    for node in range(cluster.options.nodes):
        for family in text_string_to_metric_families(cluster.scrape_text(node)):
            labels = {label for sample in family.samples for label in sample.labels if label != "le"}
            name = family.name + ("_total" if family.type == "counter" else "")
            found[name] = (family.type, labels | found.get(name, ("", set()))[1])
    listed = documented()
    assert {name: kind for name, (kind, _) in found.items()} == {name: kind for name, (kind, _) in listed.items()}
    # A counter without a sample yet has shown no labels.
    assert {name: labels for name, (_, labels) in found.items() if labels - listed[name][1]} == {}
    assert {name: listed[name][1] for name in WANTED} == WANTED


def test_a_scrape_says_how_the_network_stands(cluster: Cluster) -> None:
    cluster.wait_growth(0, 1)
    samples = cluster.scrape()
    assert samples["shardnet_supply_imbalance_wei", ()] == 0
    assert samples["shardnet_peers", ()] == cluster.options.nodes - 1
    for chain in map(str, range(SHARDS + 1)):
        latest, final = (samples["shardnet_head_height", (("chain", chain), ("tag", tag))] for tag in ("latest", "finalized"))
        assert 1 <= final <= latest
        assert samples["shardnet_views_total", (("chain", chain), ("outcome", "finalized"))] >= 1
        assert samples["shardnet_finality_seconds_count", (("chain", chain),)] >= 1
    for shard in map(str, range(SHARDS)):
        assert samples["shardnet_block_execution_seconds_count", (("shard", shard),)] >= 1
    assert ("shardnet_equivocations_total", ()) not in samples

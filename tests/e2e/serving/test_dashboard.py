"""Every metric and label that the Grafana dashboard asks for is in what live nodes serve."""

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from node.cluster.accounts import TEST_ACCOUNTS
from node.rpc.limits import BATCH_CALLS_MAX
from tests.docker.dashboard import TARGET_LABELS, parse, targets
from tests.e2e.harness import Cluster

_SUFFIX = {"counter": "_total"}


class Scraped:
    """What all nodes serve: names, and each sample's labels."""

    def __init__(self, cluster: Cluster) -> None:
        self.names: set[str] = set()
        self.labels: dict[str, list[dict[str, str]]] = {}
        for node in range(cluster.options.nodes):
            for family in text_string_to_metric_families(cluster.scrape_text(node)):
                self.names.add(family.name + _SUFFIX.get(family.type, ""))
                for sample in family.samples:
                    self.names.add(sample.name)
                    self.labels.setdefault(sample.name, []).append(sample.labels)


@pytest.fixture(scope="module")
def scraped(cluster: Cluster) -> Scraped:
    """After a crossing, and a batch over its limit."""
    crossing = cluster.command("send", "--from", "9", "--to", TEST_ACCOUNTS[9].address, "--value", "0.1", "--shard", "0", "--to-shard", "1")
    assert crossing.returncode == 0, crossing.stderr
    calls = [{"jsonrpc": "2.0", "id": i, "method": "eth_chainId", "params": []} for i in range(BATCH_CALLS_MAX + 1)]
    assert "error" in requests.post(cluster.options.url(0), json=calls, timeout=10).json()
    return Scraped(cluster)


@pytest.mark.parametrize("query", sorted({query for query, _ in targets()}))
def test_a_query_finds_its_metrics_and_labels(scraped: Scraped, query: str) -> None:
    for named in parse(query):
        assert named.metric in scraped.names
        wanted = named.labels - TARGET_LABELS
        samples = scraped.labels.get(named.metric, [])
        if wanted:
            assert any(wanted <= labels.keys() for labels in samples), (wanted, samples[:3])
        for name, value in named.values:
            assert any(labels.get(name) == value for labels in samples), (name, value)

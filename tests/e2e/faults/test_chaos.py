"""`shardnet chaos` on a network that runs: broken while it is told to be, and whole again."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from node.cluster.processes import find_nodes, terminate
from tests.e2e.harness import ROOT, Cluster, lines_of, make_options, running, wait_for

SECONDS = "3s"
pytestmark = pytest.mark.timeout(480)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("chaos") / "network", make_options()) as cluster:
        yield cluster
        # what a command has started is no child of this process
        terminate(find_nodes(cluster.layout, cluster.options).values())


def chaos(cluster: Cluster, *words: str) -> list[dict]:
    result = cluster.command("chaos", *words, "--for", SECONDS, "--json", seconds=180)
    assert result.returncode == 0, result.stdout + result.stderr
    events = lines_of(result)
    assert [event["event"] for event in events] == ["began", "ended"] + ["went_on"] * (cluster.options.shards + 1)
    assert {event["chain"] for event in events[2:]} == {"shard 0", "shard 1", "beacon"}
    return events


def heights(cluster: Cluster, node: int) -> list[int]:
    return [chain.finalized.number for chain in cluster.chains(node)]


def test_a_partition_stops_every_chain_until_it_ends(cluster: Cluster) -> None:
    command = [sys.executable, "-P", "-m", "node.cli.main", "chaos", "partition", "0,1/2,3", "--for", "60s", "--json"]
    command += ["--data-dir", str(cluster.layout.folder)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["event"] == "began"
    wait_for("nodes without the others", lambda: all((status := cluster.status(node)) and status.peers == 1 for node in range(4)))
    before = [heights(cluster, node) for node in range(4)]
    process.send_signal(signal.SIGTERM)
    told, _ = process.communicate(timeout=90)
    assert process.returncode == 0
    events = [json.loads(line) for line in told.splitlines()]
    assert [event["event"] for event in events[:2]] == ["interrupted", "ended"]
    assert all(new <= old + 1 for new, old in zip(events[1]["final"], before[0], strict=True))
    assert all(wait_for("peers", lambda node=node: cluster.status(node)).peers == 3 for node in range(4))


def test_a_killed_node_is_started_again_and_the_folder_s_own_commands_know_it(cluster: Cluster) -> None:
    before = find_nodes(cluster.layout, cluster.options)
    chaos(cluster, "kill", "3")
    cluster.processes.pop(3).wait()
    after = find_nodes(cluster.layout, cluster.options)
    assert after[3] != before[3]
    assert {node: after[node] for node in range(3)} == {node: before[node] for node in range(3)}


def test_a_paused_node_goes_on(cluster: Cluster) -> None:
    chaos(cluster, "pause", "1")


def test_a_slow_node_stops_nobody(cluster: Cluster) -> None:
    events = chaos(cluster, "slow", "0", "--delay", "400ms")
    assert events[0]["fault"] == "what node 0 says takes 400 ms longer"
    assert 'chaos {"refuse":[],"refuse_seconds":0.0,"delay_ms":400' in cluster.layout.log(0).read_text()


def test_what_cannot_be_broken_is_refused_with_what_can(cluster: Cluster) -> None:
    for words, sentence in (
        (("partition", "0,1/2"), "name each once, in two groups or more, such as 0/1,2,3"),
        (("partition", "a"), "write 0,1/2,3, or 0,1 to part these from all others"),
        (("kill", "4"), "has nodes 0 to 3"),
        (("pause", "0", "--for", "soon"), "write it as 30s, 500ms or 2m"),
        (("slow", "0", "--delay", "2m"), "a node that says nothing for longer is paused"),
    ):
        result = cluster.command("chaos", *words)
        assert result.returncode != 0
        assert sentence in result.stderr

"""Groups as a command names them, and nodes that do not run or do not obey."""

import subprocess
import sys

import pytest

from node.cluster import chaos
from node.cluster.chaos import Kill, Partition, Pause, Slow, parse_groups
from node.cluster.files import write_network
from node.cluster.layout import Layout, Options
from primitives.errors import UserError

OPTIONS = Options(nodes=2)
DEAF = "import signal, time; signal.signal(signal.SIGUSR1, signal.SIG_IGN); print(flush=True); time.sleep(60)"


@pytest.fixture
def layout(tmp_path):
    write_network(tmp_path, OPTIONS)
    return Layout(tmp_path)


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("0,1/2,3", [[0, 1], [2, 3]]),
        ("3", [[3], [0, 1, 2]]),
        ("0/1/2,3", [[0], [1], [2, 3]]),
    ],
)
def test_groups(text, groups):
    assert parse_groups(text, 4) == groups


@pytest.mark.parametrize("text", ["", "0,", "a/b", "0,1/2", "0,1/1,2,3", "0,1,2,3", "0/1,2,3,4", "-1/0,1,2,3"])
def test_what_is_no_partition_is_refused_with_an_example(text):
    with pytest.raises(UserError, match=r"0,1/2,3|0/1,2,3"):
        parse_groups(text, 4)


@pytest.mark.parametrize("kind", [Kill, Pause, lambda *words: Slow(*words, 100)])
def test_a_node_that_does_not_run_is_named_with_what_starts_it(kind, layout):
    with pytest.raises(UserError, match=r"nothing to break: start the network with .* up --data-dir"):
        kind(layout, OPTIONS, 1).begin(1.0)


def test_a_pause_that_never_began_ends_without_a_signal(layout):
    Pause(layout, OPTIONS, 0).end()


def test_a_node_that_does_not_obey_is_reported_and_its_order_removed(layout, monkeypatch):
    process = subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline()
        monkeypatch.setattr(chaos, "find_nodes", lambda layout, options: {0: process.pid, 1: process.pid})
        monkeypatch.setattr(chaos, "OBEY_SECONDS_MAX", 0.1)
        with pytest.raises(UserError, match=r"node 0 does not take the order: .* logs --node 0"):
            Partition(layout, OPTIONS, [[0], [1]]).begin(1.0)
        assert not (layout.node(0) / chaos.ORDER_FILE).exists()
        with pytest.raises(UserError, match="node 1 does not take the order"):
            Partition(layout, OPTIONS, [[0], [1]]).end()
    finally:
        process.kill()
        process.communicate()

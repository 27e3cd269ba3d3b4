"""Groups as a command names them, nodes that do not run, and networks that are stopped meanwhile."""


import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from node.cluster import chaos
from node.cluster.chaos import Kill, Pause, Slow, parse_groups
from node.cluster.files import write_network
from node.cluster.layout import Layout, Options
from node.cluster.supervisor import hold_folder
from primitives.errors import InvalidConfig, UserError

OPTIONS = Options(nodes=2)



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
    with pytest.raises(InvalidConfig, match=r"0,1/2,3|0/1,2,3"):
        parse_groups(text, 4)


@pytest.mark.parametrize("kind", [Kill, Pause, lambda *words: Slow(*words, 100)])
def test_a_node_that_does_not_run_is_named_with_what_starts_it(kind, layout):
    with pytest.raises(UserError, match=r"nothing to break: start the network with .* up --data-dir"):
        kind(layout, OPTIONS, 1).begin(1.0)


def test_a_pause_that_never_began_ends_without_a_signal(layout):
    Pause(layout, OPTIONS, 0).end()


@pytest.fixture
def killed(layout, monkeypatch):
    """A node that `chaos kill` has killed, with what was started since."""
    process, started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]), []
    running = {0: os.getpid(), 1: process.pid}
    monkeypatch.setattr(chaos, "find_nodes", lambda layout, options: dict(running))
    monkeypatch.setattr(chaos, "start_node", lambda layout, node: started.append(node))
    write_state(layout, "ready")
    with hold_folder(layout):
        fault = Kill(layout, OPTIONS, 1)
        fault.begin(1.0)
        assert process.wait() == -signal.SIGKILL
        del running[1]
        yield fault, started


def write_state(layout, state):
    layout.state.write_text(json.dumps({"state": state}))


def test_a_killed_node_is_started_again(killed):
    fault, started = killed
    fault.end()
    fault.require_network()
    assert started == [1]


@pytest.mark.parametrize("state", ["stopping", "stopped", "failed"])
def test_nothing_is_started_for_a_network_that_is_being_stopped(state, killed, layout):
    fault, started = killed
    write_state(layout, state)
    began = time.monotonic()
    fault.wait(60.0)
    assert time.monotonic() - began < 30, "it lasts no longer than the network"
    fault.end()
    assert started == []
    with pytest.raises(UserError, match=r"was stopped meanwhile: .* none is started again here; \S*shardnet status"):
        fault.require_network()


def test_nothing_is_started_where_nobody_runs_the_network_any_more(killed, monkeypatch):
    fault, started = killed
    monkeypatch.setattr(chaos, "find_supervisor", lambda layout: None)
    fault.end()
    assert started == []
    assert fault.is_gone()


def test_a_node_started_while_the_network_is_being_stopped_is_stopped_too(killed, layout, monkeypatch):
    fault, _ = killed
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])

    def start(layout, node):
        write_state(layout, "stopping")
        return process

    monkeypatch.setattr(chaos, "start_node", start)
    fault.end()
    assert not psutil.pid_exists(process.pid)
    process.wait()

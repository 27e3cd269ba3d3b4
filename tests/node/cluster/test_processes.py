"""What is told of a node that does not answer, and of a port that is taken."""

import os
import re
import socket
from pathlib import Path

import pytest

from node.cluster import processes
from node.cluster.files import write_network
from node.cluster.layout import Layout, Options
from node.cluster.processes import require_free_ports, why_silent
from primitives.errors import StartupRefused


@pytest.mark.parametrize(
    ("running", "told"),
    [
        ({}, r"start the network with \S*shardnet up --data-dir \S+$"),
        ({0: 71}, r"node 1 does not run, start it again with \S*shardnet node --config \S+/node-1/node.toml$"),
        ({0: 71, 1: 72}, r"node 1 \(process 72\) does not answer, .* busy, \S*shardnet logs --node 1 --data-dir \S+ tells more$"),
    ],
)
def test_a_silent_node(running: dict[int, int], told: str, tmp_path: Path) -> None:
    assert re.match(told, why_silent(Layout(tmp_path), running, 1))


@pytest.mark.network
@pytest.mark.parametrize(
    ("config", "told"),
    [
        (None, rf"stop process {os.getpid()} \(\S+\), which holds it"),
        ("net/node-0/node.toml", r"stop the network in \S+/net with \S*shardnet down --data-dir \S+/net"),
        ("alone/node-0/node.toml", rf"stop process {os.getpid()}, a node of \S+/alone, which holds it"),
    ],
    ids=["a stranger", "a network of ours", "a node of no network"],
)
def test_who_holds_a_port(config: str | None, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_network(tmp_path / "net", Options(nodes=1, shards=1))
    monkeypatch.setattr(processes, "_config_of", lambda words, process: None if config is None else str(tmp_path / config))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(StartupRefused, match=rf"is in use: {told}, or choose another with --rpc-port"):
            require_free_ports(Options(nodes=1, shards=1, rpc_port=taken.getsockname()[1]))

"""Networks of real node processes on free ports, killed and started again by id; their logs come with a failure."""

from __future__ import annotations

import functools
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from prometheus_client.parser import text_string_to_metric_families

from node.cluster.client import CallRefused, Client, Unreachable
from node.cluster.files import write_network
from node.cluster.layout import Layout, Options
from node.cluster.processes import last_lines, start_node, stop_nodes
from node.cluster.status import ChainStatus, NodeStatus, Watcher

ROOT = Path(__file__).parents[2]
NODES, SHARDS = 4, 2
READY_SECONDS_MAX = 120.0
EVENT_SECONDS_MAX = 150.0
POLL_SECONDS = 0.1
LOG_LINES_SHOWN = 15
T = TypeVar("T")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def make_options(nodes: int = NODES, **changes: Any) -> Options:
    """Options on ports that nobody has."""
    # two runs on one machine that start at the same time look at different ports first; workers of one run share none, for
    # the ports of a node that a test has ended look free
    worker, workers = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    bases = list(range(11_000, 31_000, 1_000))[worker::workers]
    first = os.getpid() % len(bases)
    for base in bases[first:] + bases[:first]:
        values: dict[str, Any] = {
            "nodes": nodes, "shards": SHARDS, "block_time_ms": 500, "idle_block_time_ms": 1000,
            "rpc_port": base, "p2p_port": base + 700, "metrics_port": base + 800,
        } | changes  # fmt: skip
        options = Options(**values)
        if all(is_free(port) for node in range(nodes) for port, _ in options.ports_of(node)):
            return options
    raise AssertionError("no free ports")


def wait_for(what: str, ask: Callable[[], T | None], seconds: float = EVENT_SECONDS_MAX) -> T:
    """The first answer that is neither None nor False."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer is not None and answer is not False:
            return answer
        assert time.monotonic() < deadline, f"no {what} within {seconds:g} s"
        time.sleep(POLL_SECONDS)


class Cluster:
    """Nodes in one folder; each has a process of its own."""

    def __init__(self, folder: Path, options: Options, hosts: Sequence[str] | None = None) -> None:
        self.options = options
        self.layout = Layout(folder)
        self.genesis = write_network(folder, options, hosts)
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self.everything: list[subprocess.Popen[bytes]] = []
        self._watcher = Watcher(options)
        self._clients: list[Client] = []

    def start(self, *nodes: int) -> None:
        for node in nodes or range(self.options.nodes):
            self.processes[node] = start_node(self.layout, node)
            self.everything.append(self.processes[node])

    def kill(self, *nodes: int) -> None:
        """As `kill -9` does: the node's own process, nothing else."""
        for node in nodes:
            self.processes[node].kill()
        for node in nodes:
            self.processes.pop(node).wait()

    def stop(self) -> list[int]:
        """The ids that had to be forced."""
        forced = stop_nodes(self.everything)
        self._watcher.close()
        for client in self._clients:
            client.close()
        return forced

    def require_alive(self) -> None:
        gone = {node: process.returncode for node, process in self.processes.items() if process.poll() is not None}
        assert not gone, f"nodes ended by themselves: {gone}"

    def status(self, node: int = 0) -> NodeStatus | None:
        self.require_alive()
        return self._watcher.ask(node)

    def chains(self, node: int = 0) -> tuple[ChainStatus, ...]:
        """Shards, then the beacon chain."""
        return wait_for(f"answer of node {node}", lambda: self.status(node)).chains

    def wait_ready(self, *nodes: int) -> None:
        def ready(node: int) -> bool:
            status = self.status(node)
            return status is not None and status.is_ready

        for node in nodes or range(self.options.nodes):
            wait_for(f"readiness of node {node}", functools.partial(ready, node), READY_SECONDS_MAX)

    def wait_growth(self, node: int, count: int, since: list[int] | None = None) -> list[int]:
        """Until every chain has `count` final blocks more at a node; its heights."""
        before = since or [chain.finalized.number for chain in self.chains(node)]

        def heights() -> list[int] | None:
            now = [chain.finalized.number for chain in self.chains(node)]
            return now if all(new >= old + count for new, old in zip(now, before, strict=True)) else None

        return wait_for(f"{count} more final blocks on every chain at node {node} than {before}", heights)

    def client(self, node: int = 0, shard: int = 0) -> Client:
        """Closed with the cluster at the latest."""
        client = Client(self.options.url(node, shard))
        self._clients.append(client)
        return client

    def command(self, *arguments: str, seconds: float = 90.0) -> subprocess.CompletedProcess[str]:
        """A command of the real command line, to its end."""
        return run_command(*arguments, "--data-dir", str(self.layout.folder), seconds=seconds)

    def logs(self) -> str:
        parts = []
        for node in range(self.options.nodes):
            lines = "\n".join(last_lines(self.layout.log(node), LOG_LINES_SHOWN) + last_lines(self.layout.output(node), LOG_LINES_SHOWN))
            parts.append(f"--- node {node}\n{lines}")
        return "\n".join(parts)

    def scrape(self, node: int = 0) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """Every sample by name and labels."""
        samples = {}
        for family in text_string_to_metric_families(self.scrape_text(node)):
            for sample in family.samples:
                samples[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
        return samples

    def scrape_text(self, node: int = 0) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.options.metrics_port + node, timeout=10)
        try:
            connection.request("GET", "/metrics")
            response = connection.getresponse()
            assert response.status == 200
            return response.read().decode()
        finally:
            connection.close()


@contextmanager
def running(folder: Path, options: Options) -> Iterator[Cluster]:
    """A network that is ready; ended by id, whatever happens."""
    cluster = Cluster(folder, options)
    try:
        cluster.start()
        cluster.wait_ready()
        yield cluster
    except BaseException:
        print(cluster.logs())
        raise
    finally:
        cluster.stop()


def command_line(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "node.cli.main", *arguments]


def run_command(*arguments: str, seconds: float = 90.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command_line(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False)


def balance(client: Client, address: str, tag: str = "latest") -> int:
    """Wei."""
    return int(client.call("eth_getBalance", address, tag), 16)


def final_blocks(client: Client, first: int, last: int, shard: int) -> list[tuple[str, str]]:
    """Hash and state root of a shard's blocks."""
    calls = [("eth_getBlockByNumber", (hex(number), False)) for number in range(first, last + 1)]
    return [(block["hash"], block["stateRoot"]) for block in client.batch(calls, f"/shard/{shard}")]


def try_call(client: Client, method: str, *arguments: object) -> Any:
    """The result; None when the node was busy, refused or was gone for a moment."""
    try:
        return client.call(method, *arguments)
    except (CallRefused, Unreachable):
        return None


def lines_of(result: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """The JSON lines of a command."""
    return [json.loads(line) for line in result.stdout.splitlines()]

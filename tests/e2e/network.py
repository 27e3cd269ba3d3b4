"""Networks of real node processes for tests: own ports, own folder, every process ended by its id."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from node.cluster.files import write_network
from node.cluster.layout import Options

READY_SECONDS_MAX = 90
_POLL_SECONDS = 0.05


class RpcError(Exception):
    """An error answer."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['code']}: {error['message']}")
        self.code, self.message = error["code"], error["message"]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_base(nodes: int, shards: int) -> tuple[int, int, int]:
    """Ports for a network that nobody on this machine uses: JSON-RPC, p2p, metrics."""
    for _ in range(200):
        base = random.randrange(20_000, 58_000, 1000)
        rpc, p2p, metrics = base, base + 900, base + 950
        ports = [rpc + 100 * n + s for n in range(nodes) for s in range(shards)] + [b + n for b in (p2p, metrics) for n in range(nodes)]
        if all(_is_free(port) for port in ports):
            return rpc, p2p, metrics
    raise AssertionError("no free ports")


class NetworkUnderTest:
    """Node processes over the files of a local network."""

    def __init__(self, folder: Path, nodes: int = 4, shards: int = 2, **options: int) -> None:
        rpc, p2p, metrics = free_base(nodes, shards)
        self.folder = folder
        self.options = Options(nodes=nodes, shards=shards, rpc_port=rpc, p2p_port=p2p, metrics_port=metrics, **options)
        self.genesis = write_network(folder, self.options)
        self.processes: dict[int, subprocess.Popen[bytes]] = {}

    # -- processes

    def start(self, *nodes: int) -> None:
        """Starts nodes (all of them when none is named)."""
        for node in nodes or range(self.options.nodes):
            log = (self.folder / f"node-{node}" / "test.log").open("ab")
            command = [sys.executable, "-m", "node.cli.main", "node", "--config", str(self.folder / f"node-{node}" / "node.toml")]
            self.processes[node] = subprocess.Popen(command, stdout=log, stderr=log)
            log.close()

    def kill(self, *nodes: int) -> None:
        """kill -9, and waits until they are gone."""
        for node in nodes:
            self.processes[node].send_signal(signal.SIGKILL)
        for node in nodes:
            self.processes.pop(node).wait(10)

    def stop(self) -> None:
        """Ends every node in order; one that does not end in time is a failure."""
        for process in self.processes.values():
            process.terminate()
        late = []
        for node, process in self.processes.items():
            try:
                process.wait(12)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                late.append(node)
        self.processes.clear()
        assert not late, f"nodes {late} did not stop within 12 s of SIGTERM"

    def logs(self) -> str:
        """The end of every node's log."""
        return "\n".join(f"node {n}:\n{self._log(n)[-3000:]}" for n in range(self.options.nodes))

    def _log(self, node: int) -> str:
        path = self.folder / f"node-{node}" / "test.log"
        return path.read_text() if path.exists() else ""

    # -- asking

    def rpc(self, method: str, *params: Any, node: int = 0, shard: int = 0, path: str = "/") -> Any:
        """One JSON-RPC call."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}).encode()
        request = urllib.request.Request(self.options.url(node, shard) + path, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.load(response)
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def metrics(self, node: int = 0) -> str:
        """A scrape."""
        with urllib.request.urlopen(self.options.metrics_url(node), timeout=10) as response:
            return response.read().decode()

    def metric(self, name: str, node: int = 0, **labels: str) -> float:
        """One sample of a scrape; 0 where it is not there yet."""
        for line in self.metrics(node).splitlines():
            if line.startswith(name) and all(f'{key}="{value}"' in line for key, value in labels.items()):
                return float(line.rsplit(" ", 1)[1])
        return 0.0

    def heights(self, node: int = 0) -> dict[int, int]:
        """Final height (`latest`) by chain number."""
        found = self.rpc("shard_getNetwork", node=node)
        heights = {int(entry["shard"], 16): int(entry["latest"]["number"], 16) for entry in found["shards"]}
        return heights | {self.options.shards: int(found["beacon"]["head"]["number"], 16)}

    def wait_for(self, condition: Callable[[], Any], what: str, seconds: float = 60) -> Any:
        """Asks until `condition` gives something true; nodes that cannot be reached count as not yet."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for node, process in self.processes.items():
                assert process.poll() is None, f"node {node} ended with {process.returncode}\n{self._log(node)[-3000:]}"
            try:
                found = condition()
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                found = None
            if found:
                return found
            time.sleep(_POLL_SECONDS)
        raise AssertionError(f"{what}: not within {seconds} s\n{self.logs()}")

    def wait_ready(self) -> None:
        """Until every running node has something final on every chain."""
        nodes = list(self.processes)
        self.wait_for(
            lambda: all(self.rpc("shard_getNetwork", node=node)["ready"] for node in nodes), "every node is ready", READY_SECONDS_MAX
        )

    def wait_growth(self, node: int, by: int = 2, seconds: float = 60) -> None:
        """Until every chain has grown at a node."""
        before = self.wait_for(lambda: self.heights(node), f"node {node} answers")
        self.wait_for(
            lambda: all(height >= before[chain] + by for chain, height in self.heights(node).items()), f"every chain grows by {by}", seconds
        )

    def receipt(self, transaction_hash: str, shard: int = 0, node: int = 0, seconds: float = 60) -> dict[str, Any]:
        """The transaction's receipt, once there is one."""

        def ask() -> Any:
            return self.rpc("eth_getTransactionReceipt", transaction_hash, shard=shard, node=node)

        return self.wait_for(ask, f"{transaction_hash} is included", seconds)

    def shardnet(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """The real command on this network's folder."""
        command = [sys.executable, "-m", "node.cli.main", *arguments, "--data-dir", str(self.folder)]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=dict(os.environ), check=False)

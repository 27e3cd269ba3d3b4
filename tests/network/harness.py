"""Networks of real node processes in namespaces of their own, and what must hold of them whatever happened."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from node.cluster.client import Client
from node.cluster.layout import Options
from node.cluster.status import NodeStatus
from tests.e2e.accounts import known_account, next_nonce, sign
from tests.e2e.harness import EVENT_SECONDS_MAX, Cluster, run_command, try_call, wait_for
from tests.network.namespaces import Namespace, address_of

EVIDENCE_BLOCKS = 32
"""Beacon blocks that are looked through in one call."""
OPTIONS = Options(listen_host="0.0.0.0", block_time_ms=500, idle_block_time_ms=1000)
"""Ports may be any: nobody else is in the namespaces."""
_REAPER = """
import os, signal, subprocess, sys
left = [line.split() for line in sys.stdin]
if left and left[-1] == ["end"]:
    sys.exit()
for what, which in left:
    if what == "kill":
        try:
            os.killpg(int(which), signal.SIGKILL)
        except ProcessLookupError:
            pass
    else:
        subprocess.run(["umount", "--lazy", which], check=False)
"""
"""Ends what a test leaves behind that was killed itself."""


class Fabric(Protocol):
    """What joins the nodes."""

    @property
    def nodes(self) -> Sequence[Namespace]:
        """One a node."""


class _InsideClient(Client):
    """A client in a node's namespace."""

    def __init__(self, url: str, namespace: Namespace) -> None:
        super().__init__(url)
        self._namespace = namespace

    def batch(self, calls: Sequence[tuple[str, Sequence[object]]], path: str | None = None) -> list[Any]:
        with self._namespace.inside():
            return super().batch(calls, path)


class NetworkCluster(Cluster):
    """A cluster whose nodes are each alone on a machine, as far as they can tell."""

    def __init__(self, folder: Path, options: Options, fabric: Fabric) -> None:
        super().__init__(folder, options, [address_of(node) for node in range(options.nodes)])
        self.fabric = fabric
        self._reaper = subprocess.Popen([sys.executable, "-c", _REAPER], stdin=subprocess.PIPE, text=True, start_new_session=True)

    def on_crash(self, *words: object) -> None:
        """`kill` a process group or `umount` a folder, should this process be killed."""
        assert self._reaper.stdin is not None
        self._reaper.stdin.write(" ".join(map(str, words)) + "\n")
        self._reaper.stdin.flush()

    def start(self, *nodes: int) -> None:
        for node in nodes or range(self.options.nodes):
            with self.fabric.nodes[node].inside():
                super().start(node)
            self.on_crash("kill", self.processes[node].pid)

    def stop(self) -> list[int]:
        for process in self.processes.values():
            process.send_signal(signal.SIGCONT)
        forced = super().stop()
        self.on_crash("end")
        self._reaper.communicate()
        return forced

    def status(self, node: int = 0) -> NodeStatus | None:
        with self.fabric.nodes[node].inside():
            return super().status(node)

    def client(self, node: int = 0, shard: int = 0) -> Client:
        client = _InsideClient(self.options.url(node, shard), self.fabric.nodes[node])
        self._clients.append(client)
        return client

    def scrape_text(self, node: int = 0) -> str:
        with self.fabric.nodes[node].inside():
            return super().scrape_text(node)

    def heights(self, node: int) -> list[int]:
        """Of the newest final blocks: shards, then the beacon chain."""
        return [chain.finalized.number for chain in self.chains(node)]

    def wait_resumed(self, since: dict[int, list[int]], seconds: float = EVENT_SECONDS_MAX) -> list[float]:
        """Seconds, a chain, until the last of the nodes has final blocks after the heights it is given with."""
        began = time.monotonic()
        taken = [0.0] * (self.options.shards + 1)
        waiting = {(node, chain) for node in since for chain in range(self.options.shards + 1)}

        def has_grown() -> bool:
            for node in {node for node, _ in waiting}:
                for chain, height in enumerate(self.heights(node)):
                    if (node, chain) in waiting and height > since[node][chain]:
                        waiting.discard((node, chain))
                        taken[chain] = time.monotonic() - began
            return not waiting

        wait_for(f"final blocks on every chain after {since}", has_grown, seconds)
        return taken

    def require_agreement(self) -> list[int]:
        """Every node goes on and says the same of every final block, and the supply adds up; the heights compared."""
        heights = [max(self.heights(node)[chain] for node in range(self.options.nodes)) for chain in range(self.options.shards + 1)]
        for node in range(self.options.nodes):
            self.wait_growth(node, 1, heights)
        answers = [self._hashes(node, heights) for node in range(self.options.nodes)]
        for node, answer in enumerate(answers):
            assert answer == answers[0], f"node {node} does not agree with node 0"
        with self.fabric.nodes[0].inside():
            audit = run_command("audit", "--json", "--rpc", self.options.url(0))
        assert audit.returncode == 0, audit.stdout + audit.stderr
        assert [self.evidence(node) for node in range(self.options.nodes)] == [[]] * self.options.nodes
        return heights

    def evidence(self, node: int) -> list[Any]:
        """All that the beacon chain holds against anybody."""
        client = self.client(node)
        head = int(client.call("beacon_getHead")["number"], 16)
        calls = [("beacon_getEvidence", (hex(first), hex(EVIDENCE_BLOCKS))) for first in range(0, head + 1, EVIDENCE_BLOCKS)]
        found = [one for answer in _in_parts(client, calls, "/beacon") for one in answer]
        client.close()
        return found

    def _hashes(self, node: int, heights: list[int]) -> list[list[str]]:
        client = self.client(node)
        found = []
        for shard, height in enumerate(heights[:-1]):
            wanted = [("eth_getBlockByNumber", (hex(number), False)) for number in range(1, height + 1)]
            found.append([block["hash"] for block in _in_parts(client, wanted, f"/shard/{shard}")])
        calls = [("beacon_getBlock", (hex(number),)) for number in range(1, heights[-1] + 1)]
        found.append([block["hash"] for block in _in_parts(client, calls, "/beacon")])
        client.close()
        return found


def _in_parts(client: Client, calls: Sequence[tuple[str, Sequence[object]]], path: str) -> list[Any]:
    return [answer for start in range(0, len(calls), 100) for answer in client.batch(calls[start : start + 100], path)]


class Load:
    """One transfer after another on each shard, of a test account, by whichever node answers."""

    def __init__(self, cluster: NetworkCluster) -> None:
        self._cluster = cluster
        self._accounts = [known_account(shard) for shard in range(cluster.options.shards)]
        self._nonces = [0] * cluster.options.shards
        self.sent = 0

    def send(self, node: int) -> None:
        """One transfer a shard by a node."""
        for shard, account in enumerate(self._accounts):
            client = self._cluster.client(node, shard)
            if try_call(client, "eth_chainId") is not None:
                self._nonces[shard] = max(self._nonces[shard], next_nonce(client, account))
                raw = sign(account, 735_700 + shard, self._nonces[shard], to=account.address, value=1)
                if try_call(client, "eth_sendRawTransaction", raw) is not None:
                    self._nonces[shard] += 1
                    self.sent += 1
            client.close()


@contextmanager
def running_in(fabric: Fabric, folder: Path, options: Options = OPTIONS) -> Iterator[NetworkCluster]:
    """A network that is ready; ended by id, whatever happens."""
    with ExitStack() as stack:
        cluster = NetworkCluster(folder, options, fabric)
        stack.callback(cluster.stop)
        try:
            cluster.start()
            cluster.wait_ready()
            yield cluster
        except BaseException:
            print(cluster.logs())
            raise


def say(line: str) -> None:
    """A line for who watches `make test-network`."""
    print(f"\n  {line}", flush=True)

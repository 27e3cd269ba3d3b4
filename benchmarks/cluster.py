"""The network that is measured: `shardnet up --detach` on ports and in a folder of its own."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_account import Account
from prometheus_client.parser import text_string_to_metric_families

from node.cluster.accounts import TEST_ACCOUNTS
from primitives.hashing import keccak256
from primitives.types import Address

OUTBOX = Address(0x5A01.to_bytes(20, "big"))
POLL_SECONDS = 0.02
WAIT_SECONDS_MAX = 60.0
NODES, SHARDS = 4, 2
CHAIN_ID_BASE = 735_700
BLOCK_SECONDS = 1.0
PORTS = tuple(100 * node + shard for node in range(NODES) for shard in range(4))
"""Of JSON-RPC, above the base."""


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _base_port() -> int:
    for base in range(31_000, 60_000, 1000):
        if all(_is_free(base + offset) for offset in (*PORTS, *range(900, 904), *range(950, 954))):
            return base
    raise AssertionError("no free ports")


@dataclass(slots=True)
class Cluster:
    """Four nodes, two shards if not told otherwise, and the default parameters."""

    folder: Path
    base: int
    shards: int = SHARDS

    @classmethod
    def make(cls, folder: Path, shards: int = SHARDS) -> Cluster:
        """A network in `folder`, not started."""
        return cls(folder / "network", _base_port(), shards)

    def _shardnet(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "node.cli.main", *arguments, "--data-dir", str(self.folder)]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=240).stdout

    def up(self) -> float:
        """Starts it; seconds until it was ready."""
        began = time.monotonic()
        ports = {"--rpc-port": self.base, "--p2p-port": self.base + 900, "--metrics-port": self.base + 950}
        options = {"--shards": self.shards, **ports}
        self._shardnet("up", "--detach", *(text for option, value in options.items() for text in (option, str(value))))
        return time.monotonic() - began

    def down(self) -> None:
        """Stops it."""
        self._shardnet("down")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Starts it, and stops it however what is measured ends: its processes are not this one's children."""
        try:
            self.up()
            yield
        finally:
            self.down()

    def process_ids(self) -> list[int]:
        """Every process of the network: supervisor, nodes, executors."""
        roots = {int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal() and self._is_ours(path)}
        return sorted(roots | {child for root in roots for child in _descendants(root)})

    def _is_ours(self, process: Path) -> bool:
        try:
            return str(self.folder).encode() in (process / "cmdline").read_bytes()
        except OSError:
            return False

    def metrics(self, node: int) -> dict[tuple[str, str], float]:
        """A scrape: values by name and shard, or outcome ("" where a metric has neither), summed over other labels."""
        connection = http.client.HTTPConnection("127.0.0.1", self.base + 950 + node, timeout=30)
        connection.request("GET", "/metrics")
        found: dict[tuple[str, str], float] = {}
        for family in text_string_to_metric_families(connection.getresponse().read().decode()):
            for sample in family.samples:
                key = sample.name, sample.labels.get("shard", sample.labels.get("outcome", ""))
                found[key] = found.get(key, 0.0) + sample.value
        connection.close()
        return found

    def rpc(self, shard: int, node: int = 0) -> Rpc:
        """A client of one shard at one node."""
        return Rpc(self.base + 100 * node + shard)


def _descendants(root: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{root}/task").glob("*/children"):
        for child in task.read_text().split():
            found += [int(child), *_descendants(int(child))]
    return found


def _result(method: str, answer: dict[str, Any]) -> Any:
    if "error" in answer:
        raise RuntimeError(f"{method}: {answer['error']}")
    return answer["result"]


class Rpc:
    """JSON-RPC over one connection that is kept."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def __call__(self, method: str, *params: Any) -> Any:
        """One call."""
        return _result(method, self._exchange({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}))

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Several calls in one request."""
        body = [{"jsonrpc": "2.0", "id": i, "method": method, "params": list(params)} for i, (method, params) in enumerate(calls)]
        return [_result(method, answer) for (method, _), answer in zip(calls, self._exchange(body), strict=True)]

    def _exchange(self, body: Any) -> Any:
        self._connection.request("POST", "/", json.dumps(body).encode(), {"Content-Type": "application/json"})
        return json.loads(self._connection.getresponse().read())

    def wait(self, ask: Callable[[], Any], seconds_max: float = WAIT_SECONDS_MAX) -> float:
        """Polls until `ask` gives something true; the moment it did."""
        end = time.monotonic() + seconds_max
        while not ask():
            assert time.monotonic() < end, f"not within {seconds_max} s"
            time.sleep(POLL_SECONDS)
        return time.monotonic()


class Sender:
    """A test account on one shard, whose nonce is counted here."""

    def __init__(self, rpc: Rpc, shard: int, account: int) -> None:
        self.rpc, self.shard = rpc, shard
        self._key = TEST_ACCOUNTS[account].key
        self._nonce = int(rpc("eth_getTransactionCount", TEST_ACCOUNTS[account].address, "pending"), 16)

    def sign(self, to: bytes, value: int, data: bytes = b"", gas: int = 21_000) -> str:
        """The next transaction, signed."""
        fields = {
            "chainId": CHAIN_ID_BASE + self.shard, "nonce": self._nonce, "gas": gas, "to": to, "value": value, "data": data,
            "maxFeePerGas": 10**11, "maxPriorityFeePerGas": 10**9,
        }
        self._nonce += 1
        return "0x" + bytes(Account.sign_transaction(fields, self._key).raw_transaction).hex()

    def cross(self, to_shard: int, to: bytes, value: int) -> str:
        """A transfer through Outbox, signed."""
        data = keccak256(b"transfer(uint32,address)")[:4] + to_shard.to_bytes(32, "big") + to.rjust(32, b"\0")
        return self.sign(OUTBOX, value, data, 200_000)

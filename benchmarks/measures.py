"""What is measured, each on a network that is up."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.cluster import BLOCK_SECONDS, Cluster, Rpc, Sender
from benchmarks.rpc import measure_rpc, measure_subscribers
from benchmarks.statistics import Figure, percentile

SAMPLES = 20
IDLE_SECONDS = 60.0
IDLE_BEFORE_SECONDS = 12.0
"""Longer than two idle block times: whatever was going on has come to rest."""
THROUGHPUT_TRANSACTIONS, BATCH = 2000, 100
"""Of one sender, whom the pool allows 2,048."""


def measure_startup(cluster: Cluster) -> list[Figure]:
    """The second `up` on a folder, until every node reports `finalized` >= 1 on every chain."""
    cluster.down()
    return [Figure("startup", "second up until ready", cluster.up(), "s", 12.0)]


def measure_latency(cluster: Cluster) -> list[Figure]:
    """Single transfers at random phases: when they are in `latest`, and in `finalized`."""
    rng, rpc = random.Random(1), cluster.rpc(0)
    sender, included, finalized = Sender(rpc, 0, 0), [], []
    for _ in range(SAMPLES):
        time.sleep(rng.uniform(0.2, 1.2))
        began = time.monotonic()
        sent = rpc("eth_sendRawTransaction", sender.sign(rng.randbytes(20), 1))
        included_at = rpc.wait(partial(rpc, "eth_getTransactionReceipt", sent))
        number = int(rpc("eth_getTransactionReceipt", sent)["blockNumber"], 16)
        finalized_at = rpc.wait(partial(_is_finalized, rpc, number))
        included.append(included_at - began)
        finalized.append(finalized_at - included_at)
    return [
        Figure("latency", "transfer until latest, p50", percentile(included, 0.5), "s", BLOCK_SECONDS + 0.6),
        Figure("latency", "transfer until latest, p95", percentile(included, 0.95), "s"),
        Figure("latency", "latest until finalized, p50", percentile(finalized, 0.5), "s", 2 * BLOCK_SECONDS),
        Figure("latency", "latest until finalized, p95", percentile(finalized, 0.95), "s"),
    ]


def _is_finalized(rpc: Rpc, number: int) -> bool:
    return int(rpc("eth_getBlockByNumber", "finalized", False)["number"], 16) >= number


def _holds_something(rpc: Rpc, address: bytes) -> bool:
    return int(rpc("eth_getBalance", "0x" + address.hex(), "latest"), 16) > 0


def _crossings(rng: random.Random, source: Rpc, destination: Rpc, samples: int, pause: Callable[[], float]) -> list[float]:
    """Block times from inclusion at the source to the credit at the destination."""
    sender, times = Sender(source, 0, 1), []
    for _ in range(samples):
        time.sleep(pause())
        receiver = rng.randbytes(20)
        assert not _holds_something(destination, receiver), "a credit is seen only at an account that had nothing"
        sent = source("eth_sendRawTransaction", sender.cross(1, receiver, 7))
        included_at = source.wait(partial(source, "eth_getTransactionReceipt", sent))
        credited_at = destination.wait(partial(_holds_something, destination, receiver))
        times.append((credited_at - included_at) / BLOCK_SECONDS)
    return times


def measure_crossing(cluster: Cluster) -> list[Figure]:
    """From inclusion on shard 0 to the credit on shard 1, under light load and from idle."""
    rng, source, destination = random.Random(3), cluster.rpc(0), cluster.rpc(1)
    busy = _crossings(rng, source, destination, SAMPLES, lambda: rng.uniform(0.1, 1.1))
    idle = _crossings(rng, source, destination, 5, lambda: IDLE_BEFORE_SECONDS + rng.uniform(0, 2))
    return [
        Figure("crossing", "inclusion to credit, p50", percentile(busy, 0.5), "block times", 3.0),
        Figure("crossing", "inclusion to credit, p95", percentile(busy, 0.95), "block times", 5.0),
        Figure("crossing", "the same from idle, p50", percentile(idle, 0.5), "block times", 3.0),
        Figure("crossing", "the same from idle, worst", max(idle), "block times", 5.0),
    ]


def measure_idle(cluster: Cluster) -> list[Figure]:
    """Processor time and memory of all processes of a network that nobody uses."""
    time.sleep(IDLE_BEFORE_SECONDS)
    processes = cluster.process_ids()
    before, began = sum(map(_cpu_ticks, processes)), time.monotonic()
    time.sleep(IDLE_SECONDS)
    used = (sum(map(_cpu_ticks, processes)) - before) / 100 / (time.monotonic() - began)
    memory = sum(map(_pss_bytes, processes)) / 1e9
    return [
        Figure("idle", "processor, all processes, over 60 s", used * 100, "% of one core", 35.0),
        Figure("idle", f"memory, PSS of {len(processes)} processes", memory, "GB", 1.2),
    ]


def _cpu_ticks(process: int) -> int:
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def _pss_bytes(process: int) -> int:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def measure_throughput(cluster: Cluster) -> list[Figure]:
    """Signed transfers of one account in batches over one connection, until the last one is in a block of shard 0."""
    rpc = cluster.rpc(0)
    sender = Sender(rpc, 0, 2)
    signed = [sender.sign(b"\x99" * 20, 1) for _ in range(THROUGHPUT_TRANSACTIONS)]
    began, last = time.monotonic(), None
    for first in range(0, len(signed), BATCH):
        last = rpc.batch([("eth_sendRawTransaction", [raw]) for raw in signed[first : first + BATCH]])[-1]
    accepted = time.monotonic() - began
    mined = rpc.wait(partial(rpc, "eth_getTransactionReceipt", last)) - began
    return [
        Figure("throughput", "transfers accepted", len(signed) / accepted, "1/s"),
        Figure("throughput", "transfers in blocks", len(signed) / mined, "1/s"),
    ]


MEASURES: dict[str, Callable[[Cluster], list[Figure]]] = {
    "startup": measure_startup,
    "latency": measure_latency,
    "crossing": measure_crossing,
    "idle": measure_idle,
    "throughput": measure_throughput,
    "rpc": measure_rpc,
    "subscribers": measure_subscribers,
}

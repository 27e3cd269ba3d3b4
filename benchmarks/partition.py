"""How long real nodes take to go on after a partition: namespaces of their own, 30 s in two halves, then whole again. As root."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

from benchmarks.statistics import Figure
from tests.network.harness import running_in
from tests.network.namespaces import Bridged

NODES = 4
PARTITION_SECONDS = 30.0
ROUNDS = 3
HEAL_SECONDS_MAX = 5.0
"""From the end of a partition to the next final block of each chain."""


def measure_partition() -> list[Figure]:
    """Seconds from healing until every node has a new final block, on each chain; the longest of some rounds."""
    fabric = Bridged(NODES)
    longest: list[float] = []
    with tempfile.TemporaryDirectory(prefix="shardnet-bench-") as folder, running_in(fabric, Path(folder) / "network") as cluster:
        for _ in range(ROUNDS):
            fabric.part(range(NODES // 2), range(NODES // 2, NODES))
            threading.Event().wait(PARTITION_SECONDS)
            before = {node: cluster.heights(node) for node in range(NODES)}
            fabric.heal()
            taken = cluster.wait_resumed(before)
            longest = [max(pair) for pair in zip(longest or taken, taken, strict=True)]
            cluster.require_agreement()
    fabric.close()
    names = [f"shard {shard}" for shard in range(len(longest) - 1)] + ["beacon"]
    return [
        Figure("partition", f"{name}: next final block after {PARTITION_SECONDS:g} s of 2/2", seconds, "s", HEAL_SECONDS_MAX)
        for name, seconds in zip(names, longest, strict=True)
    ]

"""Validators that share two slow cores, where a block takes longer than a view does: views grow until it fits."""

from typing import Any

import pytest

from node.core import effects as fx
from node.simulator import node as simulated
from tests.simulation.cluster import Cluster

BLOCK_MS = 7000
"""Of a core, for each block built or executed; a view lasts half a second at first."""
OTHER_MS = 5
CORES = 2


def test_a_shard_goes_on_where_its_validators_share_slow_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    free, done = [0] * CORES, dict[tuple[int, int], int]()

    def work_on(node: simulated.SimulatedNode, shard: int, effect: Any) -> None:
        now_ms, executor = node.world.now_ms, (node.index, shard)
        core = free.index(min(free))
        costs = BLOCK_MS if isinstance(effect, fx.Build | fx.Execute) else OTHER_MS
        free[core] = done[executor] = max(now_ms, free[core], done.get(executor, 0)) + costs
        node.later(done[executor] - now_ms, node._work, effect)

    monkeypatch.setattr(simulated.SimulatedNode, "_work_on", work_on)
    world = Cluster(nodes=4, shards=1).world
    for height in (1, 2):
        reached = world.run_until(lambda: all(node.core.shards[0].tree.head.info.height >= height for node in world.nodes), 200_000)  # noqa: B023
        assert reached, (height, world.checks.violations)

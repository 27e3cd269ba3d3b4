"""Validators that share two slow cores, where a block takes longer than a view does: views grow until it fits."""

from typing import Any

import pytest

from node.core import effects as fx
from node.simulator import node as simulated
from node.simulator.world import World
from primitives.parameters import Parameters

BLOCK_MS = 7000
"""Of a core, for each block of shard 0 built or executed; a view lasts half a second at first."""
OTHER_MS = 5
CORES = 2


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    free, done = [0] * CORES, dict[tuple[int, int], int]()

    def work_on(node: simulated.SimulatedNode, shard: int, effect: Any) -> None:
        now_ms, executor = node.world.now_ms, (node.index, shard)
        core = free.index(min(free))
        costs = BLOCK_MS if shard == 0 and isinstance(effect, fx.Build | fx.Execute) else OTHER_MS
        free[core] = done[executor] = max(now_ms, free[core], done.get(executor, 0)) + costs
        node.later(done[executor] - now_ms, node._work, effect)

    monkeypatch.setattr(simulated.SimulatedNode, "_work_on", work_on)


def test_a_shard_goes_on_where_its_validators_share_slow_cores(slow: None) -> None:
    grows(World(seed=1, nodes=4, shards=1, faults="none"))


def test_a_slow_shard_goes_on_while_the_beacon_chain_is_far_ahead_of_what_its_blocks_refer_to(slow: None) -> None:
    parameters = Parameters(shard_count=2, block_time_ms=500, idle_block_time_ms=1000)
    world = World(seed=1, nodes=4, shards=2, faults="none", parameters=parameters)
    grows(world)
    core = world.nodes[0].core
    outcome = core.shards[0].tree.head.outcome
    assert core.beacon.tree.head.info.height - outcome.reference_height > core.context.parameters.reference_lag_max, "a block is that slow"


def grows(world: World) -> None:
    for height in (1, 2):
        reached = world.run_until(lambda: all(is_at(node, height) for node in world.nodes), 200_000)  # noqa: B023
        assert reached, (height, world.checks.violations)


def is_at(node: Any, height: int) -> bool:
    return node.is_alive and node.core.shards[0].tree.head.info.height >= height

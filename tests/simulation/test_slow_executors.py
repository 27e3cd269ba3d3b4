"""Blocks that take longer than a view does: of slow machines, where views grow until it fits, and of one validator that makes them so."""

from dataclasses import dataclass
from typing import Any

import pytest

from node.core import effects as fx
from node.simulator import node as simulated
from node.simulator.world import World
from primitives.blocks import ShardBlock
from primitives.headers import ShardHeader
from primitives.parameters import Parameters

BLOCK_MS = 7000
"""Of a core, for each block of shard 0 built or executed; a view lasts half a second at first."""
OTHER_MS = 5
CORES = 2
MINUTES_MS = 240_000
"""To execute a block of the one validator that makes them so; it builds them as fast as others."""
SLOW_PROPOSER = 0
HEIGHT = 10
WITHIN_MS = 120_000
"""Without it being taken back, one such execution alone takes longer, and the shard stands still meanwhile."""


@dataclass(eq=False)
class _Share:
    """Work of one executor on one core."""

    effect: Any
    core: int
    end_ms: int
    is_withdrawn: bool = False


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    free, given = [0] * CORES, dict[tuple[int, int], list[_Share]]()

    def work_on(node: simulated.SimulatedNode, shard: int, effect: Any) -> None:
        now_ms, shares = node.world.now_ms, given.setdefault((node.index, shard), [])
        core = free.index(min(free))
        costs = BLOCK_MS if shard == 0 and isinstance(effect, fx.Build | fx.Execute) else OTHER_MS
        free[core] = max(now_ms, free[core], shares[-1].end_ms if shares else 0) + costs
        share = _Share(effect, core, free[core])
        shares[:] = [share for share in shares if share.end_ms > now_ms] + [share]
        node.later(share.end_ms - now_ms, done, node, share)

    def done(node: simulated.SimulatedNode, share: _Share) -> None:
        if not share.is_withdrawn:
            node._work(share.effect)

    def withdraw(node: simulated.SimulatedNode, shard: int, root: bytes) -> None:
        for share in given.get((node.index, shard), ()):
            if isinstance(share.effect, fx.Execute) and share.effect.root == root and share.end_ms > node.world.now_ms:
                if free[share.core] == share.end_ms:
                    # what others were given behind it is not moved: their machine is none the better for it
                    free[share.core] = node.world.now_ms
                share.is_withdrawn, share.end_ms = True, node.world.now_ms
                node.later(OTHER_MS, node.receive, fx.ExecutionWithdrawn(shard, root))

    monkeypatch.setattr(simulated.SimulatedNode, "_work_on", work_on)
    monkeypatch.setattr(simulated.SimulatedNode, "_withdraw", withdraw)


def test_a_shard_goes_on_where_its_validators_share_slow_cores(slow: None) -> None:
    grows(World(seed=1, nodes=4, shards=1, faults="none"))


def test_a_slow_shard_goes_on_while_the_beacon_chain_is_far_ahead_of_what_its_blocks_refer_to(slow: None) -> None:
    parameters = Parameters(shard_count=2, block_time_ms=500, idle_block_time_ms=1000)
    world = World(seed=1, nodes=4, shards=2, faults="none", parameters=parameters)
    grows(world)
    core = world.nodes[0].core
    outcome = core.shards[0].tree.head.outcome
    assert core.beacon.tree.head.info.height - outcome.reference_height > core.context.parameters.reference_lag_max, "a block is that slow"


@pytest.mark.parametrize("seed", [1, 2])
def test_one_validator_whose_blocks_take_minutes_holds_up_its_own_views_only(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    costs, slow_ones = simulated.SimulatedNode._cost_ms, [0]

    def cost_ms(node: simulated.SimulatedNode, effect: Any) -> int:
        is_slow = isinstance(effect, fx.Execute) and effect.shard == 0
        is_slow = is_slow and ShardHeader.decode(ShardBlock.decode(effect.block).header).extra().proposer == SLOW_PROPOSER
        slow_ones[0] += is_slow
        return costs(node, effect) + (MINUTES_MS if is_slow else 0)

    monkeypatch.setattr(simulated.SimulatedNode, "_cost_ms", cost_ms)
    world = World(seed=seed, nodes=4, shards=1, faults="none", executors="stand-in", signatures="fast")
    honest = [node for node in world.nodes if node.index != SLOW_PROPOSER]

    def is_there() -> bool:
        return all(is_at(node, HEIGHT) for node in honest)

    assert world.run_until(is_there, WITHIN_MS), ([node.core.shards[0].tree.head.info.height for node in world.nodes], slow_ones)
    assert slow_ones[0] >= 2 * len(honest), "it had its turns"
    assert not world.checks.violations


def grows(world: World) -> None:
    for height in (1, 2):
        reached = world.run_until(lambda: all(is_at(node, height) for node in world.nodes), 200_000)  # noqa: B023
        assert reached, (height, world.checks.violations)


def is_at(node: Any, height: int) -> bool:
    return node.is_alive and node.core.shards[0].tree.head.info.height >= height

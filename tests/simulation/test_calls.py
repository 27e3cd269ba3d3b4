"""Calls across shards in the simulated network: those that succeed and those that come back."""

import dataclasses

import pytest

from node.simulator import World
from shard.contracts import OUTBOX


def test_calls_arrive_and_failed_ones_come_back_under_heavy_faults() -> None:
    world = World(31, nodes=4, shards=2, faults="heavy")
    world.plan(views=10)
    refunds = [arrival for arrival in world.sent if arrival.least < arrival.most]
    assert refunds
    world.run_until(lambda: all(node.is_alive and node.core.beacon.engine.view >= 8 for node in world.nodes), 240_000)
    world.heal()
    assert world.run_until(world.has_delivered_all, 240_000)
    assert world.checks.violations == []
    at = world.sent.index(refunds[0])
    world.sent[at] = dataclasses.replace(refunds[0], most=refunds[0].least)
    assert not world.has_delivered_all(), "more than the amount came back: the rest of the fee too"


@pytest.mark.parametrize("executors", ["reference", "stand-in"])
def test_what_pays_for_callbacks_waits_in_outbox_until_their_results_are_back(executors: str) -> None:
    world = World(5, nodes=4, shards=2, faults="standard", executors=executors)
    world.plan(views=8)

    def in_escrow() -> int:
        running = [executor for node in world.nodes if node.is_alive for executor in node.executors.values()]
        return max((executor.account(OUTBOX)[1] for executor in running), default=0)

    assert world.run_until(lambda: in_escrow() > 0, 240_000)
    world.run_until(lambda: all(node.is_alive and node.core.beacon.engine.view >= 6 for node in world.nodes), 240_000)
    world.heal()
    assert world.run_until(lambda: world.has_delivered_all() and in_escrow() == 0, 240_000)
    assert world.checks.violations == []

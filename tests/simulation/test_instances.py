"""Committees that change: boundaries, handovers, forced closes, and what evidence costs, on the real core."""

from dataclasses import replace

import pytest

from node.simulator import World
from primitives.errors import BlockReason
from primitives.parameters import Parameters

EPOCH = 6


def make_world(seed, faults="none", **options):
    parameters = Parameters(shard_count=2, epoch_length=EPOCH, handover_blocks=options.pop("handover_blocks", 10))
    world = World(seed, nodes=5, shards=2, faults=faults, parameters=parameters, **options)
    world.plan(views=20)
    return world


def beacon_state(node):
    return node.core.beacon.tree.head.outcome


def run_past_epoch(world, epoch, limit_ms=600_000):
    assert world.run_until(lambda: all(node.is_alive and beacon_state(node).epoch > epoch for node in world.nodes), limit_ms), (
        world.checks.violations
    )
    world.heal()
    assert world.run_until(world.has_delivered_all, 240_000), world.checks.violations
    heads = {chain.number: chain.tree.head.info.height for chain in world.nodes[0].core.chains}
    assert world.run_until(
        lambda: all(
            node.is_alive and all(chain.tree.head.info.height > heads[chain.number] for chain in node.core.chains) for node in world.nodes
        ),
        240_000,
    ), world.checks.violations
    assert world.checks.violations == []


@pytest.mark.parametrize(("seed", "faults"), [(1, "none"), (2, "standard"), (3, "heavy")])
def test_chains_pass_from_committee_to_committee(seed, faults):
    world = make_world(seed, faults, second_epoch=frozenset({0, 1, 2, 3}))
    run_past_epoch(world, 2)
    for node in world.nodes:
        assert [chain.instance.epoch for chain in node.core.chains] == [2, 2, 2]
        assert all(len(chain.committee.members) == 5 for chain in node.core.chains)


@pytest.mark.parametrize("faults", ["none", "heavy"])
def test_an_instance_closed_by_force_leaves_what_was_not_crosslinked_void(faults):
    voided = 0
    for seed in range(4):
        world = make_world(seed, faults, second_epoch=frozenset({0, 1, 2, 3}), handover_blocks=1)
        run_past_epoch(world, 2)
        assert all(chain.instance.epoch == 2 for node in world.nodes for chain in node.core.chains)
        voided += len(world.checks.voided)
    assert voided


def test_once_an_instance_should_have_ended_only_its_boundary_is_voted_for():
    world = make_world(7, second_epoch=frozenset({0, 1, 2, 3}))
    node = world.nodes[0]

    def is_due():
        chain = node.core.shards[0] if node.is_alive else None
        return chain is not None and beacon_state(node).shards[0].closes_from > 0 and not chain.tree.head.info.is_boundary

    assert world.run_until(is_due, 120_000)
    chain, context = node.core.shards[0], node.core.context
    assert chain.refusal(chain.tree.head) is None
    context.now = replace(context.now, monotonic_ms=context.now.monotonic_ms + 2 * context.parameters.delta_ms)
    assert chain.refusal(chain.tree.head) is None, "the view began before it was due"
    chain.on_view()
    assert chain.refusal(chain.tree.head) is BlockReason.AFTER_BOUNDARY


def test_a_double_vote_costs_stake_and_seat_everywhere():
    world = make_world(6, personas={4: "double-voter"})
    stake = world.genesis.validators[4].stake
    slashed = lambda: all(node.is_alive and beacon_state(node).validators[4].slashed_at > 0 for node in world.nodes)  # noqa: E731
    assert world.run_until(slashed, 60_000), world.checks.violations
    run_past_epoch(world, 2)
    for node in world.honest:
        state = beacon_state(node)
        assert state.validators[4].stake == stake // 2
        assert sum(record.stake for record in state.validators) == 5 * stake - stake // 2 + stake // 20
        assert all(chain.committee.position(4) is None for chain in node.core.chains)

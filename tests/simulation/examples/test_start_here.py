"""Start here: a network in twenty lines, to read, to change and to run again with the same seed."""

from node.simulator import World


def test_four_nodes_carry_value_from_shard_to_shard() -> None:
    world = World(seed=42, nodes=4, shards=2, faults="light")
    world.plan(views=10)
    assert world.run_until(world.has_delivered_all, limit_ms=120_000)
    assert world.checks.violations == []

    beacon = world.nodes[0].core.beacon.tree.head.outcome
    assert beacon is not None
    crossed = sum(beacon.recorded_out(source, 1 - source).count for source in (0, 1))
    assert crossed > 0


def test_every_chain_of_four_nodes_becomes_final() -> None:
    assert World(seed=1, nodes=4, shards=2, faults="none").run_until_finalized(height=3)

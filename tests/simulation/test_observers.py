"""Nodes without a validator on simulated time: they join late, some host only some shards, and all agree with the validators."""

import pytest

from node.core import effects as fx
from node.core.ranges import WALK_BLOCKS_MAX
from node.simulator import World
from node.simulator.node import SimulatedNode
from p2p.messages import BLOCKS_PER_RESPONSE_MAX, BlocksByRange
from primitives.parameters import Parameters


def final_roots(node: SimulatedNode, shard: int, heights: range) -> list[tuple[bytes, bytes]]:
    executor = node.executors[shard]
    found = []
    for height in heights:
        root = executor.canonical(height)
        assert root is not None
        result = executor.result(root)
        assert result is not None
        found.append((root, result.header))
    return found


def caught_up(world: World) -> bool:
    """Whether every node is where the first validator is, or past it."""
    first = {chain.number: chain.tree.head.info.height for chain in world.nodes[0].core.chains}
    return all(n.is_alive and all(c.tree.head.info.height >= first[c.number] - 1 for c in n.core.chains) for n in world.nodes)


@pytest.mark.parametrize(("seed", "faults"), [(1, "none"), (2, "standard"), (3, "heavy")])
def test_those_that_join_late_have_the_validators_roots(seed: int, faults: str) -> None:
    world = World(seed, nodes=4, shards=2, faults=faults, observers=[(0, 1), (0,), (1,), ()], observers_join_ms=60_000)
    world.plan(views=20)
    assert world.run_until(lambda: world.now_ms > 90_000, 100_000)
    world.heal()
    assert world.run_until(world.has_delivered_all, 200_000)
    assert world.run_until(lambda: caught_up(world), 60_000)
    assert world.checks.violations == []
    for observer in world.nodes[4:]:
        assert observer.core.has_caught_up
        beacon = observer.core.beacon.tree.head.info.height
        assert beacon > WALK_BLOCKS_MAX
        for shard, chain in observer.core.shards.items():
            height = chain.tree.head.info.height
            assert final_roots(observer, shard, range(1, height)) == final_roots(world.nodes[0], shard, range(1, height))


def test_a_node_far_behind_has_a_range_on_its_way_while_one_is_executed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int, int]] = []
    plain = World.ask

    def ask(world: World, source: int, target: int, request_id: int, request: object) -> None:
        if source == 4 and isinstance(request, BlocksByRange) and request.chain == 0:
            asked.append((request.first_height, request.count, world.nodes[4].core.shards[0].tree.head.info.height))
        plain(world, source, target, request_id, request)  # type: ignore[arg-type]

    monkeypatch.setattr(World, "ask", ask)
    quick = Parameters(shard_count=1, idle_block_time_ms=1000)
    world = World(5, nodes=4, faults="none", parameters=quick, observers=[(0,)], observers_join_ms=240_000)
    assert world.run_until(lambda: world.nodes[4].is_alive, 250_000)
    assert world.nodes[0].core.shards[0].tree.head.info.height > 3 * BLOCKS_PER_RESPONSE_MAX
    assert world.run_until(lambda: caught_up(world), 100_000)
    firsts = [first for first, _, _ in asked]
    assert firsts[:3] == [1, 1 + BLOCKS_PER_RESPONSE_MAX, 1 + 2 * BLOCKS_PER_RESPONSE_MAX]
    assert [head for _, _, head in asked[:3]] == [0, 0, 0]
    assert len(set(firsts)) == len(firsts)
    assert world.checks.violations == []


def test_a_shard_is_asked_of_those_that_host_it() -> None:
    world = World(7, nodes=4, shards=2, faults="none", observers=[(0,)])
    assert world.run_until_finalized(4)
    fetcher = world.nodes[0].core.context.fetcher
    assert world.run_until(lambda: "node-4" not in fetcher.followers(1), 60_000)
    assert "node-4" in fetcher.followers(0)
    assert "node-4" in fetcher.followers(None)
    world.nodes[0].receive(fx.PeerDisconnected("node-4"))
    assert world.run_until(lambda: "node-4" not in fetcher.followers(0), 1000)  # a turn may be waiting for its records

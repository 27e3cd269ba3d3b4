"""What can go wrong does, when a profile or a script says so."""

from random import Random

import pytest

from node.simulator import World
from node.simulator.faults import FAULTS, Faults, Weather
from tests.simulation.cluster import Cluster


def weather(**faults: object) -> Weather:
    return Weather(Faults(**faults), Random(1))  # type: ignore[arg-type]


def test_a_cut_is_one_way_and_a_partition_is_not() -> None:
    calm = weather()
    calm.cut.add((0, 1))
    assert calm.delay(0, 1) is None
    assert calm.delay(1, 0) is not None
    calm.island = frozenset({2})
    assert calm.delay(2, 0) is None
    assert calm.delay(0, 2) is None
    assert calm.delay(1, 0) is not None
    calm.heal()
    assert all(calm.delay(*link) is not None for link in ((0, 1), (2, 0), (0, 2)))


def test_a_slow_link_is_ten_times_slower_one_way() -> None:
    calm = weather(delay_ms=(10, 10))
    calm.slowed.add((0, 1))
    assert calm.delay(0, 1) == 100
    assert calm.delay(1, 0) == 10


def test_loss_and_duplicates_are_shares() -> None:
    stormy = weather(loss=0.2, duplicates=0.5)
    copies = [len(stormy.delays(0, 1)) for _ in range(4000)]
    assert copies.count(0) / 4000 == pytest.approx(0.2 * (1 - 0.5 * 0.8), abs=0.03)
    assert copies.count(2) / 4000 == pytest.approx(0.5 * 0.64, abs=0.03)


@pytest.mark.parametrize("effects_kept", [None, 0, 2])
def test_a_node_crashes_at_the_effect_it_was_told_to(effects_kept: int | None) -> None:
    cluster = Cluster(nodes=4, shards=1).run_until_finalized(2)
    node = cluster.node(1)
    carried_out = []
    plain = node._carry_out_one
    node._carry_out_one = lambda effect: (carried_out.append(effect), plain(effect))[1]  # type: ignore[method-assign]
    boot = node.boot
    kept = []
    crash = node.store.database.crash
    node.store.database.crash = lambda count: (kept.append(node.store.database.unsynced), crash(count))[1]  # type: ignore[method-assign]
    cluster.crash_in_a_turn(1, effects_kept=effects_kept)
    carried_out.clear()
    cluster.world.run_until(lambda: not node.is_alive, 20_000)
    assert not node.is_alive
    assert (kept[0] > 0) == (effects_kept is None), "what was written is synced, or not yet"
    cluster.run_until_grown()
    assert node.boot == boot + 1


def test_profiles_plan_what_they_say() -> None:
    world = World(1, nodes=4, shards=1, faults="heavy", executors="stand-in")
    world.plan(views=10)
    assert any(node.skew_ms for node in world.nodes)
    assert max(abs(node.skew_ms) for node in world.nodes) <= FAULTS["heavy"].skew_ms
    boots, cut, slowed = set(), set(), set()

    def look() -> bool:
        boots.update((node.index, node.boot) for node in world.nodes)
        cut.update(world.weather.cut)
        slowed.update(world.weather.slowed)
        return False

    world.run_until(look, 40_000)
    assert world.checks.violations == []
    assert max(boot for _, boot in boots) > 1
    assert cut
    assert slowed

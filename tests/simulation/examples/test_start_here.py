"""Start here: networks in a few lines each, to read, to change and to run again with the same seed."""

from tests.simulation.cluster import Cluster


def test_every_chain_of_four_nodes_becomes_final() -> None:
    Cluster(nodes=4, shards=2).run_until_finalized(3)


def test_value_crosses_from_shard_to_shard_with_the_reference_evm() -> None:
    cluster = Cluster(nodes=4, shards=2, seed=42, faults="light", executors="reference").with_users(views=10).run_until_delivered()
    assert sum(cluster.state().recorded_out(source, 1 - source).count for source in (0, 1)) > 0


def test_two_halves_wait_for_each_other() -> None:
    cluster = Cluster(nodes=4, shards=1).run_until_finalized(2).partition(0, 1)
    before = cluster.run(seconds=5).height(1)
    assert cluster.run(seconds=25).height(1) == before
    cluster.heal().run_until_grown(2, within_seconds=30)


def test_a_node_that_hears_nothing_holds_nobody_up() -> None:
    cluster = Cluster(nodes=4, shards=1)
    for other in (0, 1, 2):
        cluster.cut(other, 3)
    before = cluster.run(seconds=5).height(1)
    assert cluster.run(seconds=40).height(1) >= before + 5
    cluster.heal().run_until_grown(within_seconds=60)


def test_a_crash_between_a_vote_and_its_sending_contradicts_nothing() -> None:
    cluster = Cluster(nodes=4, shards=1, seed=3)
    for effects_kept in (None, 0, 1, 2, 3):
        cluster.crash_in_a_turn(effects_kept or 0, effects_kept=effects_kept, down_seconds=0.5).run(seconds=10)
    cluster.run_until_grown(2)


def test_a_validator_that_votes_twice_is_slashed_and_the_others_go_on() -> None:
    cluster = Cluster(nodes=4, shards=1, personas={2: "double-voter"}).run_until_slashed()
    assert [bool(validator.slashed_at) for validator in cluster.state().validators] == [False, False, True, False]
    cluster.run_until_grown(3)


def test_a_clock_that_is_wrong_by_two_seconds_stops_nothing() -> None:
    Cluster(nodes=4, shards=1).skew(1, 2000).skew(2, -2000).run_until_finalized(5)

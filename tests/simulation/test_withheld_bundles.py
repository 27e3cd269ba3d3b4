"""Pages of receipts that are withheld: fetched from whoever has them, waited for where nobody has, and forgotten when taken in."""

from collections.abc import Collection
from typing import Any

import pytest

from node.simulator.node import SimulatedNode
from tests.simulation.cluster import Cluster


def withhold(node: SimulatedNode, source: int, destination: int) -> Any:
    """The node's executor has no page of a channel, for its own shards, for gossip and for peers; gives what ends it."""
    executor = node.executors[source]
    outgoing = executor.outgoing
    executor.outgoing = lambda to, first, count: None if to == destination else outgoing(to, first, count)  # type: ignore[method-assign]
    return lambda: setattr(executor, "outgoing", outgoing)


def taken(cluster: Cluster, source: int, destination: int) -> tuple[int, int]:
    """Receipts of a channel that were sent and taken in, as the beacon chain records them."""
    state = cluster.state()
    return state.recorded_out(source, destination).count, state.recorded_in(source, destination).count


def run_until_recorded(cluster: Cluster) -> int:
    """Until the beacon chain records all that was sent from shard 0 to shard 1 as taken in; how many receipts that is."""
    cluster.run_until_delivered()
    assert cluster.world.run_until(lambda: len(set(taken(cluster, 0, 1))) == 1, 60_000)
    return taken(cluster, 0, 1)[0]


def lacking(cluster: Cluster, node: int) -> dict[str, float]:
    """Seconds that a node has lacked a page, by channel."""
    found = cluster.node(node).core.missing_bundles(cluster.world.now_ms)
    return {f"{one.source}:{one.destination}": one.for_ms / 1000 for one in found}


@pytest.mark.parametrize("without", [(0,), (0, 1, 2)], ids=["one node", "all but one"])
def test_what_some_withhold_is_fetched_from_whoever_has_it(without: Collection[int]) -> None:
    cluster = Cluster(nodes=4, shards=2, seed=3).run_until_finalized(2)
    for index in without:
        withhold(cluster.node(index), 0, 1)
    assert run_until_recorded(cluster.with_users()) > 0


def test_what_nobody_has_is_waited_for_by_its_channel_alone_and_every_node_says_so() -> None:
    cluster = Cluster(nodes=4, shards=3, seed=4).run_until_finalized(2)
    ends = [withhold(cluster.node(index), 0, 1) for index in range(4)]
    cluster.with_users()
    assert cluster.world.run_until(lambda: taken(cluster, 0, 1)[0] > 0, 120_000)
    stands = taken(cluster, 0, 1)[1]
    before = cluster.height(1)
    cluster.run(seconds=20)
    assert taken(cluster, 0, 1)[1] == stands, "nothing is taken in that is not proven here"
    assert cluster.height(1) > before, "its shard goes on"
    for source, destination in ((0, 2), (1, 0), (1, 2), (2, 0), (2, 1)):
        sent, delivered = taken(cluster, source, destination)
        assert sent == delivered, f"channel {source}:{destination} waits for nothing"
    for index in range(4):
        assert list(lacking(cluster, index)) == ["0:1"]
        assert lacking(cluster, index)["0:1"] > 10, "counted from the first that lacks, not from the last"
    for end in ends:
        end()
    assert run_until_recorded(cluster) > stands
    assert [lacking(cluster, index) for index in range(4)] == [{}] * 4


def test_a_page_is_kept_until_its_destination_has_taken_it_in_by_a_final_beacon_block_and_no_longer() -> None:
    cluster = Cluster(nodes=4, shards=2, seed=5).with_users()
    sent = run_until_recorded(cluster)
    assert sent > 0
    cluster.run_until_grown(3)
    for index in range(4):
        executor = cluster.node(index).executors[0]
        assert all(executor.outgoing(1, nonce, 1) is None for nonce in range(sent)), "taken in and crosslinked: nobody can want it"
    cluster = Cluster(nodes=4, shards=2, seed=5).run_until_finalized(2)
    ends = [withhold(cluster.node(index), 0, 1) for index in range(4)]
    cluster.with_users()
    assert cluster.world.run_until(lambda: taken(cluster, 0, 1)[0] > 0, 120_000)
    cluster.run(seconds=20)
    sent, delivered = taken(cluster, 0, 1)
    for end in ends:
        end()
    assert sent > delivered
    for index in range(4):
        executor = cluster.node(index).executors[0]
        assert all(executor.outgoing(1, nonce, 1) is not None for nonce in range(delivered, sent)), "not taken in: kept, however long"

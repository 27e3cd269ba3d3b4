"""kill -9 of one node and of all: chains go on, nothing final is lost, nobody contradicts himself."""

import tomllib
from collections.abc import Callable

from tests.e2e.network import NetworkUnderTest
from tests.e2e.observer import VoteObserver


def observe(network: NetworkUnderTest) -> VoteObserver:
    peers = {}
    for node in range(network.options.nodes):
        config = tomllib.loads((network.folder / f"node-{node}" / "node.toml").read_text())
        peers |= {(p["host"], p["port"]): p["peer_id"] for p in config["peers"]}
    observer = VoteObserver(network.folder, network.genesis, [(host, port, peer) for (host, port), peer in peers.items()])
    observer.start()
    return observer


def final_blocks(network: NetworkUnderTest, node: int = 0) -> dict[tuple[int, int], tuple[str, str]]:
    """(hash, state root) of every `finalized` block of every shard."""
    found = {}
    for shard in range(network.options.shards):
        newest = int(network.rpc("eth_getBlockByNumber", "finalized", False, shard=shard, node=node)["number"], 16)
        for number in range(newest + 1):
            block = network.rpc("eth_getBlockByNumber", hex(number), False, shard=shard, node=node)
            found[shard, number] = (block["hash"], block["stateRoot"])
    return found


def behind(network: NetworkUnderTest, node: int) -> int:
    """How many blocks a node lacks on its worst chain."""
    here = network.heights(node)
    return max(height - here[chain] for chain, height in network.heights(0).items())


def test_one_node_and_then_all_of_them(make_network: Callable[..., NetworkUnderTest]) -> None:
    network = make_network(block_time_ms=500, idle_block_time_ms=1000)
    network.start()
    network.wait_ready()
    observer = observe(network)
    try:
        network.kill(3)
        network.wait_growth(0, by=3)
        views = network.wait_for(observer.newest_views, "votes are seen on the wire")
        network.start(3)
        network.wait_ready()
        network.wait_for(lambda: behind(network, 3) <= 1, "the restarted node catches up")
        network.wait_for(lambda: observer.voted(3, views), "the restarted node votes on every chain")

        before = final_blocks(network)
        network.kill(0, 1, 2, 3)
        network.start()
        network.wait_ready()
        for node in range(4):
            network.wait_growth(node, by=2)
            after = final_blocks(network, node)
            assert all(after[place] == block for place, block in before.items()), f"node {node} lost something final"
        newest = min(network.heights(node)[shard] for node in range(4) for shard in range(2))
        for shard in range(2):
            roots = {network.rpc("eth_getBlockByNumber", hex(newest), False, shard=shard, node=n)["stateRoot"] for n in range(4)}
            assert len(roots) == 1
        assert observer.equivocations() == []
        assert len(observer.votes) > 50
    finally:
        observer.stop()

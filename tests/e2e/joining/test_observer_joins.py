"""A node without validators joins a network under load with the genesis file and one address, and has the validators' chains."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.core.records import beacon_block_key
from node.store import NodeStore
from shard.database import LevelDatabase
from tests.e2e.harness import SHARDS, Cluster, final_blocks, make_options, running, try_call, wait_for
from tests.e2e.joining.guest import Guest, Load, joining

BLOCKS_BEFORE = 80
"""On each shard before the observer starts: more than one range."""
PAGE = 50
CATCH_UP_SECONDS_MAX = 200.0


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running(tmp_path / "network", make_options(nodes=2, validators_per_node=2)) as cluster:
        yield cluster


def heights(cluster: Cluster) -> list[int]:
    return [chain.finalized.number for chain in cluster.chains()]


def all_blocks(cluster: Cluster, url_client: object, last: int, shard: int) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for first in range(1, last + 1, PAGE):
        found += final_blocks(url_client, first, min(last, first + PAGE - 1), shard)  # type: ignore[arg-type]
    return found


def wait_past(guest: Guest, wanted: list[int], seconds: float = CATCH_UP_SECONDS_MAX) -> None:
    """Until the observer's finalized block of each shard, and its beacon head, are at these heights."""

    def past() -> bool:
        with guest.client() as client:
            network = try_call(client, "shard_getNetwork")
        if network is None:
            return False
        now = [int(entry["finalized"]["number"], 16) for entry in network["shards"]] + [int(network["beacon"]["head"]["number"], 16)]
        return network["ready"] is True and all(new >= old for new, old in zip(now, wanted, strict=True))

    wait_for(f"observer at {wanted}", past, seconds)


def beacon_blocks(folder: Path, genesis_root: bytes, beacon: int, last: int) -> list[bytes | None]:
    store = NodeStore(LevelDatabase(folder), genesis_root, str(folder))  # type: ignore[arg-type]
    try:
        return [store.read(beacon_block_key(beacon, height)) for height in range(1, last + 1)]
    finally:
        store.close()


@pytest.mark.timeout(700)
def test_an_observer_catches_up_under_load_and_goes_on_after_a_kill(cluster: Cluster, tmp_path: Path) -> None:
    with Load.on(cluster) as load:
        wait_for("a chain to catch up with", lambda: min(heights(cluster)) >= BLOCKS_BEFORE, 150)
        aim, began = heights(cluster), time.monotonic()
        with joining(cluster, tmp_path / "observer") as guest:
            wait_past(guest, aim)
            seconds = time.monotonic() - began
            print(f"caught up with {aim} under load in {seconds:.1f} s: {sum(aim) / seconds:.0f} blocks/s on {len(aim)} chains")
            guest.kill()
            missed = [height + 10 for height in heights(cluster)]
            wait_for("blocks that it misses", lambda: all(a >= b for a, b in zip(heights(cluster), missed, strict=True)))
            guest.start()
            wait_past(guest, heights(cluster))
            load.stop()
            assert load.sent > 100
            last = heights(cluster)
            wait_past(guest, last)
            with guest.client() as client:
                for shard in range(SHARDS):
                    ours = all_blocks(cluster, client, last[shard], shard)
                    assert ours == all_blocks(cluster, cluster.client(1), last[shard], shard)
                    assert len({root for _, root in ours}) > 10, "the load changed the state"
            guest.stop()
        cluster.kill(0)
        genesis, beacon = cluster.genesis, cluster.genesis.parameters.beacon
        validators = beacon_blocks(cluster.layout.node(0) / "node", genesis.root, beacon, last[-1])
        assert None not in validators
        assert beacon_blocks(tmp_path / "observer" / "node", genesis.root, beacon, last[-1]) == validators

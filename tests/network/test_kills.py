"""Processes that end at random moments, under load."""

import os
import random
import time

import pytest

from tests.network.harness import Load, NetworkCluster, running_in, say
from tests.network.namespaces import Bridged

SECONDS = float(os.environ.get("SOAK_SECONDS", "30"))
UP_SECONDS = 6.0
"""At most, between a start and the next kill."""


def kill_at_random(cluster: NetworkCluster, seed: int) -> tuple[int, int]:
    """Kills one node after the other, and starts it again after a moment; how many, and how many transfers were taken meanwhile."""
    dice, load, kills = random.Random(seed), Load(cluster), 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        victim = dice.randrange(cluster.options.nodes)
        moment = time.monotonic() + dice.uniform(0, UP_SECONDS)
        while time.monotonic() < moment:
            load.send(dice.randrange(cluster.options.nodes))
        cluster.kill(victim)
        kills += 1
        moment = time.monotonic() + dice.uniform(0, UP_SECONDS / 2)
        while time.monotonic() < moment:
            load.send((victim + 1) % cluster.options.nodes)
        cluster.start(victim)
    return kills, load.sent


@pytest.mark.timeout(SECONDS + 480)
def test_nodes_killed_at_random_lose_nothing_and_agree(tmp_path):
    fabric = Bridged(4)
    seed = random.SystemRandom().randrange(2**32)
    try:
        with running_in(fabric, tmp_path / "network") as cluster:
            say(f"killing for {SECONDS:g} s, seed {seed}")
            kills, sent = kill_at_random(cluster, seed)
            cluster.wait_ready()
            heights = cluster.require_agreement()
            assert sent > 0
            say(f"{kills} kills, {sent} transfers: final heights {heights}")
    finally:
        fabric.close()

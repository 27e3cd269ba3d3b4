"""Links that lose a fifth of all packets and take a tenth of a second."""

import pytest

from tests.network.forwarder import Forwarded
from tests.network.harness import Load, running_in, say

LOSS, DELAY_MS, SEED = 0.2, 100, 7
BLOCKS = 5


@pytest.mark.timeout(480)
def test_chains_go_on_over_links_that_lose_a_fifth(tmp_path):
    fabric = Forwarded(4, SEED, LOSS, DELAY_MS)
    try:
        with running_in(fabric, tmp_path / "network") as cluster:
            load, before = Load(cluster), cluster.heights(0)
            load.send(0)
            load.send(3)
            cluster.wait_growth(0, BLOCKS, before)
            heights = cluster.require_agreement()
    finally:
        carried, lost = fabric.close()
    share = lost / (carried + lost)
    say(f"{LOSS:.0%} loss, {DELAY_MS} ms: final heights {heights}, {lost} of {carried + lost} packets lost ({share:.0%}), seed {SEED}")
    assert LOSS / 2 < share < LOSS * 2
    assert load.sent > 0

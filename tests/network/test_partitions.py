"""Nodes cut off from each other, from one another one way, and paused; the tests share a network, and each leaves it whole."""

import signal
import threading
from collections.abc import Iterator

import pytest

from tests.network.harness import NetworkCluster, running_in, say
from tests.network.namespaces import Bridged

PARTITION_SECONDS = 30.0
SETTLE_SECONDS = 10.0
"""For what was agreed on before to become final everywhere."""
PAUSE_SECONDS = 15.0

pytestmark = pytest.mark.timeout(480)


@pytest.fixture(scope="module")
def fabric() -> Iterator[Bridged]:
    fabric = Bridged(4)
    yield fabric
    fabric.close()


@pytest.fixture(scope="module")
def cluster(fabric: Bridged, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NetworkCluster]:
    with running_in(fabric, tmp_path_factory.mktemp("partitions") / "network") as cluster:
        yield cluster


def let_pass(seconds: float) -> None:
    threading.Event().wait(seconds)


def test_no_half_goes_on_alone_and_both_go_on_together(cluster: NetworkCluster, fabric: Bridged) -> None:
    fabric.part([0, 1], [2, 3])
    assert fabric.hears(0, 1)
    assert not fabric.hears(0, 2)
    let_pass(SETTLE_SECONDS)
    before = {node: cluster.heights(node) for node in range(4)}
    let_pass(PARTITION_SECONDS - SETTLE_SECONDS)
    assert {node: cluster.heights(node) for node in range(4)} == before
    fabric.heal()
    seconds = max(cluster.wait_resumed(before))
    say(f"2/2 for {PARTITION_SECONDS:g} s: final blocks on every chain of every node {seconds:.1f} s after it healed")
    cluster.require_agreement()


def test_three_go_on_and_the_fourth_catches_up(cluster: NetworkCluster, fabric: Bridged) -> None:
    fabric.part([0, 1, 2], [3])
    assert not fabric.hears(3, 0)
    cluster.wait_growth(0, 5)
    stuck, ahead = cluster.heights(3), cluster.heights(0)
    fabric.heal()
    seconds = max(cluster.wait_resumed({3: ahead}))
    say(f"3/1: the fourth, stopped at {stuck}, was past {ahead} {seconds:.1f} s after it healed")
    cluster.require_agreement()


def test_a_link_that_is_cut_one_way_stops_nobody(cluster: NetworkCluster, fabric: Bridged) -> None:
    fabric.deafen(listener=1, speaker=0)
    assert not fabric.hears(listener=1, speaker=0)
    assert fabric.hears(listener=0, speaker=1)
    before = cluster.heights(1)
    for node in range(4):
        cluster.wait_growth(node, 4, before)
    say("what 0 says does not reach 1: every chain of every node went on by 4 final blocks")
    fabric.undeafen(listener=1, speaker=0)
    assert fabric.hears(listener=1, speaker=0)
    cluster.require_agreement()


def test_a_paused_process_is_missed_by_nobody_and_goes_on(cluster: NetworkCluster) -> None:
    cluster.processes[2].send_signal(signal.SIGSTOP)
    before = cluster.heights(0)
    let_pass(PAUSE_SECONDS)
    ahead = cluster.wait_growth(0, 3, before)
    cluster.processes[2].send_signal(signal.SIGCONT)
    seconds = max(cluster.wait_resumed({2: ahead}))
    say(f"paused for {PAUSE_SECONDS:g} s: past the others' {ahead} {seconds:.1f} s after it went on")
    cluster.require_agreement()

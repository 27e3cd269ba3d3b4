"""The whole network on simulated time: what must hold, and that one seed replays one run."""

import os
import subprocess
import sys

import pytest

from node.simulator import World, run
from node.simulator.signatures import MacScheme

COMMAND = "from node.simulator import run; r = run(7, 7, 2, 12, 'standard'); print(r.digest, r.violations)"


def replay(hash_seed: str) -> str:
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    return subprocess.run([sys.executable, "-c", COMMAND], env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_seven_validators_with_loss_delay_and_a_crash_finalize_every_chain(seed: int) -> None:
    report = run(seed, nodes=7, shards=2, views=15, faults="standard")
    assert report.violations == []
    assert set(report.blocks) == {0, 1, 2}
    assert min(report.blocks.values()) >= 5


@pytest.mark.parametrize("seed", [11, 12])
def test_heavy_faults_break_nothing(seed: int) -> None:
    assert run(seed, nodes=4, shards=2, views=15, faults="heavy").violations == []


def test_one_seed_replays_one_run_whatever_python_hashes_by() -> None:
    first, second = replay("1"), replay("2")
    assert first == second
    assert first.split()[1] == "[]"


def test_two_seeds_differ() -> None:
    assert run(1, 4, 2, 6, "light").digest != run(2, 4, 2, 6, "light").digest


def test_one_node_alone_goes_on() -> None:
    report = run(5, nodes=1, shards=1, views=8, faults="none")
    assert report.violations == []


def test_a_third_of_the_stake_gone_halts_the_beacon_and_its_return_resumes_it() -> None:
    world = World(9, nodes=4, shards=1, faults="none")
    height = lambda: max(node.core.beacon.tree.head.info.height for node in world.nodes)  # noqa: E731
    assert world.run_until(lambda: all(node.is_alive for node in world.nodes) and height() >= 3, 60_000)
    for node in world.nodes[:2]:
        world.crash(node, 40_000)
    halted_at = height()
    assert not world.run_until(lambda: height() > halted_at + 1, 39_000)
    assert world.checks.violations == []
    assert world.run_until(lambda: height() > halted_at + 3, 60_000)


def test_a_network_without_persistence_is_caught() -> None:
    """The checker can fail: nodes that lose what they synced finalize another block at a height."""
    world = World(3, nodes=4, shards=1, faults="none")
    assert world.run_until(lambda: all(n.is_alive and n.core.beacon.tree.head.info.height >= 2 for n in world.nodes), 60_000)
    for node in world.nodes:
        world.crash(node, 1000)
        node.store.__init__()  # type: ignore[misc]
        for database in node.databases.values():
            database.__init__()  # type: ignore[misc]
    world.run_until(lambda: False, 20_000)
    assert any("two blocks are final" in violation for violation in world.checks.violations)


def test_the_stand_in_for_signatures_cannot_be_forged() -> None:
    keys = {bytes([i]) * 48: bytes([i]) * 32 for i in range(3)}
    public = list(keys)
    scheme = MacScheme(keys, {0: public[0]})
    signature = scheme.sign(0, b"m")
    assert scheme.verify(public[0], b"m", signature)
    assert not scheme.verify(public[1], b"m", signature)
    assert not scheme.verify(public[0], b"n", signature)
    other = MacScheme(keys, {1: public[1]}).sign(1, b"m")
    both = scheme.aggregate((signature, other))
    assert scheme.fast_aggregate_verify((public[0], public[1]), b"m", both)
    assert not scheme.fast_aggregate_verify((public[0], public[2]), b"m", both)
    assert not scheme.fast_aggregate_verify((public[0],), b"m", both)
    assert not scheme.can_sign(1)

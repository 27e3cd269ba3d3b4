"""The whole network on simulated time: what must hold, and that one seed replays one run."""

import os
import subprocess
import sys

import pytest

from consensus.committee import Committee
from node.core.core import Core
from node.simulator import World, run
from node.simulator.checks import Checks
from node.simulator.signatures import FastKeys
from node.simulator.storage import CrashingDatabase
from primitives.blocks import ShardBlock
from primitives.errors import ConsensusReason, EncodingReason
from primitives.parameters import Parameters
from primitives.receipts import CrossShardReceipt, empty_summary
from tests.consensus.beacon.network import make_header

COMMAND = """
from node.simulator import run
from node.simulator.drawn import run_drawn
for r in run(7, 7, 2, 12, 'standard'), run_drawn(4, views=20, faults='heavy'):
    print(r.digest, r.violations)
"""


def replay(hash_seed: str) -> str:
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    return subprocess.run([sys.executable, "-c", COMMAND], env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(("views", "faults"), [(1, "none"), (1, "heavy"), (2, "standard")])
def test_a_run_may_be_as_short_as_one_view(views: int, faults: str) -> None:
    report = run(7, nodes=4, shards=1, views=views, faults=faults)
    assert report.violations == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_seven_validators_with_loss_delay_and_a_crash_finalize_every_chain(seed: int) -> None:
    report = run(seed, nodes=7, shards=2, views=15, faults="standard")
    assert report.violations == []
    assert set(report.blocks) == {0, 1, 2}
    assert min(report.blocks.values()) >= 5


@pytest.mark.parametrize("seed", [11, 12])
def test_heavy_faults_break_nothing(seed: int) -> None:
    assert run(seed, nodes=4, shards=2, views=15, faults="heavy").violations == []


@pytest.mark.parametrize("seed", [0, 1])
def test_all_nodes_crashing_together_again_and_again_lose_nothing_final(seed: int) -> None:
    world = World(seed, nodes=4, shards=2, faults="standard")
    world.plan(views=10)
    for _ in range(5):
        world.run_until(lambda: False, world.rng.randint(1500, 5000))
        for node in world.nodes:
            world.crash(node, world.rng.randint(500, 4000))
    world.heal()
    assert world.run_until(world.has_delivered_all, 60_000)
    assert world.run_until_finalized(max(height for _, height in world.checks.blocks) + 1)  # idle chains are slow to get there
    assert world.checks.violations == []


def test_one_seed_replays_one_run_whatever_python_hashes_by() -> None:
    first, second = replay("1"), replay("2")
    assert first == second
    assert [line.split()[1] for line in first.splitlines()] == ["[]", "[]"]


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
        for database in node.disks.values():
            database.__init__(world.genesis, 0)  # type: ignore[misc]
    world.checks.agreement.seen.clear()  # or the check of restarts would be first
    world.run_until(lambda: False, 20_000)
    assert any("two blocks are final" in violation for violation in world.checks.violations)


def test_a_quorum_of_a_half_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    half = lambda committee, positions: 2 * committee.stake_of(positions) >= committee.total  # noqa: E731
    monkeypatch.setattr(Committee, "has_quorum", half)
    world = World(8, nodes=4, shards=1, faults="none")
    assert world.run_until_finalized(2)
    world.split(frozenset({0, 1}), 30_000)
    world.run_until(lambda: False, 29_000)
    assert any("two blocks are final" in violation for violation in world.checks.violations)


def test_a_bug_in_a_node_ends_the_run_and_says_how_to_run_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(core: Core, event: object, now: object) -> None:
        raise AssertionError("a bug")

    monkeypatch.setattr(Core, "handle", bug)
    with pytest.raises(AssertionError, match="a bug") as raised:
        run(5, nodes=1, shards=1, views=3)
    assert raised.value.__notes__ == [
        "replay with: shardnet simulate --seed 5 --nodes 1 --shards 1 --views 3 --faults standard --signatures fast --executors reference"
    ]


def test_a_node_that_lost_what_was_final_is_caught() -> None:
    world = World(4, nodes=4, shards=1, faults="none")
    assert world.run_until_finalized(3)
    node = world.nodes[0]
    world.crash(node, 1000)
    node.store.__init__()  # type: ignore[misc]
    world.run_until(lambda: node.is_alive, 20_000)
    assert any("restarted at 0" in violation for violation in world.checks.violations)


def test_epochs_pass_under_heavy_faults() -> None:
    world = World(21, nodes=4, faults="heavy", parameters=Parameters(epoch_length=4))
    world.plan(views=20)
    assert world.run_until_finalized(12)
    state = world.nodes[0].core.beacon.tree.head.outcome
    assert state is not None
    assert state.epoch >= 2


def test_two_halves_cannot_go_on_alone_and_go_on_together() -> None:
    world = World(8, nodes=4, shards=2, faults="none")
    assert world.run_until_finalized(2)
    world.split(frozenset({0, 1}), 30_000)
    heights = [chain.tree.head.info.height for node in world.nodes for chain in node.core.chains]
    world.run_until(lambda: False, 29_000)
    assert max(chain.tree.head.info.height for node in world.nodes for chain in node.core.chains) <= max(heights) + 1
    assert world.run_until_finalized(max(heights) + 3, 20_000)
    assert world.checks.violations == []


def test_real_signatures_carry_a_network_too() -> None:
    world = World(6, nodes=4, shards=1, faults="light", signatures="bls")
    assert world.run_until_finalized(2)
    assert world.checks.violations == []


def test_a_report_says_how_to_run_it_again() -> None:
    report = run(5, nodes=1, shards=1, views=3, faults="light")
    options = "--seed 5 --nodes 1 --shards 1 --views 3 --faults light --signatures fast --executors reference"
    assert report.replay == f"shardnet simulate {options}"


def test_a_receipt_delivered_twice_is_caught() -> None:
    receipt = CrossShardReceipt(0, 1, 0, 0, bytes(20), bytes(20), 1, 0, 0, bytes(20), b"")
    first = make_header(1, 1, empty_summary(2))
    checks = Checks()
    checks.value.on_shard_block(ShardBlock(first.encode(), (receipt,), ()).encode())
    assert checks.violations == []
    second = make_header(1, 2, empty_summary(2), parent_hash=first.hash())
    checks.now_ms = 1500
    checks.value.on_shard_block(ShardBlock(second.encode(), (receipt,), ()).encode())
    assert checks.violations == ["1.500 s: receipt 0 from 0 to 1 delivered where 1 was next"]


def test_only_blame_on_a_peer_breaks_the_rules() -> None:
    checks = Checks()
    checks.on_penalty(0, "node-1", ConsensusReason.STALE_VIEW, 0)
    assert checks.violations == []
    checks.on_penalty(0, "node-1", EncodingReason.MALFORMED, 0)
    assert checks.violations == ["0.000 s: node 0 finds node-1 guilty of malformed"]


@pytest.mark.parametrize(("kept", "left"), [(0, b"1"), (1, b"2"), (2, b"3")])
def test_a_crash_loses_the_newest_of_what_was_not_synced(kept: int, left: bytes) -> None:
    database = CrashingDatabase()
    database.write_batch([(b"k", b"1")], sync=True)
    database.write_batch([(b"k", b"2"), (b"k", b"2")], sync=False)
    database.write_batch([(b"k", b"3"), (b"new", b"")], sync=False)
    assert database.unsynced == 2
    database.crash(kept)
    assert database.get(b"k") == left
    assert database.get(b"new") == (b"" if kept == 2 else None)
    assert database.unsynced == 0


def test_the_stand_in_for_signatures_cannot_be_forged() -> None:
    keys = FastKeys([bytes([i]) * 32 for i in range(3)])
    public = [keys.public(i)[0] for i in range(3)]
    scheme = keys.scheme(0)
    signature = scheme.sign(0, b"m")
    assert scheme.verify(public[0], b"m", signature)
    assert not scheme.verify(public[1], b"m", signature)
    assert not scheme.verify(public[0], b"n", signature)
    other = keys.scheme(1).sign(1, b"m")
    both = scheme.aggregate((signature, other))
    assert scheme.fast_aggregate_verify((public[0], public[1]), b"m", both)
    assert not scheme.fast_aggregate_verify((public[0], public[2]), b"m", both)
    assert not scheme.fast_aggregate_verify((public[0],), b"m", both)
    assert not scheme.can_sign(1)

"""Which shards run here, and that the beacon's genesis is the same whatever runs here."""

import pytest

from consensus.beacon.genesis import build_genesis_state
from node.core.ranges import WALK_BLOCKS_MAX
from node.hosting import genesis_of_shards, hosted_shards
from primitives.errors import InvalidConfig
from tests.node.support import make_core, make_genesis


@pytest.mark.parametrize(
    ("listed", "has_validators", "hosted"),
    [(None, False, (0, 1, 2)), (None, True, (0, 1, 2)), ((2, 0, 2), False, (0, 2)), ((), False, ()), ((1,), True, (0, 1, 2))],
)
def test_validators_run_every_shard_and_others_what_is_listed(
    listed: tuple[int, ...] | None, has_validators: bool, hosted: tuple[int, ...]
) -> None:
    assert hosted_shards(make_genesis(3), listed, has_validators=has_validators) == hosted


@pytest.mark.parametrize("has_validators", [False, True])
def test_a_shard_that_there_is_not_is_refused_with_a_sentence(has_validators: bool) -> None:
    with pytest.raises(InvalidConfig, match="this network has shards 0 to 1, not 2"):
        hosted_shards(make_genesis(2), (0, 2), has_validators=has_validators)


def test_genesis_is_the_same_whatever_runs_here() -> None:
    roots = {
        build_genesis_state(core.context.genesis, genesis_of_shards(core.context.genesis, {}))[0].hash_tree_root()
        for core in (make_core(), make_core(hosted=(0,)), make_core(hosted=()))
    }
    heads = {make_core(hosted=hosted).beacon.tree.head.info.root for hosted in ((0, 1), (1,), ())}
    assert roots == heads
    assert len(heads) == 1


def test_a_node_has_caught_up_when_nobody_is_far_ahead() -> None:
    core = make_core()
    core.start()
    assert core.has_caught_up, "it is the whole committee, and need not hear of anybody"
    core.shards[0].catch_up("peer", WALK_BLOCKS_MAX)
    assert core.has_caught_up
    core.shards[0].catch_up("peer", WALK_BLOCKS_MAX + 1)
    assert not core.has_caught_up
    core.shards[0].range_failed()
    assert not core.has_caught_up, "that nobody gave the blocks does not mean that they are not there"
    core.shards[0].catch_up("another", 1)
    assert core.has_caught_up

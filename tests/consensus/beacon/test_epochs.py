"""Frozen sets, runs of epochs, and the passing of chains from one instance to the next when stakes change."""

from dataclasses import replace

import pytest

from consensus.beacon.building import build_crosslink, crosslink_is_work
from consensus.beacon.committees import committee, committee_of, compute_epoch, instance_of, is_boundary, leader_seed
from primitives.errors import BlockReason, InvalidBlock
from primitives.votes import Instance, base_certificate
from tests.consensus.beacon.network import STAKE, Network

BEACON = 2


def change_stake(network, added):
    """As a deposit would, taken in with the newest block."""
    state = network.state
    first = replace(state.validators[0], stake=state.validators[0].stake + added)
    network.state = replace(state, validators=(first, *state.validators[1:]), genesis_wei=state.genesis_wei + added)
    network.block = replace(network.block, state_root=network.state.hash_tree_root())


@pytest.fixture
def network():
    """At height 8, the last of epoch 1; the stake that changed in epoch 0 counts from epoch 2 (heights 9 to 12) on."""
    network = Network(epoch_length=4, handover_blocks=3)
    network.extend()
    change_stake(network, STAKE)
    for _ in range(7):
        network.extend()
    return network


def test_epochs_are_counted_from_height_1():
    assert [compute_epoch(height, 4) for height in (0, 1, 4, 5, 8, 9)] == [0, 0, 0, 1, 1, 2]


def test_an_unchanged_committee_stays_in_its_instance():
    network = Network(epoch_length=4)
    mixes = {}
    for _ in range(13):
        network.extend(network.crosslink(0), network.crosslink(1))
        mixes[network.state.height] = network.state.mix
        assert [s.epoch for s in network.state.epoch_sets[-2:]] == [network.state.height // 4, network.state.height // 4 + 1]
        for chain in range(3):
            assert instance_of(network.state, chain) == Instance(chain, 0)
            assert leader_seed(network.state, chain) == network.genesis.seed
            assert not is_boundary(network.state, Instance(chain, 0))
    assert [s.epoch for s in network.state.epoch_sets] == [0, 3, 4]
    assert [s.seed for s in network.state.epoch_sets[1:]] == [mixes[4 * 2], mixes[4 * 3]]


def test_stake_counts_from_the_epoch_after_the_next_and_begins_a_run(network):
    state = network.state
    assert [s.epoch for s in state.epoch_sets] == [0, 2, 3]
    assert [m.stake for m in committee(state, BEACON, 0).members] == [STAKE] * 4
    assert [m.stake for m in committee(state, BEACON, 2).members] == [2 * STAKE] + [STAKE] * 3
    assert [s.runs for s in state.epoch_sets] == [(0, 0, 0), (2, 2, 2), (2, 2, 2)]


def test_the_beacon_chain_starts_its_next_instance_from_the_boundary(network):
    state = network.state
    assert is_boundary(state, Instance(BEACON, 0))
    assert instance_of(state, BEACON) == Instance(BEACON, 2)
    assert leader_seed(state, BEACON) == state.epoch_sets[1].seed != network.genesis.seed
    assert committee_of(state, BEACON).total == 5 * STAKE
    signed = network.certificate(Instance(BEACON, 0), network.block.view, 3, network.root, committee(state, BEACON, 0))
    with pytest.raises(InvalidBlock) as caught:
        network.accept(network.next_block(parent=signed))
    assert caught.value.reason is BlockReason.BAD_PARENT_CERTIFICATE
    assert network.parent_certificate() == base_certificate(Instance(BEACON, 2), network.root)
    network.extend()
    assert network.block.view == 1
    network.extend()
    assert network.block.parent_certificate.instance == Instance(BEACON, 2)


def test_a_crosslinked_boundary_opens_the_shards_next_instance(network):
    assert not is_boundary(network.state, Instance(0, 0))
    network.extend()
    first_of_run = network.root
    assert is_boundary(network.state, Instance(0, 0))
    assert instance_of(network.state, 0) == Instance(0, 0)
    before = network.crosslink(1, parent_beacon_block_root=network.block.parent_root)
    boundary = network.crosslink(0, parent_beacon_block_root=first_of_run)
    network.extend(before)
    assert crosslink_is_work(network.state, boundary)
    assert not crosslink_is_work(network.state, network.crosslink(1, parent_beacon_block_root=before.finalization.root))
    state = network.extend(boundary)
    assert (state.shards[0].instance_epoch, state.shards[0].base_height) == (2, 1)
    assert state.shards[0].base_hash == boundary.finalization.root
    assert instance_of(state, 1) == Instance(1, 0)
    assert is_boundary(state, Instance(0, 0))
    assert not is_boundary(state, Instance(0, 2))
    assert committee_of(state, 0).total == 5 * STAKE
    assert committee_of(state, 1).total == 4 * STAKE


def test_a_certificate_of_the_ended_instance_is_worth_nothing(network):
    network.extend()
    boundary = network.crosslink(0, parent_beacon_block_root=network.root)
    late = network.crosslink(0, blocks=2, parent_beacon_block_root=network.root)
    network.extend(boundary)
    with pytest.raises(InvalidBlock) as caught:
        network.extend(late)
    assert caught.value.reason is BlockReason.WRONG_INSTANCE
    assert build_crosslink(network.state, late.header, network.shards[0].summary, late.finalization) is None
    network.extend(network.crosslink(0))
    assert network.block.crosslinks[0].finalization.instance == Instance(0, 2)


def test_without_a_boundary_the_next_instance_is_forced(network):
    for _ in range(3):
        assert network.extend().shards[0].instance_epoch == 0
    assert network.state.height == 11
    assert len(network.state.handover_roots) == 2
    state = network.extend()
    for record in state.shards:
        assert (record.instance_epoch, record.base_height, record.closes_from) == (2, 0, 0)
    assert state.handover_roots == ()
    assert [s.epoch for s in state.epoch_sets] == [2, 3, 4]


def test_a_boundary_in_the_last_block_before_the_force_is_not_forced(network):
    for _ in range(3):
        network.extend()
    boundary = network.crosslink(0, parent_beacon_block_root=network.root)
    state = network.extend(boundary)
    assert (state.shards[0].base_height, state.shards[1].base_height) == (1, 0)
    assert [instance_of(state, shard).epoch for shard in (0, 1)] == [2, 2]


def test_runs_that_follow_each_other_faster_than_a_handover():
    network = Network(epoch_length=4, handover_blocks=100)
    for _ in range(5):
        change_stake(network, STAKE)
        for _ in range(4):
            network.extend()
    state = network.state
    assert state.height == 20
    assert instance_of(state, 0) == Instance(0, 0)
    assert instance_of(state, BEACON) == Instance(BEACON, 5)
    assert state.shards[0].closes_from == 9
    assert state.handover_start == 9
    assert len(state.handover_roots) == 11
    network.extend()
    state = network.extend(network.crosslink(0, parent_beacon_block_root=network.root))
    assert state.shards[0].closes_from == 0
    assert instance_of(state, 0) == Instance(0, 5)
    assert committee_of(state, 0) == committee_of(state, BEACON)
    assert committee_of(state, 1).total == 4 * STAKE

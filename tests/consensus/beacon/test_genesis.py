from consensus.beacon.committees import committee, committee_of, instance_of, leader_seed
from consensus.beacon.state import BeaconState
from consensus.beacon.supply import imbalance, supply_terms
from primitives.blocks import BeaconBlock
from primitives.votes import Instance, base_certificate
from tests.consensus.beacon.network import STAKE, SUPPLY, Network, make_header


def test_first_block_and_state_fit_together():
    network = Network(shard_count=3)
    block, state = network.block, network.state
    assert block.state_root == state.hash_tree_root()
    assert (block.height, block.view, block.epoch, block.parent_root) == (0, 0, 0, bytes(32))
    assert block.parent_certificate == base_certificate(Instance(3, 0), bytes(32))
    assert block.randao_reveal == bytes(96)
    assert state.mix == network.genesis.seed
    assert BeaconBlock.decode(block.encode()) == block


def test_state_survives_encoding():
    network = Network()
    network.shards[0].send(1, 5)
    network.extend(network.crosslink(0))
    decoded = BeaconState.decode(network.state.encode())
    assert decoded == network.state
    assert decoded.hash_tree_root() == network.state.hash_tree_root() == network.block.state_root


def test_every_wei_is_accounted_for():
    state = Network(validators=4, shard_count=2).state
    terms = supply_terms(state)
    assert terms.shards == 2 * SUPPLY
    assert terms.stakes == 4 * STAKE
    assert terms.genesis == terms.held == 2 * SUPPLY + 4 * STAKE
    assert imbalance(state) == 0


def test_records_the_shards_genesis_blocks():
    network = Network()
    for shard, record in enumerate(network.state.shards):
        assert record.hash == record.base_hash == make_header(shard, 0, record.summary).hash()
        assert (record.height, record.base_fee, record.supply) == (0, 10**9, SUPPLY)


def test_channels_to_the_beacon_chain_are_closed_and_all_others_open():
    for shard in Network(shard_count=3).state.shards:
        assert shard.closed == (0, 0, 0, 1)


def test_everyone_serves_on_every_chain_of_the_first_two_epochs():
    network = Network(validators=5)
    for chain in (0, 1, 2):
        assert instance_of(network.state, chain) == Instance(chain, 0)
        assert leader_seed(network.state, chain) == network.genesis.seed
        for epoch in (0, 1):
            members = committee(network.state, chain, epoch).members
            assert [m.index for m in members] == [0, 1, 2, 3, 4]
            assert [m.public_key for m in members] == [v.public_key for v in network.genesis.validators]
            assert [m.stake for m in members] == [STAKE] * 5
        assert committee_of(network.state, chain) == committee(network.state, chain, 0)

from dataclasses import replace

import pytest

from consensus.beacon.genesis import ShardGenesis, build_genesis_state
from consensus.beacon.transition import process_block
from consensus.committee import Committee
from consensus.signatures import BlsScheme, VerifiedCertificates
from primitives import bls
from primitives.blocks import Evidence
from primitives.errors import BlockReason, Fault, InvalidBlock
from primitives.genesis import Genesis, GenesisValidator
from primitives.hashing import sha256
from primitives.parameters import Parameters
from primitives.receipts import empty_summary
from primitives.votes import Instance, Vote, VoteKind, base_certificate
from tests.consensus.beacon.network import GENESIS_TIME, Network, make_header


@pytest.fixture
def network():
    """Two blocks high, so that the next one stands on a notarization."""
    network = Network(epoch_length=4)
    network.extend()
    network.extend()
    return network


def refusal(network, block):
    before = network.state
    with pytest.raises(InvalidBlock) as caught:
        network.accept(block)
    assert network.state is before
    return caught.value


VOTE = Vote(Instance(2, 0), 1, VoteKind.NOTARIZE, b"\1" * 32, 0, bytes(96))
WRONG_FIELDS = {
    "version": ({"version": 2}, BlockReason.MALFORMED),
    "height": ({"height": 4}, BlockReason.WRONG_HEIGHT),
    "same height": ({"height": 2}, BlockReason.WRONG_HEIGHT),
    "epoch": ({"epoch": 1}, BlockReason.WRONG_EPOCH),
    "parent": ({"parent_root": b"\5" * 32}, BlockReason.WRONG_PARENT),
    "time": ({"timestamp": GENESIS_TIME}, BlockReason.BAD_TIMESTAMP),
    "evidence": ({"evidence": (Evidence(VOTE, VOTE),)}, BlockReason.BAD_EVIDENCE),
    "operations": ({"operations": (b"\1",)}, BlockReason.NOT_BUILT_YET),
    "state root": ({"state_root": b"\5" * 32}, BlockReason.BAD_STATE_ROOT),
}


@pytest.mark.parametrize("case", WRONG_FIELDS)
def test_a_wrong_field_is_refused_and_blames_the_peer(network, case):
    fields, reason = WRONG_FIELDS[case]
    error = refusal(network, replace(network.next_block(), **fields))
    assert (error.reason, error.fault) == (reason, Fault.PEER)


def test_a_view_not_above_the_parents_is_refused(network):
    block = network.next_block(view=network.block.view)
    assert refusal(network, block).reason is BlockReason.WRONG_VIEW


def test_only_the_views_leader_may_propose(network):
    view = network.block.view + 1
    other = (network.leader(view) + 1) % 4
    block = network.next_block(proposer=other, reveal=network.reveal(other, 3))
    assert refusal(network, block).reason is BlockReason.WRONG_PROPOSER


def test_views_may_be_left_out(network):
    network.accept(network.next_block(view=network.block.view + 7))


def test_a_reveal_of_another_height_or_validator_is_refused(network):
    leader = network.leader(network.block.view + 1)
    for reveal in (network.reveal(leader, 4), network.reveal((leader + 1) % 4, 3), bytes(96)):
        assert refusal(network, network.next_block(reveal=reveal)).reason is BlockReason.BAD_RANDAO


def test_the_mix_takes_in_the_reveal(network):
    before, block = network.state.mix, network.next_block()
    assert network.accept(block).mix == sha256(before + block.randao_reveal)


WRONG_CERTIFICATE_FIELDS = (
    {"kind": VoteKind.NULLIFY},
    {"participation": (True,) * 3},
    {"participation": (True,) * 5},
    {"instance": Instance(2, 1)},
    {"instance": Instance(1, 0)},
    {"root": b"\1" * 32},
)


@pytest.mark.parametrize("fields", WRONG_CERTIFICATE_FIELDS, ids=str)
def test_a_parent_certificate_that_says_something_else_is_refused(network, fields):
    block = replace(network.next_block(), parent_certificate=replace(network.parent_certificate(), **fields))
    error = refusal(network, block)
    assert (error.reason, error.fault) == (BlockReason.BAD_PARENT_CERTIFICATE, Fault.PEER)


def test_a_parent_certificate_without_a_quorums_signatures_is_refused(network):
    good = network.parent_certificate()
    for bad in (
        network.parent_certificate(voters=(0, 1)),
        replace(good, signature=b"\1" * 96),
        replace(good, participation=(True, True, True, False)),
        replace(good, view=good.view + 1),
    ):
        assert refusal(network, network.next_block(parent=bad)).reason is BlockReason.BAD_PARENT_CERTIFICATE


def test_a_base_certificate_serves_no_other_block(network):
    base = base_certificate(Instance(2, 0), network.root)
    block = network.next_block(parent=base, view=network.block.view + 1)
    assert refusal(network, block).reason is BlockReason.BAD_PARENT_CERTIFICATE


def test_the_first_block_stands_on_the_base_certificate_alone():
    network = Network()
    committee = Committee(network.state.epoch_sets[0].everyone.members)
    signed = network.certificate(Instance(2, 0), 1, VoteKind.FINALIZE, network.root, committee)
    assert refusal(network, network.next_block(parent=signed)).reason is BlockReason.BAD_PARENT_CERTIFICATE
    forged = replace(base_certificate(Instance(2, 0), network.root), signature=b"\1" * 96)
    assert refusal(network, replace(network.next_block(), parent_certificate=forged)).reason is BlockReason.BAD_PARENT_CERTIFICATE
    assert network.extend().height == 1


def test_a_finalization_serves_as_parent_certificate(network):
    network.accept(network.next_block(parent=network.parent_certificate(kind=VoteKind.FINALIZE)))


def test_participation_is_counted_from_parent_certificates_and_crosslinks(network):
    network.accept(network.next_block((network.crosslink(0),), parent=network.parent_certificate(voters=(0, 1, 3))))
    # Height 2 carried the notarization of 1; height 3 that of 2, and a finalization by all.
    assert network.state.votes_due == (3, 3, 3, 3)
    assert network.state.votes_seen == (3, 3, 2, 3)


def test_counters_start_over_with_each_epoch(network):
    network.extend()
    assert network.state.votes_due == (2, 2, 2, 2)
    network.extend()
    assert (network.state.height, network.state.epoch) == (4, 0)
    assert network.state.votes_due == network.state.votes_seen == (0, 0, 0, 0)
    assert network.extend().epoch == 1


def test_a_state_whose_supply_does_not_add_up_accepts_nothing(network):
    block = network.next_block()
    network.state = replace(network.state, treasury=1)
    assert refusal(network, block).reason is BlockReason.SUPPLY_MISMATCH


def test_the_same_blocks_lead_to_the_same_states():
    roots = []
    for _ in range(2):
        network = Network(epoch_length=4)
        for _ in range(9):
            network.extend(network.crosslink(0), network.crosslink(1))
        roots.append(network.state.hash_tree_root())
    assert roots[0] == roots[1]


def test_with_real_signatures():
    keys = [bls.derive_secret_key(bytes([i]) * 32) for i in range(3)]
    network = Network()
    network.scheme = BlsScheme(dict(enumerate(keys)))
    network.genesis = Genesis(
        parameters=Parameters(shard_count=1),
        timestamp=GENESIS_TIME,
        seed=b"\x09" * 32,
        validators=tuple(
            GenesisValidator(public_key=k.public_key, proof_of_possession=k.prove_possession(), stake=1, fee_address=bytes(20))
            for k in keys
        ),
    )
    network.parameters = network.genesis.parameters
    network.shards[0].summary = empty_summary(1)
    headers = [ShardGenesis(make_header(0, 0, empty_summary(1)).encode(), 1000)]
    network.block, network.state = build_genesis_state(network.genesis, headers)
    network.extend()
    block, verified = network.next_block((network.crosslink(0),)), VerifiedCertificates()
    after = process_block(network.state, block, parent_root=network.root, verified=verified, **network.rules)
    assert (after.height, after.shards[0].height, len(verified)) == (2, 1, 2)
    forged = network.next_block((network.crosslink(0),), reveal=network.reveal(block.proposer, 3))
    assert refusal(network, forged).reason is BlockReason.BAD_RANDAO

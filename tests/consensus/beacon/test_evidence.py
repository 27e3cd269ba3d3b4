from dataclasses import replace

import pytest

from consensus.beacon.supply import imbalance
from consensus.evidence import make_evidence
from primitives.blocks import Evidence
from primitives.errors import BlockReason, Fault, InvalidBlock
from primitives.types import ZERO_ROOT
from primitives.votes import Instance, VoteKind
from tests.consensus.beacon.network import STAKE, Network

ONE, OTHER = b"\1" * 32, b"\2" * 32
CONTRADICTIONS = {
    "two notarized": ((VoteKind.NOTARIZE, ONE), (VoteKind.NOTARIZE, OTHER)),
    "two finalized": ((VoteKind.FINALIZE, ONE), (VoteKind.FINALIZE, OTHER)),
    "nullified and finalized": ((VoteKind.NULLIFY, ZERO_ROOT), (VoteKind.FINALIZE, ONE)),
}
HONEST = {
    "notarized, then nullified": ((VoteKind.NOTARIZE, ONE), (VoteKind.NULLIFY, ZERO_ROOT)),
    "notarized one and finalized another": ((VoteKind.NOTARIZE, ONE), (VoteKind.FINALIZE, OTHER)),
    "twice the same": ((VoteKind.NOTARIZE, ONE), (VoteKind.NOTARIZE, ONE)),
}


@pytest.fixture
def network():
    return Network(epoch_length=4, validators=5)


def evidence(network, words, validator=2, instance=None):
    return make_evidence(*(network.vote(validator, 7, kind, root, instance) for kind, root in words))


def refused(network, block):
    with pytest.raises(InvalidBlock) as caught:
        network.accept(block)
    assert (caught.value.reason, caught.value.fault) == (BlockReason.BAD_EVIDENCE, Fault.PEER)


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_contradiction_costs_half_the_stake_and_pays_who_includes_it(network, case):
    block = network.next_block(evidence=[evidence(network, CONTRADICTIONS[case], (network.leader(1) + 1) % 5)])
    accused = block.evidence[0].first.validator
    state = network.accept(block)
    assert state.validators[accused].stake == STAKE // 2
    assert state.validators[accused].slashed_at == 1
    assert state.validators[block.proposer].stake == STAKE + 5
    assert state.burned == 45
    assert imbalance(state) == 0


def test_a_confession_is_not_paid(network):
    proposer = network.leader(1)
    state = network.accept(network.next_block(evidence=[evidence(network, CONTRADICTIONS["two notarized"], proposer)]))
    assert (state.validators[proposer].stake, state.burned) == (STAKE // 2, STAKE // 2)


def test_the_seat_is_lost_from_the_next_set_that_is_frozen(network):
    network.accept(network.next_block(evidence=[evidence(network, CONTRADICTIONS["two notarized"])]))
    while network.state.epoch < 2:
        network.extend()
    *_, current, following = network.state.epoch_sets
    assert [member.index for member in current.members] == [0, 1, 3, 4]
    assert current.runs == (2, 2, 2)
    assert following.runs == (2, 2, 2)


def test_where_everybody_contradicted_itself_the_set_stays(network):
    words = CONTRADICTIONS["two finalized"]
    network.accept(network.next_block(evidence=[evidence(network, words, validator) for validator in range(5)]))
    while network.state.epoch < 2:
        network.extend()
    assert len(network.state.epoch_sets[-1].members) == 5


def test_nobody_is_slashed_twice(network):
    network.accept(network.next_block(evidence=[evidence(network, CONTRADICTIONS["two notarized"])]))
    again = evidence(network, CONTRADICTIONS["two finalized"])
    with pytest.raises(InvalidBlock) as caught:
        network.next_block(evidence=[again])
    assert caught.value.reason is BlockReason.BAD_EVIDENCE


@pytest.mark.parametrize("case", HONEST)
def test_what_an_honest_validator_may_say_is_no_evidence(network, case):
    block = network.next_block()
    refused(network, replace(block, evidence=(evidence(network, HONEST[case]),)))


def wrong_forms(network):
    one, other = evidence(network, CONTRADICTIONS["two notarized"]).first, evidence(network, CONTRADICTIONS["two notarized"]).second
    yield Evidence(one, network.vote(3, 7, VoteKind.NOTARIZE, OTHER))
    yield Evidence(one, network.vote(2, 8, VoteKind.NOTARIZE, OTHER))
    yield Evidence(one, network.vote(2, 7, VoteKind.NOTARIZE, OTHER, Instance(0, 0)))
    yield Evidence(other, one)
    yield Evidence(network.vote(2, 7, VoteKind.NULLIFY, ONE), network.vote(2, 7, VoteKind.FINALIZE, OTHER))
    yield Evidence(network.vote(2, 0, VoteKind.NOTARIZE, ONE), network.vote(2, 0, VoteKind.NOTARIZE, OTHER))
    yield Evidence(network.vote(2, 7, 9, ONE), network.vote(2, 7, 9, OTHER))
    yield make_evidence(*(replace(network.vote(2, 7, VoteKind.NOTARIZE, root), validator=77) for root in (ONE, OTHER)))


def test_every_other_form_is_refused(network):
    block = network.next_block()
    for wrong in wrong_forms(network):
        with pytest.raises(InvalidBlock) as caught:
            network.accept(replace(block, evidence=(wrong,)))
        assert caught.value.reason is BlockReason.BAD_EVIDENCE


def test_votes_that_the_accused_did_not_sign_are_refused(network):
    accused = (network.leader(1) + 1) % 5
    good = evidence(network, CONTRADICTIONS["two notarized"], accused)
    forged = replace(good, second=replace(good.second, signature=network.vote(accused, 8, VoteKind.NOTARIZE, OTHER).signature))
    refused(network, network.next_block(evidence=[forged]))


def test_evidence_is_listed_once_a_validator_by_rising_index(network):
    two, three = (evidence(network, CONTRADICTIONS["two notarized"], validator) for validator in (2, 3))
    block = network.next_block()
    for wrong in ((three, two), (two, two)):
        refused(network, replace(block, evidence=wrong))

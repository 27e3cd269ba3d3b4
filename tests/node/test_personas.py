"""What personas make of an honest core's effects."""

from pathlib import Path

import pytest

from consensus.evidence import check_form, make_evidence, verify_evidence
from node.config import NodeConfig
from node.core.effects import Observe, Publish
from node.personas import PERSONAS
from node.simulator.signatures import FastKeys
from node.wiring import Identity, make_persona
from p2p.messages import BlocksByRange, BlocksByRoot, ConsensusBatch, Status, TransactionBatch, encode_request
from p2p.topics import Topic, TopicKind
from primitives.errors import InvalidConfig
from primitives.types import ZERO_ROOT
from primitives.votes import Instance, Proposal, Vote, VoteKind, base_certificate, vote_signing_root
from tests.node.support import make_genesis

GENESIS = make_genesis()
KEYS = FastKeys([bytes([index]) * 32 for index in range(4)])
INSTANCE, VIEW, OWN, OTHER = Instance(0, 0), 3, 2, 1
TOPIC = Topic(TopicKind.CONSENSUS, 0)


def vote(validator, kind, root):
    message = vote_signing_root(GENESIS.parameters.fork_version, GENESIS.root, INSTANCE, VIEW, kind, root)
    return Vote(INSTANCE, VIEW, kind, root, validator, KEYS.scheme(validator).sign(validator, message))


NOTARIZE, NULLIFY = vote(OWN, VoteKind.NOTARIZE, b"\1" * 32), vote(OWN, VoteKind.NULLIFY, ZERO_ROOT)
PASSED_ON = vote(OTHER, VoteKind.NOTARIZE, b"\1" * 32)
PROPOSAL = Proposal(b"block", base_certificate(INSTANCE, ZERO_ROOT), NOTARIZE)
BATCH = ConsensusBatch((), (PROPOSAL,), (NOTARIZE, NULLIFY, PASSED_ON), (), ())


def persona(name):
    return PERSONAS[name](GENESIS, KEYS.scheme(OWN))


def said(name):
    return [effect.message for effect in persona(name).alter(Publish(TOPIC, BATCH))]


def require_proof(one, other):
    evidence = make_evidence(one, other)
    check_form(evidence)
    verify_evidence(evidence, KEYS.public(OWN)[0], KEYS.scheme(None), GENESIS.parameters.fork_version, GENESIS.root)


def test_a_double_voter_contradicts_each_of_its_votes_and_no_other():
    honest, second = said("double-voter")
    assert honest == BATCH
    assert len(second.votes) == 2
    require_proof(NOTARIZE, second.votes[0])
    require_proof(NULLIFY, second.votes[1])


def test_an_equivocating_proposer_signs_two_blocks_of_a_view():
    honest, second = said("equivocating-proposer")
    assert honest == BATCH
    assert second.proposals[0].vote == second.votes[0]
    assert second.proposals[0].parent == PROPOSAL.parent
    require_proof(NOTARIZE, second.votes[0])


def test_a_vote_withholder_says_no_vote():
    (batch,) = said("vote-withholder")
    assert batch == ConsensusBatch((), (PROPOSAL,), (), (), ())
    assert list(persona("vote-withholder").alter(Publish(TOPIC, ConsensusBatch((), (), (NULLIFY,), (), ())))) == []


def test_a_block_withholder_keeps_bodies_to_itself():
    (batch,) = said("block-withholder")
    assert batch.proposals == (Proposal(b"", PROPOSAL.parent, NOTARIZE),)
    assert batch.votes == BATCH.votes
    kept = persona("block-withholder")
    assert kept.refuses(encode_request(BlocksByRoot(0, (b"\1" * 32,))))
    assert kept.refuses(encode_request(BlocksByRange(0, 1, 1)))
    assert not kept.refuses(encode_request(Status(GENESIS.root, ())))


def test_a_certificate_forger_speaks_in_the_names_of_all():
    honest, *forged = said("certificate-forger")
    assert honest == BATCH
    assert [batch.certificates[0].root for batch in forged] == [NOTARIZE.root, ZERO_ROOT]
    assert all(all(batch.certificates[0].participation) for batch in forged)


@pytest.mark.parametrize("name", PERSONAS)
def test_what_is_not_agreement_is_left_alone(name):
    for effect in (Observe("anything"), Publish(Topic(TopicKind.TRANSACTIONS, 0), TransactionBatch((b"x",)))):
        assert list(persona(name).alter(effect)) == [effect]


def config(name):
    return NodeConfig(genesis=Path("g"), data_dir=Path("d"), node_key=Path("k"), persona=name)


def test_only_validators_of_a_devnet_have_one():
    identity = Identity(GENESIS, KEYS.scheme(OWN), (OWN,), (0,))
    assert make_persona(config(None), identity) is None
    assert type(make_persona(config("double-voter"), identity)) is PERSONAS["double-voter"]
    with pytest.raises(InvalidConfig, match="there is no 'saint'"):
        make_persona(config("saint"), identity)
    with pytest.raises(InvalidConfig, match="for validators of a network for development"):
        make_persona(config("double-voter"), Identity(GENESIS, KEYS.scheme(None), (), (0,)))
    serious = GENESIS.model_copy(update={"parameters": GENESIS.parameters.model_copy(update={"devnet": False})})
    with pytest.raises(InvalidConfig, match="for validators of a network for development"):
        make_persona(config("double-voter"), Identity(serious, KEYS.scheme(OWN), (OWN,), (0,)))

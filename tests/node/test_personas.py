"""What personas make of an honest core's effects and answers."""

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from consensus.beacon.genesis import build_genesis_state
from consensus.evidence import check_form, make_evidence, verify_evidence
from node import personas
from node.config import NodeConfig
from node.core.effects import Ask, Observe, Publish
from node.hosting import genesis_of_shards
from node.lies import HEIGHTS_LIED_MAX
from node.personas import PERSONAS
from node.simulator.signatures import FastKeys
from node.wiring import Identity, make_persona
from p2p.messages import (
    Blocks,
    BlocksByRange,
    BlocksByRoot,
    BundleByNonce,
    ChainStatus,
    ConsensusBatch,
    Status,
    TransactionBatch,
    encode_request,
)
from p2p.topics import Topic, TopicKind
from primitives.blocks import BeaconBlock, ShardBlock
from primitives.errors import InvalidConfig
from primitives.headers import ShardHeader
from primitives.receipts import Bundle, CrossShardReceipt
from primitives.types import ZERO_ROOT
from primitives.votes import Instance, Proposal, Vote, VoteKind, base_certificate, vote_signing_root
from tests.node.rpc.fake import header
from tests.node.support import make_genesis

GENESIS = make_genesis()
KEYS = FastKeys([bytes([index]) * 32 for index in range(4)])
INSTANCE, VIEW, OWN, OTHER = Instance(0, 0), 3, 2, 1
TOPIC = Topic(TopicKind.CONSENSUS, 0)


def signed(vote):
    return vote_signing_root(GENESIS.parameters.fork_version, GENESIS.root, vote.instance, vote.view, vote.kind, vote.root)


def vote(validator, kind, root, instance=INSTANCE):
    unsigned = Vote(instance, VIEW, kind, root, validator, bytes(96))
    return replace(unsigned, signature=KEYS.scheme(validator).sign(validator, signed(unsigned)))


NOTARIZE, NULLIFY = vote(OWN, VoteKind.NOTARIZE, b"\1" * 32), vote(OWN, VoteKind.NULLIFY, ZERO_ROOT)
PASSED_ON = vote(OTHER, VoteKind.NOTARIZE, b"\1" * 32)
PROPOSAL = Proposal(b"block", base_certificate(INSTANCE, ZERO_ROOT), NOTARIZE)
BATCH = ConsensusBatch((), (PROPOSAL,), (NOTARIZE, NULLIFY, PASSED_ON), (), ())
HEADER = header(1)
SHARD_BLOCK = ShardBlock(HEADER.encode(), (), ())
BEACON_BLOCK = build_genesis_state(GENESIS, genesis_of_shards(GENESIS, {}))[0]
BUNDLE = Bundle(0, 1, 0, bytes(32), (CrossShardReceipt(0, 1, 0, 0, b"\xaa" * 20, b"\xbb" * 20, 5, 0, 0, b"\xaa" * 20, b""),))
STATUS = Status(GENESIS.root, (ChainStatus(0, 0, 9, 7, b"\1" * 32),))


def persona(name):
    return PERSONAS[name](GENESIS, KEYS.scheme(OWN), Random(1))


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
    assert not kept.refuses(encode_request(STATUS))
    assert kept.answer(encode_request(STATUS), STATUS.encode()) == STATUS.encode()


def test_a_lagger_says_everything_late_and_hears_late():
    slow = persona("lagger")
    transactions = Publish(Topic(TopicKind.TRANSACTIONS, 0), TransactionBatch((b"x",)))
    for honest in (Publish(TOPIC, BATCH), transactions):
        (late,) = slow.alter(honest)
        assert late.publish == honest
        assert 0.5 <= late.seconds <= 6
    assert 0.5 <= slow.lag_seconds() <= 6
    assert persona("double-voter").lag_seconds() == 0


def test_a_height_liar_lies_to_whom_it_asks_and_who_asks_and_cuts_blocks_short():
    liar, request = persona("height-liar"), encode_request(STATUS)
    told = [Status.decode(liar.answer(request, STATUS.encode())) for _ in range(50)]
    told += [ask.request for _ in range(50) for ask in liar.alter(Ask(1, "peer", STATUS))]
    assert {lie.genesis_root for lie in told} == {GENESIS.root}
    heights = [lie.chains[0].height for lie in told]
    assert all(height == 0 or 7 <= height <= 7 + HEIGHTS_LIED_MAX for height in heights)
    assert 0 in heights
    assert max(heights) > 7
    blocks = Blocks((b"one", b"two"), ())
    given = {liar.answer(encode_request(BlocksByRange(0, 1, 2)), blocks.encode()) for _ in range(50)}
    assert given == {b"", Blocks((b"one",), ()).encode()}
    by_root = encode_request(BlocksByRoot(0, (b"\1" * 32,)))
    assert liar.answer(by_root, blocks.encode()) == blocks.encode()
    assert liar.answer(request, b"") == b""


def test_a_bundle_withholder_says_nothing_or_more_than_was_sent():
    miser = persona("bundle-withholder")
    pushes = [tuple(miser.alter(Publish(Topic(TopicKind.RECEIPTS, 1), BUNDLE))) for _ in range(50)]
    assert {len(push) for push in pushes} == {0, 1}
    (push,) = next(push for push in pushes if push)
    assert [receipt.amount for receipt in push.message.receipts] == [BUNDLE.receipts[0].amount + 10**18]
    given = {miser.answer(encode_request(BundleByNonce(0, 1, 0, 1)), BUNDLE.encode()) for _ in range(50)}
    assert given == {b"", push.message.encode()}
    assert miser.answer(encode_request(STATUS), STATUS.encode()) == STATUS.encode()
    assert miser.answer(encode_request(BundleByNonce(0, 1, 0, 1)), b"") == b""


def false_twin(chain):
    """An invalid-root proposer that has proposed a block of a chain; its own vote for that, what it said, and the twin's root."""
    instance, block = Instance(chain, 0), BEACON_BLOCK if chain else SHARD_BLOCK
    honest = vote(OWN, VoteKind.NOTARIZE, block.hash_tree_root() if chain else HEADER.hash(), instance)
    proposal, liar = Proposal(block.encode(), PROPOSAL.parent, honest), persona("invalid-root-proposer")
    (said,) = liar.alter(Publish(Topic(TopicKind.CONSENSUS, chain), ConsensusBatch((), (proposal,), (honest, PASSED_ON, NULLIFY), (), ())))
    return liar, honest, said.message


def told_again(liar, *votes):
    """The votes that it says in place of these."""
    return [vote for said in liar.alter(Publish(TOPIC, ConsensusBatch((), (), votes, (), ()))) for vote in said.message.votes]


@pytest.mark.parametrize("chain", [0, GENESIS.parameters.beacon])
def test_an_invalid_root_proposer_says_one_thing_of_its_view_whenever_it_is_asked(chain):
    liar, honest, said = false_twin(chain)
    (told,) = said.proposals
    assert told.vote.root != honest.root
    if chain:
        assert BeaconBlock.decode(told.block).hash_tree_root() == told.vote.root
    else:
        assert ShardHeader.decode(ShardBlock.decode(told.block).header).hash() == told.vote.root
    assert said.votes == (told.vote, PASSED_ON, NULLIFY)
    assert KEYS.scheme(None).verify(KEYS.public(OWN)[0], signed(told.vote), told.vote.signature)
    assert told_again(liar, honest) == [told.vote]


def test_every_validator_of_an_invalid_root_proposer_votes_for_the_false_block(monkeypatch):
    liar, honest, said = false_twin(0)
    second = KEYS.scheme(OTHER)
    monkeypatch.setattr(liar._scheme, "can_sign", lambda index: index in (OWN, OTHER))
    monkeypatch.setattr(liar._scheme, "sign", lambda index, message, own=liar._scheme.sign: (
        own(index, message) if index == OWN else second.sign(index, message)
    ))  # fmt: skip
    told = told_again(liar, honest, vote(OTHER, VoteKind.NOTARIZE, honest.root))
    assert told == [vote(voter, VoteKind.NOTARIZE, said.proposals[0].vote.root) for voter in (OWN, OTHER)]


def test_an_invalid_root_proposer_says_no_vote_of_before_a_restart_that_its_false_block_would_contradict():
    liar, later, older = persona("invalid-root-proposer"), replace(NOTARIZE, view=VIEW + 1), replace(NOTARIZE, view=VIEW - 1)
    assert told_again(liar, older, NOTARIZE, NULLIFY, PASSED_ON) == [NULLIFY, PASSED_ON]
    assert told_again(liar, NOTARIZE, later) == [later]
    following = replace(NOTARIZE, instance=Instance(0, 1))
    after = replace(following, view=VIEW + 1)
    assert told_again(liar, following, later) == [later]
    assert told_again(liar, after, following, later) == [after, later]


def test_what_an_invalid_root_proposer_has_forgotten_it_does_not_vote_for(monkeypatch):
    monkeypatch.setattr(personas, "SPOILED_MAX", 1)
    liar, honest, _ = false_twin(0)
    newer = replace(honest, view=VIEW + 5)
    list(liar.alter(Publish(TOPIC, ConsensusBatch((), (Proposal(SHARD_BLOCK.encode(), PROPOSAL.parent, newer),), (), (), ()))))
    assert told_again(liar, honest) == []
    assert [told.view for told in told_again(liar, honest, replace(honest, view=VIEW + 1), newer)] == [VIEW + 1, VIEW + 5]


def test_an_instance_that_an_invalid_root_proposer_still_votes_in_is_not_forgotten_for_newer_ones(monkeypatch):
    monkeypatch.setattr(personas, "INSTANCES_MAX", 2)
    liar = persona("invalid-root-proposer")
    olds = [replace(NOTARIZE, instance=Instance(0, epoch)) for epoch in range(3)]
    assert told_again(liar, olds[0]) == told_again(liar, olds[1]) == []
    later = replace(olds[0], view=VIEW + 1)
    assert told_again(liar, later, olds[2]) == [later]
    assert told_again(liar, later) == [later]


def test_an_invalid_root_proposer_keeps_what_others_would_pull_to_itself_and_a_boundary_is_proposed_again():
    liar, bare = persona("invalid-root-proposer"), Proposal(b"", PROPOSAL.parent, NOTARIZE)
    assert list(liar.alter(Publish(TOPIC, ConsensusBatch((), (bare,), (NOTARIZE,), (), ())))) == []
    assert told_again(liar, NOTARIZE) == []
    again = Proposal(b"", replace(PROPOSAL.parent, root=NOTARIZE.root), replace(NOTARIZE, view=VIEW + 1))
    (said,) = liar.alter(Publish(TOPIC, ConsensusBatch((), (again,), (again.vote,), (), ())))
    assert (said.message.proposals, said.message.votes) == ((again,), (again.vote,))


def test_a_slow_proposer_says_its_own_proposals_late():
    slow = persona("slow-proposer")
    (late,) = slow.alter(Publish(TOPIC, BATCH))
    assert late.publish.message == BATCH
    assert 0.3 <= late.seconds <= 3.5
    passed_on = ConsensusBatch((), (Proposal(b"block", PROPOSAL.parent, PASSED_ON),), (NOTARIZE,), (), ())
    assert list(slow.alter(Publish(TOPIC, passed_on))) == [Publish(TOPIC, passed_on)]


def test_a_certificate_forger_speaks_in_the_names_of_all():
    honest, *forged = said("certificate-forger")
    assert honest == BATCH
    assert [batch.certificates[0].root for batch in forged] == [NOTARIZE.root, ZERO_ROOT]
    assert all(all(batch.certificates[0].participation) for batch in forged)


@pytest.mark.parametrize("name", [name for name in PERSONAS if name != "lagger"])
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

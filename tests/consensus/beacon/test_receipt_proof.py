"""Proofs of receipts: what is true is proven, and no byte of a proof may be another."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import consensus.beacon.receipt_proof as receipt_proof
from consensus.beacon.lineage import header_of
from consensus.beacon.receipt_proof import ReceiptProof, verify_receipt_proof
from consensus.signatures import BlsScheme
from primitives import bls
from primitives.errors import Fault, InvalidProof, ProofReason
from primitives.genesis import GenesisValidator
from primitives.hashing import keccak256
from primitives.votes import Instance, VoteKind
from tests.consensus.beacon import network as networks
from tests.consensus.beacon.network import STAKE, make_header
from tests.consensus.beacon.receipts import Prover
from tests.consensus.beacon.test_epochs import change_stake

KEYS = [bls.derive_secret_key(bytes([i + 1]) * 32) for i in range(4)]


def recorded(**options):
    """Three receipts at height 2, the next two at height 3, and two blocks more."""
    network = Prover(epoch_length=4, **options)
    network.extend()
    network.send(3)
    network.extend(network.crosslink(0), network.crosslink(1))
    network.send(2)
    network.send(1, destination=2)
    network.extend(network.crosslink(0))
    network.extend()
    network.extend()
    return network


NETWORK = recorded()
PROOF = NETWORK.prove(1, 2, 3)
GENESIS = NETWORK.genesis


def check(proof, network=NETWORK):
    return verify_receipt_proof(proof if isinstance(proof, bytes) else proof.encode(), network.genesis, network.scheme)


def refused(proof, network=NETWORK):
    with pytest.raises(InvalidProof) as caught:
        check(proof, network)
    return caught.value.reason


@pytest.fixture(scope="module")
def handed_over():
    """The committee of epoch 0 is replaced from epoch 2 (height 9) on, and that one from epoch 4 (height 17) on."""
    network = Prover(epoch_length=4, handover_blocks=3)
    network.extend()
    change_stake(network, STAKE)
    for _ in range(8):
        network.extend()
    change_stake(network, STAKE)
    for _ in range(8):
        network.extend()
    network.extend()
    network.extend()
    network.extend()
    network.send(3)
    network.extend(network.crosslink(0))
    assert network.state.height == 21
    return network


@pytest.mark.parametrize(
    ("nonce", "height", "final", "destination"), [(0, 2, 2, 1), (1, 2, 4, 1), (2, 2, 5, 1), (3, 3, 3, 1), (4, 3, 5, 1), (0, 3, 4, 2)]
)
def test_every_receipt_is_proven_whichever_block_was_made_final(nonce, height, final, destination):
    proven = check(NETWORK.prove(nonce, height, final, destination))
    receipt = NETWORK.sent[destination][nonce]
    assert proven.receipt == receipt
    assert proven.id == receipt.identity(GENESIS.parameters.chain_id_base)
    assert (proven.beacon_block.height, proven.final_block.height) == (height, final)
    assert proven.beacon_root == NETWORK.blocks[height].hash_tree_root()
    assert proven.shard_block.number == height - 1
    assert proven.committees == 1


def test_a_header_has_its_blocks_root():
    for block in NETWORK.blocks.values():
        assert header_of(block).hash_tree_root() == block.hash_tree_root()


def test_committees_are_followed_from_genesis(handed_over):
    proof = handed_over.prove(1, 21, 21)
    assert [one.successor.members.epoch for one in proof.handovers] == [2, 4]
    assert check(proof, handed_over).committees == 3


def test_a_handover_that_is_left_out_doubled_or_of_another_epoch_is_refused(handed_over):
    proof = handed_over.prove(1, 21, 21)
    first, second = proof.handovers
    for handovers in ((), (first,), (second,), (second, first), (first, first, second)):
        assert refused(replace(proof, handovers=handovers), handed_over) is ProofReason.BAD_CERTIFICATE


def signed_again(network, header, finalization):
    """What the genesis committee would have made final, had it wanted to."""
    members = network.state.epoch_sets[0].everyone
    return network.certificate(finalization.instance, finalization.view, VoteKind.FINALIZE, header.hash_tree_root(), members)


def test_a_set_that_is_no_committee_after_the_last_is_refused(handed_over):
    proof = handed_over.prove(1, 21, 21)
    first, second = proof.handovers
    lower = replace(first.header, height=first.header.height - 1)
    moved = replace(first, header=lower, finalization=signed_again(handed_over, lower, first.finalization))
    assert refused(replace(proof, handovers=(moved, second)), handed_over) is ProofReason.BAD_HANDOVER


def test_a_set_that_is_not_in_the_state_is_refused(handed_over):
    proof = handed_over.prove(1, 21, 21)
    first, second = proof.handovers
    members = replace(first.successor.members, members=second.successor.members.members)
    forged = replace(first, successor=replace(first.successor, members=members))
    assert refused(replace(proof, handovers=(forged, second)), handed_over) is ProofReason.BAD_BRANCH
    assert refused(replace(proof, handovers=(replace(first, successor=replace(first.successor, branch=())), second)), handed_over) is (
        ProofReason.BAD_BRANCH
    )


def test_what_does_not_fold_is_refused():
    for proof in (
        replace(PROOF, receipt=NETWORK.sent[1][2], following=()),
        replace(PROOF, receipt=replace(PROOF.receipt, amount=PROOF.receipt.amount + 1)),
        replace(PROOF, accumulator_before=bytes(32)),
        replace(PROOF, following=(keccak256(b"another"),)),
    ):
        assert refused(proof) is ProofReason.DOES_NOT_FOLD


def test_what_the_crosslink_does_not_record_is_refused():
    later = NETWORK.prove(3, 3, 3)
    for proof in (
        replace(PROOF, following=()),
        replace(PROOF, receipt=replace(PROOF.receipt, destination=2)),
        replace(PROOF, receipt=replace(PROOF.receipt, source=1, destination=0)),
        replace(PROOF, receipt=later.receipt, accumulator_before=later.accumulator_before, following=later.following),
    ):
        assert refused(proof) is ProofReason.NOT_RECORDED


def test_a_crosslink_that_is_not_in_the_block_is_refused():
    other = NETWORK.prove(4, 3, 4)
    assert refused(replace(other, headers=other.headers[1:])) is ProofReason.BAD_BRANCH
    for fields in ({"position": 1}, {"position": 32}, {"branch": ()}, {"headers": ()}):
        assert refused(replace(PROOF, **fields)) is ProofReason.BAD_BRANCH


def test_blocks_that_are_no_chain_are_refused():
    proof = NETWORK.prove(1, 2, 4)
    assert refused(replace(proof, headers=(proof.headers[0], proof.headers[2]))) is ProofReason.BROKEN_CHAIN
    assert refused(replace(proof, headers=proof.headers[::2])) is ProofReason.BROKEN_CHAIN


def test_a_block_that_is_not_final_is_refused():
    instance, header = Instance(2, 0), PROOF.headers[-1]
    members = NETWORK.state.epoch_sets[0].everyone
    votes = {
        "two of four": NETWORK.certificate(instance, 3, VoteKind.FINALIZE, header.hash_tree_root(), members, voters=(0, 1)),
        "a notarization": NETWORK.certificate(instance, 3, VoteKind.NOTARIZE, header.hash_tree_root(), members),
        "of another block": NETWORK.certificate(instance, 3, VoteKind.FINALIZE, bytes(32), members),
        "of another chain": NETWORK.certificate(Instance(1, 0), 3, VoteKind.FINALIZE, header.hash_tree_root(), members),
    }
    for certificate in votes.values():
        assert refused(replace(PROOF, finalization=certificate)) is ProofReason.BAD_CERTIFICATE


def carrying(crosslink):
    """A proof whose beacon block holds another crosslink, made final by a beacon committee that did not look at it."""
    members = NETWORK.state.epoch_sets[0].everyone
    block = replace(NETWORK.blocks[2], crosslinks=(crosslink,))
    certificate = NETWORK.certificate(Instance(2, 0), block.view, VoteKind.FINALIZE, block.hash_tree_root(), members)
    proof = NETWORK.prove(1, 2, 2)
    return receipt_proof.build_receipt_proof(
        proof.receipt, proof.accumulator_before, proof.following, [block], certificate, ()
    )


def test_what_the_shards_own_committee_did_not_make_final_is_refused():
    link, members = PROOF.crosslink, NETWORK.state.epoch_sets[0].everyone
    assert check(carrying(link)).id == PROOF.receipt.identity(GENESIS.parameters.chain_id_base)
    other = make_header(0, 9, NETWORK.shards[0].summary)
    minority = NETWORK.certificate(Instance(0, 0), 1, VoteKind.FINALIZE, link.finalization.root, members, voters=(0, 1))
    unknown = NETWORK.certificate(Instance(0, 5), 1, VoteKind.FINALIZE, link.finalization.root, members)
    nonsense = NETWORK.certificate(Instance(0, 0), 1, VoteKind.FINALIZE, keccak256(b"no header"), members)
    assert refused(carrying(replace(link, header=other.encode()))) is ProofReason.BAD_CERTIFICATE
    assert refused(carrying(replace(link, finalization=minority))) is ProofReason.BAD_CERTIFICATE
    assert refused(carrying(replace(link, finalization=unknown))) is ProofReason.BAD_HANDOVER
    assert refused(carrying(replace(link, header=b"no header", finalization=nonsense))) is ProofReason.MALFORMED


def test_another_genesis_refuses_what_this_one_proves():
    for other in (
        GENESIS.model_copy(update={"timestamp": GENESIS.timestamp + 1}),
        GENESIS.model_copy(update={"parameters": GENESIS.parameters.model_copy(update={"fork_version": 2})}),
        GENESIS.model_copy(update={"parameters": GENESIS.parameters.model_copy(update={"chain_id_base": 1})}),
        GENESIS.model_copy(update={"validators": GENESIS.validators[::-1]}),
        GENESIS.model_copy(update={"validators": GENESIS.validators[:3]}),
    ):
        with pytest.raises(InvalidProof):
            verify_receipt_proof(PROOF.encode(), other.model_validate(other.model_dump()), NETWORK.scheme)


def test_every_other_bit_is_refused():
    """All of them, one at a time: with the stand-in signatures of `network`, which leave the same places to a forger."""
    encoded = PROOF.encode()
    assert check(encoded).receipt == PROOF.receipt
    for at in range(len(encoded)):
        for bit in range(8):
            changed = bytearray(encoded)
            changed[at] ^= 1 << bit
            refused(bytes(changed))


def test_every_other_bit_of_a_handover_is_refused(handed_over):
    proof = handed_over.prove(2, 21, 21)
    start, encoded = len(replace(proof, handovers=()).encode()), proof.encode()
    for at in range(start, len(encoded)):
        changed = bytearray(encoded)
        changed[at] ^= 1 << at % 8
        refused(bytes(changed), handed_over)


@settings(deadline=None)
@given(st.data())
def test_what_is_cut_off_added_or_put_in_is_refused(data):
    encoded = PROOF.encode()
    cut = data.draw(st.integers(0, len(encoded) - 1))
    added = data.draw(st.binary(min_size=1, max_size=40))
    refused(encoded[:cut])
    refused(encoded + added)
    refused(encoded[:cut] + added + encoded[cut:])
    refused(added)


def test_bytes_that_are_no_proof_and_those_over_the_limit_are_malformed():
    assert refused(b"") is ProofReason.MALFORMED
    assert refused(bytes(receipt_proof.PROOF_BYTES_MAX + 1)) is ProofReason.MALFORMED


def test_what_would_be_too_large_is_not_made(monkeypatch):
    for limit in ("PROOF_IDS_MAX", "PROOF_HEADERS_MAX", "PROOF_BYTES_MAX"):
        with monkeypatch.context() as patch:
            patch.setattr(receipt_proof, limit, 1)
            with pytest.raises(InvalidProof) as caught:
                NETWORK.prove(0, 2, 3)
        assert (caught.value.reason, caught.value.fault) == (ProofReason.TOO_LARGE, Fault.SELF)


def test_the_encoding_starts_as_no_text_does():
    """So that a file of it is told from one of JSON or hexadecimal digits."""
    assert PROOF.encode()[:1] not in b'{["0 \t\r\n'
    assert all(len(proof.encode()) < 3000 for proof in (NETWORK.prove(0, 2, 2), PROOF))


@pytest.fixture(scope="module")
def signed():
    """The same with real keys."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "key_of", lambda index: KEYS[index].public_key)
        patch.setattr(networks, "HashScheme", lambda: BlsScheme(dict(enumerate(KEYS))))
        patch.setattr(networks, "GenesisValidator", with_possession)
        return recorded()


def with_possession(**fields):
    key = next(key for key in KEYS if key.public_key == fields["public_key"])
    return GenesisValidator(**fields | {"proof_of_possession": key.prove_possession()})


def test_real_signatures_are_verified_and_every_bit_of_theirs_counts(signed):
    proof = signed.prove(1, 2, 3)
    encoded = proof.encode()
    proven = verify_receipt_proof(encoded, signed.genesis)
    assert proven.receipt == proof.receipt
    certificate = encoded.index(proof.finalization.signature)
    for at in range(0, 96 * 8, 7):
        changed = bytearray(encoded)
        changed[certificate + at // 8] ^= 1 << at % 8
        with pytest.raises(InvalidProof):
            verify_receipt_proof(bytes(changed), signed.genesis)
    for at in range(0, len(encoded), 5):
        changed = bytearray(encoded)
        changed[at] ^= 1 << at % 8
        with pytest.raises(InvalidProof):
            verify_receipt_proof(bytes(changed), signed.genesis)
    with pytest.raises(InvalidProof):
        verify_receipt_proof(encoded, NETWORK.genesis)


def test_a_decoded_proof_encodes_to_the_same_bytes():
    assert ReceiptProof.decode(PROOF.encode()) == PROOF

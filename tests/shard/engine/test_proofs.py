"""Proofs hold for py-trie, which knows nothing of ours, and stop holding when a node is changed or missing."""

import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie
from trie.exceptions import BadTrieProof

from primitives.genesis import GenesisAccount
from primitives.hashing import keccak256
from primitives.headers import EMPTY_TRIE_ROOT
from primitives.parameters import Parameters
from shard.engine.proofs import prove
from shard.engine.reference import ReferenceEngine
from shard.engine.reference.accounts import EMPTY_CODE_HASH
from shard.engine.trie import MissingNodeError, Trie
from shard.views import AccountProof, small

CONTRACT = b"\x51" * 20
STORAGE = {slot: slot * slot + 1 for slot in range(60)}
KEYS = st.binary(min_size=3, max_size=3)
CODE = bytes.fromhex("6001")


def verified(root: bytes, key: bytes, nodes: tuple[bytes, ...]) -> bytes:
    """What an independent verifier reads at `key`; empty: proven to be absent."""
    return bytes(HexaryTrie.get_from_proof(root, key, [rlp.decode(node) for node in nodes]))


def make() -> tuple[ReferenceEngine, bytes]:
    state: dict[bytes, bytes] = {}

    class Reader:
        get = staticmethod(state.get)

    engine = ReferenceEngine(Parameters(), 0, Reader())
    accounts = [GenesisAccount(address=bytes([i]) * 20, balance=i) for i in range(1, 80) if i != CONTRACT[0]]
    accounts.append(GenesisAccount(address=CONTRACT, nonce=1, balance=7, code=CODE, storage=STORAGE))
    genesis = engine.genesis(accounts)
    state.update(genesis.writes)
    return engine, genesis.state_root


ENGINE, ROOT = make()


def ask(address: bytes, *slots: int) -> AccountProof:
    return ENGINE.proof(ROOT, address, slots, lambda: None)


@given(st.dictionaries(KEYS, st.binary(min_size=1, max_size=50), max_size=60), KEYS)
@settings(deadline=None)
def test_every_key_of_any_trie_is_proven_to_be_what_it_is(words: dict[bytes, bytes], other: bytes) -> None:
    # short values make nodes that lie within their parents
    nodes: dict[bytes, bytes] = {}
    trie = Trie(nodes.get)
    for key, value in words.items():
        trie.set(key, value)
    root = trie.commit(nodes)
    for key in (*words, other):
        proof = prove(nodes.get, root, key)
        assert verified(root, key, proof) == words.get(key, b"")
        assert all(keccak256(node) in nodes for node in proof)
        for missing in range(len(proof)):
            with pytest.raises(BadTrieProof):
                verified(root, key, proof[:missing] + proof[missing + 1 :])


def test_an_account_and_its_storage() -> None:
    proof = ask(CONTRACT, 0, 59, 60, 2**256 - 1)
    record = rlp.decode(verified(ROOT, keccak256(CONTRACT), proof.nodes))
    assert record == [b"\x01", b"\x07", proof.storage_root, keccak256(CODE)]
    assert (proof.nonce, small(proof.balance), proof.code_hash) == (1, 7, keccak256(CODE))
    for slot, word in zip((0, 59, 60, 2**256 - 1), proof.slots, strict=True):
        told = verified(proof.storage_root, keccak256(slot.to_bytes(32, "big")), word.nodes)
        assert (int.from_bytes(rlp.decode(told), "big") if told else 0) == small(word.word) == STORAGE.get(slot, 0)


@given(st.binary(min_size=20, max_size=20))
@settings(deadline=None)
def test_an_account_that_does_not_exist_is_proven_absent(address: bytes) -> None:
    proof = ask(address, 5)
    if proof.nonce or small(proof.balance):
        return
    assert verified(ROOT, keccak256(address), proof.nodes) == b""
    assert (proof.code_hash, proof.storage_root) == (EMPTY_CODE_HASH, EMPTY_TRIE_ROOT)
    assert proof.slots[0].nodes == ()
    assert proof.slots[0].word == b""


def test_the_meter_is_asked_before_each_slot() -> None:
    asked = []
    ENGINE.proof(ROOT, CONTRACT, (1, 2, 3), lambda: asked.append(1))
    assert len(asked) == 3


def test_a_node_that_is_lost_is_a_fault_of_ours() -> None:
    with pytest.raises(MissingNodeError):
        prove(lambda _: None, ROOT, keccak256(CONTRACT))
    assert prove(lambda _: None, EMPTY_TRIE_ROOT, bytes(32)) == ()

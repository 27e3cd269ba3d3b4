"""The node key file."""

import stat

import pytest
from libp2p.crypto.ed25519 import create_new_key_pair

from p2p.adapter.identity import identity_of, load_or_create_identity, peer_id_from, peer_id_of
from p2p.network import InvalidNodeKey


def test_key_is_made_once_and_only_its_owner_can_read_it(tmp_path):
    path = tmp_path / "folder" / "node.key"
    peer = load_or_create_identity(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create_identity(path) == peer_id_of(path) == peer
    assert load_or_create_identity(tmp_path / "other.key") != peer


def test_name_survives_the_way_through_libp2p(tmp_path):
    peer = load_or_create_identity(tmp_path / "node.key")
    assert peer_id_from(identity_of(peer)) == peer


def test_what_is_no_node_key_is_refused_with_a_sentence(tmp_path):
    missing, garbage, other_kind = (tmp_path / name for name in ("missing", "garbage", "other_kind"))
    garbage.write_bytes(b"not a key")
    other_kind.write_bytes(create_new_key_pair().private_key.serialize())
    with pytest.raises(InvalidNodeKey, match="there is no node key at"):
        peer_id_of(missing)
    with pytest.raises(InvalidNodeKey, match="does not hold a node key"):
        load_or_create_identity(garbage)
    with pytest.raises(InvalidNodeKey, match="another kind than secp256k1"):
        peer_id_of(other_kind)

"""The node key: a secp256k1 key in a file only its owner can read.

Source: LIBP2P, "Structure".
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from libp2p.crypto.keys import KeyPair
from libp2p.crypto.secp256k1 import Secp256k1PrivateKey, create_new_key_pair
from libp2p.identity_utils import load_identity
from libp2p.peer.id import ID

from p2p.network import PEER_ID_CHARACTERS_MAX, InvalidNodeKey, PeerId
from primitives.errors import EncodingReason, InvalidEncoding

_ID_PREFIX = bytes.fromhex("002508021221")
"""Of a name that holds a compressed secp256k1 key: identity hash, its length, kind of key, length of the key."""
_ID_BYTES = 39


def load_or_create_identity(path: Path) -> PeerId:
    """The name of the node whose key is at `path`; the key is made (mode 0600) if there is none yet.

    Raises:
        InvalidNodeKey: the file holds something else.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return peer_id_of(path)
    with os.fdopen(descriptor, "wb") as file:
        file.write(create_new_key_pair().private_key.serialize())
        file.flush()
        os.fsync(file.fileno())
    return peer_id_of(path)


def peer_id_of(path: Path) -> PeerId:
    """The name of the node whose key is at `path`.

    Raises:
        InvalidNodeKey: there is no such file, or it holds something else.
    """
    return peer_id_from(ID.from_pubkey(load_key_pair(path).public_key))


def load_key_pair(path: Path) -> KeyPair:
    """The key at `path`.

    Raises:
        InvalidNodeKey: there is no such file, or it holds something else.
    """
    try:
        pair = load_identity(path)
    except FileNotFoundError as error:
        raise InvalidNodeKey(f"there is no node key at {path}: create one, or correct the path") from error
    except ValueError as error:
        raise InvalidNodeKey(f"{path} does not hold a node key: restore it, or remove it to get a new one") from error
    if not isinstance(pair.private_key, Secp256k1PrivateKey):
        raise InvalidNodeKey(f"{path} holds a key of another kind than secp256k1: remove it to get a new one")
    return pair


def is_node_name(identity: ID) -> bool:
    """Whether the key behind a name is of the kind that nodes have."""
    name = identity.to_bytes()
    return len(name) == _ID_BYTES and name.startswith(_ID_PREFIX)


def check_peer_id(text: str) -> PeerId:
    """A name that a peer or an operator gave for a node.

    Raises:
        InvalidEncoding: no node can have this name.
    """
    try:
        identity = ID.from_base58(text) if len(text) <= PEER_ID_CHARACTERS_MAX else None
    except ValueError:
        identity = None
    if identity is None or not is_node_name(identity):
        raise InvalidEncoding(EncodingReason.MALFORMED, "not the name of a node: it is written as 16Uiu2HA and 45 letters and digits")
    return peer_id_from(identity)


def peer_id_from(identity: ID) -> PeerId:
    """Our name for a libp2p identity."""
    return PeerId(identity.to_base58())


@lru_cache(maxsize=1024)
def identity_of(peer: PeerId) -> ID:
    """libp2p's object for a peer's name."""
    return ID.from_base58(peer)

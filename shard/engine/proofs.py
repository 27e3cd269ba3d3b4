"""Merkle proofs: the nodes on a key's path, from which anyone who knows the root sees its value, or that it has none (EIP-1186)."""

from __future__ import annotations

from collections.abc import Callable

import rlp

from primitives.headers import EMPTY_TRIE_ROOT
from shard.engine.trie import MissingNodeError, expand, to_nibbles

_Node = bytes | list["_Node"]


def prove(read: Callable[[bytes], bytes | None], root: bytes, key: bytes) -> tuple[bytes, ...]:
    """RLP of the nodes from the root towards `key`, as far as there are any; a node that lies within its parent is no item of its own.

    Args:
        read: gives a node by its keccak.
        root: of the trie.
        key: whole; of a state trie the keccak of an address, of a storage trie that of a slot.

    Raises:
        MissingNodeError: a node is not stored.
    """
    proof: list[bytes] = []
    path, found = to_nibbles(key), b"" if root == EMPTY_TRIE_ROOT else root
    node: _Node = found
    while node:
        if isinstance(node, bytes):
            encoded = read(node)
            if encoded is None:
                raise MissingNodeError(f"trie node {node.hex()} is not stored")
            proof.append(encoded)
            node = rlp.decode(encoded)
        assert isinstance(node, list)
        if len(node) == 2:
            compact = node[0]
            assert isinstance(compact, bytes)
            part, is_leaf = expand(compact)
            if is_leaf or path[: len(part)] != part:
                break
            path, node = path[len(part) :], node[1]
        else:
            assert path, "keys of one length end in leaves"
            path, node = path[1:], node[path[0]]
    return tuple(proof)

"""Merkle branches of SSZ containers: what proves one part of a value to whoever knows its hash tree root.

Source: the SSZ specification (consensus-specs, ssz/merkle-proofs.md).
"""

from __future__ import annotations

from collections.abc import Sequence

from primitives.codec import CHUNK_BYTES, merkleize
from primitives.hashing import sha256
from primitives.ssz import Container
from primitives.types import Root

Branch = tuple[bytes, ...]
"""The sibling of each node on the way up from a leaf, 32 bytes each."""


def chunk_branch(chunks: Sequence[bytes], limit: int, position: int) -> Branch:
    """The branch of one of a tree's chunks, which is filled up with zeros to `limit` and the next power of two."""
    branch = []
    level = list(chunks)
    for height in range(max(limit - 1, 0).bit_length()):
        sibling = position ^ 1
        zero = merkleize((), 1 << height)
        branch.append(level[sibling] if sibling < len(level) else zero)
        if len(level) % 2:
            level.append(zero)
        level = [sha256(level[i] + level[i + 1]) for i in range(0, len(level), 2)]
        position >>= 1
    return tuple(branch)


def element_branch(elements: Sequence[Container], limit: int, position: int) -> Branch:
    """The branch of one container of an SSZ List of at most `limit`, up to the list's root: the last sibling is its length."""
    roots = [element.hash_tree_root() for element in elements]
    return (*chunk_branch(roots, limit, position), len(elements).to_bytes(CHUNK_BYTES, "little"))


def field_roots(value: Container) -> dict[str, Root]:
    """The hash tree root of each field of a container, in order."""
    return {name: Root(codec.root(getattr(value, name))) for name, codec in type(value).field_codecs().items()}


def field_branch(value: Container, name: str) -> Branch:
    """The branch of a container's field, up to the container's root."""
    roots = field_roots(value)
    return chunk_branch(list(roots.values()), len(roots), field_position(type(value), name))


def field_position(cls: type[Container], name: str) -> int:
    """The place of a field among a container's leaves."""
    return list(cls.field_codecs()).index(name)


def climb(leaf: bytes, branch: Sequence[bytes], position: int) -> Root:
    """The root that a leaf at a position leads to; the position's lowest bit tells which side the first sibling is on."""
    node = leaf
    for height, sibling in enumerate(branch):
        node = sha256(sibling + node) if position >> height & 1 else sha256(node + sibling)
    return Root(node)

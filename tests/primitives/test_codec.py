"""The compiled codecs against the SSZ library that the types are from."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primitives.codec import merkleize
from primitives.hashing import sha256
from primitives.ssz import Container
from tests.primitives.test_ssz import CONTAINERS, named


def plain(value):
    """As the library takes values: containers as tuples."""
    if isinstance(value, Container):
        return tuple(plain(getattr(value, field.name)) for field in dataclasses.fields(value))
    return tuple(map(plain, value)) if isinstance(value, tuple) else value


@named
@settings(max_examples=25)
@given(data=st.data())
def test_encodings_and_roots_are_the_librarys(kind, data) -> None:
    value = data.draw(CONTAINERS[kind])
    assert value.encode() == kind.sedes().serialize(plain(value))
    assert value.hash_tree_root() == kind.sedes().get_hash_tree_root(plain(value))


@pytest.mark.parametrize(("count", "limit", "depth"), [(0, 1, 0), (0, 5, 3), (1, 1, 0), (1, 2, 1), (3, 4, 2), (3, 1024, 10)])
def test_a_tree_is_filled_up_with_zeros(count: int, limit: int, depth: int) -> None:
    leaves = [bytes([i + 1]) * 32 for i in range(count)]
    level = leaves + [bytes(32)] * (2**depth - count)
    while len(level) > 1:
        level = [sha256(level[i] + level[i + 1]) for i in range(0, len(level), 2)]
    assert merkleize(leaves, limit) == level[0]

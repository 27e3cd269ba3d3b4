"""Branches lead to the root, and only from the leaf they are of."""

from dataclasses import dataclass
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives.codec import merkleize
from primitives.hashing import sha256
from primitives.merkle import chunk_branch, climb, element_branch, field_branch, field_position, field_roots
from primitives.ssz import Bytes32, Container, Repeated, Uint64
from primitives.votes import Instance

CHUNKS = st.lists(st.binary(min_size=32, max_size=32), max_size=9)


@dataclass(frozen=True, slots=True)
class Held(Container):
    first: Uint64
    second: Bytes32
    many: Annotated[tuple[Instance, ...], Repeated(5)]


@given(CHUNKS, st.integers(0, 8), st.integers(0, 20), st.data())
def test_a_branch_leads_from_its_chunk_to_the_root(chunks, position, room, data):
    limit = max(len(chunks), position + 1) + room
    branch = chunk_branch(chunks, limit, position)
    leaf = chunks[position] if position < len(chunks) else bytes(32)
    root = merkleize(chunks, limit)
    assert climb(leaf, branch, position) == root
    assert climb(sha256(leaf), branch, position) != root
    if branch:
        at = data.draw(st.integers(0, len(branch) - 1))
        assert climb(leaf, (*branch[:at], sha256(branch[at]), *branch[at + 1 :]), position) != root


@given(st.lists(st.builds(Instance, st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=5), st.data())
def test_an_element_is_proven_in_the_root_of_its_container(many, data):
    position = data.draw(st.integers(0, len(many) - 1))
    held = Held(7, b"\1" * 32, tuple(many))
    to_list = element_branch(held.many, 5, position)
    assert climb(many[position].hash_tree_root(), to_list, position) == field_roots(held)["many"]
    place = position | field_position(Held, "many") << len(to_list)
    assert climb(many[position].hash_tree_root(), (*to_list, *field_branch(held, "many")), place) == held.hash_tree_root()


@pytest.mark.parametrize("name", ["first", "second", "many"])
def test_a_field_is_proven_in_its_container(name):
    held = Held(7, b"\1" * 32, (Instance(1, 2),))
    assert climb(field_roots(held)[name], field_branch(held, name), field_position(Held, name)) == held.hash_tree_root()

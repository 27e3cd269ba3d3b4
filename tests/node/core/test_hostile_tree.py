"""A leader whose blocks lie about their height cannot fill the tree for good."""

import pytest

from consensus.simplex.events import BlockInfo
from node.core.tree import BLOCK_BYTES_HELD_MAX, BLOCKS_HELD_MAX, BlockTree, Held, Status


def block(number: int, height: int, status: Status = Status.UNCHECKED, data: bytes = b"x", certified: bool = False) -> Held:
    info = BlockInfo(number.to_bytes(32, "big"), b"\xff" * 32, height, 1, 0, 0, is_boundary=False)
    return Held(info, data, status, certified=certified)


@pytest.mark.parametrize("status", [Status.INVALID, Status.UNCHECKED])
def test_junk_makes_room_for_the_next_block(status):
    tree = BlockTree(block(0, 0, Status.VALID))
    for number in range(1, BLOCKS_HELD_MAX + 1):
        assert tree.insert(block(number, 2**200 + number, status))
    tree.advance(block(7_000, 1, Status.VALID))
    assert tree.insert(block(9_000, 2))
    assert len(tree) == BLOCKS_HELD_MAX
    assert tree.get((1).to_bytes(32, "big")) is None


def test_junk_bytes_make_room_too():
    tree = BlockTree(block(0, 0, Status.VALID))
    big = bytes(BLOCK_BYTES_HELD_MAX // 2)
    assert tree.insert(block(1, 2**60, data=big))
    assert tree.insert(block(2, 2**60, Status.INVALID, data=big))
    assert tree.insert(block(3, 1))
    assert tree.get((1).to_bytes(32, "big")) is not None
    assert tree.get((2).to_bytes(32, "big")) is None


@pytest.mark.parametrize(("status", "certified"), [(Status.VALID, False), (Status.EXECUTING, False), (Status.UNCHECKED, True)])
def test_what_is_good_or_needed_stays(status, certified):
    tree = BlockTree(block(0, 0, Status.VALID))
    for number in range(1, BLOCKS_HELD_MAX + 1):
        assert tree.insert(block(number, 1, status, certified=certified))
    assert not tree.insert(block(9_000, 2))
    assert len(tree) == BLOCKS_HELD_MAX

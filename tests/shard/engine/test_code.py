"""Jump destinations, against the definition; and that however often they are asked for, they are looked for once."""

from eth.vm.code_stream import CodeStream
from hypothesis import given
from hypothesis import strategies as st

from node.rpc.limits import OVERRIDE_BYTES_MAX
from shard.engine.reference.code import LARGE_ANALYSES_MAX, Code, without_pushes, without_pushes_of_large
from shard.transactions.model import INIT_CODE_BYTES_MAX

JUMPDEST = 0x5B


def destinations(code):
    found, position = set(), 0
    while position < len(code):
        if code[position] == JUMPDEST:
            found.add(position)
        position += code[position] - 0x5E if 0x60 <= code[position] <= 0x7F else 1
    return found


INSTRUCTIONS = [0x5B, 0x60, 0x61, 0x6A, 0x7E, 0x7F, 0x00, 0x80, 0x0A, 0x5F]
codes = st.lists(st.sampled_from(INSTRUCTIONS), max_size=200).map(bytes) | st.binary(max_size=200)


@given(codes)
def test_as_defined_and_as_the_library_has_it(code):
    ours, theirs = Code(code), CodeStream(code)
    asked = [position for position in range(len(code)) if code[position] == JUMPDEST]
    assert {position for position in asked if ours.is_valid_opcode(position)} == destinations(code)
    assert {position for position in asked if theirs.is_valid_opcode(position)} == destinations(code)
    assert not ours.is_valid_opcode(len(code))
    assert not ours.is_valid_opcode(2**256 - 1)


def test_a_contract_called_again_and_again_is_read_once():
    code = b"\x60" * 24_575 + b"\x5b"
    without_pushes.cache_clear()
    before = without_pushes.cache_info()
    for _ in range(3):
        assert not Code(code).is_valid_opcode(24_575)
        assert without_pushes(code).count(JUMPDEST) == 0
    after = without_pushes.cache_info()
    assert after.misses - before.misses == 1


def test_code_that_no_block_can_hold_takes_no_place_of_what_blocks_hold():
    largest = b"\x5b" * INIT_CODE_BYTES_MAX
    assert Code(largest).is_valid_opcode(0)
    held, large = without_pushes.cache_info(), without_pushes_of_large.cache_info()
    for i in range(LARGE_ANALYSES_MAX + 5):
        code = largest + b"\x5b" + i.to_bytes(1, "big")
        for _ in range(2):
            assert Code(code).is_valid_opcode(INIT_CODE_BYTES_MAX)
            assert not Code(code).is_valid_opcode(len(code))
    assert without_pushes.cache_info() == held
    now = without_pushes_of_large.cache_info()
    assert (now.misses - large.misses, now.currsize) == (LARGE_ANALYSES_MAX + 5, LARGE_ANALYSES_MAX)


def test_what_is_remembered_of_one_call_is_all_it_can_bring_along():
    assert LARGE_ANALYSES_MAX * (INIT_CODE_BYTES_MAX + 1) <= OVERRIDE_BYTES_MAX < (LARGE_ANALYSES_MAX + 1) * (INIT_CODE_BYTES_MAX + 1)

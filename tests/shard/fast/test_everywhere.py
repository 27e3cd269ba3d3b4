"""One program of everything, whose gas ends at every place there is; stores from every word to every other."""

import itertools

import pytest

from shard.engine.fast.programs import Programs
from shard.views import CallRequest, big
from tests.shard.engine.support import Shard, address
from tests.shard.fast.eager import EagerEngine

ROOM, INNER, STATIC, TARGET = (bytes([0xE0 + i]) * 20 for i in range(4))
WRITES = {
    "SSTORE": "5f5f55", "TSTORE": "5f5f5d", "LOG0": "5f5fa0", "LOG2": "60016002602060205fa2", "CREATE": "5f5f5ff0", "CREATE2": "5f5f5f5ff5",
    "CALL": "5f5f5f5f60015f5af1", "SELFDESTRUCT": "5fff",
}  # fmt: skip
EVERYTHING = bytes.fromhex(
    "6001600255" + "5a600355"  # a store, then the gas that is left
    + "60aa604052" + "604051608052" + "60bb60c153"  # MSTORE, MLOAD, MSTORE8
    + "60205f20600455" + "60043550" + "60205f608037" + "60205f60a039" + "6020604060e05e"  # KECCAK256, call data and code copied, MCOPY
    + "600560030a600555" + "6002545060095450" + "602a5f5d5f5c600655"  # EXP, SLOAD warm and cold, TSTORE, TLOAD
    + "60205fa0" + "60076008602060e0a2"  # LOG0, LOG2
    + "60205f5f5f5f73" + INNER.hex() + "61fffff1600755" + "60205f6101203e"  # CALL, RETURNDATACOPY
    + "5f5f5f5f73" + STATIC.hex() + "5afa600855" + "5f5f5f5f73" + INNER.hex() + "5af4600955"  # STATICCALL, DELEGATECALL
    + "5f5f5ff0600a55" + "73" + INNER.hex() + "31600b55" + "73" + INNER.hex() + "3f50" + "47600c55"  # CREATE, BALANCE, EXTCODEHASH
    + "5a600d55" + "6101005ff3"
)  # fmt: skip
CODES = {
    ROOM: EVERYTHING,
    INNER: bytes.fromhex("5a5f52" + "600160005401600055" + "60205ff3"),
    STATIC: bytes.fromhex("5f545f52" + "60205f20" + "5f5260205ffd"),
}


@pytest.fixture(scope="module")
def shards():
    return Shard(CODES), Shard(CODES, engine=EagerEngine)


def test_gas_ends_anywhere(shards):
    """Every amount would be many: steps of a prime number, and each of the last hundreds."""
    whole = outcome(shards[0], ROOM, 1_000_000)
    assert whole.success
    assert whole == outcome(shards[1], ROOM, 1_000_000)
    for gas in itertools.chain(range(21_000, whole.gas_used + 40_000, 173), range(whole.gas_used - 150, whole.gas_used + 150)):
        assert outcome(shards[0], ROOM, gas) == outcome(shards[1], ROOM, gas), gas


def outcome(shard, to, gas, data=b""):
    request = CallRequest(sender=address(0), to=to, gas=gas, gas_price=big(0), value=big(0), data=data)
    return shard.engine.call(shard.root, shard.context(), request)


@pytest.mark.parametrize("name", WRITES)
def test_nothing_is_written_in_a_static_call(name):
    """The inner frame fails, by the same error, and all that was left to it is gone."""
    codes = {
        ROOM: bytes.fromhex("60205f5f5f73" + INNER.hex() + "61c350" + "fa" + "5f52" + "5a602052" + "3d604052" + "60605ff3"),
        INNER: bytes.fromhex(WRITES[name] + "00"),
    }
    reference, fast = Shard(codes), Shard(codes, engine=EagerEngine)
    told = outcome(reference, ROOM, 200_000)
    assert told == outcome(fast, ROOM, 200_000)
    assert told.success
    assert not any(told.output[:32])
    assert told.gas_used > 70_000
    assert outcome(reference, INNER, 200_000) == outcome(fast, INNER, 200_000)


def test_stores_from_every_word_to_every_other():
    """In one transaction: four words after one another over each of two that the slot may begin with, and their refunds."""
    store = "5f3560f81c5f55" + "600135" + "60f81c5f55" + "600235" + "60f81c5f55" + "600335" + "60f81c5f55" + "5a60015500"
    codes = {TARGET: bytes.fromhex(store)}
    reference, fast = Shard(codes), Shard(codes, engine=EagerEngine)
    blocks = reference.begin(), fast.begin()
    for words in itertools.product((0, 1, 2), repeat=4):
        transaction = reference.transaction(0, TARGET, 0, bytes(words), 200_000)
        ours, theirs = (block.apply(transaction, address(0)) for block in blocks)
        assert ours.status == 1
        assert ours == theirs, words
    assert reference.finish(blocks[0]) == fast.finish(blocks[1])


def test_a_store_needs_more_than_the_stipend():
    codes = {ROOM: bytes.fromhex("5f54505f5f55" + "600150" * 20 + "00"), TARGET: bytes.fromhex("600160015500")}
    reference, fast = Shard(codes), Shard(codes, engine=EagerEngine)
    results = [(outcome(reference, ROOM, 23_108 + left), outcome(fast, ROOM, 23_108 + left)) for left in range(2290, 2310)]
    assert [ours.success for ours, _ in results] == [left > 2300 for left in range(2290, 2310)]
    assert all(ours == theirs for ours, theirs in results)
    for gas in range(21_006 + 22_090, 21_006 + 22_110):
        assert outcome(reference, TARGET, gas) == outcome(fast, TARGET, gas)


def test_what_a_block_writes_again_after_failures_is_the_same():
    """Wherever behind a store the gas ends: an account whose storage was set is among those a block writes, though nothing has changed."""
    codes = {TARGET: bytes.fromhex("6001600055" + "600150" * 30 + "fe")}
    reference, fast = Shard(codes), Shard(codes, engine=EagerEngine)
    written = set()
    for gas in range(21_006, 21_006 + 22_300, 50):
        blocks = reference.begin(), fast.begin()
        transaction = reference.transaction(0, TARGET, gas=gas)
        ours, theirs = (block.apply(transaction, address(0)) for block in blocks)
        assert ours == theirs
        assert not ours.status
        ours, theirs = reference.finish(blocks[0]), fast.finish(blocks[1])
        assert ours == theirs
        written.add(TARGET in ours.accounts)
    assert written == {True, False}


SNIPPETS = {
    "swapped and back": "6001600260036004" + "600d360156" + "5b5b9191" + "36601957" + "5f550000" + "5b600755600855" + "00",
    "a jump into what is pushed": "6004565b605b00" + "6004" + "56",
    "the end in the middle of a PUSH": "60015f5561ff",
    "a jump beyond the end": "61ffff56",
    "a jump to a number of 256 bits": "7f" + "ff" * 32 + "56",
    "an empty stack": "5f5f01" + "0100",
    "a full stack": "5f" + "80" * 1022 + "80" + "80" + "00",
    "one short of a full stack": "5f" + "80" * 1022 + "5f5500",
    "many negations": "36" + "15" * 300 + "5f5500",
    "an opcode that is none": "5f0c",
    "a loop": "60405b60019003" + "80" + "5f5580600257" + "00",
}  # fmt: skip


@pytest.mark.parametrize("name", SNIPPETS)
def test_snippets(name):
    codes = {TARGET: bytes.fromhex(SNIPPETS[name])}
    reference, fast = Shard(codes), Shard(codes, engine=EagerEngine)
    blocks = reference.begin(), fast.begin()
    for data in (b"", b"\1", b"", b"\1"):
        transaction = reference.transaction(0, TARGET, 0, data, 1_000_000)
        ours, theirs = (block.apply(transaction, address(0)) for block in blocks)
        assert ours == theirs
    assert reference.finish(blocks[0]) == fast.finish(blocks[1])
    assert outcome(reference, TARGET, 500_000, b"\1") == outcome(fast, TARGET, 500_000, b"\1")


def test_programs_are_forgotten_when_there_are_too_many(monkeypatch):
    monkeypatch.setattr("shard.engine.fast.programs.PROGRAMS_MAX", 3)
    programs = Programs()
    kept = [programs.of(bytes([i])) for i in range(3)]
    assert programs.of(b"\0") is kept[0]
    programs.of(b"\7")
    assert programs.forgotten == 1
    assert programs.of(b"\0") is kept[0], "run just now"
    assert programs.of(b"\1") is not kept[1], "the least recently run"


def test_what_was_forgotten_is_told_once(monkeypatch):
    monkeypatch.setattr("shard.engine.fast.programs.PROGRAMS_MAX", 3)
    shard = Shard({bytes([1 + i]) * 20: bytes([0x60, i, 0]) for i in range(5)}, engine=EagerEngine)
    block = shard.begin()
    before = shard.engine.take_forgotten()
    for i in range(5):
        shard.send(block, 0, bytes([1 + i]) * 20)
    assert shard.engine.take_forgotten() + before >= 2
    assert shard.engine.take_forgotten() == 0

"""The index of addresses and topics: it finds what reading every block finds, and follows the canonical chain back and forth."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primitives.errors import Interrupted, InvalidQuery
from shard.database import MemoryDatabase
from shard.executor import index, reads
from shard.executor.index import EMITTER, PARTY, entries_of, occurrences, places
from shard.executor.logs import Matcher
from shard.executor.reads import ShardReader
from shard.executor.schema import StoredLog, StoredTransaction
from shard.views import LogFilter, LogView
from tests.shard.executor.support import LOGGER, address, build, make_executor, make_genesis, transfer

GENESIS = make_genesis()
TOPIC = b"\xaa".rjust(32, b"\0")
ADDRESSES = [bytes([i]) * 20 for i in (1, 2, 3)]
TOPICS = [bytes([i]) * 32 for i in (7, 8)]


def no_meter():
    """Lets all work go on."""


def interrupted():
    raise Interrupted("call_deadline_ms")


def transaction(logs, sender=ADDRESSES[0], to=ADDRESSES[1], contract=None):
    stored = tuple(StoredLog(at, tuple(topics), b"") for at, topics in logs)
    return StoredTransaction(b"", b"", sender, to, 1, 0, 0, b"", contract, 0, stored, b"")


LOGS = st.tuples(st.sampled_from(ADDRESSES), st.lists(st.sampled_from(TOPICS), max_size=3))
BLOCKS = st.lists(st.lists(st.lists(LOGS, max_size=3), max_size=3), min_size=1, max_size=12)
CHOICES = st.lists(st.sampled_from(TOPICS), max_size=2, unique=True).map(tuple)
FILTERS = st.tuples(st.lists(st.sampled_from(ADDRESSES), max_size=2, unique=True).map(tuple), st.lists(CHOICES, max_size=3).map(tuple))


@settings(max_examples=300, deadline=None)
@given(BLOCKS, FILTERS, st.integers(0, 11), st.integers(0, 11), st.integers(1, 3))
def test_nothing_that_matches_is_missed(blocks, wanted, first, last, part):
    database = MemoryDatabase()
    views = []
    for height, block in enumerate(blocks):
        transactions = [transaction(logs) for logs in block]
        database.write_batch(entries_of(height, transactions), sync=False)
        logs = [(i, log) for i, one in enumerate(transactions) for log in one.logs]
        views += [(height, i, LogView(log.address, log.topics, b"", height, b"", b"", i, 0, 0)) for i, log in logs]
    matcher = Matcher(LogFilter(addresses=wanted[0], topics=wanted[1]))
    constraints = matcher.constraints()
    if not constraints:
        return
    before, index._KEYS_PER_LOOK = index._KEYS_PER_LOOK, part
    try:
        found = dict(places(database, constraints, first, last, no_meter))
    finally:
        index._KEYS_PER_LOOK = before
    expected = {(height, i) for height, i, view in views if first <= height <= last and matcher.matches(view)}
    have = {(height, i) for height, at in found.items() for i in at}
    assert expected <= have
    assert list(found) == sorted(found)
    if len(constraints) == 1 and len(wanted[1]) == (not wanted[0]):
        assert have == expected, "one constraint is the whole truth"


def test_parties_are_those_that_send_are_called_are_made_and_log():
    database = MemoryDatabase()
    made, logging = b"\x0c" * 20, b"\x0d" * 20
    database.write_batch(entries_of(5, [transaction([]), transaction([(logging, [])], to=None, contract=made)]), sync=False)
    for party, at in ((ADDRESSES[0], (0, 1)), (ADDRESSES[1], (0,)), (made, (1,)), (logging, (1,))):
        assert list(occurrences(database, PARTY, party, 0, 9)) == [(5, at)]
    assert list(occurrences(database, EMITTER, made, 0, 9)) == []


def test_both_directions():
    database = MemoryDatabase()
    for height in (1, 300, 70_000):
        database.write_batch(entries_of(height, [transaction([])]), sync=False)
    heights = [height for height, _ in occurrences(database, PARTY, ADDRESSES[0], 0, 2**63)]
    assert heights == [1, 300, 70_000]
    assert [height for height, _ in occurrences(database, PARTY, ADDRESSES[0], 2, 2**63, reverse=True)] == [70_000, 300]


@pytest.fixture
def indexed(monkeypatch):
    monkeypatch.setattr(reads, "UNINDEXED_BLOCKS_MAX", 0)


@pytest.mark.usefixtures("indexed")
def test_a_void_block_leaves_the_index_and_another_takes_its_place():
    executor = make_executor(GENESIS)
    reader = ShardReader(executor)
    first = build(executor, [transfer(GENESIS, 0, 0, LOGGER, 0, 100_000)])
    other = build(executor, [transfer(GENESIS, 1, 0), transfer(GENESIS, 1, 1, LOGGER, 0, 100_000)], view=2)
    wanted = LogFilter(0, "latest", addresses=(LOGGER,), topics=((TOPIC,),))
    for block, sender in ((first, 0), (other, 1)):
        executor.finalize(block.result.hash)
        logs = reader.logs(wanted, no_meter)
        assert [(log.block_hash, log.transaction_index) for log in logs] == [(block.result.hash, len(block.result.transaction_hashes) - 1)]
        assert [height for height, _ in occurrences(executor.store.database, PARTY, address(sender), 0, 9)] == [1]
        executor.truncate(executor.store.canonical(0))
        assert reader.logs(wanted, no_meter) == ()
        assert not list(occurrences(executor.store.database, PARTY, address(sender), 0, 9))
    assert not [key for key, _ in executor.store.database.iterate(b"X", b"Y")]


@pytest.mark.usefixtures("indexed")
def test_an_indexed_range_may_be_longer(monkeypatch):
    executor = make_executor(GENESIS)
    executor.finalize(build(executor, [transfer(GENESIS, 0, 0, LOGGER, 0, 100_000)]).result.hash)
    reader = ShardReader(executor)
    monkeypatch.setattr(reads, "LOG_BLOCKS_MAX", 1)
    assert reader.logs(LogFilter(0, 1, addresses=(LOGGER,)), no_meter)
    with pytest.raises(InvalidQuery, match="over the limit of 1 blocks"):
        reader.logs(LogFilter(0, 1), no_meter)
    monkeypatch.setattr(reads, "INDEXED_BLOCKS_MAX", 1)
    with pytest.raises(InvalidQuery, match="over the limit of 1 blocks"):
        reader.logs(LogFilter(0, 1, addresses=(LOGGER,)), no_meter)
    with pytest.raises(Interrupted):
        reader.logs(LogFilter(1, 1, addresses=(LOGGER,)), interrupted)

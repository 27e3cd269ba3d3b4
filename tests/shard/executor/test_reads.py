"""What a shard answers of its chain: views, logs, calls, estimates, fees and the audit."""

import pytest

from primitives.errors import Interrupted, InvalidQuery, InvalidTransaction, QueryReason, TransactionReason
from primitives.hashing import keccak256
from primitives.receipts import CrossShardReceipt, Summary
from shard.executor import reads
from shard.executor.audit import Auditor
from shard.executor.reads import ShardReader
from shard.executor.simulation import Simulator
from shard.views import CallRequest, LogFilter, big, small
from tests.shard.executor.support import (
    GWEI,
    LOGGER,
    LOGGER_CODE,
    LOOP,
    RECURSION,
    RICH,
    address,
    build,
    make_executor,
    make_genesis,
    outbox_transfer,
    transfer,
)

GENESIS = make_genesis()
BLOCKS = (
    [transfer(GENESIS, 0, 0), transfer(GENESIS, 1, 0, LOGGER, 0, 100_000)],
    [],
    [transfer(GENESIS, 1, 1, LOGGER, 0, 100_000), outbox_transfer(GENESIS, 2, 0, 77)],
)
TOPIC = b"\xaa".rjust(32, b"\0")


def no_meter():
    """Lets all work go on."""


class Chain:
    """Three final blocks, of which the first is crosslinked, and one that is not final."""

    def __init__(self):
        self.executor = make_executor(GENESIS)
        self.hashes = [self.executor.latest.result.hash]
        for view, candidates in enumerate(BLOCKS, 1):
            self.hashes.append(build(self.executor, candidates, view=view).result.hash)
            self.executor.finalize(self.hashes[-1])
        self.executor.set_finalized(1)
        self.pending = build(self.executor, [transfer(GENESIS, 0, 1)], view=9).result
        self.reader = ShardReader(self.executor)
        self.simulator = Simulator(self.executor, self.reader)
        self.auditor = Auditor(self.executor, self.reader)


@pytest.fixture(scope="module")
def chain():
    return Chain()


@pytest.mark.parametrize(
    ("selector", "height"), [("latest", 3), ("safe", 3), ("pending", 3), ("finalized", 1), ("earliest", 0), (2, 2), (4, None), (-1, None)]
)
def test_selectors(chain, selector, height):
    header = chain.reader.header(selector)
    assert (None if header is None else header.hash()) == (None if height is None else chain.hashes[height])


def test_a_block_that_is_not_canonical_is_unknown(chain):
    assert chain.reader.block(chain.pending.hash) is None
    assert chain.reader.account(chain.pending.hash, address(0)) is None
    assert chain.reader.transaction(chain.pending.transaction_hashes[0]) is None
    with pytest.raises(InvalidQuery):
        chain.reader.header("newest")


def test_transactions_and_receipts(chain):
    raw, sender = BLOCKS[0][1]
    view = chain.reader.transaction(keccak256(raw))
    assert (view.raw, view.sender, view.block_number, view.index) == (raw, sender, 1, 1)
    receipt = chain.reader.receipt(keccak256(raw))
    assert (receipt.transaction, receipt.status, receipt.to) == (view, 1, LOGGER)
    assert receipt.cumulative_gas_used == receipt.gas_used + 21_000
    assert receipt.logs[0].topics == (TOPIC,)
    assert chain.reader.block_receipts(1)[1] == receipt
    assert chain.reader.block(1).transactions[1] == view
    assert chain.reader.receipt(b"\0" * 32) is None


def test_accounts_code_and_storage(chain):
    assert small(chain.reader.account(0, address(0)).balance) == RICH
    latest = chain.reader.account("latest", address(0))
    assert latest.nonce == 1
    assert small(latest.balance) < RICH - 21_000 * GWEI
    assert chain.reader.account("latest", b"\5" * 20).nonce == 0
    assert chain.reader.code("latest", LOGGER) == LOGGER_CODE
    assert chain.reader.storage("latest", LOGGER, 2**255) == bytes(32)
    assert chain.reader.code(77, LOGGER) is None


@pytest.mark.parametrize(
    ("wanted", "heights"),
    [
        (LogFilter(0, "latest"), [1, 3, 3]),
        (LogFilter(2, 3, addresses=(LOGGER,)), [3]),
        (LogFilter(0, 3, addresses=(LOOP,)), []),
        (LogFilter(0, 3, topics=((TOPIC,),)), [1, 3]),
        (LogFilter(0, 3, topics=(None, (TOPIC,))), []),
        (LogFilter(0, 3, topics=((bytes(32), TOPIC),)), [1, 3]),
    ],
)
def test_logs(chain, wanted, heights):
    assert [log.block_number for log in chain.reader.logs(wanted, no_meter)] == heights


def test_logs_of_one_block(chain):
    assert [log.log_index for log in chain.reader.logs(LogFilter(block_hash=chain.hashes[3]), no_meter)] == [0, 1]
    assert chain.reader.block_logs(chain.hashes[3]) == chain.reader.logs(LogFilter(3, 3), no_meter)


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (LogFilter(3, 2), QueryReason.BAD_RANGE),
        (LogFilter(3, 4), QueryReason.BEYOND_HEAD),
        (LogFilter(block_hash=b"\5" * 32), QueryReason.UNKNOWN_BLOCK),
    ],
)
def test_log_ranges_that_are_refused(chain, wanted, reason):
    with pytest.raises(InvalidQuery) as raised:
        chain.reader.logs(wanted, no_meter)
    assert raised.value.reason is reason


def test_log_limits(chain, monkeypatch):
    monkeypatch.setattr(reads, "LOG_BLOCKS_MAX", 3)
    assert chain.reader.logs(LogFilter(1, 3), no_meter)
    with pytest.raises(InvalidQuery, match="over the limit of 3 blocks"):
        chain.reader.logs(LogFilter(0, 3), no_meter)
    monkeypatch.setattr(reads, "LOG_RESULTS_MAX", 2)
    with pytest.raises(InvalidQuery, match="more than 2 results"):
        chain.reader.logs(LogFilter(1, 3), no_meter)


def test_logs_are_limited_by_their_bytes(chain, monkeypatch):
    all_logs = chain.reader.logs(LogFilter(1, 3), no_meter)
    size = sum(len(log.data) + 32 * len(log.topics) for log in all_logs)
    monkeypatch.setattr(reads, "LOG_BYTES_MAX", size)
    assert chain.reader.logs(LogFilter(1, 3), no_meter) == all_logs
    monkeypatch.setattr(reads, "LOG_BYTES_MAX", size - 1)
    with pytest.raises(InvalidQuery, match=f"more than {size - 1} bytes of logs") as raised:
        chain.reader.logs(LogFilter(1, 3), no_meter)
    assert raised.value.reason is QueryReason.OVER_LIMIT


def test_reading_logs_can_be_interrupted_at_every_transaction(chain):
    looks = []
    chain.reader.logs(LogFilter(block_hash=chain.hashes[3]), lambda: looks.append(1))
    assert len(looks) == len(chain.reader.block(3).transactions)


def test_outgoing_receipts_by_id_and_by_transaction(chain):
    raw, sender = BLOCKS[2][1]
    (sent,) = chain.reader.outgoing_of(keccak256(raw))
    assert chain.reader.outgoing_receipt(sent.id) == sent
    assert (sent.sender, sent.destination, small(sent.amount), sent.block_number) == (sender, 1, 77, 3)
    assert chain.reader.outgoing_of(keccak256(BLOCKS[0][0][0])) == ()
    assert chain.reader.outgoing_receipt(bytes(32)) is None


def test_the_ids_that_follow_a_receipt_in_its_channel():
    executor = make_executor(GENESIS)
    for view, (sender, count) in enumerate(((0, 2), (1, 0), (2, 3)), 1):
        built = build(executor, [outbox_transfer(GENESIS, sender, nonce, 77) for nonce in range(count)], view=view)
        executor.finalize(built.result.hash)
    reader, totals = ShardReader(executor), Summary.decode(built.result.summary)
    ids = [sent.id for height in (1, 2, 3) for sent in reader.outgoing_in(reader.block(height).hash)]
    assert len(ids) == 5
    for nonce, identity in enumerate(ids):
        for count in range(nonce + 1, 6):
            path = reader.outgoing_path(identity, count, no_meter)
            assert CrossShardReceipt.decode(path.receipt).nonce == nonce
            assert path.following == tuple(ids[nonce + 1 : count])
            accumulator = path.accumulator_before
            for one in (identity, *path.following):
                accumulator = keccak256(accumulator + one)
            assert count < 5 or accumulator == totals.outgoing[1].accumulator
    assert reader.outgoing_path(ids[0], 6, no_meter) is None, "there are only five"
    assert reader.outgoing_path(bytes(32), 1, no_meter) is None
    with pytest.raises(Interrupted):
        reader.outgoing_path(ids[0], 5, interrupted)


def interrupted():
    raise Interrupted("call_deadline_ms")


def request(to, **fields):
    given = {"sender": address(0), "gas": None, "gas_price": b"", "value": b"", "data": b""} | fields
    return CallRequest(to=to, **given)


def test_calls(chain):
    assert chain.simulator.call("latest", request(LOGGER), no_meter).success
    assert not chain.simulator.call("latest", request(LOOP, gas=100_000), no_meter).success
    assert chain.simulator.call("latest", request(RECURSION), no_meter).success, "as deep as the gas goes"
    with pytest.raises(InvalidTransaction) as raised:
        chain.simulator.call("latest", request(LOGGER, value=big(2 * RICH)), no_meter)
    assert raised.value.reason is TransactionReason.INSUFFICIENT_FUNDS
    with pytest.raises(InvalidQuery):
        chain.simulator.call(99, request(LOGGER), no_meter)


def test_an_endless_call_stops_at_its_meter(chain):
    looks = iter(range(1000))

    def meter():
        if next(looks) == 500:
            raise Interrupted("call_deadline_ms")

    with pytest.raises(Interrupted):
        chain.simulator.call("latest", request(LOOP), meter)


def test_estimates_are_enough_and_not_much_more(chain):
    plain = chain.simulator.estimate_gas("latest", request(b"\x99" * 20), no_meter)
    assert plain.gas == 21_000
    gas = chain.simulator.estimate_gas("latest", request(LOGGER), no_meter).gas
    assert chain.simulator.call("latest", request(LOGGER, gas=gas), no_meter).success
    assert not chain.simulator.call("latest", request(LOGGER, gas=gas * 97 // 100), no_meter).success
    endless = chain.simulator.estimate_gas("latest", request(LOOP, gas=50_000), no_meter)
    assert (endless.gas, endless.failure.success) == (None, False)


def test_fee_history(chain):
    history = chain.simulator.fee_history(2, 3, (0.0, 50.0, 100.0), no_meter)
    assert [block.number for block in history] == [2, 3]
    assert history[0].next_base_fee == history[1].base_fee
    assert history[0].rewards == (b"", b"", b"")
    assert history[1].rewards == (big(GWEI),) * 3
    with pytest.raises(InvalidQuery):
        chain.simulator.fee_history(2, 3, (50.0, 10.0), no_meter)


@pytest.mark.parametrize("size", [1, 3, 2000])
def test_pages_add_up_to_the_supply(chain, size):
    total, accounts, after = 0, 0, None
    while True:
        page = chain.auditor.page(chain.hashes[0], after, size, no_meter)
        total, accounts, after = total + small(page.balance), accounts + page.accounts, page.last
        if after is None:
            break
    assert total == small(chain.executor.head().genesis_supply)
    assert accounts >= 7


def test_a_page_can_be_asked_out_of_order(chain):
    first = chain.auditor.page(3, None, 2, no_meter)
    second = chain.auditor.page(3, first.last, 2, no_meter)
    chain.auditor.page(1, None, 1, no_meter)
    assert chain.auditor.page(3, first.last, 2, no_meter) == second
    with pytest.raises(InvalidQuery):
        chain.auditor.page(99, None, 2, no_meter)

"""Building, executing and finalizing: two executors that agree, and every wrong header field refused by its reason."""

import dataclasses

import pytest

from primitives.blocks import ExtraData, ShardBlock
from primitives.errors import BlockReason, Interrupted, InvalidBlock, StartupRefused
from primitives.hashing import keccak256
from primitives.headers import ShardHeader
from primitives.receipts import EMPTY_CHANNEL, ReceiptKind, Summary
from shard.database import LevelDatabase, MemoryDatabase
from shard.engine.trie import list_root
from shard.executor.store import LOSERS_KEPT_HEIGHTS
from tests.shard.executor.support import (
    COINBASE,
    GWEI,
    LOGGER,
    LOOP,
    ROOM_MS,
    SHARDS,
    Clock,
    address,
    build,
    context,
    make_executor,
    make_genesis,
    outbox_transfer,
    receipts,
    reference,
    transfer,
)

GENESIS = make_genesis()


@pytest.fixture
def executor():
    return make_executor(GENESIS)


def without_time(result):
    return {name: getattr(result, name) for name in result.__struct_fields__ if name != "execution_ms"}


def committing(block, **change):
    """A block with another body, to which its header commits."""
    block = dataclasses.replace(block, **change)
    root = list_root([*(receipt.transaction_bytes(GENESIS.parameters.chain_id_base) for receipt in block.inbound), *block.transactions])
    header = dataclasses.replace(ShardHeader.decode(block.header), transactions_root=root)
    return dataclasses.replace(block, header=header.encode()).encode()


def recorded(source_receipts):
    """What the beacon records of a channel."""
    return EMPTY_CHANNEL.add(source_receipts, GENESIS.parameters.chain_id_base)


def inbound_of(**by_source):
    totals = [EMPTY_CHANNEL] * (SHARDS + 1)
    for name, sent in by_source.items():
        totals[int(name[1:])] = recorded(sent)
    return tuple(totals)


def test_two_executors_agree(executor):
    other = make_executor(GENESIS)
    candidates = [transfer(GENESIS, 0, 0), transfer(GENESIS, 1, 0, LOGGER, 0, 100_000), transfer(GENESIS, 0, 1)]
    parent = executor.head().result.hash
    assert parent == other.head().result.hash
    for view in range(1, 4):
        built = build(executor, candidates if view == 1 else (), parent, view)
        result = other.execute(built.block, reference(), COINBASE, {})
        assert without_time(result) == without_time(built.result)
        assert executor.execute(built.block, reference(), COINBASE, {}) == built.result
        parent = result.hash
    assert executor.latest.result.number == 0
    blocks = executor.finalize(parent)
    assert blocks == other.finalize(parent)
    assert [block.number for block in blocks] == [1, 2, 3]
    assert len(blocks[0].transaction_hashes) == 3
    assert blocks[0].senders[address(0)][0] == 2
    assert executor.finalize(parent) == ()
    assert executor.head().result.number == other.head().result.number == 3
    assert executor.blocks(2, 5) == (executor.body(blocks[1].hash), executor.body(blocks[2].hash))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"number": 2}, BlockReason.WRONG_HEIGHT),
        ({"parent_hash": b"\5" * 32}, BlockReason.WRONG_PARENT),
        ({"timestamp": 999}, BlockReason.BAD_TIMESTAMP),
        ({"timestamp": 2**63}, BlockReason.BAD_TIMESTAMP),
        ({"parent_beacon_block_root": b"\5" * 32}, BlockReason.BAD_REFERENCE),
        ({"prev_randao": b"\5" * 32}, BlockReason.BAD_RANDAO),
        ({"coinbase": b"\5" * 20}, BlockReason.WRONG_PROPOSER),
        ({"gas_limit": 29_999_999}, BlockReason.BAD_HEADER),
        ({"base_fee_per_gas": GWEI}, BlockReason.BAD_HEADER),
        ({"uncles_hash": b"\5" * 32}, BlockReason.BAD_HEADER),
        ({"withdrawals_root": b"\5" * 32}, BlockReason.BAD_HEADER),
        ({"difficulty": 1}, BlockReason.BAD_HEADER),
        ({"nonce": b"\1" * 8}, BlockReason.BAD_HEADER),
        ({"blob_gas_used": 1}, BlockReason.BAD_HEADER),
        ({"excess_blob_gas": 1}, BlockReason.BAD_HEADER),
        ({"gas_used": 30_000_001}, BlockReason.BAD_HEADER),
        ({"extra_data": b""}, BlockReason.BAD_HEADER),
        ({"extra_data": ExtraData(2, 0, 1, 0, 0).encode()}, BlockReason.BAD_HEADER),
        ({"extra_data": ExtraData(1, 0, 1, 0, 8).encode()}, BlockReason.BAD_HEADER),
        ({"extra_data": ExtraData(1, 0, 1, 0, 2).encode()}, BlockReason.BAD_INBOUND),
        ({"transactions_root": b"\5" * 32}, BlockReason.BAD_BODY),
        ({"gas_used": 20_999}, BlockReason.BAD_STATE_ROOT),
        ({"receipts_root": b"\5" * 32}, BlockReason.BAD_STATE_ROOT),
        ({"logs_bloom": b"\5" * 256}, BlockReason.BAD_STATE_ROOT),
        ({"requests_hash": b"\5" * 32}, BlockReason.BAD_STATE_ROOT),
        ({"state_root": b"\5" * 32}, BlockReason.BAD_STATE_ROOT),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value.code,
)
def test_every_wrong_header_field_has_its_reason(executor, change, reason):
    block = ShardBlock.decode(build(executor, [transfer(GENESIS, 0, 0)]).block)
    header = dataclasses.replace(ShardHeader.decode(block.header), **change)
    with pytest.raises(InvalidBlock) as raised:
        make_executor(GENESIS).execute(dataclasses.replace(block, header=header.encode()).encode(), reference(), COINBASE, {})
    assert raised.value.reason is reason


def test_a_body_that_is_not_the_headers_is_refused(executor):
    built = build(executor, [transfer(GENESIS, 0, 0)])
    block = ShardBlock.decode(built.block)
    swapped = dataclasses.replace(block, transactions=(transfer(GENESIS, 1, 0)[0],)).encode()
    for each in (executor, make_executor(GENESIS)):
        with pytest.raises(InvalidBlock) as raised:
            each.execute(swapped, reference(), COINBASE, {})
        assert raised.value.reason is BlockReason.BAD_BODY
    assert executor.execute(built.block, reference(), COINBASE, {}) == built.result


@pytest.mark.parametrize(
    "raw", [b"\x02\xc0", transfer(GENESIS, 0, 1)[0], transfer(GENESIS, 0, 0, value=10**30)[0]], ids=["malformed", "nonce", "funds"]
)
def test_a_transaction_that_cannot_be_there_makes_the_block_invalid(executor, raw):
    block = ShardBlock.decode(build(executor).block)
    with pytest.raises(InvalidBlock) as raised:
        executor.execute(committing(block, transactions=(raw,)), reference(), COINBASE, {})
    assert raised.value.reason is BlockReason.BAD_TRANSACTION


def test_garbage_is_malformed(executor):
    for data in (b"", b"\xff" * 100, ShardBlock(b"\xc0", (), ()).encode()):
        with pytest.raises(InvalidBlock) as raised:
            executor.execute(data, reference(), COINBASE, {})
        assert raised.value.reason is BlockReason.MALFORMED


def test_an_endless_transaction_is_too_slow_and_others_get_in():
    executor = make_executor(GENESIS, clock=Clock(step=0.0001))
    endless = transfer(GENESIS, 0, 0, LOOP, 0, 20_000_000)
    after_it = transfer(GENESIS, 0, 1)
    others = [transfer(GENESIS, i, 0) for i in (1, 2)]
    built = build(executor, [others[0], endless, after_it, others[1]], budget_ms=200)
    assert list(ShardBlock.decode(built.block).transactions) == [raw for raw, _ in others]
    assert built.too_slow == (keccak256(endless[0]),)
    assert built.rejected == ()


class Patience:
    """A meter that is asked so often, then interrupts."""

    def __init__(self, left):
        self.left = left

    def __call__(self):
        self.left -= 1
        if self.left < 0:
            raise Interrupted("patience")


def test_an_execution_interrupted_anywhere_leaves_nothing_and_goes_well_afterwards():
    call = dataclasses.replace(receipts(1)[0], kind=ReceiptKind.CALL, to=LOGGER, gas_limit=100_000, fee=10**6 * GWEI)
    made = build(make_executor(GENESIS), [transfer(GENESIS, 0, 0), transfer(GENESIS, 1, 0, LOGGER, 0, 100_000)], available={1: (call,)},
                 inbound=inbound_of(s1=(call,)))  # fmt: skip
    assert len(ShardBlock.decode(made.block).inbound) == 1
    block, named = made.block, reference(inbound=inbound_of(s1=(call,)))
    counting = Patience(10**6)
    make_executor(GENESIS).execute(block, named, COINBASE, {1: (call,)}, counting)
    asked = 10**6 - counting.left
    assert asked >= 2, "at least once in the call from another shard and once in the transaction"
    database = MemoryDatabase()
    executor = make_executor(GENESIS, database)
    before = database.copy()
    for patience in range(asked):
        with pytest.raises(Interrupted):
            executor.execute(block, named, COINBASE, {1: (call,)}, Patience(patience))
        assert database.copy() == before
    result = executor.execute(block, named, COINBASE, {1: (call,)}, Patience(asked))
    assert without_time(result) == without_time(made.result)
    assert executor.execute(block, named, COINBASE, {1: (call,)}, Patience(0)) == result, "what is known needs no work"


def test_many_endless_transactions_before_everybody_else_cost_one_share():
    executor = make_executor(GENESIS, clock=Clock(step=0.0001))
    endless = [transfer(GENESIS, i, 0, LOOP, 0, 20_000_000) for i in (0, 1, 2)]
    built = build(executor, [*endless, transfer(GENESIS, 3, 0)], budget_ms=200)
    assert list(ShardBlock.decode(built.block).transactions) == [transfer(GENESIS, 3, 0)[0]]
    assert built.too_slow == (keccak256(endless[0][0]),)
    assert built.rejected == ()


@pytest.mark.parametrize(("own_share", "is_too_slow"), [(0.1, False), (0.3, True)])
def test_what_was_stopped_while_others_had_the_machine_is_not_too_slow(own_share, is_too_slow):
    clock = Clock(step=0.0001)
    executor = make_executor(GENESIS, clock=clock, worked=lambda: clock.seconds * own_share)
    endless = transfer(GENESIS, 0, 0, LOOP, 0, 20_000_000)
    built = build(executor, [endless], budget_ms=200)
    assert ShardBlock.decode(built.block).transactions == ()
    assert built.too_slow == ((keccak256(endless[0]),) if is_too_slow else ())


def test_nothing_fits_a_budget_that_is_spent():
    executor = make_executor(GENESIS, clock=Clock(step=0.01))
    built = build(executor, [transfer(GENESIS, 0, 0)], budget_ms=0)
    assert built.result.transaction_hashes == ()
    assert built.too_slow == ()


def test_rejected_candidates_are_told_and_waiting_ones_are_not(executor):
    low, high = transfer(GENESIS, 0, 0), transfer(GENESIS, 0, 2)
    poor = transfer(GENESIS, 1, 0, value=10**30)
    built = build(executor, [low, high, poor])
    assert [(r.hash, r.code) for r in built.rejected] == [(keccak256(poor[0]), "insufficient_funds")]
    again = build(executor, [low], built.result.hash, 2)
    assert [(r.hash, r.code) for r in again.rejected] == [(keccak256(low[0]), "nonce_too_low")]


def test_gas_and_bytes_bound_a_block():
    genesis = make_genesis(gas_limit=10_000_000, block_bytes_max=65_536, inbound_bytes_max=65_536)
    executor = make_executor(genesis)
    hungry = [transfer(genesis, i, 0, gas=6_000_000) for i in (0, 1)]
    assert len(build(executor, hungry).result.transaction_hashes) == 2, "gas is counted as used, so both fit"
    big = [transfer(genesis, i, 0, gas=2_000_000, data=bytes(30_000)) for i in range(3)]
    built = build(executor, big)
    assert len(built.result.transaction_hashes) == 2
    assert len(built.block) <= 65_536
    block = ShardBlock.decode(built.block)
    over = committing(block, transactions=tuple(raw for raw, _ in big))
    with pytest.raises(InvalidBlock, match="at most 65536"):
        make_executor(genesis).execute(over, reference(), COINBASE, {})


def test_inbound_receipts_come_first_and_must_be_proven(executor):
    sent = receipts(3)
    view = {"inbound": inbound_of(s1=sent)}
    built = build(executor, [transfer(GENESIS, 0, 0)], available={1: sent}, **view)
    block = ShardBlock.decode(built.block)
    assert block.inbound == sent
    assert Summary.decode(built.result.summary).incoming[1] == recorded(sent)
    whole = make_executor(GENESIS)
    assert without_time(whole.execute(built.block, reference(**view), COINBASE, {})) == without_time(built.result), "it folds by itself"

    longer = {"inbound": inbound_of(s1=(*sent, *receipts(2, first=3)))}
    part = build(make_executor(GENESIS), available={1: sent}, **longer)
    with pytest.raises(InvalidBlock) as raised:
        make_executor(GENESIS).execute(part.block, reference(**longer), COINBASE, {})
    assert raised.value.reason is BlockReason.BAD_INBOUND
    for proven in ({1: sent}, None):
        result = make_executor(GENESIS).execute(part.block, reference(**longer), COINBASE, proven)
        assert without_time(result) == without_time(part.result)


def test_a_forged_receipt_is_refused(executor):
    sent = receipts(2)
    view = {"inbound": inbound_of(s1=sent)}
    built = build(executor, available={1: receipts(2, amount=6)}, **view)
    for proven in ({}, {1: sent}):
        with pytest.raises(InvalidBlock) as raised:
            make_executor(GENESIS).execute(built.block, reference(**view), COINBASE, proven)
        assert raised.value.reason is BlockReason.BAD_INBOUND


def test_receipts_leave_a_block_within_the_byte_limit_and_the_rest_comes_later():
    genesis = make_genesis(block_bytes_max=65_536, inbound_bytes_max=65_536)
    sent = tuple(dataclasses.replace(receipt, data=bytes(4096)) for receipt in receipts(30))
    view = {"inbound": inbound_of(s1=sent)}
    built = build(make_executor(genesis), [transfer(genesis, 0, 0)], available={1: sent}, **view)
    assert len(built.block) <= 65_536
    assert len(built.result.transaction_hashes) == 1
    assert ShardBlock.decode(built.block).inbound == sent[: 65_536 // (4096 + 384)]
    assert make_executor(genesis).execute(built.block, reference(**view), COINBASE, {1: sent}).hash == built.result.hash


def test_outgoing_receipts_fold_and_are_pruned(executor):
    first = build(executor, [outbox_transfer(GENESIS, 0, nonce, value=10 + nonce) for nonce in range(3)])
    summary = Summary.decode(first.result.summary)
    assert executor.outgoing(1, 0, 10) is None, "not final"
    (block,) = executor.finalize(first.result.hash)
    assert block.sent == {1: (0, 3)}
    bundle = executor.outgoing(1, 0, 10)
    assert [receipt.amount for receipt in bundle.receipts] == [10, 11, 12]
    assert bundle.accumulator_after(GENESIS.parameters.chain_id_base) == summary.outgoing[1].accumulator
    page = executor.outgoing(1, 1, 1)
    assert (page.first_nonce, len(page.receipts)) == (1, 1)
    executor.prune_outgoing(1, 2)
    assert executor.outgoing(1, 1, 1) is None
    assert executor.outgoing(1, 2, 9).receipts == bundle.receipts[2:]


def test_blocks_of_a_height_compete_and_losers_are_pruned(executor):
    winner, loser = build(executor, [transfer(GENESIS, 0, 0)]), build(executor, view=2)
    assert winner.result.hash != loser.result.hash
    executor.finalize(winner.result.hash)
    with pytest.raises(AssertionError, match="never replaced"):
        executor.finalize(loser.result.hash)
    assert executor.body(loser.result.hash) == loser.block
    for view in range(3, LOSERS_KEPT_HEIGHTS + 5):
        executor.finalize(build(executor, view=view).result.hash)
    assert executor.body(loser.result.hash) is None
    assert executor.body(winner.result.hash) == winner.block


def test_truncate_undoes_what_is_not_crosslinked(executor):
    hashes = [executor.latest.result.hash]
    for view in range(1, 4):
        hashes.append(build(executor, [transfer(GENESIS, 0, view - 1)]).result.hash)
        executor.finalize(hashes[-1])
    executor.set_finalized(1)
    undone = executor.truncate(hashes[1])
    assert [block.hash for block in undone] == [hashes[3], hashes[2]]
    assert executor.head().result.hash == hashes[1]
    assert executor.blocks(2, 1) == ()
    with pytest.raises(AssertionError, match="crosslinked"):
        executor.truncate(hashes[0])
    other = build(executor, view=9)
    assert [block.number for block in executor.finalize(other.result.hash)] == [2]


@pytest.mark.parametrize("kind", ["memory", "level"])
def test_a_restart_goes_on_where_it_was(tmp_path, kind):
    database = LevelDatabase(tmp_path / "db") if kind == "level" else MemoryDatabase()
    executor = make_executor(GENESIS, database)
    built = build(executor, [transfer(GENESIS, 0, 0)])
    executor.finalize(built.result.hash)
    executor.set_finalized(1)
    pending = build(executor, [transfer(GENESIS, 0, 1)], view=2)
    head = executor.head()
    executor.close()
    database = LevelDatabase(tmp_path / "db") if kind == "level" else MemoryDatabase(database.copy())
    again = make_executor(GENESIS, database)
    assert again.head() == head
    assert (head.result, head.finalized_number) == (built.result, 1)
    assert again.result(pending.result.hash) == pending.result
    assert [block.hash for block in again.finalize(pending.result.hash)] == [pending.result.hash]
    again.close()


class CrashingDatabase(MemoryDatabase):
    """Keeps what the disk would hold if the process were killed after each batch."""

    def __init__(self):
        super().__init__()
        self.crashes = []

    def write_batch(self, items, sync):
        super().write_batch(items, sync)
        self.crashes.append(self.copy())


def test_a_kill_at_any_moment_leaves_a_store_that_goes_on():
    database = CrashingDatabase()
    executor = make_executor(GENESIS, database)
    steps = [executor.latest.result.hash]
    blocks = []
    for view in range(1, 4):
        blocks.append(build(executor, [transfer(GENESIS, 0, view - 1), outbox_transfer(GENESIS, 1, view - 1, 5)], view=view))
        executor.finalize(blocks[-1].result.hash)
        steps.append(blocks[-1].result.hash)
    executor.set_finalized(2)
    executor.truncate(steps[2])
    executor.finalize(steps[3])
    assert len(database.crashes) == 10
    for left in database.crashes:
        again = make_executor(GENESIS, MemoryDatabase(left))
        assert again.latest.result.hash in steps
        for block in blocks:
            again.execute(block.block, reference(), COINBASE, {})
        again.finalize(steps[3])
        assert again.latest.result.number == 3
        assert len(again.outgoing(1, 0, 9).receipts) == 3
        assert again.blocks(1, 3) == tuple(block.block for block in blocks)


def test_the_data_of_another_network_or_shard_is_refused():
    database = MemoryDatabase()
    make_executor(GENESIS, database)
    with pytest.raises(StartupRefused, match="another network"):
        make_executor(make_genesis(chain_id_base=1), database)
    with pytest.raises(StartupRefused, match="mixed up"):
        make_executor(GENESIS, database, shard=1)


def test_a_parent_that_was_never_executed_is_refused(executor):
    with pytest.raises(InvalidBlock) as raised:
        executor.build(b"\5" * 32, context(), (), ROOM_MS)
    assert raised.value.reason is BlockReason.WRONG_PARENT


def test_many_signatures_are_recovered_in_threads(executor):
    built = build(executor, [transfer(GENESIS, i, nonce) for i in range(4) for nonce in range(6)])
    other = make_executor(GENESIS)
    assert without_time(other.execute(built.block, reference(), COINBASE, {})) == without_time(built.result)
    assert len(built.result.transaction_hashes) == 24
    assert len(other.user_transactions(built.result.hash)) == 24
    other.close()

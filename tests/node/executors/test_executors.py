"""One shard's executor, in threads and in a process: both answer the same, and nothing that ends one loses what it kept."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from node.executors import link as link_module
from node.executors.inline import InlineExecutor
from node.executors.link import ExecutorLink
from node.executors.operations import QUEUE_MAX, Lane
from primitives.blocks import ShardBlock
from primitives.errors import (
    BlockReason,
    Busy,
    ExecutorLost,
    Interrupted,
    InvalidBlock,
    InvalidQuery,
    InvalidTransaction,
    QueryReason,
    QuestionFailed,
    StartupRefused,
    TransactionReason,
)
from primitives.hashing import keccak256
from primitives.headers import ShardHeader
from shard.database import LevelDatabase, MemoryDatabase
from shard.engine.trie import list_root
from shard.simulations import BlockToSimulate, CallToSimulate
from shard.views import CallRequest, LogFilter, TraceConfig, big, small
from tests.shard.executor.support import (
    COINBASE,
    LOGGER,
    LOOP,
    RECURSION,
    RICH,
    ROOM_MS,
    address,
    context,
    make_genesis,
    outbox_transfer,
    receipts,
    reference,
    transfer,
)

GENESIS = make_genesis(gas_limit=2**40)
"""With so much gas a loop is endless."""
CALL = CallToSimulate(address(0), LOGGER, None, None, *[b""] * 4)
NEVER_MS = 3_600_000
LATE_MS = 20_000
"""A call that ought to be ended otherwise, and is not, is ended then."""


def make(kind, path, call_deadline_ms=NEVER_MS, genesis=GENESIS, shard=0):
    if kind == "link":
        return ExecutorLink(genesis, shard, path / "shard", call_deadline_ms=call_deadline_ms)
    return InlineExecutor(genesis, shard, LevelDatabase(path / "shard"), call_deadline_ms=call_deadline_ms)


@asynccontextmanager
async def started(executor):
    async with trio.open_nursery() as nursery:
        await executor.start(nursery)
        try:
            yield executor
        finally:
            with trio.CancelScope(shield=True):
                await executor.stop()


def request(to, **fields):
    given = {"sender": address(0), "gas": None, "gas_price": b"", "value": b"", "data": b""} | fields
    return CallRequest(to=to, **given)


async def add_block(executor, candidates=(), view=1):
    parent = (await executor.head()).result.hash
    built = await executor.build(parent, context(view), candidates, ROOM_MS)
    (block,) = await executor.finalize(built.result.hash)
    return built, block


def committing(block, **change):
    """A block with another body, to which its header commits."""
    block = dataclasses.replace(block, **change)
    header = dataclasses.replace(ShardHeader.decode(block.header), transactions_root=list_root(block.transactions))
    return dataclasses.replace(block, header=header.encode()).encode()


def without_time(result):
    return {name: getattr(result, name) for name in result.__struct_fields__ if name != "execution_ms"}


async def everything(executor):
    """The answer to every question there is, and to blocks of another executor of the shard."""
    sent = receipts(2)
    candidates = [transfer(GENESIS, 0, 0), transfer(GENESIS, 1, 0, LOGGER, 0, 100_000), outbox_transfer(GENESIS, 2, 0, 5)]
    candidates.append(transfer(GENESIS, 3, 0, value=10**30))
    genesis = await executor.head()
    built = await executor.build(genesis.result.hash, context(), candidates, ROOM_MS)
    other = await executor.build(genesis.result.hash, context(2, available={1: sent}), candidates[:1], ROOM_MS)
    final = await executor.finalize(built.result.hash)
    await executor.set_finalized(1)
    await add_block(executor, [transfer(GENESIS, 0, 1)], 3)
    undone = await executor.truncate(built.result.hash)
    assert [block.number for block in undone] == [2]
    logged, posted = (keccak256(candidates[i][0]) for i in (1, 2))
    root = built.result.hash
    (outgoing,) = await executor.outgoing_of(posted)
    answers = [
        built.block, without_time(built.result), built.rejected, other.block, final, (await executor.head()).finalized_number,
        await executor.execute(built.block, reference(), COINBASE, {1: sent}) == built.result,
        await executor.result(root) == built.result, await executor.body(root), await executor.blocks(1, 9),
        await executor.user_transactions(root), await executor.outgoing(1, 0, 9), await executor.header("latest"),
        await executor.block(root), await executor.transaction(logged), await executor.receipt(logged),
        await executor.block_receipts(1), await executor.block_logs(root), await executor.account("earliest", address(0)),
        await executor.code(1, LOGGER), await executor.storage(1, LOGGER, 2**255), await executor.proof(1, LOGGER, [2**255]),
        outgoing, await executor.outgoing_receipt(outgoing.id),
        await executor.logs(LogFilter(0, "latest", addresses=(LOGGER,), topics=(None,))), await executor.call("latest", request(LOGGER)),
        await executor.estimate_gas("latest", request(LOGGER)), await executor.fee_history(2, "latest", [50.0]),
        await executor.trace_transaction(logged, TraceConfig()), await executor.trace_block(1, TraceConfig("callTracer")),
        await executor.trace_call("latest", request(LOGGER), TraceConfig("prestateTracer")),
        await executor.search(address(0), 99, 3, before=True), await executor.sent_by(address(0), 0), await executor.creator(LOGGER),
        await executor.simulate("latest", [BlockToSimulate(9, 9999, calls=(CALL,))], False, True),
        await executor.page(1, None, 3), undone, await executor.block(77),
        await executor.outgoing_path(outgoing.id, 1), await executor.outgoing_path(outgoing.id, 9),
        await executor.outgoing_in(root) == (outgoing,),
        await executor.accounts([(i % 2, address(i)) for i in range(40)] + [(77, address(0)), (root, address(1))]),
    ]  # fmt: skip
    await executor.prune_outgoing(1, 1)
    return answers


async def test_threads_and_process_answer_the_same(tmp_path):
    async with started(make("link", tmp_path)) as link, started(InlineExecutor(GENESIS, 0, MemoryDatabase())) as inline:
        answers = await everything(link)
        assert answers == await everything(inline)
        assert answers[4][0].number == 1
        assert answers[-2] is True
        assert answers[-1][:2] == [answers[18], await inline.account(1, address(1))]
        assert answers[-1][-2:] == [None, answers[-1][1]]
        assert [rejected.code for rejected in answers[2]] == ["insufficient_funds"]
        assert link.restarts == 0


@pytest.mark.parametrize("kind", ["inline", "link"])
async def test_errors_keep_their_type(tmp_path, kind):
    async with started(make(kind, tmp_path, call_deadline_ms=50)) as executor:
        with pytest.raises(InvalidBlock) as block:
            await executor.execute(b"", reference(), COINBASE, None)
        assert block.value.reason is BlockReason.MALFORMED
        with pytest.raises(InvalidTransaction) as transaction:
            await executor.call("latest", request(LOGGER, value=big(2 * RICH)))
        assert transaction.value.reason is TransactionReason.INSUFFICIENT_FUNDS
        assert RICH in transaction.value.details.values()
        with pytest.raises(InvalidQuery) as query:
            await executor.logs(LogFilter(0, 9))
        assert query.value.reason is QueryReason.BEYOND_HEAD
        with pytest.raises(Interrupted) as interrupted:
            await executor.call("latest", request(LOOP))
        assert interrupted.value.limit == "call_deadline_ms"


@pytest.mark.parametrize("kind", ["inline", "link"])
async def test_an_endless_call_delays_no_block_and_no_question(tmp_path, kind):
    order = []

    async def call_forever(executor):
        with pytest.raises(Interrupted):
            await executor.call("latest", request(LOOP))
        order.append("call")

    async with trio.open_nursery() as nursery:
        async with started(make(kind, tmp_path)) as executor:
            nursery.start_soon(call_forever, executor)
            for view in range(1, 4):
                _, block = await add_block(executor, [transfer(GENESIS, 0, view - 1)], view)
                order.append(block.number)
                assert small((await executor.account("latest", address(0))).balance) < RICH
    assert order == [1, 2, 3, "call"]


@pytest.mark.parametrize("kind", ["inline", "link"])
async def test_an_endless_block_is_taken_back_and_leaves_nothing(tmp_path, kind):
    withdrawn = []

    async def execute_forever(executor, block, number):
        with pytest.raises(Interrupted) as interrupted:
            await executor.execute(block, reference(), COINBASE, None, number)
        withdrawn.append((number, interrupted.value.limit))

    async with started(InlineExecutor(GENESIS, 0, MemoryDatabase())) as other, started(make(kind, tmp_path)) as executor:
        first = await other.build((await other.head()).result.hash, context(), [transfer(GENESIS, 0, 0)], ROOM_MS)
        endless = committing(ShardBlock.decode(first.block), transactions=(transfer(GENESIS, 0, 0, LOOP, 0, 2**39)[0],))
        for number in (1, 3):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(execute_forever, executor, endless, number)
                await trio.testing.wait_all_tasks_blocked()
                # answered after the block was given to its lane
                await executor.account("latest", address(0))
                await executor.withdraw_executions(number)
            result = await executor.execute(first.block, reference(), COINBASE, None, number + 1)
            assert without_time(result) == without_time(first.result)
        assert await executor.body(keccak256(ShardBlock.decode(endless).header)) is None
    assert withdrawn == [(1, "execution_withdrawn"), (3, "execution_withdrawn")]


@pytest.mark.parametrize("kind", ["inline", "link"])
async def test_an_endless_block_does_not_keep_an_executor_from_stopping(tmp_path, kind):
    ended = []

    async def execute_forever(executor, block):
        with pytest.raises((Interrupted, ExecutorLost)):
            await executor.execute(block, reference(), COINBASE, None, 1)
        ended.append(block)

    async with trio.open_nursery() as nursery, started(make(kind, tmp_path)) as executor:
        first = await executor.build((await executor.head()).result.hash, context(), [transfer(GENESIS, 0, 0)], ROOM_MS)
        endless = committing(ShardBlock.decode(first.block), transactions=(transfer(GENESIS, 0, 0, LOOP, 0, 2**39)[0],))
        nursery.start_soon(execute_forever, executor, endless)
        await trio.testing.wait_all_tasks_blocked()
        await executor.account("latest", address(0))
    assert ended == [endless]


@pytest.mark.parametrize("kind", ["inline", "link"])
async def test_calls_beyond_the_queue_are_refused(tmp_path, kind):
    async with started(make(kind, tmp_path, call_deadline_ms=50)) as executor:
        outcomes = []

        async def call():
            try:
                await executor.call("latest", request(LOOP))
            except (Busy, Interrupted) as error:
                outcomes.append(error.limit)

        async with trio.open_nursery() as nursery:
            for _ in range(QUEUE_MAX[Lane.CALL] + 4):
                nursery.start_soon(call)
        assert set(outcomes) == {"call_queue_max", "call_deadline_ms"}
        assert QUEUE_MAX[Lane.CALL] <= outcomes.count("call_deadline_ms") <= QUEUE_MAX[Lane.CALL] + 1
        assert (await executor.head()).result.number == 0


async def test_calls_that_nobody_waits_for_leave_their_places_to_others(tmp_path):
    refused = []

    async def call(executor):
        try:
            await executor.call("latest", request(LOOP))
        except (Busy, Interrupted) as error:
            refused.append(error.limit)

    async with started(make("link", tmp_path)) as executor:
        for _ in range(3):
            async with trio.open_nursery() as nursery:
                for _ in range(QUEUE_MAX[Lane.CALL]):
                    nursery.start_soon(call, executor)
                await trio.testing.wait_all_tasks_blocked()
                # answered after what was refused before it
                await executor.account("latest", address(0))
                nursery.cancel_scope.cancel()
        assert (await executor.call("latest", request(LOGGER))).success, "of the endless ones none runs any more"
    assert refused == []


@pytest.mark.parametrize("kind", ["inline", "link"])
async def test_calls_go_as_deep_as_their_gas(tmp_path, kind):
    async with started(make(kind, tmp_path)) as executor:
        assert (await executor.call("latest", request(RECURSION))).success
        built, _ = await add_block(executor, [transfer(GENESIS, 0, 0, RECURSION, 0, 50_000_000)])
        assert (await executor.receipt(built.result.transaction_hashes[0])).status == 1


@pytest.mark.parametrize("kind", ["inline", "link"])
async def test_traces_go_as_deep_as_calls(tmp_path, kind):
    async with started(make(kind, tmp_path)) as executor:
        for tracer, mark in (("callTracer", b'"type"'), ("flat", b'"depth"'), ("", b'"op":"CALL"')):
            trace = await executor.trace_call("latest", request(RECURSION), TraceConfig(tracer=tracer))
            assert trace.count(mark) == 1025


@pytest.mark.parametrize("kind", ["inline", "link"])
async def test_a_restart_goes_on_where_it_was(tmp_path, kind):
    async with started(make(kind, tmp_path)) as executor:
        await add_block(executor, [transfer(GENESIS, 0, 0)])
        await executor.set_finalized(1)
        head = await executor.head()
    with pytest.raises(ExecutorLost):
        await executor.head()
    async with started(make(kind, tmp_path)) as executor:
        assert await executor.head() == head
        assert (head.result.number, head.finalized_number) == (1, 1)
        _, block = await add_block(executor, view=2)
        assert block.number == 2


@pytest.mark.parametrize("kind", ["inline", "link"])
async def test_foreign_data_is_refused(tmp_path, kind):
    make("inline", tmp_path)._open().close()
    async with trio.open_nursery() as nursery:
        with pytest.raises(StartupRefused, match="mixed up"):
            await make(kind, tmp_path, shard=1).start(nursery)


async def test_data_in_use_is_refused(tmp_path):
    async with started(make("link", tmp_path)), trio.open_nursery() as nursery:
        with pytest.raises(StartupRefused, match="in use by another process"):
            await make("link", tmp_path).start(nursery)


async def test_a_killed_process_comes_back_with_its_state(tmp_path):
    async with started(make("link", tmp_path)) as executor:
        await add_block(executor, [transfer(GENESIS, 0, 0)])
        pending = await executor.build((await executor.head()).result.hash, context(2), [transfer(GENESIS, 0, 1)], ROOM_MS)
        head, lost = await executor.head(), []

        async def call():
            with pytest.raises(ExecutorLost):
                await executor.call("latest", request(LOOP))
            lost.append("call")

        for restarts in range(2):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(call)
                await trio.testing.wait_all_tasks_blocked()
                os.kill(executor.process_id, signal.SIGKILL)
            assert await executor.head() == head
            assert executor.restarts == restarts + 1
        assert lost == ["call"] * 2
        (block,) = await executor.finalize(pending.result.hash)
        assert block.number == 2


async def test_a_bug_ends_the_process_which_comes_back(tmp_path):
    async with started(make("link", tmp_path)) as executor:
        head = await executor.head()
        with pytest.raises(ExecutorLost):
            await executor.finalize(b"\5" * 32)
        assert await executor.head() == head
        assert executor.restarts == 1


async def test_a_bug_met_in_answering_a_client_ends_nothing(tmp_path, capfd):
    async with started(make("link", tmp_path)) as executor:
        for nonsense in (b"latest", None):
            with pytest.raises(QuestionFailed):
                await executor.call("latest", nonsense)
        assert await executor.call("latest", request(address(1)))
        assert executor.restarts == 0
    assert "Traceback" in capfd.readouterr().err


async def test_a_process_that_cannot_come_back_is_waited_for_only_so_long(tmp_path, monkeypatch):
    monkeypatch.setattr(link_module, "RESTART_WAIT_SECONDS_MAX", 0.2)
    async with started(make("link", tmp_path)) as executor:
        (tmp_path / "shard").rename(tmp_path / "elsewhere")
        (tmp_path / "shard").write_text("not a folder")
        os.kill(executor.process_id, signal.SIGKILL)
        for _ in range(3):
            with pytest.raises(ExecutorLost):
                await executor.head()
    assert executor.process_id is None


async def test_the_process_dies_with_its_parent(tmp_path):
    script = """
        import sys, trio
        from pathlib import Path
        from node.executors.link import ExecutorLink
        from tests.shard.executor.support import make_genesis

        async def main():
            async with trio.open_nursery() as nursery:
                link = ExecutorLink(make_genesis(), 0, Path(sys.argv[1]))
                await link.start(nursery)
                print(link.process_id, flush=True)
                await trio.sleep_forever()

        trio.run(main)
    """
    root = Path(link_module.__file__).parents[2]
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "shard")]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as parent:  # noqa: ASYNC220
        child = os.pidfd_open(int(await trio.to_thread.run_sync(parent.stdout.readline)))
        parent.kill()
        with trio.fail_after(20):
            await trio.lowlevel.wait_readable(child)
    os.close(child)


async def test_cancelling_the_nursery_ends_the_process(tmp_path):
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            executor = make("link", tmp_path)
            await executor.start(nursery)
            process = os.pidfd_open(executor.process_id)
            scope.cancel()
    with trio.fail_after(20):
        await trio.lowlevel.wait_readable(process)
    os.close(process)
    assert executor.process_id is None


@pytest.mark.parametrize("kind", ["link", "inline"])
async def test_a_database_that_is_held_may_be_another_afterwards(kind, tmp_path):
    (tmp_path / "kept").mkdir()
    async with started(make(kind, tmp_path, call_deadline_ms=LATE_MS)) as executor:
        first, _ = await add_block(executor, [transfer(GENESIS, 0, 0)])
        await executor.settle()
        await executor.hold()
        shutil.copytree(tmp_path / "shard", tmp_path / "kept", dirs_exist_ok=True)
        assert (await executor.resume()).result.hash == first.result.hash
        second, _ = await add_block(executor, [transfer(GENESIS, 0, 1)], 2)
        assert (await executor.account("latest", address(0))).nonce == 2

        outcome = []

        async def call():
            try:
                await executor.call("latest", request(LOOP))
            except Interrupted as error:
                outcome.append(error.limit)

        async def ask():
            outcome.append((await executor.account("latest", address(0))).nonce)

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(call)  # is ended, at work or not begun yet
            await trio.testing.wait_all_tasks_blocked()
            # answered after the calls have reached their lane
            await executor.account("latest", address(0))
            await executor.settle()
            await executor.hold()
            nursery.start_soon(ask)  # waits
            shutil.rmtree(tmp_path / "shard")
            shutil.copytree(tmp_path / "kept", tmp_path / "shard")
            assert (await executor.resume()).result.hash == first.result.hash
        assert sorted(outcome, key=str) == [1, *["executor_stopping"] * 3]
        assert await executor.result(second.result.hash) is None
        again, _ = await add_block(executor, [transfer(GENESIS, 0, 1)], 3)
        assert again.result.number == 2
        assert (await executor.call("latest", request(LOGGER))).success


async def test_a_process_that_is_lost_while_its_database_is_held_opens_it_afterwards(tmp_path, monkeypatch):
    monkeypatch.setattr(link_module, "BACKOFF_SECONDS_MIN", 0.01)
    async with started(make("link", tmp_path)) as executor:
        built, _ = await add_block(executor)
        await executor.hold()
        with pytest.RaisesGroup(ExecutorLost):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(executor.code, "latest", LOGGER)
                await trio.testing.wait_all_tasks_blocked()
                os.kill(executor.process_id, signal.SIGKILL)
        (tmp_path / "shard").rename(tmp_path / "away")
        await trio.testing.wait_all_tasks_blocked(0.2)
        assert not (tmp_path / "shard").exists()
        (tmp_path / "away").rename(tmp_path / "shard")
        assert (await executor.resume()).result.hash == built.result.hash

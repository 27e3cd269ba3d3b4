"""A child that says what is no answer is lost, and takes nobody along."""

import subprocess
import sys

import msgspec
import pytest
import trio
import trio.testing

from node.executors import connection, wire
from primitives.errors import ExecutorLost

ANSWER = wire.frame(wire.Answer(wire.OPENING_ID + 1, None, wire.msgspec.Raw(wire.encode("no head"))))
GARBAGE = {
    "no frame": b"\xff" * 64,
    "no message": (4).to_bytes(4, "big") + b"\xc1\xc1\xc1\xc1",
    "no such error": wire.frame(wire.Answer(1, wire.Failure("InvalidWeather", "rain", "", {}), wire.msgspec.Raw(wire.encode(None)))),
    "another type": ANSWER,
}
CHILD = "import sys; sys.stdout.buffer.write(bytes.fromhex(sys.argv[1])); sys.stdout.flush(); sys.stdin.buffer.read()"
WITNESS = """
import msgspec, sys
heard = []
while prefix := sys.stdin.buffer.read(4):
    number, operation, _ = msgspec.msgpack.decode(sys.stdin.buffer.read(int.from_bytes(prefix, "big")))
    heard.append((operation, number))
    if operation == "code":
        answer = msgspec.msgpack.encode((number, None, msgspec.msgpack.encode(heard)))
        sys.stdout.buffer.write(len(answer).to_bytes(4, "big") + answer)
        sys.stdout.flush()
"""
"""Answers `code` with what it was asked so far, and nothing else."""


@pytest.fixture
def start(monkeypatch):
    """Makes a connection whose child is a Python program."""
    popen = subprocess.Popen

    def make(program, *arguments):
        with monkeypatch.context() as patch:
            patch.setattr(
                connection.subprocess, "Popen", lambda _, **options: popen([sys.executable, "-c", program, *arguments], **options)
            )
            return connection.Connection("the executor under test")

    return make


@pytest.fixture
def child(start):
    """Makes a connection whose child says the given bytes and then nothing."""
    return lambda said: start(CHILD, said.hex())


@pytest.mark.parametrize("said", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_instead_of_the_first_answer(child, said):
    opened = child(said)
    try:
        with trio.fail_after(20), pytest.raises(ExecutorLost):
            await opened.open(wire.Opening(b"{}", 0, "", 1, "fast", 1))
    finally:
        await opened.close()


@pytest.mark.parametrize("said", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_instead_of_an_answer_ends_the_child_and_tells_who_waits(child, said):
    running = child(said)
    lost = []

    async def ask():
        with pytest.raises(ExecutorLost):
            await running.ask("set_finalized", (1,))
        lost.append(True)

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await running.run()
            await running.close()
    assert lost == [True]
    assert running.process.poll() is not None


async def heard_by(witness):
    return msgspec.msgpack.decode(await witness.ask("code", (b"latest", bytes(20))))


@pytest.mark.parametrize(
    ("operation", "arguments", "is_withdrawn"),
    [("logs", (0, 0, None, (), ()), True), ("receipt", (bytes(32),), True), ("set_finalized", (1,), False)],
)
async def test_a_question_that_nobody_waits_for_any_more_is_taken_back_unless_it_writes(start, operation, arguments, is_withdrawn):
    witness, asking = start(WITNESS), trio.CancelScope()

    async def ask(task_status):
        with asking:
            task_status.started()
            await witness.ask(operation, arguments)

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(witness.run)
            await nursery.start(ask)
            await trio.testing.wait_all_tasks_blocked()
            assert await heard_by(witness) == [[operation, 1], ["code", 2]]
            asking.cancel()
            await trio.testing.wait_all_tasks_blocked()
            assert (await heard_by(witness))[2:] == ([["withdraw", 1]] if is_withdrawn else []) + [["code", 3]]
            nursery.cancel_scope.cancel()
        await witness.close()


async def test_a_question_taken_back_before_it_was_sent_is_not_sent(start):
    witness = start(WITNESS)
    with trio.fail_after(20):
        for operation, arguments in (("receipt", (bytes(32),)), ("set_finalized", (1,))):
            with trio.CancelScope() as asking:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(witness.ask, operation, arguments)
                    await trio.testing.wait_all_tasks_blocked()
                    asking.cancel()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(witness.run)
            assert await heard_by(witness) == [["set_finalized", 2], ["code", 3]]
            nursery.cancel_scope.cancel()
        await witness.close()


async def test_more_are_taken_back_than_the_outbox_holds(start):
    witness, asking = start(WITNESS), trio.CancelScope()
    count = 3 * connection.OUTBOX_FRAMES_MAX

    async def ask_many():
        with asking:
            async with trio.open_nursery() as nursery:
                for _ in range(count):
                    nursery.start_soon(witness.ask, "receipt", (bytes(32),))

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(witness.run)
            nursery.start_soon(ask_many)
            await trio.testing.wait_all_tasks_blocked()
            assert len(await heard_by(witness)) == count + 1
            asking.cancel()
            await trio.testing.wait_all_tasks_blocked()
            withdrawn = [number for operation, number in await heard_by(witness) if operation == "withdraw"]
            assert sorted(withdrawn) == list(range(1, count + 1))
            nursery.cancel_scope.cancel()
        await witness.close()

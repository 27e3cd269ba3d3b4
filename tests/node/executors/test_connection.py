"""A child that says what is no answer is lost, and takes nobody along."""

import subprocess
import sys

import pytest
import trio

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


@pytest.fixture
def child(monkeypatch):
    """Makes a connection whose child says the given bytes and then nothing."""
    start = subprocess.Popen

    def make(said):
        with monkeypatch.context() as patch:
            patch.setattr(connection.subprocess, "Popen", lambda _, **options: start([sys.executable, "-c", CHILD, said.hex()], **options))
            return connection.Connection("the executor under test")

    return make


@pytest.mark.parametrize("said", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_instead_of_the_first_answer(child, said):
    opened = child(said)
    try:
        with trio.fail_after(20), pytest.raises(ExecutorLost):
            await opened.open(wire.Opening(b"{}", 0, "", 1, 1))
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

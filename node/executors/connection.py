"""A running executor process as the node sees it: its pipes, and who waits for which answer."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import trio

import node
from node.executors import wire
from node.executors.operations import OPERATIONS, Lane
from primitives.errors import ExecutorLost, InvalidEncoding, ShardnetError
from shard.results import HeadInfo

_LOG = logging.getLogger(__name__)
CHUNK_BYTES = 256 * 1024
OUTBOX_FRAMES_MAX = 16
"""Frames that wait for the pipe; asking waits when there are as many."""


class _Pending:
    """A question that waits for its answer."""

    def __init__(self, frame: bytes) -> None:
        self.frame = frame
        self.done = trio.Event()
        self.answer: wire.Answer | None = None
        self.is_sent = self.is_withdrawn = False


class Connection:
    """Starts a child process; `open` makes it ready, `run` serves it until it ends."""

    def __init__(self, name: str) -> None:
        self._name = name
        their_input, our_output = os.pipe()
        our_input, their_output = os.pipe()
        # Started from this very thread: the kernel ends the child with the thread that started it.
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "node.executors.child"], stdin=their_input, stdout=their_output, env=_environment()
            )
        finally:
            os.close(their_input)
            os.close(their_output)
        self._output = trio.lowlevel.FdStream(our_output)
        self._input = trio.lowlevel.FdStream(our_input)
        self._buffer = bytearray()
        self._outbox, self._to_send = trio.open_memory_channel[_Pending | None](OUTBOX_FRAMES_MAX)
        self._withdrawals = bytearray()
        """Frames that go before the next question, or alone where None is in the outbox; one a question at most."""
        self._ids = count(wire.OPENING_ID + 1)
        self._pending: dict[int, _Pending] = {}

    async def open(self, opening: wire.Opening) -> HeadInfo:
        """Sends the first frame and waits until the child is ready.

        Raises:
            StartupRefused: the child says so.
            ExecutorLost: it ended before it was ready.
        """
        try:
            await self._output.send_all(wire.frame(opening))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise self._lost() from None
        try:
            data = await self._frame()
            answer = None if data is None else wire.decode_answer(data)
            if answer is None:
                raise self._lost()
            if answer.failure is not None:
                raise wire.error_of(answer.failure)
            head: HeadInfo = msgspec.msgpack.decode(answer.result, type=HeadInfo)
        except (InvalidEncoding, msgspec.MsgspecError) as error:
            raise ExecutorLost(f"{self._name} says what is no answer: {error}") from error
        return head

    async def run(self) -> None:
        """Serves questions until the child ends, or says what is no answer; then all that wait are told it was lost."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send_frames)
            try:
                while (data := await self._frame()) is not None:
                    self._deliver(wire.decode_answer(data))
            except InvalidEncoding as error:
                _LOG.error("%s says what is no answer, and is ended: %s", self._name, error)
            nursery.cancel_scope.cancel()

    async def ask(self, operation: str, arguments: tuple[Any, ...]) -> Any:
        """Asks, and waits for the answer. Cancelled, it takes the question back, unless that is one that writes.

        Raises:
            ExecutorLost: the child ended first.
            ShardnetError: what the operation raised.
        """
        number = next(self._ids)
        pending = _Pending(wire.frame(wire.Question(number, operation, msgspec.Raw(wire.encode(arguments)))))
        self._pending[number] = pending
        try:
            await self._outbox.send(pending)
            await pending.done.wait()
        except trio.Cancelled:
            if OPERATIONS[operation].lane not in (Lane.BLOCK, Lane.CONTROL):
                self._withdraw(number, pending)
            raise
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise self._lost() from None
        finally:
            self._pending.pop(number, None)
        if pending.answer is None:
            raise self._lost()
        try:
            refusal = None if pending.answer.failure is None else wire.error_of(pending.answer.failure)
            if refusal is None:
                return OPERATIONS[operation].decode_result(pending.answer.result)
        except (InvalidEncoding, msgspec.MsgspecError) as error:
            self.process.kill()
            raise ExecutorLost(f"{self._name} gave no answer to {operation}: {error}") from error
        raise refusal

    def end_input(self) -> None:
        """Lets the child finish: its input ends after the frames that wait."""
        self._outbox.close()

    async def close(self) -> int:
        """Ends the child at once, if it still runs, and frees all that was held for it; its exit code."""
        with trio.CancelScope(shield=True):
            self.process.kill()
            code = await trio.to_thread.run_sync(self.process.wait)
            self._outbox.close()
            self._to_send.close()
            await self._input.aclose()
            await self._output.aclose()
        for pending in self._pending.values():
            pending.done.set()
        return code

    def _withdraw(self, number: int, pending: _Pending) -> None:
        if not pending.is_sent:
            pending.is_withdrawn = True
            return
        self._withdrawals += wire.withdrawal(number)
        # Where the outbox is full, there is something to go before.
        with suppress(trio.WouldBlock, trio.BrokenResourceError, trio.ClosedResourceError):
            self._outbox.send_nowait(None)

    async def _send_frames(self) -> None:
        try:
            async for pending in self._to_send:
                frames = bytes(self._withdrawals)
                self._withdrawals.clear()
                if pending is not None and not pending.is_withdrawn:
                    pending.is_sent = True
                    frames, pending.frame = frames + pending.frame, b""
                if frames:
                    await self._output.send_all(frames)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        await self._output.aclose()

    async def _frame(self) -> bytes | None:
        prefix = await self._exactly(wire.LENGTH_BYTES)
        return None if prefix is None else await self._exactly(wire.frame_length(prefix))

    async def _exactly(self, size: int) -> bytes | None:
        while len(self._buffer) < size:
            try:
                data = await self._input.receive_some(CHUNK_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return None
            if not data:
                return None
            self._buffer += data
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _deliver(self, answer: wire.Answer) -> None:
        pending = self._pending.get(answer.id)
        if pending is not None:
            pending.answer = answer
            pending.done.set()

    def _lost(self) -> ShardnetError:
        return ExecutorLost(f"{self._name} ended before it answered")


def _environment() -> dict[str, str]:
    root = str(Path(node.__file__).parent.parent)
    inherited = os.environ.get("PYTHONPATH")
    path = root if not inherited else root + os.pathsep + inherited
    # Without the named implementation eth_hash takes a slow one.
    return {**os.environ, "PYTHONPATH": path, "ETH_HASH_BACKEND": "pysha3"}

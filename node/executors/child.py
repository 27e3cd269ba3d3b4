"""The executor process: `python -m node.executors.child`, frames on its standard input and output.

The main thread takes questions in and puts each into its lane; a lane is a bounded queue and the thread that works it off.
The process ends when its input ends, and with its parent. A bug ends it too, with a traceback, and the node
starts it anew; but one met in answering a client is told to that client alone.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from node.executors import wire
from node.executors.operations import CLIENTS, OPERATIONS, QUEUE_MAX, Lane, queue_limit
from node.executors.service import Service
from primitives.errors import Busy, QuestionFailed, ShardnetError, StartupRefused, StorageFailed
from primitives.genesis import Genesis
from shard.database import LevelDatabase

NICE = 5
"""Added to the process's niceness: votes come before blocks."""
SWITCH_SECONDS = 0.001
"""After this long a thread hands the interpreter to one that waits for it, so that block work never waits long for questions."""
STACK_BYTES = 64 * 1024 * 1024
"""Address space of a lane's stack: calls in the EVM nest 1024 deep."""
PR_SET_PDEATHSIG = 1
EXIT_BUG = 70
FINISH_SECONDS_MAX = 3.0
"""For the lanes to finish what they are at; what is unfinished then is given up."""


class _Output:
    """Frames to the node, from any thread."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, frame: bytes) -> None:
        try:
            with self._lock:
                self._stream.write(frame)
                self._stream.flush()
        except BrokenPipeError:
            os._exit(0)


class _Worker:
    """A lane: its queue and its thread."""

    def __init__(self, lane: Lane, service: Service, output: _Output) -> None:
        self._lane = lane
        self._service = service
        self._output = output
        self._waiting: dict[int, tuple[wire.Question, int]] = {}
        """By id, in the order asked, and how often the database had been held then."""
        self._current: int | None = None
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name=f"{lane} work")
        self._thread.start()

    def take(self, question: wire.Question) -> None:
        """Queues a question, or answers that the queue is full."""
        with self._changed:
            if has_room := len(self._waiting) < QUEUE_MAX[self._lane]:
                self._waiting[question.id] = question, self._service.times_held
                self._changed.notify()
        if not has_room:
            self._output.send(wire.failure(question.id, Busy(queue_limit(self._lane))))

    def withdraw(self, question: int) -> None:
        """Forgets a question that still waits; its place is free at once. A call that runs is ended; nothing else that is begun is."""
        with self._changed:
            if self._waiting.pop(question, None) is None and question == self._current and self._lane is Lane.CALL:
                self._service.end_call()

    def end(self) -> None:
        """Lets the thread end when it is done with what it is at."""
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def await_end(self, seconds_max: float) -> bool:
        """Whether it has ended in time."""
        self._thread.join(seconds_max)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (asked := self._next()) is not None:
            self._output.send(self._answer(*asked))

    def _next(self) -> tuple[wire.Question, int] | None:
        """The oldest question, waited for; None when the lane ends."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._waiting)
            if self._stopping:
                return None
            self._current = next(iter(self._waiting))
            if self._lane is Lane.CALL:
                self._service.begin_call()
            return self._waiting.pop(self._current)

    def _answer(self, question: wire.Question, asked: int) -> bytes:
        try:
            arguments = OPERATIONS[question.operation].decode_arguments(question.arguments)
            return wire.success(question.id, self._service.perform(question.operation, arguments, asked))
        except ShardnetError as error:
            return wire.failure(question.id, error)
        except Exception as error:
            if self._lane not in CLIENTS:
                raise
            traceback.print_exception(error)
            return wire.failure(question.id, QuestionFailed(f"a bug was met in answering {question.operation}"))


def _frames(stream: BinaryIO) -> Iterator[bytes]:
    while len(prefix := stream.read(wire.LENGTH_BYTES)) == wire.LENGTH_BYTES:
        length = wire.frame_length(prefix)
        body = stream.read(length)
        if len(body) < length:
            return
        yield body


def _end_process(arguments: threading.ExceptHookArgs) -> None:
    sys.excepthook(arguments.exc_type, arguments.exc_value or arguments.exc_type(), arguments.exc_traceback)
    os._exit(EXIT_BUG)


def _settle_in() -> None:
    faulthandler.enable()
    # A terminal's interrupt goes to the whole group, a service manager's end to all of a service: the node ends its executors itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.nice(NICE)
    sys.setswitchinterval(SWITCH_SECONDS)
    threading.stack_size(STACK_BYTES)
    threading.excepthook = _end_process


def _serve(frames: Iterator[bytes], service: Service, output: _Output) -> None:
    workers = {lane: _Worker(lane, service, output) for lane in Lane}
    for data in frames:
        question = wire.decode_question(data)
        if question.operation == wire.WITHDRAW:
            for worker in workers.values():
                worker.withdraw(question.id)
        else:
            workers[OPERATIONS[question.operation].lane].take(question)
    service.end_calls()
    deadline = time.monotonic() + FINISH_SECONDS_MAX
    for worker in workers.values():
        worker.end()
    if not all(worker.await_end(max(0.0, deadline - time.monotonic())) for worker in workers.values()):
        # The database takes a block's changes whole or not at all: nothing is lost but the work.
        os._exit(0)


def main() -> int:
    """Runs the process; its exit code."""
    _settle_in()
    output = _Output(os.fdopen(os.dup(sys.stdout.fileno()), "wb"))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    frames = _frames(sys.stdin.buffer)
    first = next(frames, None)
    if first is None:
        return 0
    opening = wire.decode_opening(first)
    if os.getppid() != opening.parent:
        return 0
    try:
        database = LevelDatabase(Path(opening.path))
        service = Service(Genesis.model_validate_json(opening.genesis), opening.shard, database, opening.call_deadline_ms, opening.engine)
    except (StartupRefused, StorageFailed) as error:
        output.send(wire.failure(wire.OPENING_ID, error))
        return error.exit_code
    output.send(wire.success(wire.OPENING_ID, service.perform("head", (), service.times_held)))
    _serve(frames, service, output)
    service.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

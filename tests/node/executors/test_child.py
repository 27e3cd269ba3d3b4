"""How an executor process ends: its lanes finish, or what they are at is given up in time."""

import threading
from collections.abc import Iterator
from typing import Any, cast

import msgspec
import pytest

from node.executors import child, wire
from node.executors.operations import QUEUE_MAX, Lane
from node.executors.service import Service

ID = 7


class _Service:
    """Answers `head` when it may."""

    def __init__(self) -> None:
        self.asked, self.free = threading.Event(), threading.Event()
        self.calls_ended = False
        self.begun = self.ended = self.times_held = 0
        self.asked_at: list[int] = []

    def perform(self, operation: str, arguments: tuple[Any, ...], asked: int) -> Any:
        self.asked_at.append(asked)
        self.asked.set()
        self.free.wait()
        return 5

    def begin_call(self) -> None:
        self.begun += 1

    def end_call(self) -> None:
        self.ended += 1

    def end_calls(self) -> None:
        self.calls_ended = True


class _Output:
    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.sent = threading.Semaphore(0)

    def send(self, frame: bytes) -> None:
        self.frames.append(frame)
        self.sent.release()


def questions(service: _Service) -> Iterator[bytes]:
    for number in (ID, ID + 1):
        yield wire.frame(wire.Question(number, "head", msgspec.Raw(wire.encode(()))))[wire.LENGTH_BYTES :]
        service.asked.wait()


def serve(service: _Service) -> _Output:
    output = _Output()
    child._serve(questions(service), cast(Service, service), cast(child._Output, output))
    return output


def test_what_is_begun_is_finished_and_what_waits_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    service, await_end = _Service(), child._Worker.await_end

    def free_first(worker: child._Worker, seconds_max: float) -> bool:
        service.free.set()
        return await_end(worker, seconds_max)

    monkeypatch.setattr(child._Worker, "await_end", free_first)
    output = serve(service)
    assert service.calls_ended
    assert [wire.decode_answer(frame[wire.LENGTH_BYTES :]).id for frame in output.frames] == [ID]


def test_what_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "FINISH_SECONDS_MAX", 0.05)
    ended: list[int] = []
    monkeypatch.setattr(child.os, "_exit", ended.append)
    service = _Service()
    try:
        assert serve(service).frames == []
        assert ended == [0]
    finally:
        service.free.set()


def test_what_is_withdrawn_is_not_begun_and_gives_up_its_place_at_once() -> None:
    service, output = _Service(), _Output()
    worker = child._Worker(Lane.CALL, cast(Service, service), cast(child._Output, output))
    asked = [wire.Question(number, "head", msgspec.Raw(wire.encode(()))) for number in range(QUEUE_MAX[Lane.CALL] + 3)]
    first, *waiting, refused, last = asked
    worker.take(first)
    service.asked.wait()
    for question in waiting:
        worker.take(question)
    worker.take(refused)
    output.sent.acquire()
    answer = wire.decode_answer(output.frames.pop()[wire.LENGTH_BYTES :])
    assert (answer.id, answer.failure and answer.failure.code) == (refused.id, "call_queue_max")
    for question in (*waiting, refused):
        worker.withdraw(question.id)
    assert service.ended == 0
    worker.withdraw(first.id)
    assert (service.begun, service.ended) == (1, 1)
    worker.take(last)
    service.free.set()
    for _ in range(2):
        output.sent.acquire()
    worker.end()
    assert worker.await_end(20)
    assert [wire.decode_answer(frame[wire.LENGTH_BYTES :]).id for frame in output.frames] == [first.id, last.id]


def test_of_what_is_begun_only_a_call_is_ended() -> None:
    service, output = _Service(), _Output()
    worker = child._Worker(Lane.READ, cast(Service, service), cast(child._Output, output))
    worker.take(wire.Question(ID, "head", msgspec.Raw(wire.encode(()))))
    service.asked.wait()
    worker.withdraw(ID)
    service.free.set()
    output.sent.acquire()
    worker.end()
    assert worker.await_end(20)
    assert (service.ended, len(output.frames)) == (0, 1)


def test_what_waits_is_known_by_when_it_was_asked() -> None:
    service, output = _Service(), _Output()
    worker = child._Worker(Lane.CALL, cast(Service, service), cast(child._Output, output))
    for number in range(3):
        service.times_held = number
        worker.take(wire.Question(number, "head", msgspec.Raw(wire.encode(()))))
    service.free.set()
    for _ in range(3):
        assert output.sent.acquire(timeout=20)
    worker.end()
    assert worker.await_end(20)
    assert service.asked_at == [0, 1, 2]

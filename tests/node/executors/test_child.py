"""How an executor process ends: its lanes finish, or what they are at is given up in time."""

import threading
from collections.abc import Iterator
from typing import Any, cast

import msgspec
import pytest

from node.executors import child, wire
from node.executors.service import Service

ID = 7


class _Service:
    """Answers `head` when it may."""

    def __init__(self) -> None:
        self.asked, self.free = threading.Event(), threading.Event()
        self.calls_ended = False

    def perform(self, operation: str, arguments: tuple[Any, ...]) -> Any:
        self.asked.set()
        self.free.wait()
        return 5

    def end_calls(self) -> None:
        self.calls_ended = True


class _Output:
    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def send(self, frame: bytes) -> None:
        self.frames.append(frame)


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

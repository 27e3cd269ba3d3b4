"""A client whose answers a test writes down."""

from collections.abc import Callable, Sequence
from typing import Any

from node.cluster.client import Client
from node.cluster.command import Place


class FakeClient(Client):
    """Answers each method from a function of its arguments, and remembers what was asked."""

    def __init__(self, answers: dict[str, Callable[..., Any]]) -> None:
        self.answers = answers
        self.place = Place()
        self.asked: list[tuple[str, Sequence[object], str | None]] = []

    def batch(self, calls: Sequence[tuple[str, Sequence[object]]], path: str | None = None) -> list[Any]:
        self.asked.extend((method, arguments, path) for method, arguments in calls)
        return [self.answers[method](*arguments) for method, arguments in calls]

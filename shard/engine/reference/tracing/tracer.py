"""What a tracer is told, and what it may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from eth.abc import ComputationAPI, MessageAPI

from primitives.errors import InvalidQuery, QueryReason

TRACE_BYTES_MAX = 16 * 1024 * 1024
"""JSON of all traces of one question; below what one answer may have."""


class Budget:
    """Bytes of JSON that one question's traces may still come to."""

    def __init__(self, bytes_max: int = TRACE_BYTES_MAX) -> None:
        self._max = self._left = bytes_max

    def take(self, size: int) -> None:
        """Counts bytes.

        Raises:
            InvalidQuery: OVER_LIMIT.
        """
        self._left -= size
        if self._left < 0:
            raise InvalidQuery(QueryReason.OVER_LIMIT, f"trace is over the limit of {self._max} bytes: narrow it by the tracer's options")


@dataclass(frozen=True, slots=True)
class Traced:
    """The transaction, delivery or call that was traced, as a whole."""

    sender: bytes
    to: bytes | None
    """None for a creation."""
    value: int
    data: bytes
    gas: int
    """Its limit."""
    gas_used: int
    success: bool
    error: str
    """Why no frame was begun at all, in geth's words; for a credit, which has no code to run, empty."""


class Tracer(Protocol):
    """Watches one transaction."""

    user_class: type[Any]
    """Computation class of its frames."""
    inbound_class: type[Any]
    """The same in a call from another shard."""

    def enter(self, message: MessageAPI, parent: ComputationAPI | None) -> None:
        """A frame begins."""

    def leave(self, computation: ComputationAPI) -> None:
        """The innermost frame has ended; its state changes are made or undone."""

    def log(self, address: bytes, topics: tuple[int, ...], data: bytes) -> None:
        """The innermost frame writes a log."""

    def ending(self) -> None:
        """The transaction is settled, and what undoes it is about to be forgotten."""

    def result(self, traced: Traced) -> bytes:
        """The trace as JSON.

        Raises:
            InvalidQuery: OVER_LIMIT, as anything above may.
        """

"""Block work comes first: long questions stand still while it runs, and end at their deadline."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from primitives.errors import Interrupted
from shard.engine.interface import Meter

CALL_DEADLINE_MS = 5000
"""Wall-clock time of one call, standing still included (PROTOCOL 5)."""

EXECUTION_WITHDRAWN = "execution_withdrawn"
"""Why the execution of a block ends before it is done: nobody needs it any more, or whoever runs it stops."""
READ_PAUSE_MS_MAX = 100
"""How long a part of a large read stands still for block work."""


class Gate:
    """Closed while block work runs."""

    def __init__(self, call_deadline_ms: int, monotonic: Callable[[], float]) -> None:
        """`monotonic` in seconds."""
        self._deadline = call_deadline_ms / 1000
        self._monotonic = monotonic
        self._open = threading.Event()
        self._open.set()
        self._ended = self._withdrawn = False
        self._executions_withdrawn = 0

    @contextmanager
    def block_work(self) -> Iterator[None]:
        """Holds calls back."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    def pause(self) -> None:
        """Lets block work that runs go first, before a part of a large read."""
        if not self._ended and not self._open.is_set():
            self._open.wait(READ_PAUSE_MS_MAX / 1000)

    def meter(self) -> Meter:
        """The meter of a call that starts now; raises Interrupted: call_deadline_ms, call_withdrawn, or executor_stopping after `end`."""
        deadline = self._monotonic() + self._deadline

        def check() -> None:
            if not self._ended and not self._open.is_set():
                self._open.wait(max(0.0, deadline - self._monotonic()))
            if self._ended:
                raise Interrupted("executor_stopping", "the node is stopping")
            if self._withdrawn:
                raise Interrupted("call_withdrawn", "nobody waits for the answer")
            if self._monotonic() >= deadline:
                raise Interrupted("call_deadline_ms", f"execution aborted (timeout = {self._deadline:g}s)")

        return check

    def execution_meter(self, number: int) -> Meter:
        """The meter of the execution of a block; raises Interrupted: execution_withdrawn."""

        def check() -> None:
            if number <= self._executions_withdrawn or self._ended:
                raise Interrupted(EXECUTION_WITHDRAWN, "nobody needs the block")

        return check

    def withdraw_executions(self, number: int) -> None:
        """Ends the execution that has a number, also where it is yet to begin; those with lower numbers are over."""
        self._executions_withdrawn = max(self._executions_withdrawn, number)

    def withdraw(self) -> None:
        """Ends the call that runs, when block work is done, and all that start before `admit`."""
        self._withdrawn = True

    def admit(self) -> None:
        """Lets the next call run."""
        self._withdrawn = False

    def end(self) -> None:
        """Ends all calls and the executions that have a meter, now and until `begin`."""
        self._ended = True
        self._open.set()

    def begin(self) -> None:
        """Lets calls run again, after `end`; those that were ended are over."""
        self._ended = False

"""Who is at work on a database whose files may be needed by somebody else for a moment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from primitives.errors import Busy, Interrupted

USE_SECONDS_MAX = 60.0
"""How long an operation waits for a database that is held."""


class Use:
    """Operations come and go; between `end` and `begin` none is at work."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._at_work = 0
        self.is_ended = False
        """Whether the database is held."""
        self.times_ended = 0
        """How often it has been."""

    @contextmanager
    def one(self, asked: int | None = None) -> Iterator[None]:
        """An operation; one that was `asked` when `times_ended` was so many, and not for another time, ends with that.

        Raises:
            Busy: use_seconds_max.
            Interrupted: executor_stopping: the database has been held since.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: not self.is_ended or self._is_over(asked), USE_SECONDS_MAX):
                raise Busy("use_seconds_max")
            if self._is_over(asked):
                raise Interrupted("executor_stopping", "the database was closed for others' use before this was begun")
            self._at_work += 1
        try:
            yield
        finally:
            with self._changed:
                self._at_work -= 1
                self._changed.notify_all()

    def end(self) -> None:
        """Lets no further operation begin, and waits for those at work."""
        with self._changed:
            self.is_ended = True
            self.times_ended += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._at_work)

    def begin(self) -> None:
        """Lets operations begin again."""
        with self._changed:
            self.is_ended = False
            self._changed.notify_all()

    def _is_over(self, asked: int | None) -> bool:
        return asked is not None and asked != self.times_ended

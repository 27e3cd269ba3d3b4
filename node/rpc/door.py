"""The door that calls go through, so that none is at work while the network's past is copied or put back (docs/decisions/0015)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from primitives.errors import Busy

DOOR_SECONDS_MAX = 30.0
"""How long a call waits at the closed door, and how long closing it waits for those within."""


class Door:
    """Open but for moments."""

    def __init__(self) -> None:
        self._within = 0
        self._closed = False
        self._changed = trio.Event()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    @asynccontextmanager
    async def passed(self) -> AsyncIterator[None]:
        """A call, which waits while the door is closed.

        Raises:
            Busy: door_seconds_max.
        """
        if self._closed:
            with trio.move_on_after(DOOR_SECONDS_MAX):
                while self._closed:
                    await self._changed.wait()
        if self._closed:
            raise Busy("door_seconds_max", "busy: the network's past is being copied or put back, try again")
        self._within += 1
        try:
            yield
        finally:
            self._within -= 1
            self._tell()

    @asynccontextmanager
    async def closed(self) -> AsyncIterator[None]:
        """Nobody is within, and nobody comes in; one caller at a time.

        Raises:
            Busy: door_seconds_max: calls went on for too long.
        """
        assert not self._closed, "one at a time"
        self._closed = True
        try:
            with trio.move_on_after(DOOR_SECONDS_MAX):
                while self._within:
                    await self._changed.wait()
            if self._within:
                raise Busy("door_seconds_max", "busy: calls that came before are still being answered, try again")
            yield
        finally:
            self._closed = False
            self._tell()

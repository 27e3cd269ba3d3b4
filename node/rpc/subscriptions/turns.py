"""How much is told between two turns of the event loop, and who is waited for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import trio

from node.rpc.limits import BEHIND_SECONDS_MAX, SUBSCRIBERS_PER_TURN, TOLD_BYTES_PER_TURN
from node.rpc.subscriptions.session import Session, Subscription


class Turns:
    """Lets the event loop turn while many are told much, and those who read the time to do so.

    What is told in one go may be more than a connection may leave unread, and comes faster than anybody reads.
    """

    def __init__(self) -> None:
        self._count = self._bytes = 0
        self._behind: set[Session] = set()
        self._patience_seconds = BEHIND_SECONDS_MAX

    async def spend(self, size: int = 0, count: int = 1) -> None:
        """One subscriber more was looked at, or told a result of `size` bytes."""
        self._count += count
        self._bytes += size
        if self._count < SUBSCRIBERS_PER_TURN and self._bytes < TOLD_BYTES_PER_TURN:
            return
        self._count = self._bytes = 0
        await trio.lowlevel.checkpoint()
        if self._behind and self._patience_seconds > 0:
            began = trio.current_time()
            with trio.move_on_after(self._patience_seconds) as scope:
                for session in self._behind:
                    await session.caught_up()
            if scope.cancelled_caught:
                for session in self._behind:
                    session.waited_for_in_vain()
            self._patience_seconds -= trio.current_time() - began
            self._behind.clear()

    async def tell(self, subscriptions: Iterable[Subscription[Any]], result: bytes) -> None:
        """Tells subscribers one result, encoded."""
        for subscription in subscriptions:
            await self.tell_one(subscription, result)

    async def tell_one(self, subscription: Subscription[Any], result: bytes) -> None:
        """Tells one of them."""
        subscription.notify(result)
        if (session := subscription.behind) is not None:
            self._behind.add(session)
        await self.spend(len(result))

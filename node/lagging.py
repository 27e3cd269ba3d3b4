"""What a node that lags on purpose (node/personas.py) has yet to hear."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import trio

from node.core.effects import GossipReceived

HEARD_LATE_MAX = 1024
"""Messages that wait to be heard; one more is dropped and counted."""
HEARD_LATE_BYTES_MAX = 32 * 1024 * 1024


class LateHearing:
    """Messages of peers that are heard some time after they came, apart from those that the node itself says late."""

    def __init__(self, hear: Callable[[GossipReceived], None], observe: Callable[[str, Mapping[str, str], float], None]) -> None:
        self._hear, self._observe = hear, observe
        self._waiting: dict[int, tuple[GossipReceived, int]] = {}
        """With the bytes of each, by the number it has."""
        self._bytes = self._count = 0

    def add(self, nursery: trio.Nursery, heard: GossipReceived, size_bytes: int, seconds: float) -> None:
        """One more message, heard in so many seconds."""
        if len(self._waiting) >= HEARD_LATE_MAX or self._bytes + size_bytes > HEARD_LATE_BYTES_MAX:
            self._observe("limit_hits", {"limit": "heard_late_max"}, 1)
            return
        self._count += 1
        self._bytes += size_bytes
        self._waiting[self._count] = (heard, size_bytes)
        nursery.start_soon(self._wait, self._count, seconds)

    def forget(self, author: str | None = None) -> None:
        """What an author said is not heard any more, since it went; None: what anybody said."""
        for number in [number for number, (heard, _) in self._waiting.items() if author in (None, heard.peer)]:
            self._take(number)

    def _take(self, number: int) -> GossipReceived | None:
        heard, size_bytes = self._waiting.pop(number, (None, 0))
        self._bytes -= size_bytes
        return heard

    async def _wait(self, number: int, seconds: float) -> None:
        await trio.sleep(seconds)
        if (heard := self._take(number)) is not None:
            self._hear(heard)

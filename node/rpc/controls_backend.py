"""What the JSON-RPC server asks of a node that a developer has alone (docs/decisions/0015)."""

from __future__ import annotations

from typing import Protocol


class ControlsBackend(Protocol):
    """A developer's orders to the network; every one may raise Busy and Interrupted, and is answered when it has had its effect."""

    async def mine(self, chain: int, count: int, interval_s: int) -> int:
        """Has blocks of a chain made at once, and final; the height of the last one.

        On a shard each is at least a second younger than its parent, and `interval_s` seconds younger but for the first.

        Raises:
            InvalidControl: TOO_MANY_BLOCKS.
        """
        ...

    async def jump_epoch(self) -> int:
        """Has the beacon blocks made that are left of the epoch, and the first of the next; the number of that one.

        Raises:
            InvalidControl: TOO_MANY_BLOCKS.
        """
        ...

    async def increase_time(self, seconds: int) -> int:
        """Moves the clock for timestamps forward; how far it is ahead of the machine's now, in seconds.

        Raises:
            InvalidControl: BAD_TIME.
        """
        ...

    async def set_next_timestamp(self, shard: int | None, timestamp: int) -> None:
        """Has it be `timestamp` (seconds since 1970) now, and the next block of a shard have exactly that time.

        Raises:
            InvalidControl: BAD_TIME: not after the shard's newest block, or too far ahead.
        """
        ...

"""What the JSON-RPC server asks of a node that a developer has alone (docs/decisions/0015)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from node.impersonated import Impersonated
from shard.operations import Operation
from shard.transactions import AccessList


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A transaction that is asked for; what is None is chosen for it."""

    sender: bytes
    to: bytes | None
    """None creates a contract."""
    value: int
    """Wei."""
    data: bytes
    gas: int
    fee: int
    """Wei a gas at most; with `tip` None the gas price."""
    tip: int | None
    nonce: int | None
    access_list: AccessList


class ControlsBackend(Protocol):
    """A developer's orders to the network; every one may raise Busy and Interrupted, and is answered when it has had its effect."""

    @property
    def impersonated(self) -> Impersonated:
        """Accounts whose transactions need no signature here."""
        ...

    async def operate(self, shard: int, operation: Operation) -> None:
        """Changes an account of a shard, by a transaction in a block that is made at once.

        Raises:
            InvalidControl: IMPOSSIBLE.
        """
        ...

    async def send(self, shard: int, wanted: Unsigned) -> bytes:
        """Puts a transaction of an impersonated account into a shard's pool; its hash.

        Raises:
            InvalidControl: NOT_IMPERSONATED.
            InvalidTransaction: the pool refuses it.
        """
        ...

    async def snapshot(self) -> int:
        """Keeps all chains as they are; the id to go back by.

        Raises:
            InvalidControl: TOO_MANY_SNAPSHOTS, SNAPSHOTS_TOO_LARGE.
        """
        ...

    async def revert(self, id: int) -> bool:
        """Goes back to a snapshot, which is gone then, and so are later ones; False if there is none of that id."""
        ...

    async def set_automine(self, enabled: bool) -> None:
        """Whether blocks with work are made at once, on all chains; else at their pace."""
        ...

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

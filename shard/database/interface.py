"""The one interface to a shard's database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

Item = tuple[bytes, bytes | None]
"""A key and its new value; None deletes it."""


class Database(Protocol):
    """Ordered keys and values; safe to read from several threads while one writes."""

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`; None where there is none."""

    def iterate(self, start: bytes, stop: bytes, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Keys of [start, stop) with their values, in byte order, as they stand when the iteration begins."""

    def write_batch(self, items: Iterable[Item], sync: bool) -> None:
        """Writes all items or, after a crash, none; with `sync` they are on disk when this returns.

        Batches reach the disk in the order written, so a synced batch makes all earlier ones durable.

        Raises:
            StorageFailed: the disk is full or broken.
        """

    def close(self) -> None:
        """Ends use; a second call does nothing."""

    def reopen(self) -> None:
        """Begins use again after `close`, of what its files hold now.

        Raises:
            StartupRefused, StorageFailed: as when it was made.
        """


def prefix_end(prefix: bytes) -> bytes:
    """First key after all keys that start with `prefix`, which must not be all 0xff."""
    stripped = prefix.rstrip(b"\xff")
    assert stripped, "a prefix of 0xff bytes has no end"
    return stripped[:-1] + bytes([stripped[-1] + 1])

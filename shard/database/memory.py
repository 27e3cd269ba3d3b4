"""The in-memory twin of LevelDatabase, for tests, simulation and nodes that need not survive."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from shard.database.interface import Item


class MemoryDatabase:
    """A `Database` that lives as long as its process."""

    def __init__(self, items: dict[bytes, bytes] | None = None) -> None:
        self._values: dict[bytes, bytes] = dict(items or {})
        self._keys: list[bytes] | None = None
        """Sorted keys; None once a batch changed which keys exist."""
        self._lock = threading.Lock()

    def get(self, key: bytes) -> bytes | None:
        """See `Database.get`."""
        return self._values.get(key)

    def iterate(self, start: bytes, stop: bytes, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """See `Database.iterate`."""
        with self._lock:
            if self._keys is None:
                self._keys = sorted(self._values)
            keys = self._keys[bisect_left(self._keys, start) : bisect_left(self._keys, stop)]
            found = [(key, self._values[key]) for key in keys]
        return reversed(found) if reverse else iter(found)

    def write_batch(self, items: Iterable[Item], sync: bool) -> None:
        """See `Database.write_batch`; `sync` means nothing here."""
        with self._lock:
            for key, value in items:
                if value is None:
                    if self._values.pop(key, None) is not None:
                        self._keys = None
                else:
                    if key not in self._values:
                        self._keys = None
                    self._values[key] = value

    def copy(self) -> dict[bytes, bytes]:
        """All items, as a crash at this moment would leave them."""
        with self._lock:
            return dict(self._values)

    def reopen(self) -> None:
        """See `Database.reopen`."""

    def close(self) -> None:
        """See `Database.close`."""

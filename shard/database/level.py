"""LevelDB as a shard's database, with small caches: a node may host many shards."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import plyvel

from primitives.errors import StartupRefused, StorageFailed
from shard.database.interface import Item

BLOCK_CACHE_BYTES = 2 * 1024 * 1024
WRITE_BUFFER_BYTES = 2 * 1024 * 1024
"""LevelDB holds up to two of these in memory."""
OPEN_FILES_MAX = 128
BLOOM_BITS_PER_KEY = 10


class LevelDatabase:
    """A `Database` in a folder; one process at a time.

    Raises:
        StartupRefused: another process holds the folder, or it cannot be opened.
        StorageFailed: there is no room on the disk.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.reopen()

    def reopen(self) -> None:
        """See `Database.reopen`."""
        path = self._path
        self._failure: StorageFailed | None = None
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._level = plyvel.DB(
                str(path),
                create_if_missing=True,
                lru_cache_size=BLOCK_CACHE_BYTES,
                write_buffer_size=WRITE_BUFFER_BYTES,
                max_open_files=OPEN_FILES_MAX,
                bloom_filter_bits=BLOOM_BITS_PER_KEY,
            )
        except (plyvel.Error, OSError) as error:
            if "lock" in str(error).lower():
                raise StartupRefused(f"{path} is in use by another process: stop that node, or choose another data folder") from error
            if os.strerror(errno.ENOSPC) in str(error):
                raise self._failed(error) from error
            raise StartupRefused(f"{path} cannot be opened as a database ({error}): restore it, or remove it to sync again") from error

    def get(self, key: bytes) -> bytes | None:
        """See `Database.get`."""
        value: bytes | None = self._level.get(key)
        return value

    def iterate(self, start: bytes, stop: bytes, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """See `Database.iterate`."""
        with self._level.iterator(start=start, stop=stop, reverse=reverse) as iterator:
            yield from iterator

    def write_batch(self, items: Iterable[Item], sync: bool) -> None:
        """See `Database.write_batch`.

        Raises:
            StorageFailed: the disk did not take it. Nothing more is written before the database is opened anew: what comes after
                a torn record in the log would be lost with it.
        """
        if self._failure is not None:
            raise self._failure
        try:
            with self._level.write_batch(transaction=True, sync=sync) as batch:
                for key, value in items:
                    if value is None:
                        batch.delete(key)
                    else:
                        batch.put(key, value)
        except plyvel.Error as error:
            self._failure = self._failed(error)
            raise self._failure from error

    def _failed(self, error: Exception) -> StorageFailed:
        said = error.args[-1]
        reason = said.decode(errors="replace") if isinstance(said, bytes) else said
        return StorageFailed(
            f"{self._path} cannot be written ({reason}): make room on the disk and start the node again, it goes on where it was"
        )

    def close(self) -> None:
        """See `Database.close`."""
        self._level.close()

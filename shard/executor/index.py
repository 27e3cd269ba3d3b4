"""Which transactions of which canonical blocks an address or a topic is in, so that questions over many blocks read only those.

A value is kept as a digest cut to `DIGEST_BYTES`: two that collide cost a reader a look too many, as it compares what it finds.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence

from shard.database import Database, Item
from shard.engine.interface import Meter
from shard.executor.schema import StoredTransaction

DIGEST_BYTES = 12
PARTY = 0x70
"""Accounts that sent a transaction, were called or made by it, or logged in it."""
EMITTER = 0x65
"""Accounts that logged; topics are kept under their position."""
_HEIGHT_BYTES, _PLACE_BYTES = 8, 4
_TABLES = [b"X" + bytes((kind,)) for kind in range(256)]
_digest = hashlib.blake2b
_KEYS_PER_LOOK = 256
"""Keys read between two looks at the meter."""


def entry_key(kind: int, value: bytes, height: int = 0) -> bytes:
    """Key of what is known of a value at a height: places of transactions in that block."""
    return _prefix(kind, value) + height.to_bytes(_HEIGHT_BYTES, "big")


def _prefix(kind: int, value: bytes) -> bytes:
    return _TABLES[kind] + _digest(value, digest_size=DIGEST_BYTES).digest()


def entries_of(height: int, transactions: Iterable[StoredTransaction]) -> list[Item]:
    """What the index keeps of a block."""
    found: dict[tuple[int, bytes], list[int]] = {}
    for place, transaction in enumerate(transactions):
        # a dict keeps the order in which values come up, which a set would not
        values = {(PARTY, party): None for party in (transaction.sender, transaction.to, transaction.contract_address) if party}
        for log in transaction.logs:
            values[PARTY, log.address] = values[EMITTER, log.address] = None
            for value in enumerate(log.topics):
                values[value] = None
        for value in values:
            found.setdefault(value, []).append(place)
    end = height.to_bytes(_HEIGHT_BYTES, "big")
    return [(_prefix(kind, value) + end, _pack(places)) for (kind, value), places in found.items()]


def _pack(places: Sequence[int]) -> bytes:
    return b"".join([place.to_bytes(_PLACE_BYTES, "big") for place in places])


def _unpack(value: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(value[i : i + _PLACE_BYTES], "big") for i in range(0, len(value), _PLACE_BYTES))


def occurrences(
    database: Database, kind: int, value: bytes, first: int, last: int, *, reverse: bool = False
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """(height, places) where a value is in the canonical blocks first .. last, by rising height or, in reverse, by falling."""
    for key, packed in database.iterate(entry_key(kind, value, first), entry_key(kind, value, last + 1), reverse):
        yield int.from_bytes(key[-_HEIGHT_BYTES:], "big"), _unpack(packed)


def places(
    database: Database, wanted: Sequence[tuple[int, frozenset[bytes]]], first: int, last: int, meter: Meter
) -> list[tuple[int, tuple[int, ...]]]:
    """(height, places) of the transactions that may have a log with one of the values of each constraint, by rising height.

    What the rarest constraint gives decides, and how rare each is shows as all are read side by side until one ends; so a topic
    that every block has costs no more than the address asked for with it.

    Args:
        database: of the index.
        wanted: at least one constraint: a kind, and the values of which any will do.
        first: height.
        last: height.
        meter: called before each value is looked up and after every so many keys read.
    """
    readers = [_Reader(database, kind, values, first, last, meter) for kind, values in wanted]
    rarest = next(reader for reader in itertools.cycle(readers) if reader.read_part())
    others = [(kind, value) for kind, values in wanted if len(values) == 1 and kind != rarest.kind for value in values]
    found = []
    for read, (height, at) in enumerate(sorted(rarest.found.items())):
        if read % _KEYS_PER_LOOK == 0:
            meter()
        for kind, value in others:
            # a transaction that has all values has each of them, though perhaps in different logs
            at = at.intersection(_unpack(database.get(entry_key(kind, value, height)) or b"")) if at else at
        if at:
            found.append((height, tuple(sorted(at))))
    return found


class _Reader:
    """Reads one constraint's entries part by part."""

    def __init__(self, database: Database, kind: int, values: Iterable[bytes], first: int, last: int, meter: Meter) -> None:
        self.kind = kind
        self.found: dict[int, frozenset[int]] = {}
        self._meter = meter
        self._entries = self._all(database, values, first, last)

    def _all(self, database: Database, values: Iterable[bytes], first: int, last: int) -> Iterator[tuple[int, tuple[int, ...]]]:
        for value in sorted(values):
            self._meter()
            yield from occurrences(database, self.kind, value, first, last)

    def read_part(self) -> bool:
        """Whether all is read now."""
        self._meter()
        read = 0
        for height, at in itertools.islice(self._entries, _KEYS_PER_LOOK):
            read += 1
            known = self.found.get(height)
            self.found[height] = frozenset(at) if known is None else known.union(at)
        return read < _KEYS_PER_LOOK

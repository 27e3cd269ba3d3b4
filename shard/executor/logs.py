"""Matching logs against a filter, blocks first by their bloom (Ethereum yellow paper, 4.3.1; JSON-RPC eth_getLogs)."""

from __future__ import annotations

from collections.abc import Iterable

from primitives.hashing import keccak256
from shard.executor.index import EMITTER
from shard.views import LogFilter, LogView


def _bloom_bits(value: bytes) -> int:
    digest = keccak256(value)
    bits = 0
    for start in (0, 2, 4):
        bits |= 1 << (int.from_bytes(digest[start : start + 2], "big") & 2047)
    return bits


class Matcher:
    """A filter, prepared for many blocks and logs."""

    def __init__(self, wanted: LogFilter) -> None:
        self._addresses = frozenset(wanted.addresses)
        self._topics = tuple(frozenset(choices or ()) for choices in wanted.topics)
        self._masks = [self._masks_of(choices) for choices in (self._addresses, *self._topics) if choices]

    def constraints(self) -> list[tuple[int, frozenset[bytes]]]:
        """What the index is to be asked, fewest values first; nothing where any log will do."""
        found = [(EMITTER, self._addresses), *enumerate(self._topics)]
        return sorted((constraint for constraint in found if constraint[1]), key=lambda constraint: len(constraint[1]))

    @staticmethod
    def _masks_of(choices: Iterable[bytes]) -> tuple[int, ...]:
        return tuple(sorted(_bloom_bits(choice) for choice in choices))

    def may_match(self, bloom: bytes) -> bool:
        """Whether a block with this header bloom can hold a log that matches."""
        have = int.from_bytes(bloom, "big")
        return all(any(have & mask == mask for mask in masks) for masks in self._masks)

    def matches(self, log: LogView) -> bool:
        """Whether a log matches; one with fewer topics than the filter has positions does not."""
        if self._addresses and log.address not in self._addresses:
            return False
        if len(log.topics) < len(self._topics):
            return False
        return all(not choices or topic in choices for choices, topic in zip(self._topics, log.topics, strict=False))

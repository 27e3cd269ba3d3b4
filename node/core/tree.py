"""Blocks of one chain above its newest final one: what is held, what is executed, what is still missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from consensus.simplex.events import BlockInfo
from primitives.types import View
from primitives.votes import Certificate

BLOCKS_HELD_MAX = 512
"""Blocks above the newest final one, a chain."""
BLOCK_BYTES_HELD_MAX = 96 * 1024 * 1024
"""Their encodings, in bytes, a chain."""

Outcome = TypeVar("Outcome")


class Status(Enum):
    """How far a held block has come."""

    UNCHECKED = "unchecked"
    QUEUED = "queued"
    """Waits until the executor is free, or somebody needs it."""
    EXECUTING = "executing"
    VALID = "valid"
    INVALID = "invalid"


@dataclass(slots=True)
class Held(Generic[Outcome]):
    """A block whose body is here; `outcome` is what its execution gave, once VALID."""

    info: BlockInfo
    data: bytes
    status: Status = Status.UNCHECKED
    outcome: Outcome | None = None
    since_ms: int = 0
    """When its body came here, monotonic."""
    certified: bool = False
    """A finalization of it or of a descendant is held: what a quorum has checked need not be proven here again."""
    peer: str | None = None
    """Who delivered the body; None where it is our own."""
    executions_lost: int = 0
    """Times an executor was lost over it."""
    is_bound: bool = False
    """The body is known to be the one that the root commits to; a body that is not says nothing about the block."""


@dataclass(frozen=True, slots=True)
class OpenCheck:
    """A proposal the engine waits for a verdict on."""

    view: View
    parent: Certificate
    is_reproposal: bool

    def fits(self, info: BlockInfo) -> bool:
        """Whether the block is of this proposal's view and parent; a re-proposal keeps its own."""
        return self.is_reproposal or (info.view == self.view and info.parent == self.parent.root)


class BlockTree(Generic[Outcome]):
    """The held blocks by root, on top of a final head."""

    def __init__(self, head: Held[Outcome]) -> None:
        self.head = head
        self._blocks: dict[bytes, Held[Outcome]] = {}
        self._bytes = 0

    def get(self, root: bytes) -> Held[Outcome] | None:
        """The block, or the final head."""
        return self.head if root == self.head.info.root else self._blocks.get(root)

    def insert(self, held: Held[Outcome]) -> bool:
        """Adds a block above the head; False when a bound is reached and all held is good, or it is not above the head."""
        root = held.info.root
        if root in self._blocks:
            return True
        if held.info.height <= self.head.info.height:
            return False
        if not self._make_room(len(held.data)):
            return False
        self._blocks[root] = held
        self._bytes += len(held.data)
        return True

    def _make_room(self, size: int) -> bool:
        """Drops what nobody has shown to be good, the invalid and then the oldest: a height that is a lie never becomes final."""
        for status in (Status.INVALID, Status.UNCHECKED, Status.QUEUED):
            for root, held in list(self._blocks.items()):
                if self._has_room(size):
                    return True
                if held.status is status and not held.certified:
                    self.drop(root)
        return self._has_room(size)

    def _has_room(self, size: int) -> bool:
        return len(self._blocks) < BLOCKS_HELD_MAX and self._bytes + size <= BLOCK_BYTES_HELD_MAX

    def drop(self, root: bytes) -> None:
        """Forgets a body that is not what its header commits to."""
        held = self._blocks.pop(root, None)
        if held is not None:
            self._bytes -= len(held.data)

    def path(self, root: bytes) -> tuple[list[Held[Outcome]], bytes | None]:
        """Blocks from just above the head up to `root`, and the root of the highest one missing on the way.

        With something missing the list holds what is above it. A path that leads past the head gives its root as missing.
        """
        found: list[Held[Outcome]] = []
        while root != self.head.info.root:
            held = self._blocks.get(root)
            if held is None:
                return found[::-1], root
            found.append(held)
            root = held.info.parent
        return found[::-1], None

    def children(self, root: bytes) -> list[Held[Outcome]]:
        """Held blocks whose parent is `root`, in order of arrival."""
        return [held for held in self._blocks.values() if held.info.parent == root]

    def advance(self, head: Held[Outcome]) -> list[Held[Outcome]]:
        """Makes a held block the head; returns what is dropped because it can never become final, and what became final."""
        self.head = head
        gone = [held for held in self._blocks.values() if held.info.height <= head.info.height]
        for held in gone:
            del self._blocks[held.info.root]
            self._bytes -= len(held.data)
        return gone

    def restart(self, head: Held[Outcome]) -> None:
        """Forgets all blocks above the head, which is a new one."""
        self.head, self._bytes = head, 0
        self._blocks.clear()

    def __iter__(self) -> Iterator[Held[Outcome]]:
        return iter(list(self._blocks.values()))

    def __len__(self) -> int:
        return len(self._blocks)

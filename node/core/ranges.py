"""Catching up with a chain by ranges of final blocks: the next is fetched while one is executed (PROTOCOL 8)."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from consensus.simplex.events import BlockInfo
from node.core.effects import Peer
from p2p.messages import BLOCKS_PER_RESPONSE_MAX
from primitives.errors import BlockReason, InvalidBlock
from primitives.votes import Certificate, VoteKind

RANGES_HELD_MAX = 3
"""Proven ranges of one chain whose blocks are not all final here yet; while there are so many no further one is asked for."""
WALK_BLOCKS_MAX = 16
"""Heights above the final head up to which missing blocks are pulled one by one; what is further away comes by range."""


@dataclass(frozen=True, slots=True)
class _Range:
    last: int
    certificate: Certificate


class Ranges:
    """How far peers say one chain is, and the proven ranges on the way there, lowest first."""

    def __init__(self) -> None:
        self.height = 0
        """Highest final height that a peer has told of; 0 where that has turned out to be of no use."""
        self.peer: Peer | None = None
        """Who told of it."""
        self.has_failed = False
        """What was asked for last did not come, and nobody has told of a height since."""
        self._held: deque[_Range] = deque()

    def hear(self, peer: Peer, height: int) -> None:
        """A peer says its final head is at `height`."""
        self.has_failed = False
        if height >= self.height:
            self.height, self.peer = height, peer

    def fail(self) -> None:
        """What was asked for did not come: whoever tells its height next is believed."""
        self.height, self.peer, self.has_failed = 0, None, True

    def wanted(self, final: int) -> tuple[int, int] | None:
        """The next range to ask for, as first height and number of blocks; `final`: the height that is final, or about to be."""
        first = max(final, self._held[-1].last if self._held else 0) + 1
        if len(self._held) >= RANGES_HELD_MAX or first > self.height:
            return None
        return first, min(self.height - first + 1, BLOCKS_PER_RESPONSE_MAX)

    def push(self, last: int, certificate: Certificate) -> None:
        """A range that its certificate has proven; one that leads no further than what is held is of no use."""
        if not self._held or last > self._held[-1].last:
            self._held.append(_Range(last, certificate))

    def forget(self) -> None:
        """What is held is of an instance that has ended; how far peers are stays known."""
        self._held.clear()

    def front(self, final: int) -> Certificate | None:
        """What proves the lowest range that is not all final yet."""
        while self._held and self._held[0].last <= final:
            self._held.popleft()
        return self._held[0].certificate if self._held else None


def is_far(height: int, final: int) -> bool:
    """Whether a block is too far above the final head to be pulled by its root."""
    return height > final + WALK_BLOCKS_MAX


def check_range(infos: Sequence[BlockInfo], certificate: Certificate, chain: int, first: int) -> None:
    """Holds blocks against the certificate that came with them, whose instance and signature are not looked at here.

    Raises:
        InvalidBlock: they are not the one chain from height `first` up to the block that the certificate makes final.
    """
    if certificate.instance.chain != chain or certificate.kind != VoteKind.FINALIZE or infos[-1].root != certificate.root:
        raise InvalidBlock(BlockReason.BAD_PARENT_CERTIFICATE, "a range ends at the block its certificate names")
    if any(child.parent != parent.root for parent, child in itertools.pairwise(infos)):
        raise InvalidBlock(BlockReason.WRONG_PARENT, "a range is one chain")
    if [info.height for info in infos] != list(range(first, first + len(infos))):
        raise InvalidBlock(BlockReason.WRONG_HEIGHT, f"a range from {first} has other heights")

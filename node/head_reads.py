"""What an executor says of a shard's final head while that goes on moving: an answer counts only for the head it was read at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from node.core.shard_chain import ShardChain
from primitives.errors import Busy

HEAD_READS_MAX = 16
"""Times that one question about the final head is put, as the head moves while it is answered; it is busy then."""

Found = TypeVar("Found")


async def read_at_head(chain: Callable[[], ShardChain], read: Callable[[bytes], Awaitable[Found | None]]) -> tuple[bytes, Found]:
    """Reads something of a shard's final head: the head's root, and what was found.

    When this returns, that block is the final head still, and the pool has been told of all that is final: both hold together until the
    caller waits for anything. A root names one state, so it does not matter by which way the head came to be there, forward or back.

    Args:
        chain: the shard's chain as the core has it now, which may be another object after going back to a snapshot.
        read: asks for the thing at the block of a root; None where that is not known, as it belongs to a past just taken back.

    Raises:
        Busy: head_reads_max.
        Unavailable: raised by `read`.
    """
    for _ in range(HEAD_READS_MAX):
        root = chain().tree.head.info.root
        found = await read(root)
        if found is not None and chain().tree.head.info.root == root:
            return root, found
    raise Busy("head_reads_max", "busy: the shard's newest block changes faster than accounts can be read, try again")

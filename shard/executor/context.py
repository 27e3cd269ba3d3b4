"""What a shard executor is asked to build, and where a parent's ancestors are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from primitives.blocks import ShardReference
from primitives.headers import ShardHeader
from primitives.receipts import CrossShardReceipt
from shard.engine.interface import ANCESTORS_MAX
from shard.executor.store import BlockStore


@dataclass(frozen=True, slots=True)
class BuildContext:
    """All a new block takes from outside its shard."""

    reference: ShardReference
    coinbase: bytes
    """The proposer's registered address."""
    epoch: int
    """c of the instance."""
    view: int
    proposer: int
    """Validator index."""
    timestamp: int
    """Seconds since 1970, now; a parent's later one wins."""
    available: Mapping[int, tuple[CrossShardReceipt, ...]]
    """Inbound receipts held here by source, from the parent's cursor on."""


def ancestor_hashes(store: BlockStore, parent: ShardHeader, parent_hash: bytes) -> Callable[[int], bytes | None]:
    """Hash of an ancestor by number, `parent` included, for BLOCKHASH; reads the store only when asked."""
    known = {parent.number: parent_hash}
    walked = [parent]

    def block_hash(number: int) -> bytes | None:
        if not parent.number - ANCESTORS_MAX < number <= parent.number or number < 0:
            return None
        while number not in known:
            oldest = walked[-1]
            if store.canonical(oldest.number) == known[oldest.number]:
                return store.canonical(number)
            block = store.block(oldest.parent_hash)
            assert block is not None, "the parent of a stored block is stored"
            known[oldest.number - 1] = oldest.parent_hash
            walked.append(ShardHeader.decode(block.result.header))
        return known[number]

    return block_hash

"""Gossip topics: one a chain and kind of message, named with the genesis root so that networks never mix (design page LIBP2P)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from primitives.types import Root


class TopicKind(StrEnum):
    """What travels on a topic."""

    CONSENSUS = "consensus"
    """Proposals, votes, certificates and wakes of one chain: `ConsensusBatch`."""
    TRANSACTIONS = "transactions"
    """User transactions of one shard: `TransactionBatch`."""
    RECEIPTS = "receipts"
    """Bundles on their way to one chain: `Bundle`."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic's meaning; `name` is what the network sees."""

    kind: TopicKind
    chain: int

    def name(self, genesis_root: Root) -> str:
        """`/shardnet/<first 8 bytes of the genesis root>/<kind>/<chain>`."""
        return f"/shardnet/{genesis_root[:8].hex()}/{self.kind}/{self.chain}"


def topics_of(shard_count: int) -> tuple[Topic, ...]:
    """Every topic of a network whose node hosts all chains."""
    consensus = tuple(Topic(TopicKind.CONSENSUS, chain) for chain in range(shard_count + 1))
    shards = tuple(Topic(kind, shard) for kind in (TopicKind.TRANSACTIONS, TopicKind.RECEIPTS) for shard in range(shard_count))
    return consensus + shards

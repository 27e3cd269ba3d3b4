"""What goes on in the node, told as it happens to whoever listens (`node.rpc.backend.Feed`).

Listeners are called on the event loop, one after another, and hold their own bounded queues: nothing waits for them.
"""

from __future__ import annotations

from node.core.core import Core
from node.rpc.backend import FeedEvent, FeedListener, HeadMoved, PooledTransaction, TransactionPooled, WentBack


class Feed:
    """Tells of new final heads and of transactions taken into a pool."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._heads = {chain.number: chain.tree.head.info.root for chain in core.chains}
        self._listeners: list[FeedListener] = []

    def listen(self, listener: FeedListener) -> None:
        """See `node.rpc.backend.Feed`."""
        self._listeners.append(listener)

    def after_turn(self) -> None:
        """Tells of every chain whose final head is another than after the turn before; of several blocks, the last."""
        for chain in self._core.chains:
            head = chain.tree.head
            if head.info.root == self._heads[chain.number]:
                continue
            self._heads[chain.number] = head.info.root
            shard = self._core.shards.get(chain.number)
            header = b""
            if shard is not None:
                outcome = shard.tree.head.outcome
                assert outcome is not None, "a final block is executed"
                header = outcome.result.header
            self._tell(HeadMoved(chain.number, head.info.height, head.info.root, header))

    def went_back(self) -> None:
        """Every chain is where it was at a snapshot."""
        self._heads = {chain.number: chain.tree.head.info.root for chain in self._core.chains}
        self._tell(WentBack())

    def pooled(self, shard: int, hash: bytes, transaction: PooledTransaction) -> None:
        """A transaction was taken into a shard's pool."""
        self._tell(TransactionPooled(shard, hash, transaction))

    def _tell(self, event: FeedEvent) -> None:
        for listener in self._listeners:
            listener(event)

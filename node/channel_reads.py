"""What JSON-RPC reads of the channels between shards: cursors of the core's heads, messages of the executors or on their way in."""

from __future__ import annotations

from collections.abc import Mapping

from node.core.core import Core
from node.executors.executor import Executor
from node.rpc.beacon_backend import ChannelView
from primitives.receipts import CrossShardReceipt, Summary


class ChannelReads:
    """The channels, as `node.rpc.beacon_backend.ChannelBackend` asks for them."""

    def __init__(self, core: Core, links: Mapping[int, Executor]) -> None:
        self._core, self._links = core, links

    def _summary(self, shard: int) -> Summary:
        """Totals of a shard: of its final head where it is hosted, of its newest crosslink otherwise."""
        state = self._core.beacon.tree.head.outcome
        assert state is not None
        if shard not in self._core.shards:
            return state.summary_of(shard)
        outcome = self._core.shards[shard].tree.head.outcome
        assert outcome is not None
        return outcome.summary

    def view(self, source: int, destination: int) -> ChannelView:
        """See `ChannelBackend`."""
        state = self._core.beacon.tree.head.outcome
        assert state is not None
        recorded, delivered = state.recorded_out(source, destination).count, self._summary(destination).incoming[source].count
        # behind the beacon chain, a node has not got all that is recorded
        sent = max(recorded, self._summary(source).outgoing[destination].count)
        return ChannelView(sent, recorded, delivered, bool(state.shards[source].closed[destination]))

    async def pending(self, source: int, destination: int, first: int, count: int) -> tuple[CrossShardReceipt, ...] | None:
        """See `ChannelBackend`."""
        if source in self._links:
            bundle = await self._links[source].outgoing(destination, first, count)
            return () if bundle is None else bundle.receipts
        if destination not in self._core.shards:
            return None
        return self._core.shards[destination].inbound.channels[source].available(first, first + count)

"""What goes on in the node, to everyone who wants to be told."""

from __future__ import annotations

import logging

import trio

from node.rpc.backend import FeedEvent, HeadMoved, NetworkBackend, RpcObserver, ShardBackend, TransactionPooled, WentBack
from node.rpc.door import Door
from node.rpc.subscriptions.crossings import Crossings
from node.rpc.subscriptions.filters import Filters
from node.rpc.subscriptions.stream import ShardStream

_LOG = logging.getLogger(__name__)


class Live:
    """The streams of the shards hosted here, and what is told of the whole network."""

    def __init__(self, backend: NetworkBackend, observe: RpcObserver, door: Door | None = None) -> None:
        """What is told goes through `door` as calls do."""
        self._door = door or Door()
        self._backend = backend
        self._beacon = backend.genesis.parameters.beacon
        self._beacon_moved = trio.Event()
        self._was_ready = backend.is_ready()
        self.crossings = Crossings(backend, observe)
        self.streams: dict[int, ShardStream] = {}
        self.filters: dict[int, Filters] = {}
        for number in range(backend.genesis.parameters.shard_count):
            shard = backend.shard(number)
            if shard is not None:
                stream = ShardStream(shard, number, self.crossings, observe, self._door)
                self.streams[number], self.filters[number] = stream, Filters(shard, stream, observe)
        backend.feed.listen(self._on_event)

    async def run(self) -> None:
        """Tells until cancelled."""
        async with trio.open_nursery() as nursery:
            for stream in self.streams.values():
                nursery.start_soon(stream.run)
            while True:
                await self._beacon_moved.wait()
                self._beacon_moved = trio.Event()
                try:
                    async with self._door.passed():
                        await self.crossings.on_beacon_head()
                        await self._tell_syncing()
                except Exception:
                    # A fault in telling readers must not stop a validator.
                    _LOG.exception("live_fault chain=%d", self._beacon)

    def _on_event(self, event: FeedEvent) -> None:
        match event:
            case WentBack():
                self.crossings.go_back()
                for number, stream in self.streams.items():
                    stream.go_back()
                    self.filters[number].go_back()
            case HeadMoved(chain) if chain == self._beacon:
                self._beacon_moved.set()
            case HeadMoved(chain) if chain in self.streams:
                self.streams[chain].on_head(event)
            case TransactionPooled(shard) if shard in self.streams:
                self.streams[shard].on_pooled(event)

    async def _tell_syncing(self) -> None:
        ready = self._backend.is_ready()
        if ready == self._was_ready:
            return
        self._was_ready = ready
        crosslinks = self._backend.beacon_head().crosslinks
        for number, stream in self.streams.items():
            shard = self._backend.shard(number)
            assert shard is not None, "a stream is of a hosted shard"
            await stream.tell_syncing(False if ready else {"syncing": True, "status": progress(shard, crosslinks[number].block.number)})


def progress(shard: ShardBackend, recorded: int) -> dict[str, object]:
    """How far a shard has caught up with the height that the beacon chain has recorded of it."""
    current = shard.heads().latest.number
    return {"currentBlock": hex(current), "highestBlock": hex(max(current, recorded))}

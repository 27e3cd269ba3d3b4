"""What JSON-RPC reads of this node: the core's published heads, the executors' chains, the pools (node/rpc/backend.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from consensus.beacon.committees import committee_of
from consensus.beacon.state import BeaconState
from node.beacon_reads import BeaconReads
from node.channel_reads import ChannelReads
from node.controls import check_granted
from node.core.core import Core
from node.core.effects import Now
from node.core.records import crosslink_key
from node.core.vigil import Vigil
from node.executors.executor import Executor
from node.executors.link import ExecutorLink
from node.feed import Feed
from node.loop import clocks
from node.receipt_proofs import ReceiptProofs
from node.rpc.backend import BeaconHead, BlockRef, Crossing, CrosslinkView, SupplyTerms
from node.rpc.controls_backend import ControlsBackend
from node.shard_reads import ShardReads, Submit
from node.store import NodeStore
from primitives.blocks import BeaconBlock
from primitives.genesis import Genesis
from shard.views import OutgoingReceipt


class NodeBackend:
    """This node, as `node.rpc.backend.NetworkBackend` asks for it."""

    def __init__(
        self, *, core: Core, links: Mapping[int, Executor], store: NodeStore, submit: Submit, peers: Callable[[], int], feed: Feed,
        now: Callable[[], Now] = clocks, controls: ControlsBackend | None = None,
    ) -> None:  # fmt: skip
        self._controls = controls
        self._now, self._vigil = now, Vigil(core, now())
        self._core, self._links, self._store, self._peers, self._feed = core, links, store, peers, feed
        self._beacon, self._channels = BeaconReads(core.beacon, store.read), ChannelReads(core, links)
        self._proofs = ReceiptProofs(core, links, store)
        self._shards = {shard: ShardReads(chain, links[shard], submit) for shard, chain in core.shards.items()}

    @property
    def genesis(self) -> Genesis:
        """See `NetworkBackend`."""
        return self._core.context.genesis

    @property
    def feed(self) -> Feed:
        """See `NetworkBackend`."""
        return self._feed

    @property
    def beacon(self) -> BeaconReads:
        """See `NetworkBackend`."""
        return self._beacon

    @property
    def channels(self) -> ChannelReads:
        """See `NetworkBackend`."""
        return self._channels

    @property
    def controls(self) -> ControlsBackend:
        """See `NetworkBackend`."""
        check_granted(self._core)
        assert self._controls is not None, "a node that may change its network has the means"
        return self._controls

    def shard(self, shard: int) -> ShardReads | None:
        """See `NetworkBackend`."""
        return self._shards.get(shard)

    def went_back(self) -> None:
        """The core was made anew from a snapshot."""
        self._vigil = Vigil(self._core, self._now())
        self._beacon = BeaconReads(self._core.beacon, self._store.read)
        for shard, reads in self._shards.items():
            reads.follow(self._core.shards[shard])

    def after_turn(self) -> None:
        """After each turn of the core: what has changed is told to subscribers, and noted for `health`."""
        self._feed.after_turn()
        self._vigil.look(self._now())

    def _state(self) -> BeaconState:
        state = self._core.beacon.tree.head.outcome
        assert state is not None
        return state

    def beacon_head(self) -> BeaconHead:
        """See `NetworkBackend`."""
        head, state = self._core.beacon.tree.head, self._state()
        block = BeaconBlock.decode(head.data)
        return BeaconHead(
            block=BlockRef(head.info.height, head.info.root), epoch=block.epoch, view=block.view, timestamp=block.timestamp,
            proposer=block.proposer, parent_root=block.parent_root, state_root=block.state_root,
            crosslinks=tuple(CrosslinkView(BlockRef(record.height, record.hash), record.base_fee) for record in state.shards),
        )

    def committee(self, chain: int) -> tuple[int, ...]:
        """See `NetworkBackend`."""
        return tuple(member.index for member in committee_of(self._state(), chain).members)

    def peers(self) -> int:
        """See `NetworkBackend`; those of another network are none."""
        return max(0, self._peers() - len(self._core.context.fetcher.strangers))

    def supply(self) -> SupplyTerms:
        """See `NetworkBackend`."""
        state, head = self._state(), self._core.beacon.tree.head.info
        flows = tuple(
            (source, destination, value) for source, row in enumerate(state.in_flight) for destination, value in enumerate(row) if value
        )
        return SupplyTerms(
            block=BlockRef(head.height, head.root),
            crosslinks=tuple(BlockRef(record.height, record.hash) for record in state.shards),
            shards=tuple(record.supply for record in state.shards), in_flight=flows,
            stakes=sum(v.stake for v in state.validators) + state.delegated + state.queued + state.unbonding,
            unclaimed=state.unclaimed, fee_pool=state.fee_pool, treasury=state.treasury, genesis=state.genesis_wei,
            issued=state.issued, burned=state.burned,
        )

    async def crossing(self, receipt: OutgoingReceipt) -> Crossing:
        """See `NetworkBackend`: the first crosslink at or above the source block took it in."""
        prefix = crosslink_key(receipt.source, 0)[:5]
        found = self._store.first_from(crosslink_key(receipt.source, receipt.block_number), prefix)
        if found is None:
            return Crossing(None, None, None)
        height, timestamp = int.from_bytes(found[1][:8], "big"), int.from_bytes(found[1][8:], "big")
        root = self._core.beacon.root_at(height)
        arrived = self.arrived_at(receipt.source, receipt.destination, receipt.nonce)
        return Crossing(None if root is None else BlockRef(height, root), timestamp, arrived)

    def arrived_at(self, source: int, destination: int, nonce: int) -> int | None:
        """See `NetworkBackend`."""
        return self._core.context.passages.arrived_ms(source, destination, nonce)

    def final_at(self, chain: int, height: int) -> int | None:
        """See `NetworkBackend`."""
        return self._core.context.passages.final_ms(chain, height)

    def queued_at(self, transaction: bytes) -> int | None:
        """See `NetworkBackend`; of one that waits in a pool, too."""
        context = self._core.context
        found = (chain.pool.get(transaction) for chain in self._core.shards.values())
        waiting = next((pooled.arrived_ms for pooled in found if pooled is not None), None)
        if waiting is None:
            return context.passages.queued_ms(transaction)
        return context.now.wall_ms - (context.now.monotonic_ms - waiting)

    async def receipt_proof(self, receipt: OutgoingReceipt) -> bytes | None:
        """See `NetworkBackend`."""
        proof = await self._proofs.prove(receipt)
        return None if proof is None else proof.encode()

    def is_ready(self) -> bool:
        """See `NetworkBackend`: every followed chain has something final, no peer is known to be far ahead, it is not cut off."""
        core = self._core
        return (
            core.beacon.tree.head.info.height >= 1
            and all(shard.heads().finalized.number >= 1 for shard in self._shards.values())
            and core.has_caught_up
            and not self._vigil.is_cut_off(self._now())
        )

    def health(self) -> list[str]:
        """See `NetworkBackend`."""
        problems = [f"chain {chain.number} has halted here: {chain.halted}" for chain in self._core.chains if chain.halted]
        for shard, link in self._links.items():
            if isinstance(link, ExecutorLink) and link.process_id is None:
                problems.append(f"the executor of shard {shard} is not running")
        problems += self._vigil.problems(self._now())
        if self._core.context.unsound:
            problems.append(self._core.context.unsound)
        return problems

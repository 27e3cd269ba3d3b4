"""The beacon chain as a node follows it: blocks are checked by the pure transition, at once, in the core."""

from __future__ import annotations

from collections.abc import Callable

from consensus.beacon.building import crosslink_is_work, prepare_block
from consensus.beacon.committees import committee_of, instance_of, leader_seed
from consensus.beacon.reference import shard_reference
from consensus.beacon.state import BeaconState
from consensus.beacon.transition import process_block
from consensus.simplex import events as simplex
from node.core.chain import Chain
from node.core.context import Context
from node.core.records import HeadRecord, beacon_block_key, beacon_root_key, beacon_state_key, crosslink_key, head_key, reference_key
from node.core.tree import Held, Status
from primitives.blocks import BeaconBlock, Crosslink, ShardReference
from primitives.errors import BlockReason, InvalidBlock
from primitives.types import Height, Root, ValidatorIndex, View
from primitives.votes import Certificate, base_certificate, randao_signing_root

CrosslinkSource = Callable[[BeaconState], list[Crosslink]]
"""Crosslinks this node could include on top of a state, at most one a shard."""


EXAMINED_PER_TURN_MAX = 8
"""Blocks checked in one turn of the loop, a few milliseconds each: a node that catches up hears its peers in between."""


class BeaconChain(Chain[BeaconState]):
    """The coordinator's chain."""

    def __init__(self, context: Context, genesis_block: BeaconBlock, genesis_state: BeaconState) -> None:
        number = context.parameters.beacon
        record, state, block = self._load(context, number, genesis_block, genesis_state)
        self.crosslinks: CrosslinkSource = lambda state: []
        """Set by the core once the shards are there."""
        self.listener: Callable[[list[Held[BeaconState]]], None] = lambda path: None
        """Told of each newly final path."""
        self.has_more = False
        """Blocks wait for the next turn because this one has checked enough of them."""
        self._examined = 0
        instance = instance_of(state, number)
        genesis_info = self._info(genesis_block, genesis_block.hash_tree_root(), instance.epoch)
        head = Held(self._info(block, Root(record.root), instance.epoch), block.encode(), Status.VALID, state)
        super().__init__(
            context, instance, committee_of(state, number), leader_seed(state, number), head, genesis_info,
            record.certificate if record.height else None,
        )
        if record.height == 0:
            self._persist_final(head)

    @staticmethod
    def _load(
        context: Context, number: int, genesis_block: BeaconBlock, genesis_state: BeaconState
    ) -> tuple[HeadRecord, BeaconState, BeaconBlock]:
        stored = context.read(head_key(number))
        if stored is None:
            root = genesis_block.hash_tree_root()
            certificate = base_certificate(instance_of(genesis_state, number), root)
            return HeadRecord(root, 0, certificate), genesis_state, genesis_block
        record = HeadRecord.decode(stored)
        state, block = context.read(beacon_state_key(number)), context.read(beacon_block_key(number, record.height))
        assert state is not None, "head, state and block are written in one batch"
        assert block is not None
        return record, BeaconState.decode(state), BeaconBlock.decode(block)

    @staticmethod
    def _info(block: BeaconBlock, root: Root, epoch: int) -> simplex.BlockInfo:
        return simplex.BlockInfo(
            root, Root(block.parent_root), Height(block.height), View(block.view), epoch, ValidatorIndex(block.proposer), is_boundary=False
        )

    def begin_turn(self) -> None:
        """A turn of the loop begins: what the last one left over is gone on with."""
        self._examined = 0
        if self.has_more:
            self.has_more = False
            self.poke()

    # -- see Chain

    def decode(self, data: bytes) -> simplex.BlockInfo:
        """See `Chain.decode`; what is in the block is judged in `examine`."""
        block = BeaconBlock.decode(data)
        return self._info(block, block.hash_tree_root(), self.instance.epoch)

    def examine(self, held: Held[BeaconState], parent: Held[BeaconState]) -> None:
        """See `Chain.examine`: the pure transition."""
        assert parent.outcome is not None
        if self._examined >= EXAMINED_PER_TURN_MAX:
            self.has_more = True
            return
        self._examined += 1
        try:
            state = process_block(
                parent.outcome, BeaconBlock.decode(held.data), parent_root=parent.info.root,
                genesis_root=self.context.genesis.root, parameters=self.context.parameters, scheme=self.context.scheme,
                verified=self.context.verified,
            )
        except InvalidBlock as error:
            self.settle(held, error)
        else:
            self.settle(held, state)

    def refusal(self, held: Held[BeaconState]) -> BlockReason | None:
        """See `Chain.refusal`: only a clock far ahead of ours."""
        ahead_ms = BeaconBlock.decode(held.data).timestamp * 1000 - self.context.now.wall_ms
        return BlockReason.AHEAD_OF_CLOCK if ahead_ms > self.context.parameters.clock_drift_max_ms else None

    def construct(self, parent: Held[BeaconState], build: simplex.Build) -> None:
        """See `Chain.construct`."""
        state = parent.outcome
        assert state is not None
        proposer = build.leader
        parameters, genesis_root = self.context.parameters, self.context.genesis.root
        message = randao_signing_root(parameters.fork_version, genesis_root, self.number, parent.info.height + 1)
        block = prepare_block(
            state, view=build.view, proposer=proposer, parent_root=build.parent_root, parent_certificate=build.parent,
            timestamp=max(state.timestamp, self.context.now.wall_ms // 1000), reveal=self.context.scheme.sign(proposer, message),
            crosslinks=tuple(self.crosslinks(state)), parameters=parameters,
        )
        held: Held[BeaconState] = Held(self._info(block, block.hash_tree_root(), self.instance.epoch), block.encode())
        self.examine(held, parent)
        assert held.status is Status.VALID, "a block of our own making is valid"
        self.built(build.parent_root, build.view, held)

    def commit(self, path: list[Held[BeaconState]], certificate: Certificate) -> None:
        """See `Chain.commit`: records of the node's own store, in this turn's batch."""
        for held in path:
            self._persist_final(held)
        self.committed(path, certificate)

    def on_final(self, path: list[Held[BeaconState]]) -> None:
        """See `Chain.on_final`."""
        self.listener(path)

    def work_on(self, parent: Held[BeaconState]) -> bool:
        """See `Chain.work_on`: a crosslink that changes more than its height, closes an instance, or is a shard's first."""
        state = parent.outcome
        assert state is not None
        if self.tree.head.info.height == 0:
            return True
        return any(state.shards[link.shard].height == 0 or crosslink_is_work(state, link) for link in self.crosslinks(state))

    # -- records

    def _persist_final(self, held: Held[BeaconState]) -> None:
        state, root, height = held.outcome, held.info.root, held.info.height
        assert state is not None
        context = self.context
        context.persist(beacon_block_key(self.number, height), held.data)
        context.persist(beacon_root_key(self.number, root), height.to_bytes(8, "big"))
        context.persist(beacon_state_key(self.number), state.encode())
        for shard in range(context.parameters.shard_count):
            context.persist(reference_key(shard, root), shard_reference(state, root, shard).encode())
        block = BeaconBlock.decode(held.data)
        for link in block.crosslinks:
            stamp = height.to_bytes(8, "big") + block.timestamp.to_bytes(8, "big")
            context.persist(crosslink_key(link.shard, state.shards[link.shard].height), stamp)

    def root_at(self, height: int) -> Root | None:
        """Root of the final beacon block at a height; None where there is none yet."""
        stored = self.context.read(beacon_block_key(self.number, height))
        return None if stored is None else BeaconBlock.decode(stored).hash_tree_root()

    def reference(self, shard: int, root: bytes) -> ShardReference | None:
        """What a shard takes from a final beacon block; None for a block that is not final here."""
        head = self.tree.head
        if root == head.info.root:
            assert head.outcome is not None
            return shard_reference(head.outcome, head.info.root, shard)
        stored = self.context.read(reference_key(shard, root))
        return None if stored is None else ShardReference.decode(stored)

"""The beacon chain as a node follows it: blocks are checked by the pure transition, at once, in the core."""

from __future__ import annotations

import functools
from collections.abc import Callable

from consensus.beacon.building import crosslink_is_work, prepare_block
from consensus.beacon.committees import epoch_set, instance_of, is_boundary
from consensus.beacon.lineage import prove_set
from consensus.beacon.reference import shard_reference
from consensus.beacon.state import BeaconState
from consensus.simplex import events as simplex
from node.core.chain import Chain
from node.core.context import Context
from node.core.effects import Peer
from node.core.evidence import EvidenceBook
from node.core.instances import Instances
from node.core.records import (
    HeadRecord,
    Opening,
    ReferenceRecord,
    beacon_block_key,
    beacon_root_key,
    beacon_state_key,
    certificate_key,
    crosslink_key,
    head_key,
    reference_key,
    set_proof_key,
)
from node.core.soundness import complaint_about_state
from node.core.tree import Held, Status
from primitives.blocks import BeaconBlock, Crosslink, Evidence, ShardReference
from primitives.errors import BlockReason, InvalidBlock
from primitives.types import Height, Root, ValidatorIndex, View
from primitives.votes import Certificate, base_certificate, randao_signing_root

CrosslinkSource = Callable[[BeaconState], list[Crosslink]]
"""Crosslinks this node could include on top of a state, at most one a shard."""


BLOCKS_DECODED_MAX = 16
"""Beacon blocks kept decoded: each is looked at several times between its arrival and its end."""
REFERENCES_REMEMBERED_MAX = 64
"""Records of final blocks for shards kept decoded, those read last: each is asked for several times by every block that names it."""
EXAMINED_PER_TURN_MAX = 8
"""Others' blocks checked in one turn of the loop, a few milliseconds each: a node that catches up hears its peers in between."""


@functools.lru_cache(BLOCKS_DECODED_MAX)
def decode_block(data: bytes) -> tuple[BeaconBlock, Root]:
    """A beacon block and its root.

    Raises:
        InvalidEncoding: it is none.
    """
    block = BeaconBlock.decode(data)
    return block, block.hash_tree_root()


@functools.lru_cache(REFERENCES_REMEMBERED_MAX)
def _decode_reference(data: bytes) -> ReferenceRecord:
    return ReferenceRecord.decode(data)


class BeaconChain(Chain[BeaconState]):
    """The coordinator's chain."""

    def __init__(self, context: Context, genesis_block: BeaconBlock, genesis_state: BeaconState) -> None:
        number = context.parameters.beacon
        record, state, block = self._load(context, number, genesis_block, genesis_state)
        self.crosslinks: CrosslinkSource = lambda state: []
        """Set by the core once the shards are there."""
        self.evidence = EvidenceBook(context)
        self.listener: Callable[[BeaconState, list[tuple[int, Opening]]], None] = lambda state, openings: None
        """Told of each newly final state, and of the shard instances opened on the way there."""
        self.first_members = genesis_state.epoch_sets[0]
        """Of epoch 0: every chain's first instance."""
        self._open = tuple(shard.instance_epoch for shard in state.shards)
        """By shard: c of the open instance as of the head."""
        self.has_more = False
        """Blocks wait for the next turn because this one has checked, or made, enough of them."""
        self._examined = 0
        self._spoken: tuple[Held[BeaconState] | None, dict[int, ReferenceRecord]] = None, {}
        """The head, and what it says to shards that have asked."""
        context.doubt(complaint_about_state(state))
        context.passages.begin_beacon({shard: record.summary for shard, record in enumerate(state.shards)})
        head = Held(self._info(block, Root(record.root)), block.encode(), Status.VALID, state)
        first = Opening(self.first_members, 0, genesis_block.hash_tree_root())
        super().__init__(context, number, Instances(context, number, first), head, record.certificate if record.height else None)
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
    def _info(block: BeaconBlock, root: Root) -> simplex.BlockInfo:
        """Whether it is a boundary is known once it is executed."""
        return simplex.BlockInfo(
            root, Root(block.parent_root), Height(block.height), View(block.view), block.parent_certificate.instance.epoch,
            ValidatorIndex(block.proposer), is_boundary=False,
        )  # fmt: skip

    def begin_turn(self) -> None:
        """A turn of the loop begins: what the last one left over is gone on with."""
        self._examined = 0
        if self.has_more:
            self.has_more = False
            self.poke()
            self.post(simplex.ChainChanged())

    def mine(self, until: int) -> None:
        """See `Chain.mine`: a block a turn, for all that one does could otherwise happen in the same one."""
        super().mine(until)
        self.has_more = True

    def wants_now(self, parent: Root) -> bool:
        """See `Chain.wants_now`."""
        return self._examined == 0 and super().wants_now(parent)

    # -- see Chain

    def decode(self, data: bytes) -> simplex.BlockInfo:
        """See `Chain.decode`; what is in the block is judged in `examine`."""
        return self._info(*decode_block(data))

    def examine(self, held: Held[BeaconState], parent: Held[BeaconState]) -> None:
        """See `Chain.examine`: the pure transition, of so many blocks a turn."""
        if self._examined >= EXAMINED_PER_TURN_MAX:
            self.has_more = True
        else:
            self._execute(held, parent)

    def _execute(self, held: Held[BeaconState], parent: Held[BeaconState]) -> None:
        assert parent.outcome is not None
        self._examined += 1
        try:
            state = self.context.transition(
                parent.outcome, decode_block(held.data)[0], parent_root=parent.info.root,
                genesis_root=self.context.genesis.root, parameters=self.context.parameters, scheme=self.context.scheme,
                verified=self.context.verified,
            )
        except InvalidBlock as error:
            if error.reason is BlockReason.SUPPLY_MISMATCH:
                # the block's doing, unless what it stands on does not add up here
                self.context.doubt(complaint_about_state(parent.outcome))
            self.settle(held, error)
        else:
            self.settle(held, state)

    def refusal(self, held: Held[BeaconState]) -> BlockReason | None:
        """See `Chain.refusal`: only a clock far ahead of ours."""
        ahead_ms = decode_block(held.data)[0].timestamp * 1000 - self.context.now.wall_ms
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
            crosslinks=tuple(self.crosslinks(state)), evidence=self.evidence.pending(state), parameters=parameters,
        )
        held: Held[BeaconState] = Held(self._info(block, block.hash_tree_root()), block.encode())
        # never put off: who has just caught up with all that a turn allows may lead the next view
        self._execute(held, parent)
        self.has_more = self.has_more or self.context.automine or parent.info.height + 1 < self.mine_until
        assert held.status is Status.VALID, "a block of our own making is valid"
        self.built(build.parent_root, build.view, held)

    def commit(self, path: list[Held[BeaconState]], certificate: Certificate) -> None:
        """See `Chain.commit`: records of the node's own store, in this turn's batch."""
        for held in path:
            self._persist_final(held)
        self.committed(path, certificate)

    def on_final(self, path: list[Held[BeaconState]]) -> None:
        """See `Chain.on_final`."""
        openings: list[tuple[int, Opening]] = []
        for held in path:
            assert held.outcome is not None
            self.context.doubt(complaint_about_state(held.outcome))
            openings += self._openings(held)
        state = path[-1].outcome
        assert state is not None
        instance = instance_of(state, self.number)
        if instance != self.instance:
            self.instances.announce(Opening(epoch_set(state, instance.epoch), state.height, path[-1].info.root))
            self.context.persist(set_proof_key(self.number, instance.epoch), prove_set(state, instance.epoch).encode())
        self.evidence.settle(state)
        for held in path:
            self._note_passages(held)
        self.listener(state, openings)

    def _note_passages(self, held: Held[BeaconState]) -> None:
        state, context = held.outcome, self.context
        assert state is not None
        summaries = {link.shard: state.shards[link.shard].summary for link in decode_block(held.data)[0].crosslinks}
        context.effects += context.passages.on_beacon_block(
            self.number, state.height, state.timestamp, held.since_ms, summaries, context.now
        )

    def take_evidence(self, evidence: Evidence, peer: Peer | None) -> None:
        """Evidence found here (no peer) or told by a peer.

        Raises:
            InvalidBlock: BAD_EVIDENCE, of a peer's.
        """
        state = self.tree.head.outcome
        assert state is not None
        if self.evidence.add(state, evidence, peer):
            self.post(simplex.ChainChanged())

    def _openings(self, held: Held[BeaconState]) -> list[tuple[int, Opening]]:
        """Shard instances that a final block opened."""
        state = held.outcome
        assert state is not None
        before, self._open = self._open, tuple(shard.instance_epoch for shard in state.shards)
        return [
            (shard, Opening(epoch_set(state, record.instance_epoch), record.base_height, record.base_hash))
            for shard, record in enumerate(state.shards)
            if record.instance_epoch != before[shard]
        ]

    def ends_instance(self, held: Held[BeaconState]) -> bool:
        """See `Chain.ends_instance`: the next epoch has another committee."""
        assert held.outcome is not None
        return is_boundary(held.outcome, self.instance)

    def is_coming(self, epoch: int) -> bool:
        """See `Chain.is_coming`."""
        return self.has_run(self.number, epoch)

    def has_run(self, chain: int, epoch: int) -> bool:
        """Whether a run of a chain is known to begin in `epoch`: sets are frozen an epoch ahead."""
        state = self.tree.head.outcome
        assert state is not None
        return any(held.runs[chain] == epoch for held in state.epoch_sets)

    def reaches(self, opening: Opening) -> bool:
        """See `Chain.reaches`: the boundary is final, or nobody would have opened what follows."""
        assert opening.base_root == self.tree.head.info.root, "a beacon instance starts from the head"
        return True

    def on_view(self) -> None:
        """See `Chain.on_view`: no vote rule here depends on when a view began."""

    def work_on(self, parent: Held[BeaconState]) -> bool:
        """See `Chain.work_on`: a crosslink that changes more than its height, closes an instance, or is a shard's first."""
        state = parent.outcome
        assert state is not None
        if self.tree.head.info.height == 0 or self.evidence.pending(state):
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
            context.persist(reference_key(shard, root), self._reference_record(state, root, shard).encode())
        block = decode_block(held.data)[0]
        for link in block.crosslinks:
            stamp = height.to_bytes(8, "big") + block.timestamp.to_bytes(8, "big")
            context.persist(crosslink_key(link.shard, state.shards[link.shard].height), stamp)
            # a range of blocks must be able to end there: the next instance may start from it
            context.persist(certificate_key(link.shard, state.shards[link.shard].height), link.finalization.encode())

    def root_at(self, height: int) -> Root | None:
        """Root of the final beacon block at a height; None where there is none yet."""
        stored = self.context.read(beacon_block_key(self.number, height))
        return None if stored is None else decode_block(stored)[1]

    @staticmethod
    def _reference_record(state: BeaconState, root: Root, shard: int) -> ReferenceRecord:
        record = state.shards[shard]
        return ReferenceRecord(shard_reference(state, root, shard), record.instance_epoch, int(record.closes_from > 0))

    def reference_record(self, shard: int, root: bytes) -> ReferenceRecord | None:
        """What a final beacon block says to a shard's blocks; None for a block that is not final here."""
        head = self.tree.head
        if root == head.info.root:
            if self._spoken[0] is not head:
                self._spoken = head, {}
            record = self._spoken[1].get(shard)
            if record is None:
                assert head.outcome is not None
                record = self._spoken[1][shard] = self._reference_record(head.outcome, head.info.root, shard)
            return record
        stored = self.context.read(reference_key(shard, root))
        return None if stored is None else _decode_reference(stored)

    def reference(self, shard: int, root: bytes) -> ShardReference | None:
        """What a shard takes from a final beacon block; None for a block that is not final here."""
        record = self.reference_record(shard, root)
        return None if record is None else record.reference

"""A shard chain as a node follows it: its executor checks and executes; references, receipts and vote rules are here."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from consensus.beacon.building import build_crosslink
from consensus.beacon.crosslinks import check_crosslink
from consensus.beacon.state import BeaconState
from consensus.beacon.verifier import Verifier
from consensus.simplex import events as simplex
from node.core.beacon_chain import BeaconChain
from node.core.chain import EXECUTIONS_LOST_MAX, Chain
from node.core.context import Context
from node.core.desk import Desk
from node.core.effects import Admit, Build, Execute, Finalize, MarkCrosslinked, Observe, ReadOutgoing, ShardTruncated, Truncate, Withdraw
from node.core.inbound import Inbound
from node.core.instances import Instances
from node.core.records import HeadRecord, Opening, certificate_key, head_key
from node.core.soundness import complaint_about_block, complaint_about_record
from node.core.times import BlockTimes
from node.core.tree import Held, Status
from primitives.blocks import BLOCK_VERSION, Crosslink, ShardBlock, ShardReference, sources_of
from primitives.errors import BlockReason, InvalidBlock
from primitives.headers import ShardHeader
from primitives.receipts import BUNDLE_RECEIPTS_MAX, Bundle, Summary
from primitives.types import Address, Height, Root, ValidatorIndex, View
from primitives.votes import Certificate
from shard.body import check_body
from shard.contracts import OUTBOX
from shard.inbound import check_inbound
from shard.pool import DropReason, Pool
from shard.results import BlockResult, Built, FinalizedBlock, HeadInfo
from shard.views import small

CANDIDATES_MAX = 4096
"""Pool transactions handed to the executor for one block."""
CANDIDATE_GAS_FACTOR = 64
"""Their gas limits add up to at most this many block gas limits: many, or a few loops that pay well would be all there is to try."""
STAYS_POOLED = frozenset({"nonce_too_low", "nonce_too_high", "fee_below_base"})
"""Why a candidate may be refused on one parent and still be good: it stays in the pool."""


BLOCKS_DECODED_MAX = 4
"""Shard blocks kept decoded: one is looked at when it comes and again before it is executed, mostly at once."""
SUMMARIES_DECODED_MAX = 64
"""Summaries kept decoded: a block's is asked for when it is built or executed, and again when it becomes the head."""
BODY_REASONS = frozenset({BlockReason.BAD_BODY, BlockReason.MALFORMED})
"""Why a body may be refused without a word on its header, which is what was voted on."""


@dataclass(frozen=True, slots=True)
class ShardOutcome:
    """An executed shard block."""

    result: BlockResult
    summary: Summary
    reference_height: int
    """Height of the beacon block it references; 0 for genesis."""


@dataclass(frozen=True, slots=True)
class ViewBegan:
    """What the leader of a view could know when it began to build.

    How long its block takes to build, and to execute here, is not held against it: a limit of that kind would be a stop for slow machines.
    """

    at_ms: int
    """Monotonic."""
    beacon_height: int
    """Of the final beacon head here."""


@functools.lru_cache(BLOCKS_DECODED_MAX)
def _decode_block(data: bytes) -> ShardBlock:
    return ShardBlock.decode(data)


@functools.lru_cache(SUMMARIES_DECODED_MAX)
def _decode_summary(data: bytes) -> Summary:
    return Summary.decode(data)


class ShardChain(Chain[ShardOutcome]):
    """One hosted shard."""

    def __init__(self, context: Context, shard: int, beacon_chain: BeaconChain, head: HeadInfo, pool: Pool, hosted: frozenset[int]) -> None:
        self.beacon = beacon_chain
        self.pool = pool
        self.crosslinked = head.finalized_number
        """Height of the shard's `finalized` tag."""
        self._commit: tuple[list[Held[ShardOutcome]], Certificate] | None = None
        self._link: tuple[BeaconState, Certificate | None, Held[ShardOutcome], Crosslink | None] | None = None
        """The crosslink on the state last asked about, with what it rests on: it is asked for at every event."""
        self._reference: tuple[Held[BeaconState], ShardReference] | None = None
        """What the beacon chain's final head says to this shard, likewise."""
        self._closing_since_ms: int | None = None
        """When a final beacon block that ends the running instance was first held."""
        self._view_began = ViewBegan(context.now.monotonic_ms, beacon_chain.tree.head.info.height)
        self.times = BlockTimes()
        self._desk = Desk()
        self._hosted = hosted - {shard}
        self._genesis_supply = small(head.genesis_supply)
        header = ShardHeader.decode(head.result.header)
        reference = beacon_chain.reference(shard, header.parent_beacon_block_root) if header.number else None
        outcome = ShardOutcome(head.result, Summary.decode(head.result.summary), 0 if reference is None else reference.height)
        context.doubt(complaint_about_block(shard, header.number, small(head.result.supply), self._genesis_supply, outcome.summary))
        info = self.info_of(header)
        genesis = self.info_of(ShardHeader.decode(head.genesis_header))
        stored = context.read(head_key(shard))
        certificate = HeadRecord.decode(stored).certificate if stored else None
        context.passages.begin(shard, outcome.summary, header.number)
        self.inbound = Inbound(context, shard, self._hosted, outcome.summary)
        super().__init__(
            context, shard, Instances(context, shard, Opening(beacon_chain.first_members, 0, genesis.root)),
            Held(info, b"", Status.VALID, outcome),
            certificate if certificate is not None and certificate.root == info.root else None,
        )  # fmt: skip

    @staticmethod
    def info_of(header: ShardHeader) -> simplex.BlockInfo:
        """What agreement needs to know of a header; genesis has no view and no proposer."""
        root, parent = header.hash(), Root(header.parent_hash)
        if header.number == 0:
            return simplex.BlockInfo(root, parent, Height(0), View(0), 0, ValidatorIndex(0), is_boundary=False)
        extra = header.extra()
        return simplex.BlockInfo(
            root, parent, Height(header.number), View(extra.view), extra.epoch, ValidatorIndex(extra.proposer), is_boundary=False
        )

    # -- see Chain

    def decode(self, data: bytes) -> simplex.BlockInfo:
        """See `Chain.decode`."""
        return self.info_of(ShardHeader.decode(_decode_block(data).header))

    def examine(self, held: Held[ShardOutcome], parent: Held[ShardOutcome]) -> None:
        """See `Chain.examine`: what agreement knows is checked here, the rest by the executor."""
        assert parent.outcome is not None
        block = _decode_block(held.data)
        header = ShardHeader.decode(block.header)
        extra = header.extra()
        if extra.version != BLOCK_VERSION or extra.epoch != self.instance.epoch:
            self.settle(held, InvalidBlock(BlockReason.WRONG_INSTANCE, f"version {extra.version}, c {extra.epoch}"))
            return
        # views count within an instance: the base may stand in a higher one of the instance before
        if extra.epoch == parent.info.epoch and extra.view <= parent.info.view:
            self.settle(held, InvalidBlock(BlockReason.WRONG_VIEW, f"view {extra.view} on a block of view {parent.info.view}"))
            return
        if extra.proposer != self.committee.leader(self.instances.seed, self.number, extra.view).index:
            self.settle(held, InvalidBlock(BlockReason.WRONG_PROPOSER, f"validator {extra.proposer} does not lead view {extra.view}"))
            return
        record = self.beacon.reference_record(self.number, header.parent_beacon_block_root)
        if record is None:
            # not final here yet: undecided until the beacon chain has caught up
            self.context.observe("blocks_waiting_for_reference", chain=str(self.number))
            return
        reference = record.reference
        if reference.height < parent.outcome.reference_height:
            self.settle(held, InvalidBlock(BlockReason.BAD_REFERENCE, f"beacon block {reference.height} is older than the parent's"))
            return
        if record.instance_epoch < self.instance.epoch:
            self.settle(held, InvalidBlock(BlockReason.BAD_REFERENCE, f"beacon block {reference.height} has not opened this instance"))
            return
        if not held.certified:
            try:
                needed = check_inbound(
                    header.number, parent.outcome.summary.incoming, reference.inbound, block.inbound, extra.missing,
                    self.context.parameters, shard=self.number, available=self.inbound.available(parent.outcome.summary, reference),
                )
            except InvalidBlock as error:
                if self._bind(held, header, block):
                    self.settle(held, error)
                return
            if needed:
                if self._bind(held, header, block):
                    self.inbound.fetch()
                return
        held.status = Status.QUEUED
        self._desk.add(Execute(self.number, held.info.root, held.data, reference, self._fee_address(extra.proposer), held.certified))

    def _bind(self, held: Held[ShardOutcome], header: ShardHeader, block: ShardBlock) -> bool:
        """Whether the body is the header's; one that is not is dropped, before it can speak against the header."""
        if not held.is_bound:
            try:
                check_body(header, block, self.context.parameters.chain_id_base)
            except InvalidBlock as error:
                self._drop_body(held.info.root, error)
                return False
            held.is_bound = True
        return True

    def _drop_body(self, root: bytes, error: InvalidBlock) -> None:
        # the header may still be good: whoever delivered this body swapped it, and another peer has the right one
        held = self.tree.get(root)
        if held is not None:
            self.context.penalize(held.peer, error.reason)
        self.tree.drop(root)
        self.context.observe("blocks_rejected", chain=str(self.number), reason=error.reason.code, message=error.message)
        self.poke()

    def executed(self, root: bytes, result: BlockResult | InvalidBlock | None) -> None:
        """The executor's answer; None where it was lost, then the block is tried again."""
        self._desk.answered()
        held = self.tree.get(root)
        if held is None or held.status is not Status.EXECUTING:
            return
        if result is None:
            held.executions_lost += 1
            if held.executions_lost >= EXECUTIONS_LOST_MAX and not held.certified:
                self.context.observe("limit_hits", limit="executions_lost_max")
                self.settle(held, InvalidBlock(BlockReason.NOT_EXECUTABLE, f"the executor was lost {held.executions_lost} times over it"))
            else:
                held.status = Status.UNCHECKED
        elif isinstance(result, InvalidBlock) and result.reason in BODY_REASONS:
            self._drop_body(root, result)
        elif isinstance(result, InvalidBlock):
            self.settle(held, result)
        else:
            self.settle(held, self._outcome(result, ShardHeader.decode(result.header)))
        self.poke()
        self.post(simplex.ChainChanged())

    def execution_withdrawn(self, root: bytes) -> None:
        """The executor's answer to `Withdraw`: nothing is known of the block, which is executed should it be needed after all."""
        self._desk.answered()
        self.context.observe("executions_withdrawn", shard=str(self.number))
        held = self.tree.get(root)
        if held is not None and held.status is Status.EXECUTING:
            held.status = Status.UNCHECKED
            self.poke()

    def refusal(self, held: Held[ShardOutcome]) -> BlockReason | None:
        """See `Chain.refusal`: clock; and, when the view began, boundary, age of the reference, receipts passed over."""
        assert held.outcome is not None
        parameters, began = self.context.parameters, self._view_began
        header = ShardHeader.decode(held.outcome.result.header)
        if header.timestamp * 1000 - self.context.now.wall_ms > parameters.clock_drift_max_ms:
            return BlockReason.AHEAD_OF_CLOCK
        if self._is_past_boundary() and not held.info.is_boundary:
            return BlockReason.AFTER_BOUNDARY
        if held.outcome.reference_height < began.beacon_height - parameters.reference_lag_max:
            return BlockReason.REFERENCE_TOO_OLD
        passed_over = sources_of(header.extra().missing)
        if any(self.inbound.held_for_ms(source, held.outcome.summary, began.at_ms) >= 4 * parameters.delta_ms for source in passed_over):
            return BlockReason.CENSORS_RECEIPTS
        return None

    def construct(self, parent: Held[ShardOutcome], build: simplex.Build) -> None:
        """See `Chain.construct`."""
        assert parent.outcome is not None
        reference = self._newest_reference()
        timestamp = self.times.of_child(
            parent.info.height, parent.outcome.result.timestamp, self.context.now.wall_ms // 1000,
            is_mined=parent.info.height < self.mine_until, has_work=self.work_on(parent),
        )
        self._desk.add(
            Build(
                shard=self.number, parent=parent.info.root, view=build.view, epoch=self.instance.epoch, proposer=build.leader,
                coinbase=self._fee_address(build.leader), timestamp=timestamp, reference=reference,
                available=self.inbound.available(parent.outcome.summary, reference), candidates=self._candidates(parent),
            )
        )

    def block_built(self, parent_root: bytes, view: View, built: Built | None) -> None:
        """The executor's answer to `Build`."""
        self._desk.answered()
        if built is None:
            self.built(parent_root, view, None)
            return
        now_ms = self.context.now.monotonic_ms
        for rejected in built.rejected:
            if rejected.code not in STAYS_POOLED:
                self.pool.discard(rejected.hash, DropReason.INVALID, now_ms)
        for transaction_hash in built.too_slow:
            self.pool.reject_too_slow(transaction_hash, now_ms)
            self.context.observe("limit_hits", limit="build_budget_ms")
        header = ShardHeader.decode(built.result.header)
        if header.extra().epoch != self.instance.epoch:
            return  # asked for by an instance that has ended meanwhile
        self.built(parent_root, view, Held(self.info_of(header), built.block, Status.VALID, self._outcome(built.result, header)))

    def commit(self, path: list[Held[ShardOutcome]], certificate: Certificate) -> None:
        """See `Chain.commit`: the executor's work."""
        self._commit = (path, certificate)
        self.context.emit(Finalize(self.number, path[-1].info.root))

    def finalized(self, root: bytes, blocks: tuple[FinalizedBlock, ...] | None) -> None:
        """The executor's answer to `Finalize`; None where it was lost, then it is tried again."""
        assert self._commit is not None, "only what was asked for is answered"
        assert self._commit[1].root == root
        (path, certificate), self._commit = self._commit, None
        if blocks is None:
            self.uncommitted(certificate)
            return
        self.committed(path, certificate)
        for block in blocks:
            if block.programs_forgotten:
                self.context.emit(Observe("programs_forgotten", {"shard": str(self.number)}, block.programs_forgotten))
            for destination, (first, end) in block.sent.items():
                for page in range(first, end, BUNDLE_RECEIPTS_MAX):
                    self.context.emit(ReadOutgoing(self.number, destination, page, min(page + BUNDLE_RECEIPTS_MAX, end)))

    def dispatch(self) -> None:
        """Gives the executor what it is to do next, and takes back what nobody needs any more; comes at the end of every turn."""
        if self.halted:
            return
        withdrawn = self._desk.withdraw(self._needed)
        if withdrawn is not None:
            self.context.emit(Withdraw(self.number, withdrawn))
        work = self._desk.next(self.instance.epoch, self.engine.view, self._needed, lambda root: self.tree.get(root) is not None)
        if work is None:
            return
        if isinstance(work, Execute):
            held = self.tree.get(work.root)
            assert held is not None, "only what is held is given out"
            held.status = Status.EXECUTING
        self.context.emit(work)

    def on_final(self, path: list[Held[ShardOutcome]]) -> None:
        """See `Chain.on_final`."""
        for held in path:
            assert held.outcome is not None
            result, context = held.outcome.result, self.context
            for pooled in filter(None, map(self.pool.get, result.transaction_hashes)):
                if pooled.transaction.to == OUTBOX and held.since_ms:
                    context.emit(context.passages.on_queued(pooled.hash, pooled.arrived_ms, held.since_ms, context.now))
            context.effects += context.passages.on_shard_block(
                self.number, result.number, result.timestamp, held.since_ms, held.outcome.summary, context.now
            )
            self.pool.on_block(
                {Address(address): (nonce, small(balance)) for address, (nonce, balance) in result.senders.items()},
                self.context.now.monotonic_ms,
            )
            self.context.observe(
                "block_final", chain=str(self.number), height=str(result.number), transactions=str(len(result.transaction_hashes)),
                timestamp=str(result.timestamp), execution_ms=str(result.execution_ms), hash=result.hash.hex(),
            )
            self.inbound.taken(held.outcome.summary)

    def on_view(self) -> None:
        """See `Chain.on_view`."""
        self._view_began = ViewBegan(self.context.now.monotonic_ms, self.beacon.tree.head.info.height)

    def work_on(self, parent: Held[ShardOutcome]) -> bool:
        """See `Chain.work_on`: an executable transaction, a deliverable receipt, or a chain that has yet to show that it lives."""
        assert parent.outcome is not None
        if self.tree.head.info.height == 0:
            return True
        if self._closing_since_ms is not None and not parent.info.is_boundary:
            return True
        if self.inbound.is_deliverable(parent.outcome.summary, self._newest_reference()):
            return True
        if not self.pool.has_executable(small(parent.outcome.result.next_base_fee)):
            return False
        return self.pool.counts()[0] > sum(self.pool.get(h) is not None for h in self._included(parent))

    # -- beacon chain and receipts

    def follow_beacon(self, state: BeaconState) -> None:
        """The beacon chain's final head has moved."""
        record = state.shards[self.number]
        self.context.doubt(complaint_about_record(self.number, state, self._genesis_supply))
        # beyond the base of an instance not entered yet, the blocks here may be void
        height = min([record.height, *(opening.base_height for opening in self.instances.next)])
        if height > self.crosslinked:
            self.crosslinked = height
            taken = {d: state.recorded_in(self.number, d).count for d in range(state.beacon) if d != self.number}
            self.context.emit(MarkCrosslinked(self.number, height, taken))
        if record.instance_epoch != self.instance.epoch or record.closes_from == 0:
            self._closing_since_ms = None
        elif self._closing_since_ms is None:
            self._closing_since_ms = self.context.now.monotonic_ms
        self.inbound.follow(self._newest_reference())
        self.poke()
        self.post(simplex.ChainChanged())

    def _is_past_boundary(self) -> bool:
        """Whether the running instance should have ended: only its boundary is voted for from now on (PROTOCOL 3)."""
        since_ms = self._closing_since_ms
        return since_ms is not None and self._view_began.at_ms - since_ms >= 2 * self.context.parameters.delta_ms

    def ends_instance(self, held: Held[ShardOutcome]) -> bool:
        """See `Chain.ends_instance`: the referenced beacon block closes the instance, or belongs to the next."""
        assert held.outcome is not None
        header = ShardHeader.decode(held.outcome.result.header)
        if header.number == 0:
            return False
        record = self.beacon.reference_record(self.number, header.parent_beacon_block_root)
        # the head's may be missing, where the node's store was emptied and the executors' were not
        return record is not None and (bool(record.closing) or record.instance_epoch > self.instance.epoch)

    def is_coming(self, epoch: int) -> bool:
        """See `Chain.is_coming`."""
        return self.beacon.has_run(self.number, epoch)

    def reaches(self, opening: Opening) -> bool:
        """See `Chain.reaches`: a forced close leaves the blocks above the crosslink void."""
        head = self.tree.head.info
        if head.root == opening.base_root:
            return True
        if head.height > opening.base_height:
            self._committing = head
            self.context.emit(Truncate(self.number, opening.base_root))
        return False

    def truncated(self, event: ShardTruncated) -> None:
        """The executor's answer to `Truncate`; None where it was lost, then it is tried again."""
        self._committing = None
        self.poke()
        if event.result is None:
            return
        context, gone = self.context, self.tree.head.info.height
        header = ShardHeader.decode(event.result.header)
        for height in range(header.number + 1, gone + 1):
            context.persist(certificate_key(self.number, height), None)
        stored = context.read(certificate_key(self.number, header.number))
        self.certificate = None if stored is None else Certificate.decode(stored)
        if self.certificate is not None:
            context.persist(head_key(self.number), HeadRecord(event.root, header.number, self.certificate).encode())
        outcome = self._outcome(event.result, header)
        self.tree.restart(Held(self.info_of(header), b"", Status.VALID, outcome))
        context.passages.begin(self.number, outcome.summary, header.number)
        self.inbound = Inbound(context, self.number, self._hosted, outcome.summary)
        self.inbound.follow(self._newest_reference())
        self.pool.on_block({Address(sender): account for sender, account in event.accounts.items()}, context.now.monotonic_ms)
        context.emit(Admit(self.number, None, event.transactions))
        context.emit(Observe("blocks_undone", {"chain": str(self.number)}, gone - header.number))

    def take_bundle(self, peer: str | None, bundle: Bundle) -> bool:
        """Receipts on their way here, from gossip or a peer; whether some are proven now."""
        taken = self.inbound.offer(peer, bundle)
        if taken:
            self.post(simplex.ChainChanged())
        return taken

    def crosslink(self, state: BeaconState) -> Crosslink | None:
        """The crosslink of this shard's newest final block on top of a beacon state; None if it says nothing new."""
        known = self._link
        if known is None or known[0] is not state or known[1] is not self.certificate or known[2] is not self.tree.head:
            known = self._link = (state, self.certificate, self.tree.head, self._make_crosslink(state))
        return known[3]

    def _make_crosslink(self, state: BeaconState) -> Crosslink | None:
        head = self.tree.head
        if self.certificate is None or self.certificate.root != head.info.root or head.info.height <= state.shards[self.number].height:
            return None
        if self.certificate.instance.epoch != state.shards[self.number].instance_epoch:
            return None
        assert head.outcome is not None
        link = build_crosslink(state, head.outcome.result.header, head.outcome.summary, self.certificate)
        if link is None:
            return None
        context = self.context
        verifier = Verifier(context.scheme, context.genesis.root, context.parameters.fork_version, context.verified)
        try:
            check_crosslink(state, link, context.parameters, verifier)
        except InvalidBlock as error:
            # a shard that broke its bounds is left out: it must not spoil the beacon block
            context.observe("crosslinks_refused", chain=str(self.number), reason=error.reason.code)
            return None
        return link

    def _newest_reference(self) -> ShardReference:
        head = self.beacon.tree.head
        if self._reference is None or self._reference[0] is not head:
            reference = self.beacon.reference(self.number, head.info.root)
            assert reference is not None, "the final head can always be referenced"
            self._reference = (head, reference)
        return self._reference[1]

    def _outcome(self, result: BlockResult, header: ShardHeader) -> ShardOutcome:
        reference = self.beacon.reference(self.number, header.parent_beacon_block_root)
        assert reference is not None, "a block was executed with its reference"
        summary = _decode_summary(result.summary)
        self.context.doubt(complaint_about_block(self.number, result.number, small(result.supply), self._genesis_supply, summary))
        return ShardOutcome(result, summary, reference.height)

    def _fee_address(self, proposer: int) -> bytes:
        state = self.beacon.tree.head.outcome
        assert state is not None
        return state.validators[proposer].fee_address

    # -- pool

    def _included(self, parent: Held[ShardOutcome]) -> set[bytes]:
        """Transactions of blocks from just above the final head up to `parent`: in the pool still, but not to be taken again."""
        path, _ = self.tree.path(parent.info.root)
        return {h for held in path if held.outcome is not None for h in held.outcome.result.transaction_hashes}

    def _candidates(self, parent: Held[ShardOutcome]) -> tuple[tuple[bytes, bytes], ...]:
        assert parent.outcome is not None
        included = self._included(parent)
        gas = self.context.parameters.gas_limit * (CANDIDATE_GAS_FACTOR + len(self.tree.path(parent.info.root)[0]))
        chosen = self.pool.candidates(small(parent.outcome.result.next_base_fee), gas, CANDIDATES_MAX + len(included))
        return tuple((c.transaction.raw, c.sender) for c in chosen if c.hash not in included)[:CANDIDATES_MAX]

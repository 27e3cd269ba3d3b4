"""One chain as a node follows it: its agreement engine, the blocks on top of the final head, and how they become final.

Beacon and shard chains differ in what a block is and how it is checked (beacon_chain.py, shard_chain.py); how blocks are
held, fetched, executed in order and made final is the same and is here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from consensus.committee import Committee
from consensus.signatures import verify_certificate
from consensus.simplex import Simplex
from consensus.simplex import events as simplex
from node.core.blocks import WANTED_MAX, HeldBlocks
from node.core.context import Context
from node.core.effects import Observe, Peer, Tell
from node.core.instances import Instances, Message
from node.core.ranges import Ranges, check_range, is_far
from node.core.records import HeadRecord, Opening, body_key, certificate_key, engine_key, head_key
from node.core.tree import Held, Status
from p2p.messages import Blocks, BlocksByRange, CertificatesByView, Finality
from primitives.errors import BlockReason, Fault, InvalidBlock, InvalidConsensusMessage, InvalidEncoding
from primitives.types import Root, View
from primitives.votes import Certificate, Instance, VoteKind

Outcome = TypeVar("Outcome")
EXECUTIONS_LOST_MAX = 3
"""Times an executor may be lost over a block that is not final before the block is given up."""


class Chain(HeldBlocks[Outcome]):
    """A followed chain; `Outcome` is what executing a block gives."""

    def __init__(
        self, context: Context, number: int, instances: Instances, head: Held[Outcome], certificate: Certificate | None
    ) -> None:
        super().__init__(context, number, head)
        self.instances = instances
        self.certificate = certificate
        """Finalization of the head; None for genesis."""
        self.halted: str = ""
        """Why this chain cannot go on here; empty while it can."""
        self._pending: Certificate | None = None
        """Newest finalization whose blocks are not all here and executed."""
        self._committing: simplex.BlockInfo | None = None
        self._ranges = Ranges()
        self._build: simplex.Build | None = None
        self._inbox: deque[simplex.Event] = deque()
        self._entered: tuple[int, View] | None = None
        """Epoch and view the engine was last seen in."""
        self.begun = 0
        """Height of the highest block that was begun here; what is ordered after that is on top of it."""
        self.mine_until = 0
        """Height up to which blocks are made one after another, without waiting and without work (a developer's order)."""
        self.engine = self._make_engine(instances.engine_records())

    def _make_engine(self, records: Mapping[bytes, bytes]) -> Simplex:
        instances, context = self.instances, self.context
        committee = instances.committee
        voting = () if context.unsound else context.local
        local = tuple(index for index in voting if committee.position(index) is not None)
        return Simplex(
            instance=instances.instance, committee=committee, seed=instances.seed, base=instances.base, local=local,
            scheme=context.scheme, genesis_root=context.genesis.root, parameters=context.parameters, chain=self, records=records,
            verified=context.verified, first_view=context.first_view,
        )  # fmt: skip

    @property
    def instance(self) -> Instance:
        """The instance that runs here."""
        return self.engine.instance

    @property
    def committee(self) -> Committee:
        """Of the running instance."""
        return self.engine.committee

    # -- what differs between beacon and shards

    @abstractmethod
    def construct(self, parent: Held[Outcome], build: simplex.Build) -> None:
        """Builds a block; ends, now or later, in `built`."""

    @abstractmethod
    def commit(self, path: list[Held[Outcome]], certificate: Certificate) -> None:
        """Makes an executed path final where its state lives; ends, now or later, in `committed`."""

    @abstractmethod
    def on_final(self, path: list[Held[Outcome]]) -> None:
        """After blocks became final."""

    @abstractmethod
    def on_view(self) -> None:
        """The engine has entered a view; comes before anything that the view asks for."""

    @abstractmethod
    def work_on(self, parent: Held[Outcome]) -> bool:
        """Whether there is work for a child of an executed parent (PROTOCOL 2, Pacing)."""

    @abstractmethod
    def is_coming(self, epoch: int) -> bool:
        """Whether an instance of this chain is known to begin in `epoch`."""

    @abstractmethod
    def reaches(self, opening: Opening) -> bool:
        """Whether the head is the base of an opened instance; if it is beyond that, has it taken back."""

    # -- queries of the engine

    def block(self, root: Root) -> simplex.BlockInfo | None:
        """The held block, or the final head."""
        held = self.tree.get(root)
        return None if held is None else held.info

    def sees_work(self, parent: Root) -> bool:
        """Whether there is work for a child of `parent`."""
        held = self.tree.get(parent)
        return held is not None and held.status is Status.VALID and self.work_on(held)

    def mine(self, until: int) -> None:
        """Has blocks made at once up to a height; see `node.core.effects.Mine`."""
        self.mine_until = max(self.mine_until, until)
        self.post(simplex.ChainChanged())

    def wants_now(self, parent: Root) -> bool:
        """Whether a child of `parent` was asked for without waiting."""
        held = self.tree.get(parent)
        return held is not None and (held.info.height < self.mine_until or (self.context.automine and self.sees_work(parent)))

    # -- the engine

    def start(self) -> None:
        """Loads the blocks voted for before a restart, then starts the engine."""
        for key, data in self.context.scan(body_key(self.number)).items():
            info = self.decode(data)
            if not self.tree.insert(Held(info, data)) and info.height <= self.tree.head.info.height:
                self.context.persist(key, None, durable=False)
        head = self.tree.head
        if head.info.root != self.instances.running.base_root:
            head.info = replace(head.info, is_boundary=self.ends_instance(head))
        self._apply(self.engine.start(self.context.now.monotonic_ms))
        if head.info.is_boundary and self.certificate is not None:
            self.post(simplex.BlockFinalized(self.certificate))
        self._dirty = True
        self.drain()

    def receive(self, instance: Instance, event: Message) -> None:
        """A message from outside: of the running instance, of one that has ended, or of one that is not open here yet."""
        if instance.chain != self.number or instance == self.instance:
            self.post(event)
        elif instance.epoch < self.instance.epoch:
            # a certificate may be such an answer itself, and would go to and fro
            if not isinstance(event, simplex.CertificateReceived):
                self.instances.answer(event.peer)
        elif self.is_coming(instance.epoch):
            self.instances.hold(instance, event)

    def post(self, event: simplex.Event) -> None:
        """One more event for the engine, handled by the next `drain`."""
        self._inbox.append(event)

    @property
    def running_view(self) -> int:
        """See `HeldBlocks.running_view`."""
        return self.engine.view

    @property
    def waits(self) -> bool:
        """Whether something is open that may need asking for again."""
        return bool(self._checks or self._wanted) or self._pending is not None or self._build is not None

    @property
    def is_busy(self) -> bool:
        """Whether `drain` has something to do."""
        return not self.halted and bool(self._inbox or self._dirty)

    def drain(self) -> None:
        """Goes on with what is open and lets the engine handle what was posted, until neither gives more to do."""
        while self.is_busy:
            if self._dirty:
                self._dirty = False
                self._go_on()
            else:
                self._apply(self.engine.handle_all(self._inbox, self.context.now.monotonic_ms))

    def _go_on(self) -> None:
        while self.instances.next and self._committing is None and self.reaches(self.instances.next[0]):
            self._enter_next()
        for root in (*self._checks, *self._wanted):
            self.advance(root)
        self.try_final()
        self._retry_build()

    def _enter_next(self) -> None:
        """Starts the next instance from the head, which is its base; whatever was open in the last one is void."""
        self.instances.enter()
        for held in self.tree:
            self.context.persist(body_key(self.number, held.info.root), None, durable=False)
        head = self.tree.head
        head.info = replace(head.info, is_boundary=False)
        self.tree.restart(head)
        for open_here in (self._checks, self._wanted, self._inbox):
            open_here.clear()
        self._pending = self._build = None
        self._ranges.forget()
        self.engine = self._make_engine({})
        self._apply(self.engine.start(self.context.now.monotonic_ms))
        for event in self.instances.take_early():
            self.post(event)
        self._fetch_range()

    def _apply(self, effects: list[simplex.Effect]) -> None:
        entered = (self.instance.epoch, self.engine.view)
        if entered != self._entered:
            self._entered = entered
            self.on_view()
        for effect in effects:
            match effect:
                case simplex.Persist(key, value):
                    self.context.persist(engine_key(self.number, self.instance.epoch, key), value)
                case simplex.Observe(name, value, labels):
                    self.context.emit(Observe(name, {**labels, "chain": str(self.number)}, value))
                case simplex.PersistBlock(root):
                    self._persist_body(root)
                case simplex.Broadcast(message):
                    self.context.say(self.number, message)
                case simplex.SendTo(peer, message):
                    if peer in self.context.fetcher.peers:
                        # else its own neighbours tell it: gossip would make anybody's stale word heard by all
                        self.context.emit(Tell(peer, Finality(message)))
                case simplex.Build():
                    self._start_build(effect)
                case simplex.Check():
                    self._start_check(effect)
                case simplex.CertificateHeld(certificate):
                    self._certificate_held(certificate)
                case simplex.WantBlock(root):
                    self.want_block(root)
                case simplex.WantCertificates(first, last):
                    need = ("certificates", self.number)
                    self.context.want(need, CertificatesByView(self.instance, first, last))
                case simplex.Penalize(peer, reason):
                    self.context.penalize(peer, reason)
                    if reason.fault is Fault.PEER:
                        # one check a turn is what a liar can cost: what else it said in this turn is not heard
                        self._inbox = deque(event for event in self._inbox if getattr(event, "peer", None) != peer)
                case simplex.EvidenceFound(evidence):
                    self.context.observe("equivocations", chain=str(self.number), validator=str(evidence.first.validator))
                    self.context.found.append(evidence)

    def _persist_body(self, root: bytes) -> None:
        held = self.tree.get(root)
        if held is not None and held is not self.tree.head:
            self.context.persist(body_key(self.number, root), held.data)

    # -- building

    def _start_build(self, build: simplex.Build) -> None:
        self._build = build
        self._retry_build()

    def _retry_build(self) -> None:
        build = self._build
        if build is None:
            return
        parent = self.tree.get(build.parent_root)
        if parent is None:
            self.want_block(build.parent_root)
        elif parent.status is Status.VALID:
            self._build = None
            if parent.info.is_boundary and parent.info.epoch == self.instance.epoch:
                self.built(build.parent_root, build.view, None)
            else:
                self.begun = max(self.begun, parent.info.height + 1)
                self.construct(parent, build)
        else:
            self._want_executed(build.parent_root, build.parent.view)

    def built(self, parent_root: bytes, view: View, held: Held[Outcome] | None) -> None:
        """The end of `construct`; None where it failed."""
        if held is not None:
            held.since_ms = self.context.now.monotonic_ms
            held.info = replace(held.info, is_boundary=self.ends_instance(held))
            if not self.tree.insert(held):
                held = None
        self.post(simplex.BlockBuilt(view, Root(parent_root), None if held is None else held.data, None if held is None else held.info))

    # -- finality

    def _certificate_held(self, certificate: Certificate) -> None:
        self._want_executed(certificate.root, certificate.view)
        if certificate.kind == VoteKind.FINALIZE and (self._pending is None or certificate.view > self._pending.view):
            self._pending = certificate
            self.try_final()

    def _want_executed(self, root: bytes, view: int) -> None:
        """A block that others build on, or may be asked to, is executed here whether we voted for it or not."""
        held = self.tree.get(root)
        if held is not None and held.status in (Status.VALID, Status.INVALID):
            return
        if root not in self._wanted:
            if len(self._wanted) >= WANTED_MAX:
                del self._wanted[next(iter(self._wanted))]
            self._wanted[root] = view
            self._dirty = True

    def try_final(self) -> None:
        """Makes the lowest proven range final, or else the pending finalization's blocks, once all are here and executed."""
        if self._committing is not None or self.halted:
            return
        certificate = self._ranges.front(self.tree.head.info.height)
        if certificate is not None:
            self._finalize(certificate, is_range=True)
        elif (certificate := self._pending) is not None and certificate.root == self.tree.head.info.root:
            self._pending = None
            if self.certificate is None or self.certificate.root != certificate.root:
                # the executor had made it final, and the node ended before it could note that
                self._note_final(self.tree.head, certificate)
        elif certificate is not None and self._finalize(certificate, is_range=False):
            self._pending = None

    def _finalize(self, certificate: Certificate, *, is_range: bool) -> bool:
        """Goes on towards the final block of a certificate; True once it is being made final."""
        path, missing = self.tree.path(certificate.root)
        if missing is not None:
            if path and path[0].info.height <= self.tree.head.info.height + 1:
                self._halt(f"a finalization conflicts with the final block at height {self.tree.head.info.height}")
            elif is_range:
                self.want_block(missing)
            else:
                self._pull(path, missing)
            return False
        if self._is_void(path[-1].info.height):
            if is_range:
                self._ranges.fail()
                self._ranges.forget()
            return True
        for held in path:
            if held.status is Status.INVALID and held.executions_lost >= EXECUTIONS_LOST_MAX:
                # given up on, not found invalid; it is final, so there is no way around it
                held.status, held.executions_lost = Status.UNCHECKED, 0
        if any(held.status is Status.INVALID for held in path):
            self._halt(f"a block at height {path[-1].info.height} is final although it is invalid here")
            return False
        if any(held.status is not Status.VALID for held in path):
            for held in path:
                held.certified = True
            self.advance(certificate.root)
            if any(held.status is not Status.VALID for held in path):
                return False
        self._committing = path[-1].info
        self.commit(path, certificate)
        return True

    def _is_void(self, height: int) -> bool:
        """Whether the beacon chain has closed the running instance below a height."""
        return bool(self.instances.next) and height > self.instances.next[0].base_height

    def committed(self, path: list[Held[Outcome]], certificate: Certificate) -> None:
        """The end of `commit`: the path's last block is the head."""
        self._committing = None
        head = path[-1]
        for held in path:
            if held.since_ms:
                seconds = (self.context.now.monotonic_ms - held.since_ms) / 1000
                self.context.emit(Observe("finality_seconds", {"chain": str(self.number)}, seconds))
        for held in self.tree.advance(head):
            self.context.persist(body_key(self.number, held.info.root), None, durable=False)
            self._checks.pop(held.info.root, None)
        self._wanted = {root: view for root, view in self._wanted.items() if view > certificate.view}
        # what is open for a view that can decide nothing any more would be asked for without end
        self._checks = {root: check for root, check in self._checks.items() if check.view > certificate.view}
        if self._build is not None and self._build.view <= certificate.view:
            self._build = None
        if self._pending is not None and self._pending.view <= certificate.view:
            self._pending = None
        self._note_final(head, certificate)
        self.on_final(path)
        self._fetch_range()
        self._dirty = True

    def _note_final(self, head: Held[Outcome], certificate: Certificate) -> None:
        self.certificate = certificate
        record = HeadRecord(head.info.root, head.info.height, certificate)
        self.context.persist(head_key(self.number), record.encode())
        self.context.persist(certificate_key(self.number, head.info.height), certificate.encode())
        self.post(simplex.BlockFinalized(certificate))

    def uncommitted(self, certificate: Certificate) -> None:
        """The end of a `commit` that failed because the executor was lost: try again."""
        self._committing = None
        if self._pending is None:
            self._pending = certificate
        self._dirty = True

    def _halt(self, why: str) -> None:
        self.halted = why
        self.context.observe("chain_halted", chain=str(self.number), why=why)

    # -- catching up by range

    def catch_up(self, peer: Peer, height: int) -> None:
        """A peer says its final head is at `height`: ask for what lies between."""
        self._ranges.hear(peer, height)
        self._fetch_range()

    def _fetch_range(self) -> None:
        """Asks for the next range, unless so little is missing that agreement brings it anyway."""
        final = self.tree.head.info.height if self._committing is None else self._committing.height
        wanted = self._ranges.wanted(final)
        if wanted is None or (wanted[1] <= 2 and (self._pending is not None or self._committing is not None)):
            return
        first, count = wanted
        self.context.want(("range", self.number, first), BlocksByRange(self.number, first, count), prefer=self._ranges.peer)

    @property
    def is_behind(self) -> bool:
        """Whether a peer has told of final blocks that are not near the own final head, or nobody gave those asked for."""
        return self._ranges.has_failed or is_far(self._ranges.height, self.tree.head.info.height)

    def range_failed(self) -> None:
        """Nobody gave the range that was asked for."""
        self._ranges.fail()

    def take_range(self, peer: Peer, first: int, blocks: Blocks) -> None:
        """A range of final blocks: nothing of it is held before its certificate proves all of it."""
        try:
            if not blocks.blocks or len(blocks.finalization) != 1:
                raise InvalidBlock(BlockReason.MALFORMED, "a range has blocks and the finalization of the last one")
            certificate = blocks.finalization[0]
            infos = [self.decode(data) for data in blocks.blocks]
            if certificate.instance.epoch != self.instance.epoch:
                self._ranges.fail()  # asked for before this instance was entered, or answered from beyond it
                return
            check_range(infos, certificate, self.number, first)
            if self._is_void(infos[-1].height):
                self._ranges.fail()  # from a peer that has yet to hear of the close
                return
            verify_certificate(certificate, self.committee, self.context.scheme, self.context.parameters.fork_version,
                               self.context.genesis.root, self.context.verified)
        except (InvalidBlock, InvalidEncoding, InvalidConsensusMessage) as error:
            self.context.penalize(peer, error.reason)
            self._ranges.fail()
            return
        for info, data in zip(infos, blocks.blocks, strict=True):
            if info.height > self.tree.head.info.height and not self.tree.insert(Held(info, data, certified=True, peer=peer)):
                self.context.observe("limit_hits", limit="blocks_held_max")
                return
        self._ranges.push(infos[-1].height, certificate)
        self._fetch_range()
        self._dirty = True

    def take_block(self, peer: Peer, root: bytes, blocks: Blocks) -> None:
        """Blocks asked for by root."""
        if len(blocks.blocks) != 1 or not self._is_body(root, blocks.blocks[0]):
            self.context.penalize(peer, BlockReason.BAD_BODY)
        elif self.insert(root, blocks.blocks[0], peer):
            self._dirty = True
            self.post(simplex.ChainChanged())

"""One simulated node: the real core over databases in memory, real executors, and a driver on simulated time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from node.core import effects as fx
from node.core.core import AccountAt, Core
from node.serving import Server
from node.simulator.executors import Disk, Executor
from node.simulator.personas import Persona, Said
from node.simulator.storage import CrashingDatabase, SimulatedStore
from p2p.messages import ConsensusBatch, decode_gossip, decode_response, encode_request
from p2p.topics import Topic, TopicKind
from primitives.errors import InvalidBlock, InvalidTransaction
from primitives.receipts import Bundle
from primitives.types import Address, ValidatorIndex
from shard.executor.context import BuildContext
from shard.pool import Pool, PoolLimits

if TYPE_CHECKING:
    from node.simulator.world import World

SYNC_MS = 3
"""Simulated time of a synced write."""
EXECUTION_MS = (2, 25)
"""Simulated time of each piece of an executor's work, drawn between these."""
WITHDRAWAL_MS = 2
"""Simulated time until an execution that is withdrawn has ended."""
LOOP_MS = 20
"""How often a node looks at what has come from the network; all of it is one turn, as in the daemon."""


@dataclass(slots=True, eq=False)
class _Job:
    """Something given to an executor."""

    effect: Any
    cost_ms: int
    due_ms: int = 0


class _Link:
    """The executor as `node.serving` asks for it; nothing ever waits."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def outgoing(self, destination: int, first: int, count: int) -> Bundle | None:
        return self._executor.outgoing(destination, first, count)

    async def body(self, root: bytes) -> bytes | None:
        return self._executor.body(root)

    async def blocks(self, first_height: int, count: int) -> list[bytes]:
        return list(self._executor.blocks(first_height, count))


def _finish(coroutine: Coroutine[Any, Any, bytes]) -> bytes:
    """Result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: bytes = stop.value
        return result
    raise AssertionError("nothing in the simulation waits")


class SimulatedNode:
    """Number `index` of a world."""

    def __init__(self, world: World, index: int, shards: Collection[int], *, is_validator: bool) -> None:
        """`shards` are those it hosts; a node that is no validator follows and does not vote."""
        self.world, self.index, self.name = world, index, f"node-{index}"
        self._validator = index if is_validator else None
        self.store = SimulatedStore()
        self.disks: dict[int, Disk] = {shard: world.new_disk(shard, index) for shard in shards}
        self.executors: dict[int, Executor] = {}
        self.persona: Persona | None = None
        """What makes it break the rules; None: nothing does."""
        self.is_alive = False
        self.boot = 0
        self.skew_ms = 0
        """How far ahead its wall clock is."""
        self._doom: tuple[int | None, int] | None = None
        self._inbox: list[fx.Event] = []
        """What has come from the network since the node last looked."""
        self._turns: deque[Callable[[], list[fx.Effect]]] = deque()
        """What waits while an earlier turn's records are being synced."""
        self._is_busy = False
        self._tick_ms: int | None = None
        self._jobs: dict[int, deque[_Job]] = {}
        """By shard, what its executor, which does one thing after another, was given and has not done."""

    # -- life

    def start(self) -> None:
        """Opens what is on disk and takes part."""
        world, genesis = self.world, self.world.genesis
        self.is_alive, self.boot = True, self.boot + 1
        self._is_busy, self._tick_ms = False, None
        self._turns.clear()
        self._inbox.clear()
        self._jobs.clear()
        self._doom = None
        self.executors = {shard: disk.open() for shard, disk in self.disks.items()}
        heads = {shard: executor.head() for shard, executor in self.executors.items()}
        block, state = world.beacon_genesis
        self.core = Core(
            genesis=genesis, genesis_block=block, genesis_state=state, heads=heads, pools={shard: Pool(PoolLimits()) for shard in heads},
            scheme=world.keys.scheme(self._validator), local=() if self._validator is None else (ValidatorIndex(self._validator),),
            read=self.store.read, scan=self.store.scan, now=self._clocks(), transition=world.transition,
        )
        links: Any = {shard: _Link(executor) for shard, executor in self.executors.items()}
        store: Any = self.store
        self.server = Server(self.core, store, links)
        self._take_turn(self.core.start)

    def crash(self) -> None:
        """What was written last and not synced is lost."""
        self.is_alive = False
        databases: list[Disk | CrashingDatabase] = [self.store.database, *self.disks.values()]
        for database in databases:
            database.crash(self.world.rng.randint(0, database.unsynced))

    def doom(self, effects_kept: int | None, down_ms: int) -> None:
        """Has it crash in the next turn that writes what must be synced.

        Args:
            effects_kept: effects of that turn that are carried out; None: it crashes before all is synced.
            down_ms: how long it is away.
        """
        self._doom = (effects_kept, down_ms)

    def pardon(self) -> None:
        """Takes back its `doom`."""
        self._doom = None

    def _clocks(self) -> fx.Now:
        return fx.Now(self.world.now_ms, self.world.genesis.timestamp * 1000 + self.world.now_ms + self.skew_ms)

    def later(self, delay_ms: int, action: Any, *arguments: Any) -> None:
        """Does something unless the node has crashed meanwhile."""
        boot = self.boot
        self.world.at(self.world.now_ms + delay_ms, lambda: self.is_alive and self.boot == boot and action(*arguments))

    # -- turns

    def receive(self, event: fx.Event) -> None:
        """One event."""
        if self.is_alive:
            self._take_turn(lambda: self.core.handle(event, self._clocks()))

    def hear(self, event: fx.Event) -> None:
        """A message from the network, looked at when the loop comes round."""
        if self.is_alive:
            if not self._inbox:
                self.later(LOOP_MS - self.world.now_ms % LOOP_MS, self._look)
            self._inbox.append(event)

    def _look(self) -> None:
        events, self._inbox = self._inbox, []
        self._take_turn(lambda: self._handle_all(events))

    def _handle_all(self, events: list[fx.Event]) -> list[fx.Effect]:
        effects = self.core.handle_all(events, self._clocks())
        self.world.checks.heard(self, events)
        return effects

    def submit(self, shard: int, raw: bytes, *, is_local: bool) -> None:
        """A transaction of a user here, or one a peer gossiped."""
        if self.is_alive:
            self._take_turn(lambda: self._submit(shard, raw, is_local))

    def _submit(self, shard: int, raw: bytes, is_local: bool) -> list[fx.Effect]:
        transaction, sender = self.world.transaction(raw)
        try:
            # the executor may be a block ahead of what the core has heard
            head = self.core.shards[shard].tree.head.info.root
            account = AccountAt(head, *self.executors[shard].account(sender, head))
            _, effects = self.core.submit(shard, transaction, Address(sender), account, self._clocks(), is_local=is_local)
        except InvalidTransaction:
            return []  # known, or included already
        return effects

    def _take_turn(self, turn: Callable[[], list[fx.Effect]]) -> None:
        """Turns follow one another; the next begins when what the last one wrote is synced and its effects are carried out."""
        self._turns.append(turn)
        if not self._is_busy:
            self._go_on()

    def _go_on(self) -> None:
        self._is_busy = True
        while self._turns:
            records: list[tuple[bytes, bytes | None]] = []
            others: list[fx.Effect] = []
            is_durable = False
            for effect in self._turns.popleft()():
                if isinstance(effect, fx.Persist):
                    records.append((effect.key, effect.value))
                    is_durable = is_durable or effect.durable
                else:
                    others.append(effect)
            self.store.database.write_batch(records, sync=False)
            if is_durable:
                if self._doom is not None and self._doom[0] is None:
                    self.world.crash(self, self._doom[1])
                else:
                    self.later(SYNC_MS, self._synced, others)
                return
            self._carry_out(others)
        self._is_busy = False

    def _synced(self, effects: list[fx.Effect]) -> None:
        self.store.database.sync()
        if self._doom is not None and self._doom[0] is not None:
            for effect in effects[: self._doom[0]]:
                self._carry_out_one(effect)
            self.world.crash(self, self._doom[1])
        else:
            self._carry_out(effects)
            self._go_on()

    def _carry_out(self, effects: list[fx.Effect]) -> None:
        for effect in effects:
            self._carry_out_one(effect)
        now_ms = self.world.now_ms
        self.world.checks.after_turn(self, now_ms)
        due = max(self.core.deadline_ms, now_ms + 1)
        if self._tick_ms is None or due < self._tick_ms or self._tick_ms <= now_ms:
            self._tick_ms = due
            self.later(due - now_ms, self._tick, due)

    def _tick(self, due_ms: int) -> None:
        if self._tick_ms == due_ms:
            self._tick_ms = None
            self.receive(fx.Tick())

    def _carry_out_one(self, effect: fx.Effect) -> None:
        match effect:
            case fx.Observe():
                pass
            case fx.Publish(topic, message):
                if not self.world.is_light:
                    message = decode_gossip(topic.kind, message.encode())
                self._say(Said(topic, message))
            case fx.Tell(peer, message):
                batch = ConsensusBatch((message.certificate,), (), (), (), ())
                topic = Topic(TopicKind.CONSENSUS, message.certificate.instance.chain)
                self._say(Said(topic, batch, frozenset({int(peer.removeprefix("node-"))})))
            case fx.Ask(request_id, peer, request):
                self.world.ask(self.index, int(peer.removeprefix("node-")), request_id, request)
            case fx.Admit(shard, _, transactions):
                for raw in transactions:
                    self.submit(shard, raw, is_local=False)
            case fx.Execute() | fx.Build() | fx.Finalize() | fx.Truncate():
                self._work_on(effect.shard, effect)
            case fx.Withdraw(shard, root):
                self._withdraw(shard, root)
            case fx.ReadOutgoing(source):
                self._work_on(source, effect)
            case fx.MarkCrosslinked(shard, height, taken):
                self.executors[shard].set_finalized(height)
                for destination, below in taken.items():
                    self.executors[shard].prune_outgoing(destination, below)
            case fx.Penalize(peer, reason):
                self.world.checks.on_penalty(self.index, peer, reason, self.world.now_ms)

    def _say(self, said: Said) -> None:
        for one in (said,) if self.persona is None else self.persona.says(said):
            self.world.gossip(self.index, fx.GossipReceived(self.name, one.topic, one.message), one.targets, one.delay_ms)

    def _work_on(self, shard: int, effect: fx.Effect) -> None:
        jobs = self._jobs.setdefault(shard, deque())
        job = _Job(effect, self._cost_ms(effect))
        self._plan(shard, job, jobs[-1].due_ms if jobs else self.world.now_ms)
        jobs.append(job)

    def _cost_ms(self, effect: fx.Effect) -> int:
        """Simulated time that an executor is at work on something."""
        return self.world.rng.randint(*EXECUTION_MS)

    def _plan(self, shard: int, job: _Job, begin_ms: int) -> None:
        job.due_ms = begin_ms + job.cost_ms
        self.later(job.due_ms - self.world.now_ms, self._finish, shard, job, job.due_ms)

    def _finish(self, shard: int, job: _Job, due_ms: int) -> None:
        jobs = self._jobs[shard]
        if jobs and jobs[0] is job and job.due_ms == due_ms:
            jobs.popleft()
            self._work(job.effect)

    def _withdraw(self, shard: int, root: bytes) -> None:
        """Ends the execution of a block; where it has been done meanwhile, its answer is under way."""
        jobs = self._jobs.get(shard, deque())
        place = next((n for n, job in enumerate(jobs) if isinstance(job.effect, fx.Execute) and job.effect.root == root), None)
        if place is None:
            return
        end_ms = jobs[place - 1].due_ms if place else self.world.now_ms
        del jobs[place]
        for job in list(jobs)[place:]:
            self._plan(shard, job, end_ms)
            end_ms = job.due_ms
        self.later(WITHDRAWAL_MS, self.receive, fx.ExecutionWithdrawn(shard, root))

    def _work(self, effect: fx.Effect) -> None:
        match effect:
            case fx.Execute(shard, root, block, reference, coinbase):
                try:
                    self.receive(fx.BlockExecuted(shard, root, self.executors[shard].execute(block, reference, coinbase, None)))
                except InvalidBlock as error:
                    self.receive(fx.BlockExecuted(shard, root, error))
            case fx.Build():
                context = BuildContext(
                    reference=effect.reference, coinbase=effect.coinbase, epoch=effect.epoch, view=effect.view, proposer=effect.proposer,
                    timestamp=effect.timestamp, available=effect.available,
                )
                if self.persona is not None:
                    self.persona.builds(effect, context)
                built = self.executors[effect.shard].build(effect.parent, context, effect.candidates, 1000)
                self.receive(fx.BlockBuilt(effect.shard, effect.parent, effect.view, built))
            case fx.Finalize(shard, root):
                self.receive(fx.ShardFinalized(shard, root, self.executors[shard].finalize(root)))
            case fx.Truncate(shard, root):
                self._truncate(shard, root)
            case fx.ReadOutgoing(source, destination, first, end):
                bundle = self.executors[source].outgoing(destination, first, end - first)
                whole = bundle if bundle is not None and len(bundle.receipts) == end - first else None
                self.receive(fx.OutgoingRead(source, destination, whole))

    def _truncate(self, shard: int, root: bytes) -> None:
        executor, accounts, transactions = self.executors[shard], {}, []
        for block in executor.truncate(root):
            transactions += [raw for raw, _ in executor.user_transactions(block.hash)]
            for sender in block.senders:
                accounts[sender] = executor.account(sender, root)
        self.receive(fx.ShardTruncated(shard, root, executor.result(root), accounts, tuple(transactions)))

    def answer(self, peer: str, request: Any) -> Any:
        """What this node's server says to a peer's request, by the wire."""
        response = decode_response(request, _finish(self.server.answer(peer, encode_request(request))))
        return response if self.persona is None else self.persona.answers(request, response)

    def total_wei(self, shard: int, block_hash: bytes) -> int | None:
        """Wei of all accounts after a block of a shard; None where that block was not executed here."""
        executor = self.executors.get(shard)
        return None if executor is None else executor.total_wei(block_hash)

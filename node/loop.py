"""The daemon's side of the core: events in, one turn at a time, and each turn's effects carried out in order.

What is durable is synced before anything else of its turn happens (node/core/effects.py); everything slow runs beside
the loop and comes back as an event.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import trio

from node.bundle_gate import BundleGate
from node.core.core import Core
from node.core.effects import (
    Admit,
    Ask,
    BlockBuilt,
    BlockExecuted,
    Build,
    Effect,
    Event,
    Execute,
    ExecutionWithdrawn,
    Finalize,
    GossipReceived,
    MarkCrosslinked,
    Now,
    Observe,
    OutgoingRead,
    PeerConnected,
    PeerDisconnected,
    Penalize,
    Persist,
    Publish,
    ReadOutgoing,
    ResponseReceived,
    ShardFinalized,
    ShardTruncated,
    Tell,
    Tick,
    Truncate,
    Withdraw,
)
from node.executors.executor import Executor
from node.executors.gate import EXECUTION_WITHDRAWN
from node.lagging import LateHearing
from node.personas import Late, Persona
from node.store import NodeStore
from p2p import network as net
from p2p.adapter.host import Network
from p2p.messages import GOSSIP_TYPES, ConsensusBatch, Response, decode_response, encode_request
from p2p.scoring import DROP_POINTS, PeerScores, Verdict, points_of
from p2p.topics import Topic, TopicKind
from primitives.errors import Fault, Interrupted, InvalidBlock, InvalidEncoding, Reason, Unavailable
from primitives.receipts import Bundle
from primitives.votes import Certificate
from shard.executor.context import BuildContext
from shard.views import small

INBOX_EVENTS_MAX = 2048
"""Events waiting for the core; whoever has one more waits."""
TURN_EVENTS_MAX = 64
"""Events handled before their effects are carried out."""
REQUEST_TIMEOUT_SECONDS = 6.0
DELAYED_MESSAGES_MAX = 4096
"""Own messages held back on purpose (node/chaos.py, node/personas.py); what comes on top is dropped and counted."""


def clocks() -> Now:
    """The machine's two clocks."""
    return Now(time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000)


class _Stop:
    """A wish that no turn runs."""

    def __init__(self, *, is_end: bool) -> None:
        self.is_end = is_end
        """All that is under way is given up, and the core started anew."""
        self.reached, self.over = trio.Event(), trio.Event()


class CoreLoop:
    """Drives one core until cancelled."""

    def __init__(
        self,
        core: Core,
        store: NodeStore,
        network: Network,
        links: Mapping[int, Executor],
        topics: Mapping[str, Topic],
        observe: Callable[[str, Mapping[str, str], float], None],
        admit: Callable[[Admit], None],
        after_turn: Callable[[], None],
        persona: Persona | None = None,
        gate: BundleGate | None = None,
        now: Callable[[], Now] = clocks,
    ) -> None:
        """`persona` is that of a node that breaks the rules on purpose; `gate` is for faults on demand."""
        self._now = now
        self._core, self._store, self._network, self._links, self._topics = core, store, network, links, topics
        self._names = {topic: name for name, topic in topics.items()}
        self._observe, self._admit, self._after_turn = observe, admit, after_turn
        self._persona, self._gate = persona, gate
        self._late = LateHearing(self._hear, observe)
        self._delay_seconds, self._delay_until, self._delayed = 0.0, 0.0, 0
        self._scores = PeerScores()
        self._send, self._receive = trio.open_memory_channel[Event | None](INBOX_EVENTS_MAX)
        self._extra: list[Effect] = []
        self._dropped: set[str] = set()
        """Peers dropped of whose going the core has not heard yet: what it still would hear of theirs was said before."""
        self._executing: dict[int, tuple[bytes, int]] = {}
        """By shard, the block given to its executor last, and the number of that execution."""
        self._executed = 0
        self._nursery: trio.Nursery | None = None
        self._stop: _Stop | None = None

    def delay_gossip(self, seconds: float, for_seconds: float) -> None:
        """Gossip later by so many seconds, for so long from now on; on networks for development (node/chaos.py)."""
        self._delay_seconds, self._delay_until = seconds, trio.current_time() + for_seconds

    def perform_soon(self, effects: list[Effect]) -> None:
        """Effects of something the core was told outside a turn; carried out by the next one."""
        self._extra.extend(effects)
        try:
            self._send.send_nowait(None)
        except trio.WouldBlock:
            pass  # a full inbox is reason enough for a turn

    async def tell(self, event: Event) -> None:
        """One more event for the core, from the node itself."""
        await self._send.send(event)

    async def run(self) -> None:
        """Starts the core and serves it until cancelled."""
        while True:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._forward_network)
                if self._gate is not None:
                    nursery.start_soon(self._gate.run, self._release)
                await self._perform(self._core.start())
                stop = await self._serve()
                nursery.cancel_scope.cancel()
            self._forget()
            stop.reached.set()
            await stop.over.wait()
            for peer in self._network.peers():
                self._send.send_nowait(PeerConnected(peer))

    async def _serve(self) -> _Stop:
        """Takes turns, and stands still where that is wished for, until it is to end."""
        while True:
            await self._turn()
            stop = self._stop
            if stop is not None and stop.is_end:
                return stop
            if stop is not None:
                stop.reached.set()
                await stop.over.wait()

    def _forget(self) -> None:
        """Nothing that was under way comes back any more."""
        for _ in range(self._receive.statistics().current_buffer_used):
            self._receive.receive_nowait()
        self._late.forget()
        self._extra, self._delayed = [], 0

    @asynccontextmanager
    async def standing_still(self, *, is_end: bool) -> AsyncIterator[None]:
        """No turn runs within; one caller at a time.

        Args:
            is_end: whether all that is under way is given up, and the core started anew after it.
        """
        assert self._stop is None, "one at a time"
        self._stop = stop = _Stop(is_end=is_end)
        try:
            self.perform_soon([])
            await stop.reached.wait()
            yield
        finally:
            self._stop = None
            stop.over.set()

    async def _turn(self) -> None:
        events: list[Event] = []
        wait_seconds = (self._core.deadline_ms - self._now().monotonic_ms) / 1000
        if not self._extra:
            with trio.move_on_after(max(0.0, wait_seconds)):
                self._take(await self._receive.receive(), events)
        for _ in range(self._receive.statistics().current_buffer_used):
            if len(events) >= TURN_EVENTS_MAX:
                break
            self._take(self._receive.receive_nowait(), events)
        effects, self._extra = self._extra, []
        if events:
            effects.extend(self._core.handle_all(events, self._now()))
        now = self._now()
        if now.monotonic_ms >= self._core.deadline_ms:
            effects.extend(self._core.handle(Tick(), now))
        await self._perform(effects)
        self._after_turn()
        await trio.lowlevel.checkpoint()

    def _take(self, event: Event | None, events: list[Event]) -> None:
        """Lets an event through to the core, unless its author was shut out while it waited."""
        match event:
            case None:
                return
            case GossipReceived(peer) if peer in self._dropped or self._network.is_banned(net.PeerId(peer)):
                self._observe("limit_hits", {"limit": "events_of_banned_authors"}, 1)
                return
            case PeerConnected(peer) | PeerDisconnected(peer):
                self._dropped.discard(peer)
        events.append(event)

    async def _forward_network(self) -> None:
        async for event in self._network.events:
            match event:
                case net.GossipReceived(peer, name, message, size_bytes):
                    assert isinstance(message, GOSSIP_TYPES), "the decoder of every topic is decode_gossip"
                    heard = GossipReceived(peer, self._topics[name], message)
                    lag_seconds = 0.0 if self._persona is None else self._persona.lag_seconds()
                    if lag_seconds:
                        assert self._nursery is not None
                        self._late.add(self._nursery, heard, size_bytes, lag_seconds)
                    else:
                        await self._send.send(heard)
                case net.PeerConnected(peer):
                    await self._send.send(PeerConnected(peer))
                case net.PeerDisconnected(peer):
                    self._late.forget(peer)
                    await self._send.send(PeerDisconnected(peer))

    # -- effects

    async def _perform(self, effects: Sequence[Effect]) -> None:
        await self._store.write([effect for effect in effects if isinstance(effect, Persist)])
        assert self._nursery is not None
        performed: Sequence[Effect | Late] = effects
        if self._persona is not None:
            performed = [altered for effect in effects for altered in self._persona.alter(effect)]
        for effect in performed:
            late_seconds = 0.0
            if isinstance(effect, Late):
                late_seconds = effect.seconds
                effect = effect.publish
            match effect:
                case Persist():
                    pass
                case Publish(_, Bundle() as bundle) if self._gate is not None and not self._gate.may_push(bundle):
                    pass
                case Publish(topic, message):
                    self._publish(self._names[topic], message.encode(), late_seconds)
                case Observe(name, labels, value):
                    self._observe(name, labels, value)
                case Penalize(peer, reason):
                    self.penalize(peer, reason)
                case Admit():
                    self._admit(effect)
                case Tell():
                    self._nursery.start_soon(self._tell, effect)
                case Ask():
                    self._nursery.start_soon(self._ask, effect)
                case Execute():
                    # numbered here, for tasks begin in any order
                    self._executed += 1
                    self._executing[effect.shard] = (effect.root, self._executed)
                    self._nursery.start_soon(self._execute, effect, None if effect.certified else self._executed)
                case Withdraw(shard, root):
                    executing = self._executing.get(shard)
                    if executing is not None and executing[0] == root:
                        self._nursery.start_soon(self._withdraw, shard, executing[1])
                case Build():
                    self._nursery.start_soon(self._build, effect)
                case Finalize():
                    self._nursery.start_soon(self._finalize, effect)
                case Truncate():
                    self._nursery.start_soon(self._truncate, effect)
                case MarkCrosslinked():
                    self._nursery.start_soon(self._mark_crosslinked, effect)
                case ReadOutgoing():
                    self._nursery.start_soon(self._read_outgoing, effect)

    def _publish(self, name: str, payload: bytes, late_seconds: float = 0.0) -> None:
        if trio.current_time() < self._delay_until:
            late_seconds += self._delay_seconds
        if late_seconds:
            self._do_later(late_seconds, self._network.publish, name, payload)
        else:
            self._network.publish(name, payload)

    def _do_later(self, seconds: float, action: Callable[..., object], *arguments: object) -> None:
        if self._delayed >= DELAYED_MESSAGES_MAX:
            self._observe("limit_hits", {"limit": "delayed_messages_max"}, 1)
        else:
            assert self._nursery is not None
            self._delayed += 1
            self._nursery.start_soon(self._wait_and_do, seconds, action, arguments)

    async def _wait_and_do(self, seconds: float, action: Callable[..., object], arguments: Sequence[object]) -> None:
        await trio.sleep(seconds)
        self._delayed -= 1
        action(*arguments)

    def penalize(self, peer: str, reason: Reason) -> None:
        """Scores a peer, and acts on the verdict."""
        self._observe("penalties", {"reason": reason.code, "fault": reason.fault.value}, 1)
        peer_id, now = net.PeerId(peer), trio.current_time()
        verdict = self._scores.on_fault(peer_id, reason.fault, points_of(reason), now)
        if verdict is Verdict.DROP and self._network.disconnect(peer_id):
            self._observe("peers_dropped", {"reason": reason.code}, 1)
            self._dropped.add(peer)
            verdict = self._scores.on_fault(peer_id, Fault.PEER, DROP_POINTS, now)
        if verdict is Verdict.BAN and self._network.ban(peer_id, self._scores.parameters.ban_seconds):
            self._observe("peers_banned", {"reason": reason.code}, 1)

    def hear(self, peer: str, certificate: Certificate) -> None:
        """What a peer tells this node and nobody else; dropped and counted when the inbox is full."""
        topic = Topic(TopicKind.CONSENSUS, certificate.instance.chain)
        self._hear(GossipReceived(peer, topic, ConsensusBatch((certificate,), (), (), (), ())))

    def _hear(self, event: Event) -> None:
        try:
            self._send.send_nowait(event)
        except trio.WouldBlock:
            self._observe("limit_hits", {"limit": "inbox_events_max"}, 1)

    async def _tell(self, tell: Tell) -> None:
        try:
            await self._network.request(net.PeerId(tell.peer), encode_request(tell.message), REQUEST_TIMEOUT_SECONDS)
        except net.RequestFailed as error:
            self._observe("requests_failed", {"reason": error.reason.value}, 1)

    async def _ask(self, ask: Ask) -> None:
        response: Response | None = None
        try:
            payload = await self._network.request(net.PeerId(ask.peer), encode_request(ask.request), REQUEST_TIMEOUT_SECONDS)
            response = decode_response(ask.request, payload)
        except net.RequestFailed as error:
            self._observe("requests_failed", {"reason": error.reason.value}, 1)
        except InvalidEncoding as error:
            self.penalize(ask.peer, error.reason)
        await self._send.send(ResponseReceived(ask.request_id, response))

    async def _execute(self, effect: Execute, number: int | None) -> None:
        try:
            result = await self._links[effect.shard].execute(effect.block, effect.reference, effect.coinbase, None, number)
        except Interrupted as error:
            if error.limit != EXECUTION_WITHDRAWN:
                raise
            await self._send.send(ExecutionWithdrawn(effect.shard, effect.root))
        except InvalidBlock as error:
            await self._send.send(BlockExecuted(effect.shard, effect.root, error))
        except Unavailable:
            await self._send.send(BlockExecuted(effect.shard, effect.root, None))
        else:
            self._observe("block_execution_seconds", {"shard": str(effect.shard)}, result.execution_ms / 1000)
            await self._send.send(BlockExecuted(effect.shard, effect.root, result))

    async def _withdraw(self, shard: int, number: int) -> None:
        # the answer is that to the execution; one that cannot be taken back is done to its end
        try:
            await self._links[shard].withdraw_executions(number)
        except Unavailable:
            self._observe("limit_hits", {"limit": "executor_unavailable"}, 1)

    async def _build(self, effect: Build) -> None:
        context = BuildContext(
            reference=effect.reference, coinbase=effect.coinbase, epoch=effect.epoch, view=effect.view, proposer=effect.proposer,
            timestamp=effect.timestamp, available=effect.available,
        )
        budget_ms = self._core.context.parameters.build_budget_ms
        try:
            built = await self._links[effect.shard].build(effect.parent, context, effect.candidates, budget_ms)
        except (Unavailable, InvalidBlock) as error:
            self._observe("builds_failed", {"shard": str(effect.shard), "error": type(error).__name__}, 1)
            await self._send.send(BlockBuilt(effect.shard, effect.parent, effect.view, None))
        else:
            self._observe("block_execution_seconds", {"shard": str(effect.shard)}, built.result.execution_ms / 1000)
            await self._send.send(BlockBuilt(effect.shard, effect.parent, effect.view, built))

    async def _finalize(self, effect: Finalize) -> None:
        try:
            blocks = await self._links[effect.shard].finalize(effect.root)
        except Unavailable:
            await self._send.send(ShardFinalized(effect.shard, effect.root, None))
        else:
            await self._send.send(ShardFinalized(effect.shard, effect.root, blocks))

    async def _truncate(self, effect: Truncate) -> None:
        link, accounts, transactions = self._links[effect.shard], {}, []
        try:
            for block in await link.truncate(effect.root):
                transactions += [raw for raw, _ in await link.user_transactions(block.hash)]
                for sender in block.senders:
                    account = await link.account(effect.root, sender)
                    assert account is not None, "the newest block has a state"
                    accounts[sender] = (account.nonce, small(account.balance))
            result = await link.result(effect.root)
        except Unavailable:
            await self._send.send(ShardTruncated(effect.shard, effect.root, None, {}, ()))
        else:
            await self._send.send(ShardTruncated(effect.shard, effect.root, result, accounts, tuple(transactions)))

    async def _mark_crosslinked(self, effect: MarkCrosslinked) -> None:
        link = self._links[effect.shard]
        try:
            await link.set_finalized(effect.height)
            for destination, below in effect.taken.items():
                await link.prune_outgoing(destination, below)
        except Unavailable:
            # the next crosslink says it again
            self._observe("limit_hits", {"limit": "executor_unavailable"}, 1)

    async def _read_outgoing(self, effect: ReadOutgoing) -> None:
        count = effect.end_nonce - effect.first_nonce
        try:
            bundle = await self._links[effect.source].outgoing(effect.destination, effect.first_nonce, count)
        except Unavailable:
            bundle = None
        if bundle is not None and len(bundle.receipts) != count:
            bundle = None
        passed = (bundle,) if bundle is None or self._gate is None else self._gate.own(bundle)
        for page in passed or (None,):
            await self._send.send(OutgoingRead(effect.source, effect.destination, page))

    async def _release(self, bundle: Bundle) -> None:
        await self._send.send(OutgoingRead(bundle.source, bundle.destination, bundle))

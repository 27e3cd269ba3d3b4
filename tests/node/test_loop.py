"""How effects leave a core's driver: as they are, altered on purpose, or later on purpose."""

from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from node.core.effects import Execute, ExecutionWithdrawn, Observe, PeerConnected, Publish, Tick, Withdraw
from node.executors.gate import EXECUTION_WITHDRAWN
from node.loop import DELAYED_MESSAGES_MAX, CoreLoop
from node.personas import Late, Persona
from p2p.messages import TransactionBatch
from p2p.topics import Topic, TopicKind
from primitives.errors import BlockReason, ExecutorLost, Interrupted, InvalidBlock, StorageFailed
from primitives.receipts import Bundle

TOPIC = Topic(TopicKind.CONSENSUS, 0)


class Core:
    """Says what it is told to at each turn."""

    deadline_ms = 2**62

    def start(self):
        return []


class Store:
    def __init__(self, failure=None):
        self.failure = failure

    async def write(self, records):
        await trio.lowlevel.checkpoint()
        if self.failure is not None:
            raise self.failure


class Network:
    def __init__(self):
        self.said = []
        self.sender, self.events = trio.open_memory_channel(1)

    def peers(self):
        return ["somebody"]

    def publish(self, name, payload):
        self.said.append((trio.current_time(), name, payload))


@asynccontextmanager
async def running(**options):
    """A loop, its network, and what it observed."""
    network, observed = Network(), []
    observe = lambda name, labels, value: observed.append((name, labels, value))  # noqa: E731
    loop = CoreLoop(Core(), Store(), network, {}, {"agreement": TOPIC}, observe, lambda admit: None, lambda: None, **options)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(loop.run)
        await trio.testing.wait_all_tasks_blocked()
        yield loop, network, observed
        nursery.cancel_scope.cancel()


def publish(count=1):
    return [Publish(TOPIC, TransactionBatch((bytes([number % 256]),))) for number in range(count)]


async def test_gossip_leaves_at_once_later_while_told_so_and_at_once_again(autojump_clock):
    async with running() as (loop, network, _):
        began = trio.current_time()
        loop.perform_soon(publish())
        await trio.sleep(1)
        loop.delay_gossip(seconds=3, for_seconds=5)
        loop.perform_soon(publish())
        await trio.sleep(2)
        assert len(network.said) == 1
        await trio.sleep(4)
        loop.perform_soon(publish())
        await trio.sleep(1)
    assert [round(moment - began) for moment, _, _ in network.said] == [0, 4, 7]
    assert {name for _, name, _ in network.said} == {"agreement"}


async def test_what_is_held_back_is_bounded_and_what_is_over_is_counted(autojump_clock):
    async with running() as (loop, network, observed):
        loop.delay_gossip(seconds=1, for_seconds=5)
        loop.perform_soon(publish(DELAYED_MESSAGES_MAX + 2))
        await trio.sleep(2)
        assert len(network.said) == DELAYED_MESSAGES_MAX
        loop.perform_soon(publish())
        await trio.sleep(2)
        assert len(network.said) == DELAYED_MESSAGES_MAX + 1
    assert observed == [("limit_hits", {"limit": "delayed_messages_max"}, 1)] * 2


async def test_effects_are_altered_before_they_are_carried_out(autojump_clock):
    another = TransactionBatch((b"another",))

    class Untruthful(Honest):
        def alter(self, effect):
            yield Observe("altered")
            if isinstance(effect, Publish):
                yield Publish(effect.topic, another)

    async with running(persona=Untruthful()) as (loop, network, observed):
        loop.perform_soon([*publish(), Observe("honest")])
        await trio.sleep(1)
    assert [payload for _, _, payload in network.said] == [another.encode()]
    assert [name for name, _, _ in observed] == ["altered", "altered"]


class Honest(Persona):
    def __init__(self):
        """Needs no keys."""


class Slow(Honest):
    def alter(self, effect):
        yield Late(effect, 2.0)


async def test_what_a_persona_says_late_comes_on_top_of_what_is_slow_and_is_bounded_with_it(autojump_clock):
    async with running(persona=Slow()) as (loop, network, observed):
        began = trio.current_time()
        loop.perform_soon(publish())
        await trio.sleep(4)
        loop.delay_gossip(seconds=3, for_seconds=1)
        loop.perform_soon(publish())
        await trio.sleep(6)
        assert [round(moment - began) for moment, _, _ in network.said] == [2, 9]
        loop.perform_soon(publish(DELAYED_MESSAGES_MAX + 1))
        await trio.sleep(3)
        assert len(network.said) == 2 + DELAYED_MESSAGES_MAX
    assert observed == [("limit_hits", {"limit": "delayed_messages_max"}, 1)]


class Gate:
    """Refuses all that is pushed."""

    def __init__(self):
        self.refused = []

    async def run(self, release):
        await trio.sleep_forever()

    def may_push(self, bundle):
        self.refused.append(bundle)
        return False


async def test_what_a_persona_says_late_goes_by_the_gate_of_faults_too(autojump_clock):
    gate, bundle = Gate(), Bundle(0, 1, 0, bytes(32), ())
    async with running(persona=Slow(), gate=gate) as (loop, network, _):
        loop.perform_soon([Publish(TOPIC, bundle)])
        await trio.sleep(5)
    assert network.said == []
    assert gate.refused == [bundle]


async def test_nothing_is_said_whose_record_the_disk_did_not_take():
    network = Network()
    loop = CoreLoop(Core(), Store(StorageFailed("full")), network, {}, {"agreement": TOPIC}, ignore, ignore, lambda: None)
    loop.perform_soon(publish())
    with pytest.RaisesGroup(StorageFailed):
        await loop.run()
    assert network.said == []


class Counting(Core):
    """Counts its starts and turns."""

    def __init__(self):
        self.starts, self.handled, self.told = 0, [], trio.Event()

    def start(self):
        self.starts += 1
        return []

    def handle_all(self, events, now):
        self.handled += events
        return [Execute(0, b"root", b"", None, b"")] if Tick() in events else []


class Link:
    """Executes for ever."""

    def __init__(self):
        self.began, self.ended = 0, 0

    async def execute(self, *arguments):
        self.began += 1
        try:
            await trio.sleep_forever()
        finally:
            self.ended += 1


@asynccontextmanager
async def counting():
    core, link, network = Counting(), Link(), Network()
    loop = CoreLoop(core, Store(), network, {0: link}, {"agreement": TOPIC}, ignore, ignore, lambda: None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(loop.run)
        await trio.testing.wait_all_tasks_blocked()
        yield loop, core, link
        nursery.cancel_scope.cancel()


async def test_no_turn_runs_while_it_stands_still_and_what_came_is_handled_after_it():
    async with counting() as (loop, core, link):
        await loop.tell(Tick())
        await trio.testing.wait_all_tasks_blocked()
        assert (core.handled, link.began) == ([Tick()], 1)
        async with loop.standing_still(is_end=False):
            await loop.tell(PeerConnected("p"))
            await trio.testing.wait_all_tasks_blocked()
            assert core.handled == [Tick()]
        await trio.testing.wait_all_tasks_blocked()
        assert core.handled == [Tick(), PeerConnected("p")]
        assert (core.starts, link.ended) == (1, 0)  # what was under way goes on


async def test_at_an_end_what_is_under_way_is_given_up_and_the_core_started_anew():
    async with counting() as (loop, core, link):
        await loop.tell(Tick())
        await trio.testing.wait_all_tasks_blocked()
        async with loop.standing_still(is_end=True):
            assert (core.starts, link.began, link.ended) == (1, 1, 1)
        await trio.testing.wait_all_tasks_blocked()
        assert core.starts == 2
        assert core.handled == [Tick(), PeerConnected("somebody")]  # who is connected still is
        await loop.tell(Tick())
        await trio.testing.wait_all_tasks_blocked()
        assert link.began == 2


async def test_whoever_gives_up_waiting_for_it_to_stand_still_leaves_it_going():
    async with counting() as (loop, core, _):
        with trio.CancelScope() as scope:
            scope.cancel()
            async with loop.standing_still(is_end=True):
                raise AssertionError("it was cancelled")
        await loop.tell(PeerConnected("p"))
        await trio.testing.wait_all_tasks_blocked()
        assert (core.starts, core.handled) == (1, [PeerConnected("p")])


def ignore(*arguments):
    """Takes what is observed, or to be admitted."""


class Withdrawing(Counting):
    """Gives out a block, takes it back, and gives out the next when it hears of its end."""

    def handle_all(self, events, now):
        self.handled += events
        match events[0]:
            case Tick():
                return [Execute(0, b"slow", b"", None, b""), Withdraw(0, b"other"), Withdraw(0, b"slow")]
            case ExecutionWithdrawn():
                return [Withdraw(0, b"slow"), Execute(0, b"final", b"", None, b"", certified=True), Withdraw(0, b"final")]
        self.told.set()
        return []


class Numbered:
    """An executor of one endless block, and of others that are not valid."""

    def __init__(self):
        self.withdrawn, self.taken_back, self.asked = [], trio.Event(), []

    async def execute(self, block, reference, coinbase, available, number):
        self.asked.append(number)
        if number is None:
            raise InvalidBlock(BlockReason.MALFORMED)
        await self.taken_back.wait()
        raise Interrupted(EXECUTION_WITHDRAWN)

    async def withdraw_executions(self, number):
        self.withdrawn.append(number)
        if number == 1:
            self.taken_back.set()
        raise ExecutorLost


async def test_an_execution_is_withdrawn_by_its_number_and_no_other():
    core, link = Withdrawing(), Numbered()
    loop = CoreLoop(core, Store(), Network(), {0: link}, {"agreement": TOPIC}, ignore, ignore, lambda: None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(loop.run)
        await loop.tell(Tick())
        with trio.fail_after(10):
            await core.told.wait()
        nursery.cancel_scope.cancel()
    assert link.asked == [1, None]
    assert core.handled[1] == ExecutionWithdrawn(0, b"slow")
    assert (core.handled[2].root, core.handled[2].result.reason) == (b"final", BlockReason.MALFORMED)
    assert link.withdrawn[0] == 1, "what is not being executed is not withdrawn"

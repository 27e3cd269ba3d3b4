"""Telling all of something lets the event loop turn: no stretch is longer than the subscribers and bytes of one turn."""

import pytest
import trio
import trio.testing

from node.rpc.subscriptions import crossings
from node.rpc.subscriptions import session as sessions
from node.rpc.subscriptions import turns as turning
from node.rpc.subscriptions.crossings import ReceiptFilter, ReceiptTopic
from node.rpc.subscriptions.live import Live
from node.rpc.subscriptions.session import Notifier, Session, Subscription, Topic, Totals
from node.rpc.subscriptions.turns import Turns
from shard.executor.logs import Matcher
from shard.views import LogFilter
from tests.node.rpc.fake import ALICE, Observer
from tests.node.rpc.subscriptions.support import make_node, running
from tests.node.rpc.subscriptions.test_subscriptions import delivery, log, outgoing

EACH = 40
PER_TURN = 8


class Stretches(trio.abc.Instrument):
    """How much is told between two turns of the event loop."""

    def __init__(self, monkeypatch) -> None:
        self.told = self.stretch = self.longest = 0
        notify = Subscription.notify

        def counted(subscription, result):
            self.told += 1
            self.stretch += 1
            self.longest = max(self.longest, self.stretch)
            notify(subscription, result)

        monkeypatch.setattr(Subscription, "notify", counted)

    def before_io_wait(self, timeout) -> None:
        self.stretch = 0


@pytest.mark.parametrize(
    ("name", "told"),
    [("heads", 1), ("logs", 5), ("pooled_hashes", 3), ("pooled_whole", 3), ("syncing", 1), ("finalized", 1), ("receipts", 11)],
)
async def test_each_kind_of_thing_is_told_in_turns(monkeypatch, nursery, name, told):
    monkeypatch.setattr(turning, "SUBSCRIBERS_PER_TURN", PER_TURN)
    monkeypatch.setattr(crossings, "_ITEM_COUNT", 1)
    node, observer = make_node(), Observer()
    live = Live(node, observer)
    topic: Topic = getattr(live.crossings if name in ("finalized", "receipts") else live.streams[0], name)
    wanted = {"logs": Matcher(LogFilter()), "receipts": ReceiptFilter()}.get(name)
    notifier = Notifier(Session(observer, Totals()))
    for _ in range(EACH):
        notifier.subscribe(topic, "m", wanted)
    stretches = Stretches(monkeypatch)
    trio.lowlevel.add_instrument(stretches)
    nursery.start_soon(live.run)
    for _ in range(3):
        node.pool()
    receipts = tuple(outgoing(id=bytes([i]) * 32) for i in range(5))
    node.block(logs=tuple(log() for _ in range(5)), sent=receipts, transactions=(delivery(),))
    await trio.testing.wait_all_tasks_blocked()
    node.ready = False
    node.crosslink(0, 11)
    await trio.testing.wait_all_tasks_blocked()
    trio.lowlevel.remove_instrument(stretches)
    assert stretches.told == told * EACH
    assert stretches.longest <= PER_TURN
    assert not observer.limits


async def test_large_results_are_told_in_shorter_stretches(monkeypatch):
    monkeypatch.setattr(turning, "TOLD_BYTES_PER_TURN", 1000)
    topic: Topic[None] = Topic()
    notifier = Notifier(Session(Observer(), Totals()))
    for _ in range(EACH):
        notifier.subscribe(topic, "m", None)
    stretches = Stretches(monkeypatch)
    trio.lowlevel.add_instrument(stretches)
    await Turns().tell(topic, b"r" * 500)
    trio.lowlevel.remove_instrument(stretches)
    assert (stretches.told, stretches.longest) == (EACH, 2)


async def test_log_filters_of_many_choices_are_looked_at_in_shorter_stretches(monkeypatch, nursery):
    monkeypatch.setattr(turning, "SUBSCRIBERS_PER_TURN", PER_TURN)
    looks = []
    monkeypatch.setattr(Matcher, "may_match", lambda *_: looks.append("look") or False)

    class Ticks(trio.abc.Instrument):
        def before_io_wait(self, timeout) -> None:
            if looks and looks[-1] == "look":
                looks.append("turn")

    node, observer = make_node(), Observer()
    live = Live(node, observer)
    notifier = Notifier(Session(observer, Totals()))
    for _ in range(4):
        notifier.subscribe(live.streams[0].logs, "m", Matcher(LogFilter()), choices=2 * PER_TURN)
    ticks = Ticks()
    trio.lowlevel.add_instrument(ticks)
    nursery.start_soon(live.run)
    node.block(logs=(log(),))
    await trio.testing.wait_all_tasks_blocked()
    trio.lowlevel.remove_instrument(ticks)
    assert looks == ["look", "turn"] * 4


async def test_finality_is_encoded_once(monkeypatch):
    encoded = []
    monkeypatch.setattr(crossings, "_encode", lambda value, encode=crossings._encode: encoded.append(value) or encode(value))
    node, observer = make_node(), Observer()
    live = Live(node, observer)
    notifier = Notifier(Session(observer, Totals()))
    for _ in range(EACH):
        notifier.subscribe(live.crossings.finalized, "m", None)
    node.crosslink(0, 11)
    await live.crossings.on_beacon_head()
    assert len(encoded) == 1


class Reader:
    """A connection with some subscriptions."""

    def __init__(self, topic: Topic, totals: Totals, observer: Observer, count: int) -> None:
        self.session = Session(observer, totals)
        self.taken = 0
        notifier = Notifier(self.session)
        for _ in range(count):
            notifier.subscribe(topic, "m", None)
        notifier.release()

    async def read(self, seconds: float) -> None:
        """Takes so long for each part that is sent."""
        while taken := await self.session.take():
            await trio.sleep(seconds)
            self.taken += len(taken)
            self.session.done(taken)


async def test_a_reader_gets_the_time_to_take_more_than_may_wait(monkeypatch, nursery, autojump_clock):
    monkeypatch.setattr(sessions, "NOTIFICATIONS_QUEUED_MAX", 100)
    monkeypatch.setattr(sessions, "WRITE_CHUNK_BYTES", 5000)
    monkeypatch.setattr(turning, "SUBSCRIBERS_PER_TURN", 10)
    topic, observer = Topic(), Observer()
    reader = Reader(topic, Totals(), observer, 20)
    nursery.start_soon(reader.read, turning.BEHIND_SECONDS_MAX / 50)
    turns = Turns()
    for _ in range(30):
        await turns.tell(topic, b"r" * 100)
    await trio.sleep(60)
    assert (reader.taken, reader.session.closing, observer.limits) == (600, None, [])


async def test_one_who_does_not_read_is_waited_for_once_and_closed_and_all_others_are_told(monkeypatch, nursery, autojump_clock):
    monkeypatch.setattr(sessions, "NOTIFICATIONS_QUEUED_MAX", 100)
    monkeypatch.setattr(turning, "SUBSCRIBERS_PER_TURN", 10)
    topic, observer, totals = Topic(), Observer(), Totals()
    deaf, reader = Reader(topic, totals, observer, 20), Reader(topic, totals, observer, 5)
    nursery.start_soon(reader.read, 0)
    turns, began = Turns(), trio.current_time()
    for _ in range(30):
        await turns.tell(topic, b"r" * 100)
    assert trio.current_time() - began == turning.BEHIND_SECONDS_MAX
    await trio.testing.wait_all_tasks_blocked()
    assert (reader.taken, reader.session.closing) == (150, None)
    assert deaf.session.closing[0] == sessions.CLOSE_TOO_SLOW
    assert observer.limits == ["behind_seconds_max", "notifications_queued_max"]


async def test_several_wait_for_one_connection(monkeypatch, nursery, autojump_clock):
    monkeypatch.setattr(sessions, "NOTIFICATIONS_QUEUED_MAX", 10)
    topic: Topic[None] = Topic()
    reader = Reader(topic, Totals(), Observer(), 6)
    await Turns().tell(topic, b"r")
    assert reader.session.is_behind
    with trio.fail_after(1):
        async with trio.open_nursery() as waiting:
            for _ in range(2):
                waiting.start_soon(reader.session.caught_up)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(reader.read, 0)


async def test_one_whose_message_is_not_answered_is_not_waited_for(monkeypatch, autojump_clock):
    monkeypatch.setattr(sessions, "NOTIFICATIONS_QUEUED_MAX", 100)
    monkeypatch.setattr(turning, "SUBSCRIBERS_PER_TURN", 10)
    topic: Topic[None] = Topic()
    notifier, began = Notifier(Session(Observer(), Totals())), trio.current_time()
    for _ in range(80):
        notifier.subscribe(topic, "m", None)
    await Turns().tell(topic, b"r")
    assert trio.current_time() == began


@pytest.mark.network
async def test_a_reader_with_many_subscriptions_gets_all_of_a_burst(monkeypatch):
    monkeypatch.setattr(sessions, "NOTIFICATIONS_QUEUED_MAX", 1024)
    async with running() as it:
        socket = await it.socket()
        subscribe = {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["logs"]}
        await socket.send([subscribe] * sessions.SUBSCRIPTIONS_MAX)
        ids = {answer["result"] for answer in await socket.message()}
        logs = 4 * sessions.NOTIFICATIONS_QUEUED_MAX // len(ids)
        it.node.block(logs=tuple(log() for _ in range(logs)))
        told = [(await socket.notification())[0] for _ in range(logs * len(ids))]
        assert {told.count(id) for id in ids} == {logs}
        assert not it.observer.limits


@pytest.mark.parametrize(
    ("wanted", "is_told"),
    [
        (ReceiptFilter(), True),
        (ReceiptFilter(source=0), True),
        (ReceiptFilter(source=1), False),
        (ReceiptFilter(destination=1), True),
        (ReceiptFilter(destination=0), False),
        (ReceiptFilter(sender=ALICE), True),
        (ReceiptFilter(sender=bytes(20)), False),
        (ReceiptFilter(id=b"\x51" * 32), True),
        (ReceiptFilter(id=b"\x52" * 32), False),
        (ReceiptFilter(0, 1, ALICE, b"\x51" * 32), True),
        (ReceiptFilter(0, 1, bytes(20), b"\x51" * 32), False),
    ],
)
def test_receipts_find_those_who_want_them(wanted, is_told):
    topic = ReceiptTopic()
    session = Session(Observer(), Totals())
    wants = session.add(topic, "m", wanted, 0)
    session.add(topic, "m", ReceiptFilter(source=1), 0)
    assert topic.matching(outgoing(), b"\x51" * 32) == ([wants] if is_told else [])
    session.close(1000, "")
    assert (len(topic), topic.matching(outgoing(), b"\x51" * 32), topic._wanting) == (0, [], {})



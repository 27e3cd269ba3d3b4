"""What a connection's subscriptions hold is counted from the moment they are told, whether or not the client has their ids."""

import gc

import pytest
import trio

from node.rpc.subscriptions import session as sessions
from node.rpc.subscriptions.session import Notifier, Session, Topic, Totals, frame_of
from tests.node.rpc.fake import Observer

RESULT = b'"' + b"r" * 998 + b'"'


class Wallet:
    """A connection whose message is not answered yet."""

    def __init__(self, totals: Totals, observer: Observer) -> None:
        self.session = Session(observer, totals)
        self.notifier = Notifier(self.session)
        self.topic: Topic[None] = Topic()

    def subscribe(self) -> str:
        return self.notifier.subscribe(self.topic, "eth_subscription", None)

    def tell(self, result: bytes = RESULT) -> None:
        for subscription in self.topic:
            subscription.notify(result)


@pytest.fixture
def totals():
    return Totals()


@pytest.fixture
def observer():
    return Observer()


def test_what_waits_for_an_answer_counts_for_the_connection(monkeypatch, totals, observer):
    monkeypatch.setattr(sessions, "NOTIFICATIONS_QUEUED_BYTES_MAX", 10_000)
    wallet = Wallet(totals, observer)
    for _ in range(8):
        wallet.subscribe()
    wallet.tell()
    assert 8_000 < totals.notification_bytes <= 10_000
    wallet.tell()
    assert observer.limits == ["notifications_queued_max"]
    assert wallet.session.closing[0] == sessions.CLOSE_TOO_SLOW
    assert (totals.notification_bytes, totals.subscriptions, len(wallet.topic)) == (0, 0, 0)


def test_what_waits_for_an_answer_counts_by_number(monkeypatch, totals, observer):
    monkeypatch.setattr(sessions, "NOTIFICATIONS_QUEUED_MAX", 10)
    wallet = Wallet(totals, observer)
    for _ in range(4):
        wallet.subscribe()
    for _ in range(3):
        wallet.tell(b"1")
    assert observer.limits == ["notifications_queued_max"]


def test_what_waits_for_answers_counts_for_all_connections_and_the_fullest_is_closed(monkeypatch, totals, observer):
    monkeypatch.setattr(sessions, "NOTIFICATIONS_ALL_BYTES_MAX", 5_000)
    slow, *others = [Wallet(totals, observer) for _ in range(4)]
    for wallet in (slow, slow, *others):
        wallet.subscribe()
    for wallet in (slow, *others):
        wallet.tell()
    assert totals.notification_bytes <= 5_000
    assert [wallet.session.closing is None for wallet in (slow, *others)] == [False, True, True, True]
    assert observer.limits == ["notifications_all_bytes_max"]
    others[0].tell()
    others[0].tell()
    assert others[0].session.closing is not None, "now it is this one that holds most"
    assert [wallet.session.closing is None for wallet in others[1:]] == [True, True]


async def test_an_answer_is_not_copied_before_it_is_sent(totals, observer):
    answer, wallet = bytes(1000), Wallet(totals, observer)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wallet.session.answer, answer, wallet.notifier)
        (taken,) = await wallet.session.take()
        wallet.session.done([taken])
    assert taken.payload is answer
    assert frame_of(taken)[-1000:] == answer
    assert totals.notification_bytes == 0


async def test_it_follows_the_answer_and_is_given_back_when_it_is_written(totals, observer):
    wallet = Wallet(totals, observer)
    first, second = wallet.subscribe(), wallet.subscribe()
    wallet.tell()
    held = totals.notification_bytes
    wallet.notifier.release()
    assert totals.notification_bytes == held, "counted once"
    taken = await wallet.session.take()
    assert [id.encode() in frame_of(outgoing) for id, outgoing in zip((first, second), taken, strict=True)] == [True, True]
    assert held - 20 < sum(len(frame_of(outgoing)) for outgoing in taken) <= held
    wallet.session.done(taken)
    assert totals.notification_bytes == 0


async def test_one_result_is_held_once_for_all(totals, observer):
    wallet = Wallet(totals, observer)
    wallet.subscribe()
    wallet.subscribe()
    wallet.notifier.release()
    wallet.tell()
    taken = await wallet.session.take()
    assert [result is RESULT for _, result in taken] == [True, True]
    gc.collect()
    assert not any(map(gc.is_tracked, taken)), "nor does the garbage collector look at each"


def test_a_subscription_that_ends_gives_back_what_it_held_and_is_told_nothing_more(totals, observer):
    wallet = Wallet(totals, observer)
    id = wallet.subscribe()
    being_told = list(wallet.topic)
    wallet.tell()
    assert wallet.session.remove(id)
    assert totals.notification_bytes == 0
    for subscription in being_told:
        subscription.notify(RESULT)
    wallet.notifier.release()
    assert totals.notification_bytes == 0


def test_a_connection_that_ends_gives_all_back(totals, observer):
    wallet = Wallet(totals, observer)
    for _ in range(3):
        wallet.subscribe()
    wallet.tell()
    wallet.session.close(1000, "")
    wallet.tell()
    assert (totals.notification_bytes, totals.subscriptions) == (0, 0)

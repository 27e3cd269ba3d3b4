"""One WebSocket connection's subscriptions, and what waits to be sent on it."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import trio

from node.rpc.allowances import Held
from node.rpc.backend import RpcObserver
from node.rpc.errors import BUSY, RpcError
from node.rpc.limits import (
    CLIENT_SUBSCRIPTIONS_MAX,
    LOG_CHOICES_MAX,
    NOTIFICATIONS_ALL_BYTES_MAX,
    NOTIFICATIONS_QUEUED_BYTES_MAX,
    NOTIFICATIONS_QUEUED_MAX,
    SUBSCRIPTIONS_ALL_MAX,
    SUBSCRIPTIONS_MAX,
    WRITE_CHUNK_BYTES,
)
from node.rpc.subscriptions.frames import HEAD_BYTES_MAX, TEXT, frame_head

_TAIL = b"}}"
"""Of a notification, after its result."""
CLOSE_TOO_SLOW = 1008
"""Policy violation: notifications are not taken as fast as they come."""
Wanted = TypeVar("Wanted")


def new_id() -> str:
    """An id that nobody guesses, as a quantity."""
    return hex(secrets.randbits(128) | 1)


Notification = tuple[bytes, bytes]
"""What precedes a result, shared by those of one subscription, and the result, shared by all that are told it.

A plain tuple of bytes: many may wait, and the garbage collector, which stops the event loop, does not look at such.
"""


@dataclass(frozen=True, slots=True)
class Message:
    """An answer, or a frame of the protocol's own."""

    head: bytes
    payload: bytes = b""
    written: trio.Event | None = None
    """Set once it is on its way, or will never be."""


Outgoing = Notification | Message
"""What waits to be sent."""


def frame_of(outgoing: Outgoing) -> bytes:
    """As it is sent."""
    if isinstance(outgoing, tuple):
        prefix, result = outgoing
        return b"".join((frame_head(TEXT, len(prefix) + len(result) + len(_TAIL)), prefix, result, _TAIL))
    return outgoing.head + outgoing.payload


def _size_of(outgoing: Outgoing) -> int:
    if isinstance(outgoing, tuple):
        return HEAD_BYTES_MAX + len(outgoing[0]) + len(outgoing[1]) + len(_TAIL)
    return len(outgoing.head) + len(outgoing.payload)


class Subscription(Generic[Wanted]):
    """One subscription; what it is told waits until the client has its id."""

    def __init__(self, session: Session, topic: Topic[Wanted], method: str, wanted: Wanted, choices: int) -> None:
        self.id = new_id()
        self.wanted, self.choices = wanted, choices
        self._session, self._topic = session, topic
        self._prefix = b'{"jsonrpc":"2.0","method":"%b","params":{"subscription":"%b","result":' % (method.encode(), self.id.encode())
        self._held: list[Notification] | None = []
        self._has_ended = False
        topic.add(self)

    def notify(self, result: bytes) -> None:
        """Sends a result, encoded."""
        if self._has_ended:
            return
        notification = (self._prefix, result)
        if not self._session.takes(notification):
            return
        if self._held is None:
            self._session.put(notification)
        else:
            self._held.append(notification)

    @property
    def behind(self) -> Session | None:
        """The connection, if much waits to be sent on it."""
        return self._session if self._held is None and self._session.is_behind else None

    def release(self) -> None:
        """The client's answer with the id is on its way: what was held back follows it."""
        held, self._held = self._held or [], None
        for notification in held:
            self._session.put(notification)

    def end(self) -> None:
        """Nothing more is told."""
        self._has_ended = True
        self._topic.discard(self)
        held, self._held = self._held or [], None
        self._session.done(held)


class Topic(Generic[Wanted]):
    """Subscriptions to one kind of thing."""

    def __init__(self) -> None:
        self._all: dict[str, Subscription[Wanted]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Subscription[Wanted]]:
        """As they are now: subscriptions come and go while they are told."""
        return iter(tuple(self._all.values()))

    def add(self, subscription: Subscription[Wanted]) -> None:
        """One more is to be told."""
        self._all[subscription.id] = subscription

    def discard(self, subscription: Subscription[Wanted]) -> None:
        """One is not to be told any more."""
        self._all.pop(subscription.id, None)


@dataclass(slots=True)
class Totals:
    """What all connections together hold."""

    subscriptions: int = 0
    notification_bytes: int = 0
    """Of notifications that wait to be sent, or for the client to have its subscription's id."""
    sessions: set[Session] = field(default_factory=set)
    """Of the connections that are not to be closed."""


class Session:
    """What the tasks of one connection share: calls and feeds put in, the writer takes out."""

    def __init__(self, observe: RpcObserver, totals: Totals, held: Held | None = None) -> None:
        """`held` is what the client holds by all its connections; None for one of this machine."""
        self._observe, self._totals, self._held = observe, totals, held
        self._outbox: deque[Outgoing] = deque()
        self._notifications = self._notification_bytes = 0
        self._control: dict[int, bytes] = {}
        self._changed, self._sent = trio.Event(), trio.Event()
        self.closed = trio.Event()
        """The connection is to be closed."""
        self._subscriptions: dict[str, Subscription[Any]] = {}
        self.closing: tuple[int, str] | None = None
        """Code and reason of the close frame to send; None while the connection is to stay."""
        totals.sessions.add(self)

    def add(self, topic: Topic[Wanted], method: str, wanted: Wanted, choices: int) -> Subscription[Wanted]:
        """Subscribes; `choices` is how many addresses and topics it chooses from.

        Raises:
            RpcError: the connection has too many subscriptions or choices, or all together have.
        """
        if len(self._subscriptions) >= SUBSCRIPTIONS_MAX:
            raise self._refused("subscriptions_max", f"a connection has at most {SUBSCRIPTIONS_MAX} subscriptions, end one of them first")
        if choices + sum(s.choices for s in self._subscriptions.values()) > LOG_CHOICES_MAX:
            raise self._refused("log_choices_max", f"log subscriptions of a connection have at most {LOG_CHOICES_MAX} addresses and topics")
        if self._held is not None and self._held.subscriptions >= CLIENT_SUBSCRIPTIONS_MAX:
            sentence = f"one address has at most {CLIENT_SUBSCRIPTIONS_MAX} subscriptions, end one of them first"
            raise self._refused("client_subscriptions_max", sentence)
        if self._totals.subscriptions >= SUBSCRIPTIONS_ALL_MAX:
            raise self._refused("subscriptions_all_max", "this node has too many subscribers, try again")
        if self.closing is not None:
            raise RpcError(BUSY, "busy: the connection is being closed")
        subscription = Subscription(self, topic, method, wanted, choices)
        self._subscriptions[subscription.id] = subscription
        self._count_subscriptions(1)
        return subscription

    def _count_subscriptions(self, change: int) -> None:
        self._totals.subscriptions += change
        if self._held is not None:
            self._held.subscriptions += change

    def _refused(self, limit: str, sentence: str) -> RpcError:
        self._observe.limit_hit(limit)
        return RpcError(BUSY, f"busy: {sentence}")

    def remove(self, id: str) -> bool:
        """Ends a subscription; False if there is none of that id."""
        subscription = self._subscriptions.pop(id, None)
        if subscription is not None:
            subscription.end()
            self._count_subscriptions(-1)
        return subscription is not None

    def takes(self, notification: Notification) -> bool:
        """Whether there is room for a notification, which is counted until `done`.

        One too many closes the connection; where all together hold too much, the one that holds most.
        """
        if self.closing is not None:
            return False
        size = _size_of(notification)
        if self._notifications >= NOTIFICATIONS_QUEUED_MAX or self._notification_bytes + size > NOTIFICATIONS_QUEUED_BYTES_MAX:
            self.too_slow("notifications_queued_max")
            return False
        while self._totals.notification_bytes + size > NOTIFICATIONS_ALL_BYTES_MAX:
            fullest = max(self._totals.sessions, key=lambda session: session._notification_bytes)
            fullest.too_slow("notifications_all_bytes_max")
            if fullest is self:
                return False
        self._notifications += 1
        self._count(size)
        return True

    @property
    def is_behind(self) -> bool:
        """Whether half of what may wait does."""
        return 2 * self._notifications > NOTIFICATIONS_QUEUED_MAX or 2 * self._notification_bytes > NOTIFICATIONS_QUEUED_BYTES_MAX

    async def caught_up(self) -> None:
        """Returns when that is not so any more, or the connection is to be closed."""
        while self.is_behind and self.closing is None:
            if self._sent.is_set():
                self._sent = trio.Event()
            await self._sent.wait()

    def waited_for_in_vain(self) -> None:
        """The others are told more now."""
        if self.is_behind:
            self._observe.limit_hit("behind_seconds_max")

    def _count(self, size: int) -> None:
        self._notification_bytes += size
        self._totals.notification_bytes += size

    def control(self, frame: bytes) -> None:
        """Sends a ping or pong before all else; of several that wait, the last of each."""
        if self.closing is None:
            self._control[frame[0]] = frame
            self._changed.set()

    def too_slow(self, limit: str) -> None:
        """The client does not take its notifications."""
        self._observe.limit_hit(limit)
        self.close(CLOSE_TOO_SLOW, "notifications are not read as fast as they come")

    async def answer(self, payload: bytes, notifier: Notifier) -> None:
        """Sends the answer to a call, and after it what the call subscribed to; returns when the client's system has the answer."""
        if self.closing is not None:
            return
        written = trio.Event()
        if payload:
            self.put(Message(frame_head(TEXT, len(payload)), payload, written))
        notifier.release()
        if payload:
            await written.wait()

    def close(self, code: int, reason: str) -> None:
        """Drops what waits and ends all subscriptions; the first code stands."""
        if self.closing is not None:
            return
        self.closing = (code, reason)
        self._totals.sessions.discard(self)
        for id in list(self._subscriptions):
            self.remove(id)
        dropped = list(self._outbox)
        self._outbox.clear()
        self.done(dropped)
        self._control.clear()
        self._changed.set()
        self.closed.set()

    async def take(self) -> list[Outgoing]:
        """What is to be sent next, to be given to `done`; nothing once the connection is to be closed."""
        while not (self._outbox or self._control or self.closing is not None):
            self._changed = trio.Event()
            await self._changed.wait()
        taken: list[Outgoing] = [Message(frame) for frame in self._control.values()]
        self._control.clear()
        size = 0
        while self._outbox and size < WRITE_CHUNK_BYTES:
            taken.append(self._outbox.popleft())
            size += _size_of(taken[-1])
        return taken

    def done(self, taken: Iterable[Outgoing]) -> None:
        """What was taken is written, or will never be."""
        for outgoing in taken:
            if isinstance(outgoing, tuple):
                self._notifications -= 1
                self._count(-_size_of(outgoing))
            elif outgoing.written is not None:
                outgoing.written.set()
        self._sent.set()

    def put(self, outgoing: Outgoing) -> None:
        """Queues a message; a notification is one that `takes` had room for."""
        self._outbox.append(outgoing)
        self._changed.set()


class Notifier:
    """What one message of a connection subscribes to."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._fresh: list[Subscription[Any]] = []

    def subscribe(self, topic: Topic[Wanted], method: str, wanted: Wanted, choices: int = 0) -> str:
        """Subscribes, see `Session.add`; the id.

        Raises:
            RpcError: the connection has too many subscriptions.
        """
        subscription = self.session.add(topic, method, wanted, choices)
        self._fresh.append(subscription)
        return subscription.id

    def release(self) -> None:
        """The message is answered."""
        for subscription in self._fresh:
            subscription.release()
        self._fresh.clear()

"""One WebSocket connection's subscriptions, and what waits to be sent on it."""

from __future__ import annotations

import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import trio

from node.rpc.backend import RpcObserver
from node.rpc.errors import BUSY, RpcError
from node.rpc.limits import (
    LOG_CHOICES_MAX,
    NOTIFICATIONS_ALL_BYTES_MAX,
    NOTIFICATIONS_QUEUED_BYTES_MAX,
    NOTIFICATIONS_QUEUED_MAX,
    SUBSCRIPTIONS_ALL_MAX,
    SUBSCRIPTIONS_MAX,
    WRITE_CHUNK_BYTES,
)

_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA
"""Opcodes of RFC 6455."""
_CLOSE_NO_CODE = 1005
_REASON_BYTES_MAX = 123
CLOSE_TOO_SLOW = 1008
"""Policy violation: notifications are not taken as fast as they come."""
Wanted = TypeVar("Wanted")


def _frame(opcode: int, payload: bytes) -> bytes:
    """A whole, unmasked frame, as a server sends them (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 1 << 16:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + payload


def close_frame(code: int, reason: str) -> bytes:
    """The frame that ends a connection; an answer to one without a code has none either."""
    if code == _CLOSE_NO_CODE:
        return _frame(_CLOSE, b"")
    text = reason.encode()[:_REASON_BYTES_MAX].decode(errors="ignore").encode()
    return _frame(_CLOSE, code.to_bytes(2, "big") + text)


def ping_frame() -> bytes:
    """Asks whether the client is there."""
    return _frame(_PING, b"")


def pong_frame(payload: bytes) -> bytes:
    """The answer to a ping."""
    return _frame(_PONG, payload)


def new_id() -> str:
    """An id that nobody guesses, as a quantity."""
    return hex(secrets.randbits(128) | 1)


class Subscription(Generic[Wanted]):
    """One subscription; what it is told waits until the client has its id."""

    def __init__(self, session: Session, topic: Topic[Wanted], method: str, wanted: Wanted, choices: int) -> None:
        self.id = new_id()
        self.wanted, self.choices = wanted, choices
        self._session, self._topic = session, topic
        self._prefix = b'{"jsonrpc":"2.0","method":"%b","params":{"subscription":"%b","result":' % (method.encode(), self.id.encode())
        self._held: list[bytes] | None = []
        self._held_bytes = 0
        topic[self.id] = self

    def notify(self, result: bytes) -> None:
        """Sends a result, encoded."""
        payload = self._prefix + result + b"}}"
        if self._held is None:
            self._session.notify(payload)
        elif len(self._held) < NOTIFICATIONS_QUEUED_MAX and self._held_bytes + len(payload) <= NOTIFICATIONS_QUEUED_BYTES_MAX:
            self._held.append(payload)
            self._held_bytes += len(payload)
        else:
            self._session.too_slow("notifications_queued_max")

    def release(self) -> None:
        """The client's answer with the id is on its way: what was held back follows it."""
        held, self._held = self._held or [], None
        for payload in held:
            self._session.notify(payload)

    def end(self) -> None:
        """Nothing more is told."""
        self._topic.pop(self.id, None)


Topic = dict[str, Subscription[Wanted]]
"""Subscriptions to one kind of thing, by id."""


@dataclass(slots=True)
class Outgoing:
    """A message that waits to be sent."""

    frame: bytes
    is_notification: bool = False
    written: trio.Event = field(default_factory=trio.Event)


@dataclass(slots=True)
class Totals:
    """What all connections together hold."""

    subscriptions: int = 0
    notification_bytes: int = 0
    """Of notifications that wait to be sent."""


class Session:
    """What the tasks of one connection share: calls and feeds put in, the writer takes out."""

    def __init__(self, observe: RpcObserver, totals: Totals) -> None:
        self._observe, self._totals = observe, totals
        self._outbox: deque[Outgoing] = deque()
        self._notifications = self._notification_bytes = 0
        self._control: dict[int, bytes] = {}
        self._changed = trio.Event()
        self.closed = trio.Event()
        """The connection is to be closed."""
        self._subscriptions: dict[str, Subscription[Any]] = {}
        self.closing: tuple[int, str] | None = None
        """Code and reason of the close frame to send; None while the connection is to stay."""

    def add(self, topic: Topic[Wanted], method: str, wanted: Wanted, choices: int) -> Subscription[Wanted]:
        """Subscribes; `choices` is how many addresses and topics it chooses from.

        Raises:
            RpcError: the connection has too many subscriptions or choices, or all together have.
        """
        if len(self._subscriptions) >= SUBSCRIPTIONS_MAX:
            raise self._refused("subscriptions_max", f"a connection has at most {SUBSCRIPTIONS_MAX} subscriptions, end one of them first")
        if choices + sum(s.choices for s in self._subscriptions.values()) > LOG_CHOICES_MAX:
            raise self._refused("log_choices_max", f"log subscriptions of a connection have at most {LOG_CHOICES_MAX} addresses and topics")
        if self._totals.subscriptions >= SUBSCRIPTIONS_ALL_MAX:
            raise self._refused("subscriptions_all_max", "this node has too many subscribers, try again")
        if self.closing is not None:
            raise RpcError(BUSY, "busy: the connection is being closed")
        subscription = Subscription(self, topic, method, wanted, choices)
        self._subscriptions[subscription.id] = subscription
        self._totals.subscriptions += 1
        return subscription

    def _refused(self, limit: str, sentence: str) -> RpcError:
        self._observe.limit_hit(limit)
        return RpcError(BUSY, f"busy: {sentence}")

    def remove(self, id: str) -> bool:
        """Ends a subscription; False if there is none of that id."""
        subscription = self._subscriptions.pop(id, None)
        if subscription is not None:
            subscription.end()
            self._totals.subscriptions -= 1
        return subscription is not None

    def notify(self, payload: bytes) -> None:
        """Queues a notification; one too many closes the connection."""
        if self.closing is not None:
            return
        frame = _frame(_TEXT, payload)
        if self._notifications >= NOTIFICATIONS_QUEUED_MAX or self._notification_bytes + len(frame) > NOTIFICATIONS_QUEUED_BYTES_MAX:
            self.too_slow("notifications_queued_max")
            return
        if self._totals.notification_bytes + len(frame) > NOTIFICATIONS_ALL_BYTES_MAX:
            self.too_slow("notifications_all_bytes_max")
            return
        self._notifications += 1
        self._count(len(frame))
        self._put(Outgoing(frame, is_notification=True))

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
        outgoing = Outgoing(_frame(_TEXT, payload))
        if payload:
            self._put(outgoing)
        notifier.release()
        if payload:
            await outgoing.written.wait()

    def close(self, code: int, reason: str) -> None:
        """Drops what waits and ends all subscriptions; the first code stands."""
        if self.closing is not None:
            return
        self.closing = (code, reason)
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
        taken = [Outgoing(frame) for frame in self._control.values()]
        self._control.clear()
        size = 0
        while self._outbox and size < WRITE_CHUNK_BYTES:
            taken.append(self._outbox.popleft())
            size += len(taken[-1].frame)
        return taken

    def done(self, taken: list[Outgoing]) -> None:
        """What was taken is written, or will never be."""
        for outgoing in taken:
            outgoing.written.set()
            if outgoing.is_notification:
                self._notifications -= 1
                self._count(-len(outgoing.frame))

    def _put(self, outgoing: Outgoing) -> None:
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

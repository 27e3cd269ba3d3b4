"""Clients that go while their request is being answered: what nobody waits for is not worked on any further.

hypercorn reads nothing behind a request that another one follows, and a WebSocket connection nothing while it is busy; the end of the
client lies behind what is unread. The system knows of it all the same.
"""

from __future__ import annotations

import select
from collections.abc import Collection
from typing import Protocol

import trio

from node.rpc.backend import RpcObserver
from node.rpc.limits import GONE_SECONDS_MAX


class Watched(Protocol):
    """A connection."""

    @property
    def socket(self) -> trio.socket.SocketType:
        """The client's."""
        ...

    @property
    def is_working(self) -> bool:
        """Whether there is a request whose answer has not begun."""
        ...

    def abort(self) -> None:
        """Ends the connection and all that is done for it."""
        ...


async def end_gone(connections: Collection[Watched], observe: RpcObserver) -> None:
    """Looks at the connections every `GONE_SECONDS_MAX`, and aborts those whose client is gone at two looks in a row, until cancelled."""
    gone: set[Watched] = set()
    while True:
        await trio.sleep(GONE_SECONDS_MAX)
        gone_before, gone = gone, _gone(connections)
        for connection in gone & gone_before:
            observe.limit_hit("gone_seconds_max")
            connection.abort()


def _gone(connections: Collection[Watched]) -> set[Watched]:
    working = {connection.socket.fileno(): connection for connection in connections if connection.is_working}
    working.pop(-1, None)
    poll = select.poll()
    for descriptor in working:
        poll.register(descriptor, select.POLLRDHUP)
    return {working[descriptor] for descriptor, _ in poll.poll(0)}

"""The bounded queue of events between the network and the node.

Source: ARCHITECTURE, "Processes" ("every queue is bounded and says what happens when it is full").
"""

from __future__ import annotations

from collections import deque

import trio

from p2p.network import (
    EVENT_BYTES_MAX,
    EVENTS_MAX,
    PEER_EVENTS_RESERVED,
    STRANGERS_EVENTS_MAX,
    GossipReceived,
    NetworkEvent,
    Observe,
)


class EventQueue:
    """Never waits: what finds no room is dropped and counted. News of peers has room of its own."""

    def __init__(self, observe: Observe) -> None:
        self._outbox, self.events = trio.open_memory_channel[NetworkEvent](EVENTS_MAX)
        self._observe = observe
        self._sizes: deque[int] = deque()
        self._bytes = 0

    def put(self, event: NetworkEvent, *, by_stranger: bool = False) -> None:
        """Queue an event, or drop it; what a stranger delivered goes first, so that a flood does not delay what others say."""
        waiting = self._outbox.statistics().current_buffer_used
        while len(self._sizes) > waiting:
            self._bytes -= self._sizes.popleft()
        size = 0
        if isinstance(event, GossipReceived):
            size = event.size_bytes
            if self._bytes + size > EVENT_BYTES_MAX:
                self._observe("p2p_limit_hits", {"limit": "event_bytes"}, 1)
                return
            if by_stranger and waiting >= STRANGERS_EVENTS_MAX:
                self._observe("p2p_limit_hits", {"limit": "strangers_events"}, 1)
                return
            if waiting >= EVENTS_MAX - PEER_EVENTS_RESERVED:
                self._observe("p2p_limit_hits", {"limit": "events"}, 1)
                return
        try:
            self._outbox.send_nowait(event)
        except trio.WouldBlock:
            self._observe("p2p_limit_hits", {"limit": "peer_events"}, 1)
            return
        except trio.BrokenResourceError:
            # The node has stopped listening; it is about to stop us.
            return
        self._sizes.append(size)
        self._bytes += size

    def close(self) -> None:
        """No event follows; the reader's loop ends."""
        self._outbox.close()

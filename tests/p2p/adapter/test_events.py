"""The queue of events for the node."""

from collections import Counter

from p2p.adapter.events import EventQueue
from p2p.network import EVENT_BYTES_MAX, EVENTS_MAX, PEER_EVENTS_RESERVED, STRANGERS_EVENTS_MAX, GossipReceived, PeerConnected, PeerId

PEER = PeerId("peer")


def queue_and_counts():
    counts = Counter()

    def observe(name, labels, value):
        counts[labels["limit"]] += value

    return EventQueue(observe), counts


async def test_gossip_leaves_room_for_news_of_peers():
    queue, counts = queue_and_counts()
    for _ in range(EVENTS_MAX):
        queue.put(GossipReceived(PEER, "topic", b"", 0))
    assert counts["events"] == PEER_EVENTS_RESERVED
    for _ in range(PEER_EVENTS_RESERVED + 1):
        queue.put(PeerConnected(PEER))
    assert counts["peer_events"] == 1


async def test_what_strangers_deliver_leaves_room_for_what_others_say():
    queue, counts = queue_and_counts()
    message = GossipReceived(PEER, "topic", b"", 0)
    for _ in range(STRANGERS_EVENTS_MAX + 3):
        queue.put(message, by_stranger=True)
    assert counts["strangers_events"] == 3
    queue.put(message)
    assert queue.events.statistics().current_buffer_used == STRANGERS_EVENTS_MAX + 1


async def test_payload_bytes_are_bounded_and_freed_by_reading():
    queue, counts = queue_and_counts()
    half = GossipReceived(PEER, "topic", b"", EVENT_BYTES_MAX // 2)
    for _ in range(3):
        queue.put(half)
    assert counts["event_bytes"] == 1
    assert await queue.events.receive() is half
    queue.put(half)
    assert counts["event_bytes"] == 1


async def test_queue_nobody_reads_any_more_takes_events_without_complaint():
    queue, counts = queue_and_counts()
    queue.events.close()
    queue.put(PeerConnected(PEER))
    assert not counts

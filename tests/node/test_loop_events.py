"""The loop between network and core: what waits is let through as long as its author is."""

from collections import Counter

import pytest
import trio

from node import lagging
from node.core.effects import GossipReceived, PeerConnected, PeerDisconnected
from node.loop import INBOX_EVENTS_MAX, CoreLoop
from node.personas import Persona
from p2p import network as net
from p2p.messages import TransactionBatch
from p2p.topics import Topic, TopicKind
from primitives.errors import EncodingReason

TOPIC = Topic(TopicKind.TRANSACTIONS, 0)
MESSAGE = TransactionBatch(())


class Core:
    deadline_ms = 1 << 62

    def __init__(self):
        self.heard, self.on_event = [], lambda event: None

    def start(self):
        return []

    def handle_all(self, events, now):
        self.heard += events
        for event in events:
            self.on_event(event)
        return []


class Store:
    async def write(self, records):
        await trio.lowlevel.checkpoint()


class Network:
    """Keeps its word about whom it has shut out."""

    def __init__(self):
        self.put, self.events = trio.open_memory_channel(INBOX_EVENTS_MAX)
        self.connected, self.banned = {"alice", "mallory"}, set()

    def disconnect(self, peer):
        is_leaving = peer in self.connected
        self.connected.discard(peer)
        return is_leaving

    def ban(self, peer, seconds):
        self.banned.add(peer)
        return True

    def is_banned(self, peer):
        return peer in self.banned

    def gossip(self, *authors):
        for author in authors:
            self.put.send_nowait(net.GossipReceived(net.PeerId(author), "topic", MESSAGE, 1))


class Lagging(Persona):
    def __init__(self, *seconds):
        self.left = list(seconds)

    def lag_seconds(self):
        return self.left.pop(0)


class World:
    def __init__(self, persona=None):
        self.core, self.network, self.counts = Core(), Network(), Counter()
        self.loop = CoreLoop(
            self.core, Store(), self.network, {}, {"topic": TOPIC}, self._observe, lambda admit: None, lambda: None, persona=persona
        )

    def _observe(self, name, labels, value):
        self.counts[name, labels.get("limit")] += value

    @property
    def unheard(self):
        return self.counts["limit_hits", "events_of_banned_authors"]

    async def run_until(self, event):
        """Serve until the core has heard `event`."""
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                self.core.on_event = lambda heard: nursery.cancel_scope.cancel() if heard == event else None
                nursery.start_soon(self.loop.run)
        return [heard for heard in self.core.heard if heard != event]


def said(author):
    return GossipReceived(author, TOPIC, MESSAGE)


async def test_what_waits_of_an_author_that_is_banned_meanwhile_does_not_reach_the_core():
    world = World()
    world.network.gossip(*["mallory"] * 500, "alice")
    for _ in range(20):
        world.loop.penalize("mallory", EncodingReason.MALFORMED)
    assert world.network.banned == {"mallory"}
    assert await world.run_until(said("alice")) == []
    assert world.unheard == 500


async def test_what_a_lagging_node_hears_late_it_hears_in_the_order_of_its_lags(autojump_clock):
    world = World(Lagging(3.0, 1.0, 0.0, 5.0))
    world.network.gossip("alice", "bob", "carol", "dave")
    began = trio.current_time()
    assert await world.run_until(said("dave")) == [said("carol"), said("bob"), said("alice")]
    assert trio.current_time() - began == 5


async def test_what_a_lagging_node_has_not_heard_of_one_that_went_it_does_not_hear(autojump_clock):
    world = World(Lagging(3.0, 4.0, 1.0))
    world.network.gossip("mallory", "alice")
    world.network.put.send_nowait(net.PeerDisconnected(net.PeerId("mallory")))
    world.network.put.send_nowait(net.PeerConnected(net.PeerId("mallory")))
    world.network.gossip("mallory")
    assert await world.run_until(said("alice")) == [PeerDisconnected("mallory"), PeerConnected("mallory"), said("mallory")]


@pytest.mark.parametrize(("limit", "most"), [("HEARD_LATE_MAX", 2), ("HEARD_LATE_BYTES_MAX", 2)])
async def test_what_a_lagging_node_has_yet_to_hear_is_bounded(autojump_clock, monkeypatch, limit, most):
    monkeypatch.setattr(lagging, limit, most)
    world = World(Lagging(3.0, 1.0, 1.0, 1.0, 2.0))
    world.network.gossip("alice", "bob", "carol", "dave")
    assert await world.run_until(said("alice")) == [said("bob")]
    assert world.counts["limit_hits", "heard_late_max"] == 2
    world.network.gossip("dave")
    assert await world.run_until(said("dave")) == [said("bob"), said("alice")]


async def test_an_author_banned_in_one_turn_is_not_heard_in_the_next():
    world = World()
    world.network.gossip(*["mallory"] * 500, "alice")
    handle_all = world.core.handle_all

    def punishing(events, now):
        for event in events:
            if event == said("mallory"):
                world.network.banned.add("mallory")
        return handle_all(events, now)

    world.core.handle_all = punishing
    heard = await world.run_until(said("alice"))
    assert 0 < len(heard) <= 64
    assert world.unheard == 500 - len(heard)


async def test_of_one_that_is_dropped_nothing_said_before_it_went_is_heard_and_what_it_says_afterwards_is():
    world = World()
    world.network.gossip("mallory", "mallory")
    for _ in range(6):
        world.loop.penalize("mallory", EncodingReason.MALFORMED)
    assert world.network.connected == {"alice"}
    assert not world.network.banned
    world.network.put.send_nowait(net.PeerDisconnected(net.PeerId("mallory")))
    world.network.put.send_nowait(net.PeerConnected(net.PeerId("mallory")))
    world.network.gossip("mallory", "alice")
    assert await world.run_until(said("alice")) == [PeerDisconnected("mallory"), PeerConnected("mallory"), said("mallory")]
    assert world.unheard == 2

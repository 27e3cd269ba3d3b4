"""Publish and subscribe: whatever a peer sends, the worst it can lose is its own stream.

Source: LIBP2P, traps 1, 3, 4, 6, 7, 9, 19.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, KeysView
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import trio
from google.protobuf.message import DecodeError
from libp2p.abc import IHost, INetStream
from libp2p.crypto.secp256k1 import Secp256k1PublicKey
from libp2p.host.exceptions import StreamFailure
from libp2p.io.exceptions import IOException
from libp2p.network.exceptions import SwarmException
from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub
from libp2p.pubsub.validators import PUBSUB_SIGNING_PREFIX

from p2p import limits
from p2p.adapter.frames import FrameReader, MalformedFrameError, OutboundQueue, StreamEndedError, frame_of
from p2p.adapter.guard import Guard
from p2p.adapter.identity import peer_id_from
from p2p.adapter.router import Router, SeenMessages
from p2p.network import (
    GOSSIP_BYTES_MAX,
    TOPIC_CHARACTERS_MAX,
    TOPICS_MAX,
    WAITING_MESSAGES_MAX,
    Decoder,
    GossipReceived,
    NetworkSettings,
    Observe,
    PayloadTooLarge,
)
from primitives.errors import EncodingReason, PeerReason, Rejection

log = logging.getLogger(__name__)

RPC_BYTES_MAX: Final = limits.FRAME_LIMIT.bytes_max
"""Largest pubsub frame: one message with its envelope, or one control message."""
MESSAGES_BETWEEN_PAUSES_MAX: Final = 16
"""Messages of one frame checked before others have their turn."""
_SIGNATURE_BYTES_MAX: Final = 128
_SEQUENCE_BYTES: Final = 8
_SIGNING_PREFIX: Final = PUBSUB_SIGNING_PREFIX.encode()
_RESET_SECONDS: Final = 1.0


@dataclass(frozen=True)
class _Topic:
    limit: limits.MessageLimit
    decoder: Decoder


@dataclass(frozen=True)
class _Waiting:
    payload: bytes
    until_seconds: float


@dataclass(frozen=True)
class GossipPorts:
    """What gossip needs of the host it is part of."""

    deliver: Callable[[GossipReceived, bool], None]
    """Takes a message, and whether an unconfigured peer delivered it."""
    guard: Guard
    observe: Observe
    on_activity: Callable[[ID], None]
    """A peer showed that it lives."""
    on_malformed: Callable[[ID], None]
    """A peer sent what no honest peer sends; its connections are to be cut."""
    known_peers: Callable[[], bool]
    """Whether there is, or is to be, anybody to talk to."""


class Gossip(Pubsub):  # type: ignore[misc,unused-ignore]
    """libp2p's peer bookkeeping with our own reading, checking, writing and publishing."""

    peer_queues: dict[ID, OutboundQueue]  # type: ignore[assignment]

    def __init__(self, host: IHost, settings: NetworkSettings, ports: GossipPorts) -> None:
        self._topics: dict[str, _Topic] = {}
        self._waiting: dict[str, deque[_Waiting]] = {}
        self._inbound: dict[ID, int] = {}
        self._opening: set[ID] = set()
        self._waiting_seconds = settings.waiting_seconds_max
        self._ports = ports
        super().__init__(host, Router(settings, ports.observe, self.flush_waiting), strict_signing=True, max_inbound_rpc_size=RPC_BYTES_MAX)
        self.seen_messages.stop()
        self.seen_messages = SeenMessages()  # type: ignore[assignment]
        # A restarted node that counted from the time in seconds would repeat numbers and be ignored (trap 6).
        self.counter = time.time_ns()

    @property
    def topic_ids(self) -> KeysView[str]:
        """The topics subscribed to."""
        return self._topics.keys()

    # Subscribing

    def add_topic(self, topic: str, limit: limits.MessageLimit, decoder: Decoder) -> None:
        """Take messages of `topic` from now on; `join_topic` tells the peers."""
        assert topic in self._topics or len(self._topics) < TOPICS_MAX, "more topics than TOPICS_MAX"
        assert limit.bytes_max <= GOSSIP_BYTES_MAX, "a frame holds a message of GOSSIP_BYTES_MAX"
        self._topics[topic] = _Topic(limit, decoder)

    async def join_topic(self, topic: str) -> None:
        """Announce the subscription and join the mesh."""
        self._announce(topic, subscribe=True)
        await self.router.join(topic)

    async def leave_topic(self, topic: str) -> None:
        """Forget the topic, announce it and leave the mesh."""
        self._topics.pop(topic, None)
        self._announce(topic, subscribe=False)
        await self.router.leave(topic)

    def _announce(self, topic: str, *, subscribe: bool) -> None:
        packet = rpc_pb2.RPC(subscriptions=[rpc_pb2.RPC.SubOpts(subscribe=subscribe, topicid=topic)])
        for queue in self.peer_queues.values():
            if not queue.push(frame_of(packet.SerializeToString()), control=True):
                self._ports.observe("p2p_limit_hits", {"limit": "outbound_control"}, 1)

    def get_hello_packet(self) -> Any:
        """Our subscriptions, the first thing a peer hears."""
        return rpc_pb2.RPC(subscriptions=[rpc_pb2.RPC.SubOpts(subscribe=True, topicid=topic) for topic in self._topics])

    # Publishing

    def publish_payload(self, topic: str, payload: bytes) -> None:
        """Send `payload`, or hold it back until somebody can take it (trap 9), and would not hold it against us.

        Raises:
            PayloadTooLarge: it is over the limit of gossip, or of the topic.
        """
        subscribed = self._topics.get(topic)
        limit = GOSSIP_BYTES_MAX if subscribed is None else subscribed.limit.bytes_max
        if len(payload) > limit:
            raise PayloadTooLarge(len(payload), limit)
        if not self._ports.known_peers() or (self._has_takers(topic) and self._has_turn(topic, len(payload))):
            self._send(topic, payload)
            return
        waiting = self._waiting.setdefault(topic, deque())
        if len(waiting) >= WAITING_MESSAGES_MAX:
            waiting.popleft()
            self._ports.observe("p2p_limit_hits", {"limit": "waiting_messages"}, 1)
            self._count(topic, "dropped")
        waiting.append(_Waiting(payload, trio.current_time() + self._waiting_seconds))

    def flush_waiting(self) -> None:
        """Send what was held back and can be taken now, and give up what waited too long."""
        now = trio.current_time()
        for topic in list(self._waiting):
            waiting = self._waiting[topic]
            while waiting and waiting[0].until_seconds <= now:
                waiting.popleft()
                self._count(topic, "dropped")
            while waiting and self._has_takers(topic) and self._has_turn(topic, len(waiting[0].payload)):
                self._send(topic, waiting.popleft().payload)
            if not waiting:
                del self._waiting[topic]

    def _has_turn(self, topic: str, size_bytes: int) -> bool:
        subscribed = self._topics.get(topic)
        if subscribed is None or self._ports.guard.says(subscribed.limit, size_bytes, topic):
            return True
        self._ports.observe("p2p_limit_hits", {"limit": f"{subscribed.limit.name}_own_rate"}, 1)
        return False

    def _has_takers(self, topic: str) -> bool:
        candidates = self.router.mesh.get(topic) if topic in self._topics else self.peer_topics.get(topic)
        return any(peer in self.peer_queues for peer in candidates or ())

    def _send(self, topic: str, payload: bytes) -> None:
        key = self.sign_key
        assert key is not None, "strict signing is on"
        message = rpc_pb2.Message(data=payload, topicIDs=[topic], from_id=self.my_id.to_bytes(), seqno=self._next_seqno())
        message.signature = key.sign(_SIGNING_PREFIX + message.SerializeToString())
        self.seen_messages.add(self.get_message_id(message))
        self._count(topic, "published")
        self._forward(self.my_id, message)

    def _forward(self, forwarder: ID, message: Any) -> None:
        # A coroutine that never waits: driven by hand, so that publishing stays synchronous.
        forwarding = self.router.publish(forwarder, message)
        try:
            forwarding.send(None)
        except StopIteration:
            return
        raise AssertionError("forwarding a message must not wait")

    # Receiving

    async def stream_handler(self, stream: INetStream) -> None:
        """Read a peer's frames until its stream ends; a bad frame costs the peer its connection, and nobody else anything."""
        peer = stream.muxed_conn.peer_id
        self._inbound[peer] = self._inbound.get(peer, 0) + 1
        reader = FrameReader(stream, self.max_inbound_rpc_size)
        try:
            while True:
                await self._on_frame(peer, await reader.read_frame())
        except (MalformedFrameError, DecodeError) as error:
            log.debug("malformed_frame peer=%s error=%s", peer, error)
            self._ports.observe("p2p_messages", {"topic": "", "result": "malformed"}, 1)
            self._ports.guard.blame(peer, PeerReason.MALFORMED_FRAME)
            self._ports.on_malformed(peer)
        except (StreamEndedError, IOException) as error:
            log.debug("stream_ended peer=%s error=%r", peer, error)
        finally:
            # Our own stream to the peer lives on: if each end's loss took the other's along, they would chase each other.
            self._inbound[peer] -= 1
            if not self._inbound[peer]:
                del self._inbound[peer]
                self._forget_all_subscriptions(peer)
                for members in self.router.mesh.values():
                    members.discard(peer)

    async def _on_frame(self, peer: ID, content: bytes) -> None:
        if self._ports.guard.is_unwelcome(peer) or not self._ports.guard.allows(peer, limits.FRAME_LIMIT, len(content)):
            await trio.lowlevel.checkpoint()
            return
        rpc = rpc_pb2.RPC()
        rpc.ParseFromString(content)
        self._ports.on_activity(peer)
        for subscription in rpc.subscriptions[:TOPICS_MAX]:
            await self._on_subscription(peer, subscription)
        for number, message in enumerate(rpc.publish):
            if number % MESSAGES_BETWEEN_PAUSES_MAX == 0:
                await trio.lowlevel.checkpoint()
                if self._ports.guard.is_unwelcome(peer):
                    return
            await self.push_msg(peer, message)
        if rpc.HasField("control"):
            await self.router.handle_rpc(rpc, peer)

    async def _on_subscription(self, peer: ID, subscription: Any) -> None:
        topic = subscription.topicid
        if not isinstance(topic, str):
            # What the library makes of text that is not UTF-8.
            return
        if not subscription.subscribe:
            self._forget_subscription(peer, topic)
            self.router.mesh.get(topic, set()).discard(peer)
            return
        if peer in self.peer_topics.get(topic, ()):
            return
        if self._peer_subscription_count.get(peer, 0) >= TOPICS_MAX or len(topic) > TOPIC_CHARACTERS_MAX:
            self._ports.observe("p2p_limit_hits", {"limit": "peer_topics"}, 1)
            return
        self.peer_topics.setdefault(topic, set()).add(peer)
        self._peer_subscription_count[peer] = self._peer_subscription_count.get(peer, 0) + 1
        waiter = self._subscription_events.pop((peer, topic), None)
        if waiter is not None:
            waiter.set()
        await self.router.on_peer_subscribed(peer, topic)
        self.flush_waiting()

    async def push_msg(self, msg_forwarder: ID, msg: Any) -> None:
        """Check one message, deliver it and pass it on.

        The cheapest checks come first. Form is answered for by whoever delivered the message, for every honest peer checks it
        before passing on; what a message says by whoever wrote it, since those who pass it on cannot know all that we check later.
        """
        guard = self._ports.guard
        topic = msg.topicIDs[0] if len(msg.topicIDs) == 1 else ""
        subscribed = self._topics.get(topic)
        if subscribed is None:
            guard.allows(msg_forwarder, limits.FOREIGN_LIMIT, len(msg.data))
            return
        if not guard.allows(msg_forwarder, subscribed.limit, len(msg.data), topic):
            self._count(topic, "over_rate")
            return
        message_id = self.get_message_id(msg)
        if self.seen_messages.has(message_id):
            self._count(topic, "duplicate")
            return
        if len(msg.data) > subscribed.limit.bytes_max:
            self._count(topic, "too_large")
            guard.blame(msg_forwarder, EncodingReason.TOO_LARGE)
            return
        if not guard.hears(msg_forwarder, ID(msg.from_id)):
            self._count(topic, "author_refused")
            return
        if not _is_authentic(msg):
            self._count(topic, "bad_signature")
            guard.blame(msg_forwarder, PeerReason.FORGED_MESSAGE)
            self._ports.on_malformed(msg_forwarder)
            return
        # Only an authentic id is remembered, else anybody could make us deaf to somebody else's messages.
        self.seen_messages.add(message_id)
        if msg.from_id == self.my_id.to_bytes():
            self._count(topic, "own")
            return
        try:
            content = subscribed.decoder(msg.data)
        except Rejection as error:
            self._count(topic, "bad_form")
            guard.blame(msg_forwarder, error.reason)
            return
        except Exception:
            # The bug is ours, but it must not let one message end the node (trap 3).
            log.exception("decoder_failed topic=%s peer=%s", topic, msg_forwarder)
            self._count(topic, "decoder_failed")
            return
        self._count(topic, "accepted")
        received = GossipReceived(peer_id_from(ID(msg.from_id)), topic, content, len(msg.data))
        self._ports.deliver(received, guard.is_stranger(msg_forwarder))
        if guard.relays(msg_forwarder, subscribed.limit, len(msg.data), topic):
            await self.router.publish(msg_forwarder, msg)

    def _count(self, topic: str, result: str) -> None:
        self._ports.observe("p2p_messages", {"topic": topic, "result": result}, 1)

    # Peers

    async def _handle_new_peer(self, peer_id: ID) -> None:
        """Open our stream to a peer; the hello is the first frame of its queue, so there is one writer (trap 4)."""
        if peer_id in self.peers or peer_id in self._opening or peer_id == self.my_id:
            return
        self._opening.add(peer_id)
        try:
            stream = await self.host.new_stream(peer_id, self.protocols)
        except StreamFailure as error:
            # The library tries again for this kind of error only.
            raise SwarmException(str(error)) from error
        finally:
            self._opening.discard(peer_id)
        self.router.add_peer(peer_id, stream.get_protocol())
        queue = OutboundQueue()
        queue.push(frame_of(self.get_hello_packet().SerializeToString()), control=True)
        self.peers[peer_id] = stream
        self.peer_queues[peer_id] = queue
        self.manager.run_task(self.handle_sending_messages, peer_id, stream, queue)
        for topic in [topic for topic, peers in self.peer_topics.items() if peer_id in peers]:
            await self.router.on_peer_subscribed(peer_id, topic)
        self.flush_waiting()

    async def handle_sending_messages(self, peer_id: ID, stream: INetStream, queue: OutboundQueue) -> None:  # type: ignore[override]
        """Write a peer's frames, the only task that does; a peer that does not read loses its stream, and gets a new one."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_once_ended, stream, nursery.cancel_scope)
                while (frames := await queue.take()) is not None:
                    await stream.write(frames)
                nursery.cancel_scope.cancel()
        except* (IOException, ValueError) as error:
            log.debug("write_failed peer=%s error=%r", peer_id, error)
        finally:
            if self.peer_queues.get(peer_id) is queue:
                self._ports.observe("p2p_streams_lost", {}, 1)
                del self.peers[peer_id], self.peer_queues[peer_id]
                queue.close()
                self.router.remove_peer(peer_id)
                if self._peer_is_connected(peer_id):
                    self._schedule_peer_stream_retry(peer_id)
            with trio.CancelScope(deadline=trio.current_time() + _RESET_SECONDS, shield=True):
                await stream.reset()


async def _cancel_once_ended(stream: INetStream, scope: trio.CancelScope) -> None:
    """Notice that the peer gave up reading, which otherwise only the next write would tell."""
    try:
        await stream.read(1)
    except (IOException, ValueError) as error:
        log.debug("stream_ended error=%r", error)
    scope.cancel()


@lru_cache(maxsize=1024)
def _author_key(name: bytes) -> Secp256k1PublicKey | None:
    """The key a name stands for, or None if it is no name of a node of ours."""
    try:
        key = ID(name).extract_public_key()
    except Exception as error:
        # Any bytes may claim to be a name, and the library fails in many ways on them (trap 1).
        log.debug("unreadable_author error=%r", error)
        return None
    return key if isinstance(key, Secp256k1PublicKey) else None


def _is_authentic(message: Any) -> bool:
    """Whether the author signed the message; never raises, whatever the bytes (trap 1)."""
    if len(message.seqno) != _SEQUENCE_BYTES or len(message.signature) > _SIGNATURE_BYTES_MAX:
        return False
    key = _author_key(message.from_id)
    if key is None:
        return False
    signed = rpc_pb2.Message(data=message.data, topicIDs=message.topicIDs, from_id=message.from_id, seqno=message.seqno)
    try:
        return key.verify(_SIGNING_PREFIX + signed.SerializeToString(), message.signature)
    except Exception as error:
        # Nor can every signature be parsed.
        log.debug("unreadable_signature error=%r", error)
        return False

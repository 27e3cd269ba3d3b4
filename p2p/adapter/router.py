"""GossipSub without the parts that block, leak or trust a peer.

Source: LIBP2P, "Figures" and traps 4, 5, 8, 10, 11.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Final

import trio
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID
from libp2p.pubsub.gossipsub import PROTOCOL_ID_V12, GossipSub
from libp2p.pubsub.mcache import MessageCache
from libp2p.pubsub.pb import rpc_pb2

from p2p.adapter.frames import frame_of
from p2p.network import NetworkSettings, Observe

CACHE_BYTES_MAX: Final = 32 * 1024 * 1024
"""Payload bytes kept to answer peers that missed a message."""
SEEN_MESSAGES_MAX: Final = 65_536
"""Message ids remembered against duplicates; the oldest is forgotten first."""
ANNOUNCED_IDS_MAX: Final = 512
"""Message ids told to, or taken from, a peer in one announcement."""
CONTROL_ENTRIES_MAX: Final = 256
"""Entries of one kind taken from one control message."""
WANTED_BYTES_MAX: Final = 4 * 1024 * 1024
"""Payload bytes sent for one request of missed messages."""
IDONTWANT_BYTES_MIN: Final = 8 * 1024
"""Below this a duplicate is cheaper than the word that prevents it."""
_GOSSIP_HISTORY: Final = 6
_GOSSIP_WINDOW: Final = 3
_PRUNE_BACK_OFF_SECONDS: Final = 10
_LEAVE_BACK_OFF_SECONDS: Final = 2


class SeenMessages:
    """Message ids, newest last, with the two methods libp2p asks of its own cache (which is unbounded and owns a thread)."""

    def __init__(self) -> None:
        self._ids: OrderedDict[bytes, None] = OrderedDict()

    def has(self, key: bytes) -> bool:
        """Whether the message was seen."""
        return key in self._ids

    def add(self, key: bytes) -> bool:
        """Remember the message; whether it is new."""
        if key in self._ids:
            return False
        self._ids[key] = None
        if len(self._ids) > SEEN_MESSAGES_MAX:
            self._ids.popitem(last=False)
        return True

    def stop(self) -> None:
        """Nothing to stop."""


class _BoundedCache(MessageCache):  # type: ignore[misc,unused-ignore]
    """The recent messages, bounded in bytes too."""

    def __init__(self, observe: Observe) -> None:
        super().__init__(_GOSSIP_WINDOW, _GOSSIP_HISTORY)
        self._observe = observe
        self._bytes = 0

    def put(self, msg: Any) -> None:
        if self._bytes + len(msg.data) > CACHE_BYTES_MAX:
            self._observe("p2p_limit_hits", {"limit": "gossip_cache_bytes"}, 1)
            return
        held = len(self.msgs)
        super().put(msg)
        if len(self.msgs) > held:
            self._bytes += len(msg.data)

    def shift(self) -> None:
        super().shift()
        self._bytes = sum(len(msg.data) for msg in self.msgs.values())


class Router(GossipSub):  # type: ignore[misc,unused-ignore]
    """The mesh. Everything it sends goes through the peers' outbound queues."""

    def __init__(self, settings: NetworkSettings, observe: Observe, on_mesh_change: Callable[[], None]) -> None:
        super().__init__(
            protocols=[PROTOCOL_ID_V12],
            degree=settings.mesh_degree,
            degree_low=settings.mesh_degree_low,
            degree_high=settings.mesh_degree_high,
            heartbeat_initial_delay=settings.heartbeat_initial_seconds,
            heartbeat_interval=settings.heartbeat_seconds,  # type: ignore[arg-type,unused-ignore]
            gossip_window=_GOSSIP_WINDOW,
            gossip_history=_GOSSIP_HISTORY,
            prune_back_off=_PRUNE_BACK_OFF_SECONDS,
            unsubscribe_back_off=_LEAVE_BACK_OFF_SECONDS,
            adaptive_gossip_enabled=False,
            spam_protection_enabled=False,
            eclipse_protection_enabled=False,
            max_idontwant_messages=ANNOUNCED_IDS_MAX,
        )
        self.mcache = _BoundedCache(observe)
        self._observe = observe
        self._on_mesh_change = on_mesh_change

    def get_protocols(self) -> list[TProtocol]:
        """The one pubsub protocol spoken."""
        return [PROTOCOL_ID_V12]

    async def publish(self, msg_forwarder: ID, pubsub_msg: Any) -> None:
        """Pass a validated message on, to nobody who has it."""
        pubsub = self.pubsub
        assert pubsub is not None, "the router is attached when pubsub is built"
        self.mcache.put(pubsub_msg)
        message_id = pubsub.get_message_id(pubsub_msg)
        if len(pubsub_msg.data) >= IDONTWANT_BYTES_MIN and msg_forwarder != pubsub.my_id:
            await self._emit_idontwant_for_message(message_id, pubsub_msg.topicIDs)
        frame = frame_of(rpc_pb2.RPC(publish=[pubsub_msg]).SerializeToString())
        takers = self._get_peers_to_send(pubsub_msg.topicIDs, msg_forwarder, ID(pubsub_msg.from_id), message_id)
        subscribers = pubsub.peer_topics.get(pubsub_msg.topicIDs[0], ())
        if msg_forwarder == pubsub.my_id and len(subscribers) <= self.degree_high:
            # Among few, our own word goes to everybody: the mesh may not have closed yet, and nobody else would bring it.
            takers = list(subscribers)
        for peer in takers:
            self._push(peer, frame)

    async def flush_pending_messages(self, peer_id: ID) -> None:
        """Nothing is pending here: a second writer would break the frames (trap 4)."""

    async def send_recent_messages(self, peer_id: ID, topic: str) -> None:
        """Late comers pull what they missed: a second writer would break the frames (trap 4)."""

    async def emit_control_message(self, control_msg: Any, to_peer: ID) -> None:
        """Queue a control message."""
        self._push(to_peer, frame_of(rpc_pb2.RPC(control=control_msg).SerializeToString()), control=True)

    async def handle_rpc(self, rpc: Any, sender_peer_id: ID) -> None:
        """Act on a peer's control message, cut down to what we understand and can bound."""
        bounded = rpc_pb2.RPC(control=bounded_control(rpc.control, self.mesh.keys()))
        await super().handle_rpc(bounded, sender_peer_id)

    async def handle_iwant(self, iwant_msg: Any, sender_peer_id: ID) -> None:
        """Send the messages a peer missed, each once, up to a bound."""
        if not self._check_iwant_rate_limit(sender_peer_id):
            self._observe("p2p_limit_hits", {"limit": "wanted_rate"}, 1)
            return
        sent_bytes = 0
        for message_id in dict.fromkeys(iwant_msg.messageIDs):
            message = self.mcache.get(message_id)
            if message is None:
                continue
            sent_bytes += len(message.data)
            if sent_bytes > WANTED_BYTES_MAX:
                self._observe("p2p_limit_hits", {"limit": "wanted_bytes"}, 1)
                return
            self._push(sender_peer_id, frame_of(rpc_pb2.RPC(publish=[message]).SerializeToString()))

    async def handle_ihave(self, ihave_msg: Any, sender_peer_id: ID) -> None:
        """Ask for the announced messages not seen yet."""
        pubsub = self.pubsub
        assert pubsub is not None, "the router is attached when pubsub is built"
        if not self._check_ihave_rate_limit(sender_peer_id, ihave_msg.topicID):
            self._observe("p2p_limit_hits", {"limit": "announced_rate"}, 1)
            return
        wanted = [message_id for message_id in dict.fromkeys(ihave_msg.messageIDs) if not pubsub.seen_messages.has(message_id)]
        if wanted:
            await self.emit_iwant(wanted, sender_peer_id)

    async def heartbeat(self) -> None:
        """Keep the mesh at its degree, announce recent messages, forget what is over."""
        await trio.sleep(self.heartbeat_initial_delay)
        while True:
            grafts, prunes = self.mesh_heartbeat()
            self.fanout_heartbeat()
            await self._emit_control_msgs(grafts, prunes, self.gossip_heartbeat())
            self.mcache.shift()
            self._periodic_security_cleanup()
            self._prune_idontwant_entries()
            self._forget_back_offs()
            await trio.sleep(self.heartbeat_interval)

    async def _emit_control_msgs(
        self, peers_to_graft: dict[ID, list[str]], peers_to_prune: dict[ID, list[str]], peers_to_gossip: dict[ID, dict[str, list[bytes]]]
    ) -> None:
        # The library carries one peer's grafts over to the next; each peer gets its own here.
        for peer in dict.fromkeys([*peers_to_graft, *peers_to_prune]):
            control = rpc_pb2.ControlMessage(
                graft=[rpc_pb2.ControlGraft(topicID=topic) for topic in peers_to_graft.get(peer, ())],
                prune=[rpc_pb2.ControlPrune(topicID=topic, backoff=self.prune_back_off) for topic in peers_to_prune.get(peer, ())],
            )
            await self.emit_control_message(control, peer)
        for peer, ids_by_topic in peers_to_gossip.items():
            for topic, message_ids in ids_by_topic.items():
                await self.emit_ihave(topic, message_ids[:ANNOUNCED_IDS_MAX], peer)

    def _notify_mesh_peer_added(self, peer_id: ID, topic: str) -> None:
        super()._notify_mesh_peer_added(peer_id, topic)
        self._on_mesh_change()

    def _push(self, peer: ID, frame: bytes, *, control: bool = False) -> None:
        pubsub: Any = self.pubsub
        queue = pubsub.peer_queues.get(peer)
        if queue is not None and not queue.push(frame, control=control):
            self._observe("p2p_limit_hits", {"limit": "outbound_control" if control else "outbound_messages"}, 1)

    def _forget_back_offs(self) -> None:
        now = int(time.time())
        for topic in list(self.back_off):
            kept = {peer: until for peer, until in self.back_off[topic].items() if until > now}
            if kept:
                self.back_off[topic] = kept
            else:
                del self.back_off[topic]


def bounded_control(control: Any, topics: Any) -> Any:
    """What is worth acting on in a peer's control message: known kinds, our topics, limited numbers.

    Peers named in a prune are dropped: dialling whom a stranger names would turn us on others.
    """

    def ours(entries: Sequence[Any]) -> list[Any]:
        return [entry for entry in entries[:CONTROL_ENTRIES_MAX] if entry.topicID in topics]

    return rpc_pb2.ControlMessage(
        graft=[rpc_pb2.ControlGraft(topicID=graft.topicID) for graft in ours(control.graft)],
        prune=[
            rpc_pb2.ControlPrune(topicID=prune.topicID, backoff=min(prune.backoff, _PRUNE_BACK_OFF_SECONDS))
            for prune in ours(control.prune)
        ],
        ihave=[
            rpc_pb2.ControlIHave(topicID=ihave.topicID, messageIDs=ihave.messageIDs[:ANNOUNCED_IDS_MAX]) for ihave in ours(control.ihave)
        ],
        iwant=[rpc_pb2.ControlIWant(messageIDs=iwant.messageIDs[:ANNOUNCED_IDS_MAX]) for iwant in control.iwant[:CONTROL_ENTRIES_MAX]],
        idontwant=[
            rpc_pb2.ControlIDontWant(messageIDs=entry.messageIDs[:ANNOUNCED_IDS_MAX]) for entry in control.idontwant[:CONTROL_ENTRIES_MAX]
        ],
    )

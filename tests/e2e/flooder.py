"""Hostile peers for a running network: a fresh key each, a stock libp2p host that says what it likes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import trio
from libp2p.exceptions import BaseLibp2pError
from libp2p.network.stream.exceptions import StreamError
from libp2p.pubsub.pb import rpc_pb2

from p2p.adapter.frames import frame_of
from p2p.adapter.identity import load_or_create_identity
from p2p.adapter.requests import SYNC_PROTOCOL
from p2p.network import PeerId
from p2p.topics import Topic, TopicKind
from tests.e2e.harness import Cluster
from tests.p2p.adapter.harness import Attacker, attacking, rpc

FLOOD_SECONDS_MAX = 20.0
FRAME_BYTES = 300_000
ASKERS = 12
"""Requests at once: fewer than a node answers one peer."""
READ_BYTES = 1 << 20
COME_BACK_SECONDS = 0.05
ROUND_SECONDS_MAX = 2.0
SILENT_STREAMS = 150
GONE = (BaseLibp2pError, ValueError, trio.ClosedResourceError, trio.BrokenResourceError)
"""What writing to a peer that has cut us off raises."""


@dataclass
class Target:
    """A node of the network, as an attacker sees it."""

    cluster: Cluster
    node: int
    peer_id: PeerId

    @classmethod
    def of(cls, cluster: Cluster, node: int) -> Target:
        return cls(cluster, node, PeerId(str(load_or_create_identity(cluster.layout.node(node) / "node.key"))))

    @property
    def network(self) -> Target:
        return self

    @property
    def port(self) -> int:
        return self.cluster.options.p2p_port + self.node

    def topic(self, kind: TopicKind, chain: int = 0) -> str:
        return Topic(kind, chain).name(self.cluster.genesis.root)


Flood = Callable[[Attacker, Target], Awaitable[int]]
"""Goes on until it is cut off or has said all; how many messages it got out."""


def run(flood: Flood, target: Target, is_over: Callable[[], bool], seconds: float = FLOOD_SECONDS_MAX) -> int:
    """One attacker, which comes back as often as it is thrown out until `is_over`; how many messages it got out."""

    async def main() -> int:
        sent = 0
        async with attacking() as attacker:
            with trio.move_on_after(seconds):
                while not await trio.to_thread.run_sync(is_over):
                    try:
                        await attacker.connect(target)
                        sent += await flood(attacker, target)
                    except GONE:
                        await trio.sleep(COME_BACK_SECONDS)
        return sent

    return trio.run(main)


def gossip(kind: TopicKind, payload: bytes, count: int, distinct: int = 3000) -> Flood:
    """So many messages of one payload, small ones packed into large frames."""

    async def flood(attacker: Attacker, target: Target) -> int:
        topic = target.topic(kind)
        messages = [attacker.message(payload, topic=topic, seqno=number.to_bytes(8, "big")) for number in range(distinct)]
        return await write_messages(attacker, target, messages, count)

    return flood


async def write_messages(attacker: Attacker, target: Target, messages: list[Any], count: int) -> int:
    """The messages over and over, until `count` or the end of the connection."""
    size = messages[0].ByteSize() + 8
    in_frame = max(1, FRAME_BYTES // size)
    groups = [messages[start : start + in_frame] for start in range(0, len(messages), in_frame)]
    frames = [(len(group), rpc(publish=group)) for group in groups]
    sent = 0
    try:
        stream = await attacker.open_pubsub(target)
        while sent < count:
            for size, frame in frames:
                await stream.write(frame)
                sent += size
    except GONE:
        pass
    return sent


def raw(content: bytes) -> Flood:
    """Bytes on a gossip stream, again and again as long as it is taken in."""

    async def flood(attacker: Attacker, target: Target) -> int:
        sent = 0
        try:
            while True:
                stream = await attacker.open_pubsub(target)
                await stream.write(content)
                sent += 1
                await stream.read(1)
        except GONE:
            pass
        return sent

    return flood


def requests(payload: bytes, count: int) -> Flood:
    """So many requests, a few at a time, each written in one go with the negotiation of its stream."""
    opening = b"".join(frame_of(line + b"\n") for line in (b"/multistream/1.0.0", SYNC_PROTOCOL.encode())) + frame_of(payload)

    async def flood(attacker: Attacker, target: Target) -> int:
        (connection,) = attacker.host.get_network().get_connections()
        sent = 0

        async def ask() -> None:
            nonlocal sent
            while sent < count:
                sent += 1
                stream = await connection.new_stream()
                await stream.write(opening)
                try:
                    while await stream.read(READ_BYTES):
                        pass
                    await stream.close()
                except StreamError:
                    await stream.reset()

        try:
            async with trio.open_nursery() as nursery:
                for _ in range(ASKERS):
                    nursery.start_soon(ask)
        except* GONE:
            pass
        return sent

    return flood


async def silent_streams(attacker: Attacker, target: Target) -> int:
    """Streams on which nothing is said, one after the other: however slow this machine is, they become too many."""
    (connection,) = attacker.host.get_network().get_connections()
    opened = 0
    with trio.move_on_after(ROUND_SECONDS_MAX):
        try:
            for _ in range(SILENT_STREAMS):
                await connection.new_stream()
                opened += 1
            await trio.sleep(ROUND_SECONDS_MAX)
        except GONE:
            pass
    return opened


def hello_everywhere(target: Target) -> bytes:
    """Subscribes to every topic."""
    shards = range(target.cluster.options.shards)
    topics = [target.topic(kind, shard) for kind in TopicKind for shard in shards]
    return rpc(subscriptions=[rpc_pb2.RPC.SubOpts(subscribe=True, topicid=topic) for topic in topics])


async def never_read(attacker: Attacker, target: Target) -> int:
    """Wants to hear everything and takes nothing in, until the other side has enough."""
    (connection,) = attacker.host.get_network().get_connections()
    stream = await attacker.open_pubsub(target)
    await stream.write(hello_everywhere(target))
    connection.muxed_conn.secured_conn.read = _sleep
    await trio.sleep_forever()
    return 0


async def _sleep(*arguments: Any) -> bytes:
    await trio.sleep_forever()
    return b""

"""Real nodes and real attackers on the loopback interface, waiting for events and never for time."""

from collections import Counter
from contextlib import asynccontextmanager

import trio
from libp2p import new_host
from libp2p.crypto.secp256k1 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair
from libp2p.custom_types import TProtocol
from libp2p.peer.peerinfo import PeerInfo
from libp2p.pubsub.gossipsub import PROTOCOL_ID_V12
from libp2p.pubsub.pb import rpc_pb2
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE_PROTOCOL
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX_PROTOCOL
from libp2p.stream_muxer.yamux.yamux import Yamux
from multiaddr import Multiaddr

from p2p.adapter.frames import frame_of
from p2p.adapter.host import Network
from p2p.adapter.identity import identity_of, peer_id_from
from p2p.adapter.transport import NoAutoConnector, SocketTcp, bind_exclusively
from p2p.limits import MessageLimit, Rate
from p2p.network import GossipReceived, NetworkSettings, PeerAddress, PeerId

TOPIC = "/shardnet/test"
PATIENCE_SECONDS = 15
FAST = NetworkSettings(heartbeat_seconds=0.2, heartbeat_initial_seconds=0.1, redial_seconds=0.05, redial_seconds_max=0.2)


async def echo(peer, request):
    return b"echo:" + request


def as_it_is(payload):
    return payload


ROOMY = Rate(1e9, 1e9)


def roomy_limit(bytes_max=256 * 1024):
    return MessageLimit("test", bytes_max, 0, 0, ROOMY, ROOMY, "")


class Node:
    """A network under test, what it observed and what it received."""

    def __init__(self, identity_path, *, settings=FAST, handler=echo, port=0, request_limit=None):
        self.counts = Counter()
        self._changed = trio.Event()
        self.blamed = []
        limit = request_limit or roomy_limit(1 << 20)
        self.network = Network(
            identity_path, "127.0.0.1", port, handler, self._observe, settings, report=self._blame, limit_of=lambda request: limit
        )
        self.received = []

    @property
    def peer_id(self):
        return self.network.peer_id

    @property
    def address(self):
        return PeerAddress("127.0.0.1", self.network.port, self.peer_id)

    def _observe(self, name, labels, value):
        self.counts[name, *sorted(labels.items())] += value
        self.changed()

    def _blame(self, peer, reason):
        self.blamed.append((peer, reason))
        self.changed()

    def changed(self):
        self._changed.set()
        self._changed = trio.Event()

    def count(self, name, **labels):
        return self.counts[name, *sorted(labels.items())]

    async def until(self, condition):
        """Wait until `condition()` holds, looking again whenever the node observed or received something."""
        with trio.fail_after(PATIENCE_SECONDS):
            while not condition():
                await self._changed.wait()

    async def until_connected(self, *peers):
        await self.until(lambda: {other.peer_id for other in peers} <= set(self.network.peers()))

    async def until_received(self, payload):
        await self.until(lambda: payload in self.payloads())

    async def until_meshed(self, *peers):
        router = self.network._gossip.router
        for identity in (identity_of(other.peer_id) for other in peers):
            with trio.fail_after(PATIENCE_SECONDS):
                while identity not in router.mesh[TOPIC]:
                    # libp2p forgets who waits when a stream is replaced, so the wait is taken up again.
                    with trio.move_on_after(1):
                        await router.wait_for_mesh(identity, TOPIC, timeout=PATIENCE_SECONDS)

    def payloads(self):
        return [event.message for event in self.received if isinstance(event, GossipReceived)]

    async def _collect(self):
        async for event in self.network.events:
            self.received.append(event)
            self.changed()


@asynccontextmanager
async def running(*nodes):
    """Run the nodes; each is listening when the body starts."""
    async with trio.open_nursery() as nursery:
        for node in nodes:
            nursery.start_soon(node._collect)
            await nursery.start(node.network.run)
        yield
        nursery.cancel_scope.cancel()


def nodes_in(folder, count, **options):
    return [Node(folder / f"node{index}.key", **options) for index in range(count)]


def subscribe(*nodes, decoder=as_it_is, limit=None):
    for node in nodes:
        node.network.subscribe(TOPIC, limit or roomy_limit(), decoder)


def keep_each_other(*nodes):
    for node in nodes:
        node.network.keep([other.address for other in nodes])


class Attacker:
    """A stock libp2p host that says what it likes, and dials only when it is told to."""

    def __init__(self, key_pair=None):
        self.key_pair = key_pair or create_new_key_pair()
        self.transport = SocketTcp(bind_exclusively("127.0.0.1", 0), lambda address: True, NetworkSettings())
        self.host = new_host(
            key_pair=self.key_pair,
            sec_opt={NOISE_PROTOCOL: NoiseTransport(self.key_pair, noise_privkey=create_noise_key_pair().private_key)},
            muxer_opt={TProtocol(YAMUX_PROTOCOL): Yamux},
            transports=[self.transport],
        )
        # A stock host looks for connections every ten seconds, and would take the place that a test frees for another.
        self.host.get_network().auto_connector = NoAutoConnector(self.host.get_network())
        # It dies of the first stream that is reset during its negotiation.
        self.host.get_network().set_stream_handler(self._survive)

    async def _survive(self, stream):
        try:
            await self.host._swarm_stream_handler(stream)
        except Exception:
            await stream.reset()

    @property
    def peer_id(self) -> PeerId:
        return peer_id_from(self.host.get_id())

    async def connect(self, node):
        address = Multiaddr(f"/ip4/127.0.0.1/tcp/{node.network.port}")
        await self.host.connect(PeerInfo(identity_of(node.peer_id), [address]))

    async def open(self, node, protocol):
        return await self.host.new_stream(identity_of(node.peer_id), [protocol])

    async def open_pubsub(self, node):
        return await self.open(node, PROTOCOL_ID_V12)

    def message(self, payload, *, topic=TOPIC, seqno=b"\0" * 8):
        message = rpc_pb2.Message(data=payload, topicIDs=[topic], from_id=self.host.get_id().to_bytes(), seqno=seqno)
        message.signature = self.key_pair.private_key.sign(b"libp2p-pubsub:" + message.SerializeToString())
        return message


@asynccontextmanager
async def attacking(key_pair=None):
    attacker = Attacker(key_pair)
    try:
        async with attacker.host.run([]):
            yield attacker
    finally:
        attacker.transport.close_sockets()


def rpc(**fields):
    """A framed pubsub RPC."""
    return frame_of(rpc_pb2.RPC(**fields).SerializeToString())


def hello(topic=TOPIC):
    return rpc(subscriptions=[rpc_pb2.RPC.SubOpts(subscribe=True, topicid=topic)])

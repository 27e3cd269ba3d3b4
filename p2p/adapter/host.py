"""The network as the node sees it, on top of libp2p.

Source: ARCHITECTURE, "Processes"; LIBP2P, all of it.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import trio
from libp2p import new_host
from libp2p.abc import INetConn, INetStream, INetwork, INotifee
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair
from libp2p.custom_types import TProtocol
from libp2p.network.config import ConnectionConfig, RetryConfig
from libp2p.peer.id import ID
from libp2p.pubsub.pubsub_notifee import PubsubNotifee
from libp2p.rcmgr.manager import ResourceManager
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE_PROTOCOL
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX_PROTOCOL
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr

from p2p.adapter.compat import check_libp2p, install_patches
from p2p.adapter.dialing import Complaints, Connectivity, keep_connected
from p2p.adapter.events import EventQueue
from p2p.adapter.gossip import Gossip, GossipPorts
from p2p.adapter.guard import Guard
from p2p.adapter.identity import identity_of, load_key_pair, load_or_create_identity, peer_id_from
from p2p.adapter.requests import Requests
from p2p.adapter.transport import BoundedYamux, NoAutoConnector, SocketTcp, bind_exclusively, cut
from p2p.limits import STREAM_LIMIT, MessageLimit, request_limit
from p2p.network import (
    CONNECTIONS_MAX,
    INBOUND_STREAMS_PER_PEER_MAX,
    KEPT_PEERS_MAX,
    LEARNED_PEERS_MAX,
    Decoder,
    GossipReceived,
    NetworkSettings,
    Observe,
    PeerAddress,
    PeerConnected,
    PeerDisconnected,
    PeerId,
    Report,
    RequestFailed,
    RequestFailure,
    RequestHandler,
)
from primitives.errors import PeerReason

log = logging.getLogger(__name__)

_CUT_SECONDS: Final = 2.0


class Network:
    """One node's connections. Build it, subscribe and keep, then `await nursery.start(network.run)`.

    Everything but `run` and `request` is synchronous and never waits.
    """

    def __init__(
        self,
        identity_path: Path,
        host: str,
        port: int,
        handler: RequestHandler,
        observe: Observe,
        settings: NetworkSettings | None = None,
        *,
        report: Report = lambda peer, reason: None,
        limit_of: Callable[[bytes], MessageLimit] = request_limit,
    ) -> None:
        """Nothing is opened yet; `port` 0 takes any free one, told by `port` once `run` is ready.

        `report` hears what peers are to blame for, `limit_of` tells what an encoded request may cost.

        Raises:
            UnsupportedLibp2p: another libp2p is installed.
            InvalidNodeKey: the file at `identity_path` holds something else.
        """
        check_libp2p()
        install_patches()
        self.peer_id = load_or_create_identity(identity_path)
        self.host, self.port = host, port
        self._key_pair = load_key_pair(identity_path)
        self._handler = handler
        self._observe = observe
        self._settings = settings or NetworkSettings()
        self._queue = EventQueue(observe)
        self.events = self._queue.events
        self._topics: dict[str, tuple[MessageLimit, Decoder]] = {}
        self._kept: dict[PeerId, PeerAddress] = {}
        self._learned: dict[PeerId, trio.CancelScope] = {}
        self._limit_of = limit_of
        self._guard = Guard(observe, report, lambda peer: peer_id_from(peer) in self._kept)
        self._streams: dict[ID, int] = {}
        self._heard: set[ID] = set()
        self._connectivity = Connectivity()
        self._nursery: trio.Nursery | None = None
        self._libp2p: Any = None
        self._gossip: Gossip | None = None
        self._requests: Requests | None = None
        self._closing = False

    # What the node calls

    def subscribe(self, topic: str, limit: MessageLimit, decoder: Decoder) -> None:
        """Take messages of `topic` within `limit` that `decoder` understands, before or during `run`."""
        self._topics[topic] = (limit, decoder)
        if self._gossip is not None:
            self._gossip.add_topic(topic, limit, decoder)
            self._spawn(self._gossip.join_topic, topic)

    def unsubscribe(self, topic: str) -> None:
        """Take no more messages of `topic`."""
        self._topics.pop(topic, None)
        if self._gossip is not None:
            self._spawn(self._gossip.leave_topic, topic)

    def publish(self, topic: str, payload: bytes) -> None:
        """Gossip `payload`; it is held back for a while if nobody can take it yet. Not delivered to ourselves.

        Raises:
            PayloadTooLarge: it is over the limit; announce it by hash instead.
        """
        if self._gossip is None:
            self._observe("p2p_messages", {"topic": topic, "result": "dropped"}, 1)
            return
        self._gossip.publish_payload(topic, payload)

    async def request(self, peer: PeerId, payload: bytes, timeout_s: float) -> bytes:
        """Ask a connected peer.

        Raises:
            RequestFailed: see `RequestFailure`; ask the next peer.
        """
        identity = identity_of(peer)
        if self._requests is None or not self._connectivity.is_connected(identity):
            self._observe("p2p_requests", {"side": "asked", "result": RequestFailure.NOT_CONNECTED.value}, 1)
            raise RequestFailed(RequestFailure.NOT_CONNECTED)
        return await self._requests.ask(identity, payload, timeout_s)

    def keep(self, addresses: Iterable[PeerAddress]) -> None:
        """Stay connected to these peers as well, before or during `run`; our own address is passed over (trap 16)."""
        for address in addresses:
            if address.peer_id == self.peer_id or address.peer_id in self._kept:
                continue
            if len(self._kept) >= KEPT_PEERS_MAX:
                self._observe("p2p_limit_hits", {"limit": "kept_peers"}, 1)
                return
            self._kept[address.peer_id] = address
            if self._libp2p is not None:
                self._start_keeping(address)

    def learn(self, address: PeerAddress) -> bool:
        """Stay connected to a peer that another one told of, until `unlearn`; it has not the standing of one to keep.

        False when `LEARNED_PEERS_MAX` are held, or the peer is kept already.
        """
        peer = address.peer_id
        if peer == self.peer_id or peer in self._kept or peer in self._learned:
            return False
        if len(self._learned) >= LEARNED_PEERS_MAX:
            self._observe("p2p_limit_hits", {"limit": "learned_peers"}, 1)
            return False
        self._learned[peer] = trio.CancelScope()
        self._spawn(self._keep_learned, address, self._learned[peer])
        return True

    async def _keep_learned(self, address: PeerAddress, scope: trio.CancelScope) -> None:
        with scope:
            complaints = Complaints(address, is_configured=False)
            await keep_connected(self._libp2p, address, self._connectivity, self._settings, self._observe, complaints)

    def unlearn(self, peer: PeerId) -> None:
        """Dial a learned peer no more."""
        scope = self._learned.pop(peer, None)
        if scope is not None:
            scope.cancel()

    def address_of(self, peer: PeerId) -> str | None:
        """The IP address a connected peer's connection comes from or goes to."""
        return self._guard.address_of(identity_of(peer))

    def disconnect(self, peer: PeerId) -> bool:
        """Close every connection with the peer; a kept peer is dialled again. False if it is not connected, or leaving already."""
        identity = identity_of(peer)
        is_leaving = self._guard.dismiss(identity)
        if is_leaving:
            self._spawn(self._cut_peer, identity)
        return is_leaving

    def ban(self, peer: PeerId, seconds: float) -> bool:
        """Disconnect the peer and refuse its connections for `seconds`, counted from now; False if it was banned already."""
        identity = identity_of(peer)
        is_new = self._guard.ban(identity, seconds)
        self._spawn(self._cut_peer, identity)
        return is_new

    def is_banned(self, peer: PeerId) -> bool:
        """Whether the peer is refused now, whoever else brings what it says; cheap."""
        return self._guard.is_banned(identity_of(peer))

    def pardon(self, peer: PeerId) -> None:
        """Refuse a banned peer no more; a kept one is dialled again."""
        self._guard.pardon(identity_of(peer))

    def peers(self) -> list[PeerId]:
        """The connected peers, sorted."""
        return sorted(peer_id_from(peer) for peer in self._connectivity.peers())

    # Running

    async def run(self, *, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        """Listen, gossip, answer and keep connections until cancelled; started once it listens.

        Raises:
            PortInUse: somebody else listens on the port.
        """
        listening = bind_exclusively(self.host, self.port)
        transport = SocketTcp(listening, self._guard.accepts, self._settings)
        self.port = listening.getsockname()[1]
        try:
            async with trio.open_nursery() as nursery:
                stop = trio.Event()
                nursery.start_soon(_set_when_cancelled, stop)
                await nursery.start(self._serve, transport, stop)
                task_status.started()
        finally:
            transport.close_sockets()

    async def _serve(self, transport: SocketTcp, stop: trio.Event, *, task_status: Any) -> None:
        with trio.CancelScope(shield=True) as scope:
            try:
                async with self._services(transport):
                    async with trio.open_nursery() as nursery:
                        self._nursery = nursery
                        nursery.start_soon(self._upkeep)
                        for address in self._kept.values():
                            self._start_keeping(address)
                        task_status.started()
                        await stop.wait()
                        self._closing = True
                        scope.deadline = trio.current_time() + self._settings.shutdown_seconds
                        nursery.cancel_scope.cancel()
                    await self._close_sockets()
            except Exception as error:
                # Tasks libp2p starts while its nursery closes (trap 17); before the shutdown it would be a real failure.
                if not self._closing:
                    raise
                log.debug("shutdown_noise error=%r", error)
            finally:
                self._nursery = self._gossip = self._requests = self._libp2p = None
                self._queue.close()

    @asynccontextmanager
    async def _services(self, transport: SocketTcp) -> AsyncIterator[None]:
        address = Multiaddr(f"/{'ip6' if ':' in self.host else 'ip4'}/{self.host}/tcp/{self.port}")
        host = self._build_host(transport)
        requests = Requests(
            host, self._handler, self._guard, self._limit_of, self._observe, self._on_heard, self._settings.answer_timeout_seconds
        )
        ports = GossipPorts(self._deliver, self._guard, self._observe, self._on_heard, self._on_malformed, self._has_known_peers)
        gossip = Gossip(host, self._settings, ports)
        router: Any = gossip.router
        network = host.get_network()
        network.notifees[:] = [notifee for notifee in network.notifees if isinstance(notifee, PubsubNotifee)]
        network.register_notifee(_Notifee(self))
        for topic, (limit, decoder) in self._topics.items():
            gossip.add_topic(topic, limit, decoder)
        async with host.run([address]), background_trio_service(gossip), background_trio_service(router):
            await gossip.wait_until_ready()
            for topic in self._topics:
                await gossip.join_topic(topic)
            self._libp2p, self._gossip, self._requests = host, gossip, requests
            yield

    def _build_host(self, transport: SocketTcp) -> Any:
        host: Any = new_host(
            key_pair=self._key_pair,
            sec_opt={NOISE_PROTOCOL: NoiseTransport(self._key_pair, noise_privkey=create_noise_key_pair().private_key)},
            muxer_opt={TProtocol(YAMUX_PROTOCOL): BoundedYamux},
            transports=[transport],
            connection_config=ConnectionConfig(
                min_connections=0, low_watermark=0, high_watermark=CONNECTIONS_MAX, max_connections=CONNECTIONS_MAX,
                inbound_upgrade_timeout=self._settings.handshake_timeout_seconds,
                outbound_upgrade_timeout=self._settings.handshake_timeout_seconds,
            ),
            resource_manager=ResourceManager(
                enable_metrics=False,
                enable_memory_limits=False,
                enable_rate_limiting=False,
                enable_circuit_breaker=False,
                enable_graceful_degradation=False,
            ),
            disable_identify_address_discovery=True,
        )
        network = host.get_network()
        # Its stream budget is shared by both directions, so that a peer could use up ours; we count streams a peer.
        network.set_resource_manager(None)
        network.auto_connector = NoAutoConnector(network)
        network.retry_config = RetryConfig(max_retries=0)
        # Nobody needs identify and its kin here, and what is not offered cannot be attacked.
        for protocol in list(host.get_mux().get_protocols()):
            host.remove_stream_handler(protocol)
        network.set_stream_handler(self._guarded(host._swarm_stream_handler))
        return host

    def _guarded(self, handle: Callable[[INetStream], Any]) -> Callable[[INetStream], Any]:
        """A stream handler out of which nothing escapes: what does ends the whole node (trap 2)."""

        async def guarded(stream: INetStream) -> None:
            peer = stream.muxed_conn.peer_id
            count = self._streams.get(peer, 0)
            if self._is_unwelcome(peer) or not self._guard.allows(peer, STREAM_LIMIT, 0):
                await stream.reset()
                return
            if count >= INBOUND_STREAMS_PER_PEER_MAX:
                # An honest peer has REQUESTS_PER_PEER_MAX open, and one for gossip.
                self._observe("p2p_limit_hits", {"limit": "inbound_streams"}, 1)
                self._guard.blame(peer, PeerReason.OVER_RATE)
                await stream.reset()
                return
            self._streams[peer] = count + 1
            try:
                await handle(stream)
            except Exception as error:
                log.debug("stream_failed peer=%s error=%r", peer, error)
                self._observe("p2p_streams_failed", {}, 1)
                await stream.reset()
            finally:
                self._streams[peer] -= 1
                if not self._streams[peer]:
                    del self._streams[peer]

        return guarded

    def _start_keeping(self, address: PeerAddress) -> None:
        complaints = Complaints(address, is_configured=True)
        self._spawn(keep_connected, self._libp2p, address, self._connectivity, self._settings, self._observe, complaints)

    async def _upkeep(self) -> None:
        """Ping peers that were silent (trap 13), lift bans, give up messages nobody takes."""
        misses: dict[ID, int] = {}
        while True:
            await trio.sleep(self._settings.ping_interval_seconds)
            heard, self._heard = self._heard, set()
            silent = [peer for peer in self._connectivity.peers() if peer not in heard]
            misses = {peer: misses.get(peer, 0) for peer in silent}
            async with trio.open_nursery() as nursery:
                for peer in silent:
                    nursery.start_soon(self._ping, peer, misses)
            self._guard.lift_bans()
            if self._gossip is not None:
                self._gossip.flush_waiting()

    async def _ping(self, peer: ID, misses: dict[ID, int]) -> None:
        assert self._requests is not None, "pings are sent while services run"
        try:
            await self._requests.ask(peer, b"", self._settings.ping_timeout_seconds)
        except RequestFailed:
            misses[peer] += 1
            if misses[peer] >= self._settings.ping_misses_max:
                log.info("peer_silent peer=%s", peer)
                self._observe("p2p_peers_silent", {}, 1)
                await self._cut_peer(peer)
        else:
            misses[peer] = 0

    # What libp2p tells us

    def _on_connected(self, peer: ID, address: str) -> None:
        if self._is_unwelcome(peer) or not self._guard.admits(peer, address):
            self._observe("p2p_peers_refused", {}, 1)
            self._spawn(self._cut_peer, peer)
        elif self._connectivity.set_connected(peer, connected=True):
            self._queue.put(PeerConnected(peer_id_from(peer)))
            self._observe("p2p_peers", {}, len(self._connectivity.peers()))

    def _on_disconnected(self, peer: ID, *, remaining: bool) -> None:
        if not remaining and self._connectivity.set_connected(peer, connected=False):
            if self._requests is not None:
                self._requests.forget(peer)
            self._guard.forget(peer)
            self._queue.put(PeerDisconnected(peer_id_from(peer)))
            self._observe("p2p_peers", {}, len(self._connectivity.peers()))

    def _deliver(self, received: GossipReceived, by_stranger: bool) -> None:
        self._queue.put(received, by_stranger=by_stranger)

    def _on_heard(self, peer: ID) -> None:
        self._heard.add(peer)

    def _on_malformed(self, peer: ID) -> None:
        self._guard.dismiss(peer)
        self._spawn(self._cut_peer, peer)

    def _is_unwelcome(self, peer: ID) -> bool:
        return peer == self._libp2p_id() or self._guard.is_unwelcome(peer)

    def _libp2p_id(self) -> ID:
        return ID.from_pubkey(self._key_pair.public_key)

    def _has_known_peers(self) -> bool:
        return bool(self._kept or self._connectivity.peers())

    async def _cut_peer(self, peer: ID) -> None:
        for connection in list(self._libp2p.get_network().get_connections(peer)):
            await cut(connection, _CUT_SECONDS)

    async def _close_sockets(self) -> None:
        """Close what libp2p, cancelled in the middle of its own closing, leaves open."""
        for listener in list(self._libp2p.get_network().listeners.values()):
            await listener.close()
        async with trio.open_nursery() as nursery:
            for connection in list(self._libp2p.get_network().get_connections()):
                nursery.start_soon(cut, connection, _CUT_SECONDS)

    def _spawn(self, task: Callable[..., Any], *arguments: Any) -> None:
        if self._nursery is not None and not self._closing:
            self._nursery.start_soon(task, *arguments)


async def _set_when_cancelled(stop: trio.Event) -> None:
    """Pass cancellation on to what is shielded from it, so that it can end in good order."""
    try:
        await trio.sleep_forever()
    finally:
        stop.set()


class _Notifee(INotifee):
    """Passes connections and disconnections on."""

    def __init__(self, network: Network) -> None:
        self._network = network

    async def connected(self, network: INetwork, conn: INetConn) -> None:
        muxed: Any = conn.muxed_conn
        endpoint = muxed.get_remote_address()
        self._network._on_connected(muxed.peer_id, endpoint[0] if endpoint else "")

    async def disconnected(self, network: INetwork, conn: INetConn) -> None:
        peer = conn.muxed_conn.peer_id
        self._network._on_disconnected(peer, remaining=bool(network.get_connections(peer)))

    async def opened_stream(self, network: INetwork, stream: INetStream) -> None:
        """Nothing to do."""

    async def closed_stream(self, network: INetwork, stream: INetStream) -> None:
        """Nothing to do."""

    async def listen(self, network: INetwork, multiaddr: Multiaddr) -> None:
        """Nothing to do."""

    async def listen_close(self, network: INetwork, multiaddr: Multiaddr) -> None:
        """Nothing to do."""

"""The running node: its parts started in order, stopped in order (design page ARCHITECTURE, Processes)."""

from __future__ import annotations

import functools
import gc
import logging
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Any

import trio

from node import chaos, wiring
from node.addresses import AddressBook
from node.admission import Admission
from node.backend import NodeBackend
from node.bundle_gate import BundleGate
from node.clock import Clock
from node.config import NodeConfig
from node.controls import Controls
from node.core.core import Core
from node.core.records import CLOCK_KEY
from node.discovery import Discovery
from node.executors.executor import Executor
from node.executors.link import ExecutorLink
from node.explorer.site import Site
from node.feed import Feed
from node.flights import Flights
from node.forwarding import Forwarder, PeerRpc
from node.health import health_fields
from node.http_metrics import serve_metrics
from node.impersonated import Impersonated
from node.logs import QueuedLines, logging_to
from node.loop import CoreLoop
from node.metrics import NodeMetrics
from node.past import STORE, Past
from node.rpc.app import Application
from node.rpc.door import Door
from node.rpc.server import serve_application
from node.serving import Server
from node.snapshots import Snapshots
from node.store import NodeStore
from p2p.adapter.host import Network
from p2p.adapter.identity import check_peer_id
from p2p.limits import GOSSIP_LIMITS
from p2p.messages import decode_gossip
from p2p.network import PeerAddress, PeerId
from p2p.topics import Topic
from primitives.errors import StartupRefused, UserError
from primitives.genesis import Genesis
from shard.results import HeadInfo

SHUTDOWN_SECONDS_MAX = 4.5
"""For the executors to finish what they are at; what is left then is cut off, so that the whole stop stays within ten seconds."""
_LOG = logging.getLogger("shardnet.node")


def run(config: NodeConfig) -> None:
    """Runs a node until SIGTERM or SIGINT.

    Raises:
        UserError: it cannot start; the sentence says what to do.
    """
    with ExitStack() as stack:
        try:
            log = stack.enter_context(
                logging_to(config.log_level, config.log_format, config.log_file, config.log_file_bytes_max, config.log_files_max)
            )
        except OSError as error:
            raise StartupRefused(f"the log file {config.log_file} cannot be written: {error.strerror}; choose another log_file") from error
        try:
            trio.run(_main, config, log)
        except BaseExceptionGroup as group:
            refused, rest = group.split(UserError)
            if refused is not None and rest is None:
                reason = _first(refused)
                _LOG.critical("ended %s", reason)
                raise reason from None
            raise


def _first(group: BaseExceptionGroup[UserError]) -> UserError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, UserError)
    return error


async def _main(config: NodeConfig, log: QueuedLines) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            serving = trio.CancelScope()
            nursery.start_soon(_stop_on_signal, signals, serving)
            await _run_node(config, log, serving)
            nursery.cancel_scope.cancel()


async def _stop_on_signal(signals: object, scope: trio.CancelScope) -> None:
    async for number in signals:  # type: ignore[attr-defined]
        _LOG.info("stopping signal=%s", signal.Signals(number).name)
        scope.cancel()
        return


async def _run_node(config: NodeConfig, log: QueuedLines, serving: trio.CancelScope) -> None:
    """Runs a node until `serving` is cancelled."""
    identity = wiring.load_identity(config)
    genesis, persona = identity.genesis, wiring.make_persona(config, identity)
    snapshots = wiring.settled_snapshots(config, identity)
    store = NodeStore.open(config.data_dir / STORE, genesis.root)
    links = wiring.make_links(config, identity)
    try:
        # The executors outlive all that asks them, and end in order.
        async with trio.open_nursery() as executors, _stopping(links), _nursery_within(serving) as nursery:
            heads = {shard: await link.start(executors) for shard, link in links.items()}
            clock = Clock(store.read(CLOCK_KEY))
            core = wiring.make_core(identity, heads, store, config.pool_limits(), clock())
            metrics = NodeMetrics(core)
            log.on_drop = metrics.limit_hit
            metrics.usage.executors = {shard: link for shard, link in links.items() if isinstance(link, ExecutorLink)}

            async def answer(peer: PeerId, payload: bytes) -> bytes:
                if persona is None:
                    return await server.answer(peer, payload)
                return b"" if persona.refuses(payload) else persona.answer(payload, await server.answer(peer, payload))

            network = Network(
                config.node_key, config.listen_host, config.p2p_port, answer, metrics.observe,
                report=lambda peer, reason: loop.penalize(peer, reason),
            )
            topics = wiring.topic_names(genesis)
            _listen(network, wiring.heard_topics(identity))
            kept = [PeerAddress(peer.host, peer.port, PeerId(peer.peer_id)) for peer in config.peers]
            network.keep(kept)
            book = AddressBook(network, kept, check_peer_id)
            metrics.peers = lambda: len(network.peers())
            feed = Feed(core)
            gate = BundleGate(genesis.parameters.chain_id_base, metrics.observe) if genesis.parameters.devnet else None
            loop = CoreLoop(
                core, store, network, links, topics, metrics.observe, lambda admit: admission.enqueue(admit), lambda: backend.after_turn(),
                persona=persona, gate=gate, now=clock,
            )
            impersonated = Impersonated()
            admission = Admission(core, links, clock, loop.perform_soon, metrics.observe, loop.penalize, feed.pooled, impersonated)
            past, door = _make_past(config, snapshots, store, links, loop, core, clock, metrics, feed, lambda: backend)
            controls = Controls(core, clock, feed, loop.tell, loop.perform_soon, lambda shard: backend.shard(shard), past, impersonated)
            backend = NodeBackend(
                core=core, links=links, store=store, submit=admission.submit, peers=lambda: len(network.peers()), feed=feed,
                now=clock, controls=controls,
            )
            app = Application(
                backend, version=f"shardnet/v{version('shardnet')}", allowed_hosts=config.allowed_hosts, observe=metrics,
                elsewhere=Forwarder(network, core, metrics.observe, loop.penalize), door=door,
            )
            server = Server(core, store, links, book, PeerRpc(app, metrics.observe).answer, loop.hear, gate)
            await nursery.start(network.run)
            suffered = chaos.Suffered()
            if gate is not None:
                # before the doors open: a node that answers takes orders
                await nursery.start(functools.partial(chaos.obey, config.data_dir, network, loop, gate, suffered))
            more = functools.partial(health_fields, core, gate, suffered)
            await _open_doors(nursery, config, genesis, app, backend, metrics, more)
            for shard in links:
                nursery.start_soon(admission.run, shard)
            _LOG.info("started peer_id=%s validators=%s rpc_port=%d", network.peer_id, list(identity.local), config.rpc_port)
            # what a node is made of lives as long as it does: a full collection need not look through it again, for a tenth of a second
            gc.collect()
            gc.freeze()
            nursery.start_soon(loop.run)
            nursery.start_soon(past.run)
            nursery.start_soon(Discovery(network, book, store, metrics.observe, loop.penalize).run)
    finally:
        store.close()
    _LOG.info("stopped")


def _make_past(
    config: NodeConfig, snapshots: Snapshots, store: NodeStore, links: Mapping[int, Executor], loop: CoreLoop, core: Core, clock: Clock,
    metrics: NodeMetrics, feed: Feed, backend: Callable[[], NodeBackend],
) -> tuple[Past, Door]:  # fmt: skip
    """What goes back to snapshots, and the door that calls wait at meanwhile."""
    def go_back(heads: Mapping[int, HeadInfo]) -> None:
        clock.restore(store.read(CLOCK_KEY))
        core.begin(heads, wiring.make_pools(heads, config.pool_limits()), clock())
        backend().went_back()
        metrics.flights = Flights()
        metrics.observe("went_back", {}, 1)
        feed.went_back()

    door = Door()
    return Past(snapshots, store, links, loop, door, go_back, lambda: core.context.incarnation), door


def _listen(network: Network, topics: Mapping[str, Topic]) -> None:
    for name, topic in topics.items():
        network.subscribe(name, GOSSIP_LIMITS[topic.kind], functools.partial(decode_gossip, topic.kind))


async def _open_doors(
    nursery: trio.Nursery, config: NodeConfig, genesis: Genesis, app: Application, backend: NodeBackend, metrics: NodeMetrics,
    more: Callable[[], dict[str, Any]],
) -> None:  # fmt: skip
    """JSON-RPC on a port for each shard, then metrics, health and the explorer."""
    ports = {shard: config.rpc_port + shard for shard in range(genesis.parameters.shard_count)}
    listeners = [(config.listen_host, port, f"/shard/{shard}") for shard, port in ports.items()]
    await nursery.start(serve_application, app, listeners, metrics)
    site = Site(genesis, ports, version("shardnet"), config.allowed_hosts)
    await nursery.start(functools.partial(serve_metrics, backend, metrics, site, config.listen_host, config.metrics_port, more))


@asynccontextmanager
async def _nursery_within(scope: trio.CancelScope) -> AsyncIterator[trio.Nursery]:
    with scope:
        async with trio.open_nursery() as nursery:
            yield nursery


@asynccontextmanager
async def _stopping(links: Mapping[int, Executor]) -> AsyncIterator[None]:
    """Stops every executor at the end, all at the same time."""
    try:
        yield
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + SHUTDOWN_SECONDS_MAX):
            async with trio.open_nursery() as nursery:
                for link in links.values():
                    nursery.start_soon(link.stop)

"""The private parts of libp2p 0.8.1 the adapter leans on, checked at start-up, and the process-wide changes.

Source: LIBP2P, opening paragraph, "Figures" (window updates) and trap 18.
"""

from __future__ import annotations

import logging
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from libp2p.host.basic_host import BasicHost
from libp2p.network.auto_connector import AutoConnector
from libp2p.network.connection import swarm_connection
from libp2p.network.connection.swarm_connection import SwarmConn
from libp2p.network.stream.net_stream import NetStream
from libp2p.network.swarm import Swarm
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.mcache import MessageCache
from libp2p.pubsub.pubsub import Pubsub
from libp2p.stream_muxer.yamux.yamux import Yamux, YamuxStream
from libp2p.transport.tcp.tcp import TCPListener

from p2p.network import UnsupportedLibp2p

LIBP2P_VERSION: Final = "0.8.1"
RECEIVE_WINDOW_BYTES: Final = 1024 * 1024
"""Credit a peer gets on one stream; libp2p's own tuning grows it to 16 MiB."""
_LOW_CREDIT_BYTES: Final = 192 * 1024

_METHODS: Final[tuple[tuple[type[Any], tuple[str, ...]], ...]] = (
    (BasicHost, ("_swarm_stream_handler",)),
    (Swarm, ("dial_peer", "set_resource_manager", "set_stream_handler", "register_notifee", "get_connections")),
    (AutoConnector, ("maybe_connect",)),
    (SwarmConn, ("close",)),
    (NetStream, ("read", "write", "close", "reset")),
    (Yamux, ("_read_data_body", "_write_frame", "get_remote_address")),
    (YamuxStream, ("_auto_tune_and_send_window_update", "send_window_update")),
    (TCPListener, ("close", "get_addrs")),
    (MessageCache, ("put", "get", "window", "shift")),
    (
        Pubsub,
        (
            "_handle_new_peer",
            "_handle_dead_peer",
            "_forget_all_subscriptions",
            "_forget_subscription",
            "_schedule_peer_stream_retry",
            "get_hello_packet",
            "get_message_id",
            "handle_sending_messages",
            "stream_handler",
            "wait_until_ready",
        ),
    ),
    (
        GossipSub,
        (
            "_check_back_off",
            "_check_iwant_rate_limit",
            "_emit_control_msgs",
            "_get_peers_to_send",
            "_notify_mesh_peer_added",
            "_periodic_security_cleanup",
            "_prune_idontwant_entries",
            "emit_control_message",
            "fanout_heartbeat",
            "gossip_heartbeat",
            "handle_rpc",
            "heartbeat",
            "mesh_heartbeat",
            "on_peer_subscribed",
        ),
    ),
)
# What only an instance has, found among the names its class's code mentions.
_ATTRIBUTES: Final[tuple[tuple[type[Any], tuple[str, ...]], ...]] = (
    (Swarm, ("_negative_peer_cache", "auto_connector", "retry_config", "notifees", "listeners", "background_nursery")),
    (Yamux, ("_write_lock", "stream_buffers", "secured_conn", "event_shutting_down")),
    (YamuxStream, ("recv_window", "window_lock", "stream_id", "conn")),
    (TCPListener, ("listeners", "handler")),
    (Pubsub, ("peers", "peer_queues", "peer_topics", "_peer_subscription_count", "seen_messages", "counter", "sign_key")),
    (GossipSub, ("mesh", "fanout", "mcache", "back_off", "peer_protocol", "heartbeat_initial_delay", "heartbeat_interval")),
)


def check_libp2p(installed_version: str | None = None) -> None:
    """Make sure the installed libp2p is the one the adapter was written and tested against.

    Raises:
        UnsupportedLibp2p: another version is installed, or a private name is missing.
    """
    found = installed_version or _installed_version()
    if found != LIBP2P_VERSION:
        raise UnsupportedLibp2p(f"libp2p {LIBP2P_VERSION} is needed, {found} is installed: install the locked requirements")
    for owner, names in _METHODS:
        _require(owner, [name for name in names if not callable(getattr(owner, name, None))])
    for owner, names in _ATTRIBUTES:
        mentioned = _names_mentioned(owner)
        _require(owner, [name for name in names if name not in mentioned])


def install_patches() -> None:
    """Change what cannot be changed by subclassing; once or often, the result is the same.

    libp2p logs to stderr by itself (trap 18): its own logger without a handler, and its connection module through the
    root logger. Both are silenced; what matters of it is counted by the adapter.
    """
    logger = logging.getLogger("libp2p")
    logger.setLevel(logging.CRITICAL + 1)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    logger.propagate = False
    swarm_connection.logging = logging.getLogger("libp2p.network.connection")  # type: ignore[assignment]
    YamuxStream._auto_tune_and_send_window_update = _send_window_update  # type: ignore[method-assign]


async def _send_window_update(self: YamuxStream, *, bytes_read: int = 0) -> None:
    """Give back credit when little is left: one update for many small reads, none for short streams."""
    async with self.window_lock:
        if self.recv_window > _LOW_CREDIT_BYTES:
            return
        buffered = len(self.conn.stream_buffers.get(self.stream_id, b""))
        increment = RECEIVE_WINDOW_BYTES - self.recv_window - buffered
        if increment < _LOW_CREDIT_BYTES:
            return
        self.recv_window += increment
    await self.send_window_update(increment)


def _installed_version() -> str:
    try:
        return version("libp2p")
    except PackageNotFoundError:
        return "nothing"


def _require(owner: type[Any], missing: list[str]) -> None:
    if missing:
        raise UnsupportedLibp2p(f"libp2p's {owner.__name__} lacks {', '.join(sorted(missing))}: install the locked requirements")


def _names_mentioned(owner: type[Any]) -> set[str]:
    """Every attribute name in the code of the class and its bases."""
    names: set[str] = set()
    for base in owner.__mro__:
        for member in vars(base).values():
            code = getattr(member, "__code__", None)
            if code is not None:
                names.update(code.co_names)
    return names

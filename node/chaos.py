"""Faults on demand, for networks for development: an order in the data folder, and SIGUSR1 to have it carried out.

Whoever may write into the folder and signal the process may give orders, and nobody else; node/cluster/chaos.py does.
Source: docs/operating.md, "Break things on purpose".
"""

from __future__ import annotations

import logging
import signal
from pathlib import Path
from typing import Annotated, Protocol

import msgspec
import trio
from trio_typing import TaskStatus

from node.bundle_faults import FAULTS_MAX, BundleFault
from node.cluster.chaos import ORDER_FILE
from p2p.adapter.identity import check_peer_id
from p2p.network import PeerId
from primitives.errors import ShardnetError

ORDER_BYTES_MAX = 64 * 1024
SECONDS_MAX = 4000.0
DELAY_MS_MAX = 60_000
_LOG = logging.getLogger(__name__)


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a node is to suffer; a second order about the same thing takes the first one's place."""

    refuse: Annotated[tuple[str, ...], msgspec.Meta(max_length=256)] = ()
    """Peers that it cuts, and takes nothing from."""
    refuse_seconds: Annotated[float, msgspec.Meta(ge=0, le=SECONDS_MAX)] = 0.0
    """0: no more."""
    delay_ms: Annotated[int, msgspec.Meta(ge=0, le=DELAY_MS_MAX)] = 0
    """On top, for all that it gossips."""
    delay_seconds: Annotated[float, msgspec.Meta(ge=0, le=SECONDS_MAX)] = 0.0
    bundles: Annotated[tuple[BundleFault, ...], msgspec.Meta(max_length=FAULTS_MAX)] = ()
    """What happens to pages of receipts; an order with some is about nothing else."""


class Refuser(Protocol):
    """What cuts peers off."""

    def ban(self, peer: PeerId, seconds: float) -> bool:
        """Refuse a peer for so long, counted from now."""
        ...

    def pardon(self, peer: PeerId) -> None:
        """Refuse it no more."""
        ...


class Delayer(Protocol):
    """What gossips."""

    def delay_gossip(self, seconds: float, for_seconds: float) -> None:
        """Gossip so much later, for so long."""
        ...


class Gate(Protocol):
    """What pages of receipts pass."""

    def begin(self, fault: BundleFault) -> bool:
        """Begin a fault, or end it; False where there are too many."""
        ...


async def obey(
    folder: Path, network: Refuser, loop: Delayer, gate: Gate, *, task_status: TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Carries out the order in a folder at each SIGUSR1, and removes it; until cancelled."""
    with trio.open_signal_receiver(signal.SIGUSR1) as signals:
        task_status.started()
        async for _ in signals:
            carry_out(folder / ORDER_FILE, network, loop, gate)


def carry_out(path: Path, network: Refuser, loop: Delayer, gate: Gate) -> None:
    """Does what an order says; one that makes no sense is logged and removed."""
    try:
        content = path.read_bytes()
        path.unlink()
        if len(content) > ORDER_BYTES_MAX:
            raise msgspec.ValidationError(f"{len(content)} bytes, at most {ORDER_BYTES_MAX}")
        order = msgspec.json.decode(content, type=Order)
        peers = [check_peer_id(peer) for peer in order.refuse]
    except (OSError, msgspec.MsgspecError, ShardnetError) as error:
        _LOG.warning("chaos_refused path=%s error=%s", path, error)
        return
    _LOG.warning("chaos %s", msgspec.json.encode(order).decode())
    for fault in order.bundles:
        if not gate.begin(fault):
            _LOG.warning("chaos_refused path=%s error=%s", path, f"{FAULTS_MAX} faults are on already, at most")
    if order.bundles:
        return
    for peer in peers:
        if order.refuse_seconds > 0:
            network.ban(peer, order.refuse_seconds)
        else:
            network.pardon(peer)
    loop.delay_gossip(order.delay_ms / 1000, order.delay_seconds)

"""Faults on demand, for networks for development: an order in the data folder, and SIGUSR1 to have it carried out.

Whoever may write into the folder and signal the process may give orders, and nobody else; node/cluster/chaos.py does.
Source: docs/operating.md, "Break things on purpose".
"""

from __future__ import annotations

import logging
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

import msgspec
import trio
from trio_typing import TaskStatus

from node.bundle_faults import FAULTS_MAX, BundleFault
from node.cluster.orders import ORDER_FILE
from p2p.adapter.identity import check_peer_id
from p2p.network import PeerId
from primitives.errors import ShardnetError

ORDER_BYTES_MAX = 64 * 1024
SECONDS_MAX = 4000.0
DELAY_MS_MAX = 60_000
MARGIN_SECONDS_MAX = 60.0
_LOG = logging.getLogger(__name__)


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a node is to suffer; a second order about the same thing takes the first one's place."""

    refuse: Annotated[tuple[str, ...], msgspec.Meta(max_length=256)] = ()
    """Peers that it cuts, and takes nothing from."""
    refuse_seconds: Annotated[float, msgspec.Meta(ge=0, le=SECONDS_MAX)] = 0.0
    """0: no more."""
    delay_ms: Annotated[int, msgspec.Meta(ge=0, le=DELAY_MS_MAX)] | None = None
    """On top, for all that it gossips; None: the order is not about it."""
    delay_seconds: Annotated[float, msgspec.Meta(ge=0, le=SECONDS_MAX)] = 0.0
    bundles: Annotated[tuple[BundleFault, ...], msgspec.Meta(max_length=FAULTS_MAX)] = ()
    """What happens to pages of receipts; an order with some is about nothing else."""
    margin_seconds: Annotated[float, msgspec.Meta(ge=0, le=MARGIN_SECONDS_MAX)] = 0.0
    """How much longer all of it lasts where nobody ends it: whoever gave the order was to do that."""


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

    def begin(self, fault: BundleFault, margin_seconds: float) -> bool:
        """Begin a fault, or end it; False where there are too many."""
        ...


@dataclass(slots=True)
class Suffered:
    """What is on by order, apart from what happens to pages of receipts; times are of one clock that never goes back."""

    refused: tuple[str, ...] = ()
    refused_until: float = 0.0
    refused_margin: float = 0.0
    delay_ms: int = 0
    delayed_until: float = 0.0
    delayed_margin: float = 0.0

    def report(self, now: float) -> list[dict[str, Any]]:
        """For `/health`, as `BundleGate.report`: what kind, and for how long still; 0 s while only its margin is left."""
        found: list[dict[str, Any]] = []
        if self.refused and now < self.refused_until + self.refused_margin:
            found.append({"kind": "partition", "peers": list(self.refused), "seconds_left": _left(self.refused_until, now)})
        if self.delay_ms and now < self.delayed_until + self.delayed_margin:
            found.append({"kind": "slow", "delay_ms": self.delay_ms, "seconds_left": _left(self.delayed_until, now)})
        return found


def _left(until: float, now: float) -> float:
    return round(max(0.0, until - now), 1)


async def obey(
    folder: Path, network: Refuser, loop: Delayer, gate: Gate, suffered: Suffered, *,
    task_status: TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:  # fmt: skip
    """Carries out the order in a folder at each SIGUSR1, and removes it; until cancelled."""
    with trio.open_signal_receiver(signal.SIGUSR1) as signals:
        task_status.started()
        async for _ in signals:
            carry_out(folder / ORDER_FILE, network, loop, gate, suffered, trio.current_time())


def carry_out(path: Path, network: Refuser, loop: Delayer, gate: Gate, suffered: Suffered, now: float) -> None:
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
        if not gate.begin(fault, order.margin_seconds):
            _LOG.warning("chaos_refused path=%s error=%s", path, f"{FAULTS_MAX} faults are on already, at most")
    if order.bundles:
        return
    margin = order.margin_seconds
    for peer in peers:
        if order.refuse_seconds > 0:
            network.ban(peer, order.refuse_seconds + margin)
        else:
            network.pardon(peer)
    if peers:
        suffered.refused = order.refuse if order.refuse_seconds > 0 else ()
        suffered.refused_until, suffered.refused_margin = now + order.refuse_seconds, margin
    if order.delay_ms is not None:
        loop.delay_gossip(order.delay_ms / 1000, order.delay_seconds + margin)
        suffered.delay_ms = order.delay_ms if order.delay_seconds > 0 else 0
        suffered.delayed_until, suffered.delayed_margin = now + order.delay_seconds, margin

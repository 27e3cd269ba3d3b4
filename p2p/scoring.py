"""Peer scores: faults cost points, time gives them back, thresholds turn them into verdicts.

Pure: time is an argument. Source: LIBP2P ("scoring weights are all zero: keep your own scores"); STYLE 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from p2p.network import PeerId
from primitives.errors import Fault, PeerReason, Reason

POINTS = 10.0
"""Cost of one rejected message that was the peer's fault."""
DROP_POINTS = 20.0
"""What being disconnected adds: one who comes back and goes on is dropped twice more and then banned."""
POINTS_OF_REASON: Mapping[Reason, float] = {
    PeerReason.OVER_RATE: 1.0,  # a hundred messages past an allowance that is already generous
    PeerReason.MALFORMED_FRAME: 50.0,
    PeerReason.FORGED_MESSAGE: 50.0,
}
"""Where one case says less, or more, than a rejected message does."""


def points_of(reason: Reason) -> float:
    """What one case of `reason` costs a peer."""
    return POINTS_OF_REASON.get(reason, POINTS)


class Verdict(Enum):
    """What to do with a peer after an event."""

    KEEP = "keep"
    DROP = "drop"
    """Disconnect; it may come back."""
    BAN = "ban"
    """Disconnect, and keep out for `ScoringParameters.ban_seconds`."""


@dataclass(frozen=True)
class ScoringParameters:
    """Weights and thresholds; points are penalties, so a good peer has none."""

    drop_points: float = 50.0
    ban_points: float = 100.0
    half_life_seconds: float = 120.0
    """Time in which a penalty halves."""
    ban_seconds: float = 600.0
    peers_max: int = 4096
    """Peers remembered; the one with the fewest points is forgotten first."""
    forgiven_points: float = 0.5
    """Below this a peer is forgotten altogether."""


@dataclass(frozen=True)
class _Penalty:
    points: float
    at_seconds: float


class PeerScores:
    """The penalties of all peers that misbehaved lately."""

    def __init__(self, parameters: ScoringParameters | None = None) -> None:
        self.parameters = parameters or ScoringParameters()
        self._penalties: dict[PeerId, _Penalty] = {}

    def __len__(self) -> int:
        return len(self._penalties)

    def points(self, peer: PeerId, now_seconds: float) -> float:
        """The peer's penalty at `now_seconds`, decayed since its last fault."""
        penalty = self._penalties.get(peer)
        if penalty is None:
            return 0.0
        elapsed = max(0.0, now_seconds - penalty.at_seconds)
        decayed: float = penalty.points * 0.5 ** (elapsed / self.parameters.half_life_seconds)
        return decayed

    def on_fault(self, peer: PeerId, fault: Fault, weight: float, now_seconds: float) -> Verdict:
        """Record one rejection and say what to do with its deliverer.

        Only `Fault.PEER` costs points: what is our own fault or nobody's is not held against a peer.
        `now_seconds` is monotonic; a time before the last fault counts as that of the last fault.
        """
        assert weight >= 0, "a penalty takes points, it never gives them"
        if fault is not Fault.PEER or weight == 0:
            return Verdict.KEEP
        last = self._penalties.get(peer)
        at_seconds = now_seconds if last is None else max(now_seconds, last.at_seconds)
        points = self.points(peer, now_seconds) + weight
        self._penalties.pop(peer, None)
        if len(self._penalties) >= self.parameters.peers_max:
            self._make_room(at_seconds)
        self._penalties[peer] = _Penalty(points, at_seconds)
        if points >= self.parameters.ban_points:
            return Verdict.BAN
        if points >= self.parameters.drop_points:
            return Verdict.DROP
        return Verdict.KEEP

    def forget(self, peer: PeerId) -> None:
        """Wipe a peer's record, as when its ban has ended."""
        self._penalties.pop(peer, None)

    def _make_room(self, now_seconds: float) -> None:
        """Forget every forgiven peer, or else the one with the fewest points (ties: the oldest record)."""
        points = {peer: self.points(peer, now_seconds) for peer in self._penalties}
        forgiven = [peer for peer, value in points.items() if value < self.parameters.forgiven_points]
        for peer in forgiven or [min(points, key=points.__getitem__)]:
            del self._penalties[peer]

"""What is done to pages of cross-shard receipts on purpose, on networks for development: rules without clock or network.

A page meets the faults of its channel where it leaves the node that has it: on the way from the node's own executor (to
the node's own destination shard, and from there into gossip), and in the answer to a peer. The core knows nothing of it.
Source: docs/operating.md, "Watch a fault".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated

import msgspec

from primitives.receipts import Bundle

FAULTS_MAX = 8
"""Faults a node has at once; one more is refused."""
FAULT_SECONDS_MAX = 4000.0
FAULT_DELAY_MS_MAX = 60_000
HELD_BUNDLES_MAX = 64
"""Pages that wait at a node, of all faults; one more is dropped and counted, and asked for again like any lost page."""
CORRUPTED_TOLD_MAX = 3
"""Wrong pages that a node tells others under one order, as each costs it ten points at who hears it (p2p/scoring.py): with fewer
than five no honest peer drops it for longer than the fault lasts. The ones after that it keeps to itself."""
NONCE_MAX = 2**63 - 1
_RECEIPT_ID = re.compile("0x[0-9a-f]{64}")


class FaultKind(StrEnum):
    """What is done to a page."""

    HOLD = "hold"
    """It comes when the fault ends."""
    DROP = "drop"
    """It does not come."""
    DUPLICATE = "duplicate"
    """It comes twice."""
    REORDER = "reorder"
    """The page after it comes first."""
    DELAY = "delay"
    """It comes later, and at the fault's end at the latest."""
    CORRUPT = "corrupt"
    """The amount of its first receipt is another."""


class Way(StrEnum):
    """Where a page met a fault."""

    OWN = "own"
    """From the node's own executor of the source."""
    PUSH = "push"
    """Into gossip."""
    ANSWER = "answer"
    """In the answer to a peer that asked for it."""


class BundleFault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fault of one channel; a second one of the same kind and channel takes the first one's place."""

    kind: FaultKind
    source: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
    destination: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
    seconds: Annotated[float, msgspec.Meta(ge=0, le=FAULT_SECONDS_MAX)]
    """0: no more."""
    first_nonce: Annotated[int, msgspec.Meta(ge=0, le=NONCE_MAX)] = 0
    last_nonce: Annotated[int, msgspec.Meta(ge=0, le=NONCE_MAX)] = NONCE_MAX
    """A page is met when it holds a receipt between the two, both included."""
    receipt: str = ""
    """Only the page with the receipt of this id, written 0x and 64 hex digits in lower case; empty: whichever."""
    delay_ms: Annotated[int, msgspec.Meta(ge=0, le=FAULT_DELAY_MS_MAX)] = 0

    def __post_init__(self) -> None:
        if self.first_nonce > self.last_nonce:
            raise ValueError(f"nonces {self.first_nonce} to {self.last_nonce} are none")
        if self.receipt and not _RECEIPT_ID.fullmatch(self.receipt):
            raise ValueError(f"{self.receipt!r} is no receipt's id")
        if (self.kind is FaultKind.DELAY) != (self.delay_ms > 0) and self.seconds > 0:
            raise ValueError("a delay has delay_ms, and nothing else has")

    @property
    def nonces(self) -> tuple[int, int] | None:
        """The two nonces; None where it names none."""
        named = (self.first_nonce, self.last_nonce)
        return None if named == (0, NONCE_MAX) else named

    def meets(self, bundle: Bundle, chain_id_base: int) -> bool:
        """Whether a page is of its channel and among what it names."""
        if (bundle.source, bundle.destination) != (self.source, self.destination):
            return False
        end = bundle.first_nonce + len(bundle.receipts)
        if end <= self.first_nonce or bundle.first_nonce > self.last_nonce:
            return False
        return not self.receipt or any("0x" + one.identity(chain_id_base).hex() == self.receipt for one in bundle.receipts)


def corrupted(bundle: Bundle) -> Bundle:
    """The page with another amount in its first receipt: in order, well formed, and not what the source sent."""
    first = bundle.receipts[0]
    return replace(bundle, receipts=(replace(first, amount=first.amount ^ 1), *bundle.receipts[1:]))


@dataclass(slots=True)
class Active:
    """A fault that is on at this node."""

    fault: BundleFault
    until: float
    """Seconds on the clock of whoever began it."""
    margin_seconds: float = 0.0
    """Of that, after the time that it was begun for."""
    met: dict[Way, int] = field(default_factory=dict)
    """Pages altered, by where."""
    told: int = 0
    """Wrong pages told to others."""


@dataclass(slots=True)
class _Waiting:
    active: Active
    due: float
    bundle: Bundle


Meet = Callable[[str, Mapping[str, str], float], None]
"""Takes an observation (node/metrics.py)."""


class BundleFaults:
    """The faults of one node. Every time is in seconds on one clock that never goes back."""

    def __init__(self, chain_id_base: int, observe: Meet) -> None:
        self._base, self._observe = chain_id_base, observe
        self._active: list[Active] = []
        self._waiting: list[_Waiting] = []

    def begin(self, fault: BundleFault, now: float, margin_seconds: float = 0.0) -> bool:
        """Begins a fault, or ends the one of its kind and channel if it is for 0 s; False where there are too many.

        Where nobody ends it, it lasts `margin_seconds` longer than its time.
        """
        for old in [one for one in self._active if _key(one.fault) == _key(fault)]:
            self._end(old, now)
        if fault.seconds > 0:
            if len(self.active(now)) >= FAULTS_MAX:
                self._observe("limit_hits", {"limit": "bundle_faults_max"}, 1)
                return False
            self._active.append(Active(fault, now + fault.seconds + margin_seconds, margin_seconds))
        return True

    def active(self, now: float) -> list[Active]:
        """Those that are on, oldest first; one whose time is over is forgotten."""
        self._active = [one for one in self._active if one.until > now]
        return self._active

    def own(self, bundle: Bundle, now: float) -> tuple[Bundle, ...]:
        """What the core gets, now and in this order, in place of a page of the node's own executor."""
        active = self._find(bundle, now)
        if active is None:
            return (bundle,)
        self._count(active, Way.OWN)
        match active.fault.kind:
            case FaultKind.DROP:
                return ()
            case FaultKind.DUPLICATE:
                return (bundle, bundle)
            case FaultKind.CORRUPT:
                return (corrupted(bundle),)
            case FaultKind.HOLD:
                self._wait(active, active.until, bundle)
            case FaultKind.DELAY:
                self._wait(active, min(now + active.fault.delay_ms / 1000, active.until), bundle)
            case FaultKind.REORDER:
                ahead = [one for one in self._waiting if one.active is active and one.bundle != bundle]
                if ahead:
                    self._waiting = [one for one in self._waiting if one not in ahead]
                    return (bundle, *(one.bundle for one in ahead))
                self._wait(active, active.until, bundle)
        return ()

    def answer(self, bundle: Bundle, now: float) -> tuple[Bundle | None, float]:
        """What a peer is answered in place of a page, None for nothing, and after how many seconds.

        Nothing is kept for a peer, which asks again; and an answer is one page of its own, which nothing can come before.
        """
        active = self._find(bundle, now)
        if active is None or active.fault.kind in (FaultKind.DUPLICATE, FaultKind.REORDER):
            return bundle, 0.0
        self._count(active, Way.ANSWER)
        match active.fault.kind:
            case FaultKind.DELAY:
                return bundle, min(active.fault.delay_ms / 1000, active.until - now)
            case FaultKind.CORRUPT:
                return corrupted(bundle) if self._may_tell(active) else None, 0.0
        return None, 0.0

    def may_push(self, bundle: Bundle, now: float) -> bool:
        """Whether a page goes into gossip. It is what `own` made of it: only of wrong ones there are not to be many."""
        active = self._find(bundle, now)
        if active is None or active.fault.kind is not FaultKind.CORRUPT:
            return True
        self._count(active, Way.PUSH)
        return self._may_tell(active)

    def due(self, now: float) -> list[Bundle]:
        """Pages that have waited long enough, in the order of their time; they are on their way then."""
        found = sorted((one for one in self._waiting if one.due <= now), key=lambda one: one.due)
        self._waiting = [one for one in self._waiting if one.due > now]
        return [one.bundle for one in found]

    def next_due(self) -> float:
        """When `due` has something; infinite where nothing waits."""
        return min((one.due for one in self._waiting), default=float("inf"))

    def _find(self, bundle: Bundle, now: float) -> Active | None:
        return next((one for one in self.active(now) if one.fault.meets(bundle, self._base)), None)

    def _end(self, active: Active, now: float) -> None:
        self._active.remove(active)
        for one in self._waiting:
            if one.active is active:
                one.due = now

    def _wait(self, active: Active, due: float, bundle: Bundle) -> None:
        if any(one.bundle == bundle for one in self._waiting):
            return  # asked for again while it waits: it comes once
        if len(self._waiting) >= HELD_BUNDLES_MAX:
            self._observe("limit_hits", {"limit": "held_bundles_max"}, 1)
            return
        self._waiting.append(_Waiting(active, due, bundle))

    def _may_tell(self, active: Active) -> bool:
        active.told += 1
        if active.told > CORRUPTED_TOLD_MAX:
            self._observe("limit_hits", {"limit": "corrupted_told_max"}, 1)
        return active.told <= CORRUPTED_TOLD_MAX

    def _count(self, active: Active, way: Way) -> None:
        fault = active.fault
        active.met[way] = active.met.get(way, 0) + 1
        self._observe("bundles_altered", {"channel": f"{fault.source}:{fault.destination}", "fault": fault.kind, "way": way}, 1)


def _key(fault: BundleFault) -> tuple[FaultKind, int, int]:
    return fault.kind, fault.source, fault.destination

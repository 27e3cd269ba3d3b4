"""The clock behind `node.bundle_faults`: where pages of receipts pass on their way out of a node for development."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import trio

from node.bundle_faults import BundleFault, BundleFaults, Meet
from primitives.receipts import Bundle

DELAYED_ANSWERS_MAX = 64
"""Answers to peers that wait on purpose; one more is answered with nothing, and counted."""


class BundleGate:
    """One node's; without an order everything passes as it is."""

    def __init__(self, chain_id_base: int, observe: Meet) -> None:
        self._faults, self._observe = BundleFaults(chain_id_base, observe), observe
        self._changed = trio.Event()
        self._delayed = 0

    def begin(self, fault: BundleFault, margin_seconds: float = 0.0) -> bool:
        """See `BundleFaults.begin`; from now on."""
        is_begun = self._faults.begin(fault, trio.current_time(), margin_seconds)
        self._changed.set()
        return is_begun

    def own(self, bundle: Bundle) -> tuple[Bundle, ...]:
        """See `BundleFaults.own`."""
        passed = self._faults.own(bundle, trio.current_time())
        self._changed.set()
        return passed

    def may_push(self, bundle: Bundle) -> bool:
        """See `BundleFaults.may_push`."""
        return self._faults.may_push(bundle, trio.current_time())

    async def answer(self, bundle: Bundle) -> Bundle | None:
        """See `BundleFaults.answer`; when it is time."""
        told, seconds = self._faults.answer(bundle, trio.current_time())
        if seconds <= 0:
            return told
        if self._delayed >= DELAYED_ANSWERS_MAX:
            self._observe("limit_hits", {"limit": "delayed_answers_max"}, 1)
            return None
        self._delayed += 1
        try:
            await trio.sleep(seconds)
        finally:
            self._delayed -= 1
        return told

    async def run(self, release: Callable[[Bundle], Awaitable[None]]) -> None:
        """Hands over what has waited long enough; until cancelled."""
        while True:
            self._changed = trio.Event()
            for bundle in self._faults.due(trio.current_time()):
                await release(bundle)
            with trio.move_on_at(self._faults.next_due()):
                await self._changed.wait()

    def report(self) -> list[dict[str, Any]]:
        """The faults that are on, for `/health`: what, of which channel for how long (0: in its margin), and the pages each has met."""
        now = trio.current_time()
        return [
            {
                "kind": one.fault.kind.value,
                "channel": f"{one.fault.source}:{one.fault.destination}",
                "nonces": one.fault.nonces,
                "receipt": one.fault.receipt or None,
                "delay_ms": one.fault.delay_ms,
                "seconds_left": round(max(0.0, one.until - one.margin_seconds - now), 1),
                "pages": {way.value: count for way, count in one.met.items()},
            }
            for one in self._faults.active(now)
        ]

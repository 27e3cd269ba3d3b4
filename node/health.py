"""What /health says besides whether the node is well (docs/operating.md, "Is it well?")."""

from __future__ import annotations

from typing import Any

import trio

from node.bundle_gate import BundleGate
from node.chaos import Suffered
from node.core.core import Core
from node.loop import clocks


def health_fields(core: Core, gate: BundleGate | None, suffered: Suffered) -> dict[str, Any]:
    """The faults that are on, and the channels that wait for receipts that this node lacks: neither makes it unwell."""
    return {
        "faults": [*([] if gate is None else gate.report()), *suffered.report(trio.current_time())],
        "waiting": [
            {
                "channel": f"{missing.source}:{missing.destination}",
                "nonces": [missing.first_nonce, missing.end_nonce - 1],
                "seconds": round(missing.for_ms / 1000, 1),
            }
            for missing in core.missing_bundles(clocks().monotonic_ms)
        ],
    }

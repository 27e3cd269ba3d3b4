"""What is done to the pages of receipts of one channel at nodes of a local network (node/bundle_faults.py says what it means)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from node.cluster.chaos import SLACK_SECONDS, Fault
from node.cluster.health import ask_health
from node.cluster.layout import Layout, Options
from primitives.errors import UserError

_DONE = {
    "hold": "are held", "drop": "are dropped", "duplicate": "come twice", "reorder": "change places", "delay": "come later",
    "corrupt": "come with another amount",
}  # fmt: skip
KINDS = tuple(_DONE)


class ChannelFault(Fault):
    """A fault of one channel at some nodes."""

    def __init__(self, layout: Layout, options: Options, nodes: Sequence[int], fault: dict[str, object]) -> None:
        """`fault` has the fields of an order's fault, but for its time."""
        super().__init__(layout, options)
        self._nodes, self._fault = nodes, fault

    @property
    def sentence(self) -> str:
        """See `Fault`."""
        where = "every node" if len(self._nodes) == self.options.nodes else "node " + ", ".join(map(str, self._nodes))
        return f"pages of receipts of channel {self._channel} {_DONE[str(self._fault['kind'])]} at {where}"

    @property
    def _channel(self) -> str:
        return f"{self._fault['source']}:{self._fault['destination']}"

    def begin(self, seconds: float) -> None:
        """See `Fault`."""
        for node in self._nodes:
            self._order(node, seconds + SLACK_SECONDS)
            if not any(self._is_this(one) for one in self._active(node)):
                raise UserError(f"node {node} has as many faults as it takes: wait until one ends, status shows them")

    def end(self) -> None:
        """See `Fault`."""
        self.order_all(self._nodes, lambda node: self._order(node, 0.0))

    def met(self) -> dict[str, int]:
        """Pages that have met the fault so far, at all its nodes that answer, by where."""
        found: dict[str, int] = {}
        for one in (one for node in self._nodes for one in self._active(node) if self._is_this(one)):
            for way, pages in one["pages"].items():
                found[way] = found.get(way, 0) + pages
        return found

    def _active(self, node: int) -> list[dict[str, Any]]:
        health = ask_health(self.options, node)
        return [] if health is None else health["faults"]

    def _is_this(self, one: dict[str, Any]) -> bool:
        return (one["kind"], one["channel"]) == (self._fault["kind"], self._channel)

    def _order(self, node: int, seconds: float) -> None:
        self.order(node, {"bundles": [self._fault | {"seconds": seconds}]})

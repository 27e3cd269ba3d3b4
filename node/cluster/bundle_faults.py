"""What is done to the pages of receipts of one channel at nodes of a local network (node/bundle_faults.py says what it means)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from node.cluster.chaos import Ordered
from node.cluster.health import ask_health
from node.cluster.layout import Layout, Options
from primitives.errors import UserError

_DONE = {
    "hold": "are held", "drop": "are dropped", "duplicate": "come twice", "reorder": "change places", "delay": "come later",
    "corrupt": "come with another amount",
}  # fmt: skip
KINDS = tuple(_DONE)


class ChannelFault(Ordered):
    """A fault of one channel at some nodes."""

    def __init__(self, layout: Layout, options: Options, nodes: Sequence[int], fault: dict[str, object]) -> None:
        """`fault` has the fields of an order's fault, but for its time."""
        super().__init__(layout, options)
        self._nodes, self._fault = nodes, fault

    @property
    def sentence(self) -> str:
        """See `Fault`."""
        where = "every node" if len(self._nodes) == self.options.nodes else "node " + ", ".join(map(str, self._nodes))
        return f"pages of receipts of channel {self._channel}{_which(self._fault)} {_done(self._fault)} at {where}"

    @property
    def _channel(self) -> str:
        return f"{self._fault['source']}:{self._fault['destination']}"

    def orders(self, seconds: float) -> Mapping[int, dict[str, object]]:
        """See `Ordered`."""
        return {node: {"bundles": [self._fault | {"seconds": seconds}]} for node in self._nodes}

    def check(self, node: int) -> None:
        """See `Ordered`."""
        health = ask_health(self.options, node)
        if health is not None and not any(self._is_this(one) for one in health["faults"]):
            raise UserError(f"node {node} has as many faults as it takes: wait until one ends, status shows them")

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
        return (one["kind"], one.get("channel")) == (self._fault["kind"], self._channel)


def describe(one: Mapping[str, Any]) -> str:
    """A fault that is on at a node, as its `/health` tells of it."""
    if one["kind"] == "partition":
        what = f"peers cut off: {len(one['peers'])}"
    elif one["kind"] == "slow":
        what = f"what it says takes {one['delay_ms']} ms longer"
    else:
        later = f" by {one['delay_ms']} ms" if one["delay_ms"] else ""
        names = {"receipt": one["receipt"]} if one["receipt"] else {}
        if one["nonces"]:
            names |= {"first_nonce": one["nonces"][0], "last_nonce": one["nonces"][1]}
        pages = ", ".join(f"{count} {way}" for way, count in one["pages"].items()) or "none"
        return f"{one['kind']}{later} on channel {one['channel']}{_which(names)}, {one['seconds_left']:g} s left, pages met: {pages}"
    return f"{what}, {one['seconds_left']:g} s left"


def _which(fault: Mapping[str, object]) -> str:
    if fault.get("receipt"):
        return f" with receipt {fault['receipt']}"
    if "first_nonce" not in fault:
        return ""
    first, last = fault["first_nonce"], fault["last_nonce"]
    return f" with receipt {first}" if first == last else f" with receipts {first} to {last}"


def _done(fault: Mapping[str, object]) -> str:
    if fault["kind"] == "delay":
        return f"come {fault['delay_ms']} ms later"
    return _DONE[str(fault["kind"])]

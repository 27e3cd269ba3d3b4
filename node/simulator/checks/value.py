"""Value: no wei appears or vanishes, and each receipt is delivered at most once, in the order of its channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from consensus.beacon.state import BeaconState
from consensus.beacon.supply import imbalance
from primitives.blocks import ShardBlock
from primitives.headers import ShardHeader

if TYPE_CHECKING:
    from node.simulator.node import SimulatedNode


class Value:
    """Supply and receipts, over all nodes."""

    def __init__(self, broken: Callable[[str], None]) -> None:
        self._broken = broken
        self._delivered: dict[bytes, dict[tuple[int, int], int]] = {}
        """By final shard block: receipts delivered up to it, by (source, destination)."""
        self._balanced: set[int] = set()
        """Beacon heights whose terms were added up."""
        self._audited: set[bytes] = set()
        """Crosslinked shard blocks whose accounts were added up."""

    def on_beacon_state(self, node: SimulatedNode, state: BeaconState) -> None:
        """A beacon block became final at a node."""
        if state.height not in self._balanced:
            self._balanced.add(state.height)
            if imbalance(state):
                self._broken(f"supply is off by {imbalance(state)} wei at beacon height {state.height}")
            if any(wei < 0 for row in state.in_flight for wei in row):
                self._broken(f"less than nothing is on its way at beacon height {state.height}")
        for shard, record in enumerate(state.shards):
            if record.hash in self._audited or record.height == 0:
                continue
            held = node.total_wei(shard, record.hash)
            if held is None:
                continue  # the shard is behind its crosslink here, or not hosted
            self._audited.add(record.hash)
            if held != record.supply:
                self._broken(f"accounts of shard {shard} hold {held} wei at height {record.height}, by the beacon chain {record.supply}")

    def on_shard_block(self, body: bytes) -> None:
        """A newly final block takes in each receipt once, in the order of its channel."""
        block = ShardBlock.decode(body)
        header = ShardHeader.decode(block.header)
        delivered = self._delivered.get(header.parent_hash, {})
        if block.inbound:
            delivered = dict(delivered)
        for receipt in block.inbound:
            channel = (receipt.source, receipt.destination)
            expected = delivered.get(channel, 0)
            if receipt.nonce != expected:
                self._broken(f"receipt {receipt.nonce} from {channel[0]} to {channel[1]} delivered where {expected} was next")
            delivered[channel] = expected + 1
        self._delivered[header.hash()] = delivered

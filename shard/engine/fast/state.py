"""The reference's state, running the fast engine's computations."""

from __future__ import annotations

from shard.engine.fast.computation import (
    FastComputation,
    FastInboundComputation,
    FastMeteredComputation,
    FastMeteredInboundComputation,
)
from shard.engine.fast.programs import Programs
from shard.engine.interface import BlockContext, Meter, NodeReader
from shard.engine.reference.state import ShardState


class FastState(ShardState):
    """State of a block in the making."""

    def __init__(self, reader: NodeReader, context: BlockContext, chain_id: int, state_root: bytes, programs: Programs) -> None:
        self.programs = programs
        super().__init__(reader, context, chain_id, state_root)

    def use_meter(self, meter: Meter | None) -> None:
        """See `ShardState`."""
        self.meter = meter
        self.computation_class = FastMeteredComputation if meter is not None else FastComputation

    def use_inbound_prices(self, meter: Meter | None) -> None:
        """See `ShardState`."""
        self.meter = meter
        self.computation_class = FastMeteredInboundComputation if meter is not None else FastInboundComputation

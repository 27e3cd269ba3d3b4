"""The state that traces run on."""

from __future__ import annotations

from typing import Any

from shard.engine.interface import BlockContext, Meter, NodeReader
from shard.engine.reference.computation import MeteredInboundComputation
from shard.engine.reference.state import ShardState
from shard.engine.reference.tracing.computation import UnwatchedComputation
from shard.engine.reference.tracing.touches import TouchedAccounts
from shard.engine.reference.tracing.tracer import Tracer


class TracedState(ShardState):
    """As ShardState, always asking a meter; what runs between `watch` and `unwatch` is told to a tracer."""

    def __init__(self, reader: NodeReader, context: BlockContext, chain_id: int, state_root: bytes, meter: Meter) -> None:
        self._meter = meter
        self.tracer: Tracer | None = None
        self.precompiles: dict[bytes, Any] | None = None
        """What is built in where; None: as the rules have it."""
        super().__init__(reader, context, chain_id, state_root)
        self.touched_accounts = TracedAccounts(reader, state_root)
        self.touched_accounts.state = self
        self.use_accounts(self.touched_accounts)

    def watch(self, tracer: Tracer | None) -> None:
        """Has `tracer` told of what runs from here on."""
        self.tracer = tracer
        self.use_meter(self._meter)

    def use_meter(self, meter: Meter | None) -> None:
        """See `ShardState`; system calls of a block are not watched, as they run before anything is."""
        super().use_meter(self._meter)
        self.computation_class = UnwatchedComputation if self.tracer is None else self.tracer.user_class

    def use_inbound_prices(self, meter: Meter | None) -> None:
        """See `ShardState`; the meter is always that of the trace."""
        del meter
        self.meter = self._meter
        self.computation_class = MeteredInboundComputation if self.tracer is None else self.tracer.inbound_class


class TracedAccounts(TouchedAccounts):
    """Tells the tracer that a transaction is over while it can still be seen what it changed."""

    state: TracedState

    def end_transaction(self) -> None:
        """See `Accounts`."""
        tracer = self.state.tracer
        if tracer is not None:
            tracer.ending()
        super().end_transaction()
        self.touched.clear()

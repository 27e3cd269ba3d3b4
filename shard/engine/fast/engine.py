"""The fast engine: the reference's rules and state, with contracts' hot code translated to Python (decision 0016)."""

from __future__ import annotations

from primitives.parameters import Parameters
from shard.engine.fast.programs import Programs
from shard.engine.fast.state import FastState
from shard.engine.interface import BlockContext, Meter, NodeReader
from shard.engine.reference import ReferenceEngine
from shard.engine.reference.accesses import SimulatedAccounts
from shard.engine.reference.calls import simulate
from shard.engine.reference.state import ShardState
from shard.views import AccessOutcome, CallOutcome, CallRequest


class FastEngine(ReferenceEngine):
    """Implements `shard.engine.interface.Engine`. Traces, simulations and access lists run as in the reference: they look into frames."""

    def __init__(self, parameters: Parameters, shard: int, reader: NodeReader) -> None:
        """An engine of chain `shard` that reads state from `reader`."""
        super().__init__(parameters, shard, reader)
        # Calls come in another thread than blocks, and what clients ask for must not push out what blocks run.
        self.programs, self.call_programs = Programs(), Programs()
        self._forgotten = 0

    def call(self, state_root: bytes, context: BlockContext, request: CallRequest, meter: Meter | None = None) -> CallOutcome:
        """See `Engine.call`."""
        state = FastState(self._reader, context, self._parameters.chain_id(self._shard), state_root, self.call_programs)
        state.use_accounts(SimulatedAccounts(self._reader, state_root))
        return simulate(state, request, meter)

    def take_forgotten(self) -> int:
        """See `Engine.take_forgotten`."""
        before, self._forgotten = self._forgotten, self.programs.forgotten + self.call_programs.forgotten
        return self._forgotten - before

    def access_list(self, state_root: bytes, context: BlockContext, request: CallRequest, meter: Meter | None = None) -> AccessOutcome:
        """See `Engine.access_list`; what frames that fail accessed belongs to it, so they must fail just where the reference's do."""
        reference = ReferenceEngine(self._parameters, self._shard, self._reader)
        return reference.access_list(state_root, context, request, meter)

    def _state(self, root: bytes, context: BlockContext) -> ShardState:
        return FastState(self._reader, context, self._parameters.chain_id(self._shard), root, self.programs)

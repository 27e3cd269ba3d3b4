"""Computations that tell a tracer: of frames and logs, of what calls them, and of every step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from eth.abc import ComputationAPI, MessageAPI, OpcodeAPI, StateAPI, TransactionContextAPI
from eth.exceptions import Halt, VMError
from eth.vm import opcode_values
from eth.vm.gas_meter import GasMeter, allow_negative_refund_strategy
from eth.vm.logic.invalid import InvalidOpcode
from eth_typing import Address

from shard.engine.reference.computation import MeteredComputation
from shard.engine.reference.precompiles import METERED_INBOUND_PRECOMPILES

Run = Callable[..., Any]
ADDRESS_MASK = 2**160 - 1


def tracer_of(state: object) -> Any:
    """The tracer of a `TracedState`."""
    return cast(Any, state).tracer


class UnwatchedComputation(MeteredComputation):
    """Runs with what the state has built in."""

    @property
    def precompiles(self) -> dict[Address, Callable[[ComputationAPI], Any]]:
        """By address."""
        moved: dict[Address, Callable[[ComputationAPI], Any]] | None = cast(Any, self.state).precompiles
        return super().precompiles if moved is None else moved


class TracedComputation(UnwatchedComputation):
    """Tells of frames and logs."""

    @classmethod
    def apply_message(
        cls,
        state: StateAPI,
        message: MessageAPI,
        transaction_context: TransactionContextAPI,
        parent_computation: ComputationAPI | None = None,
    ) -> ComputationAPI:
        """As the library's; `apply_create_message`, which runs this too, tells of its frame itself."""
        if message.is_create:
            return super().apply_message(state, message, transaction_context, parent_computation)
        tracer = tracer_of(state)
        tracer.enter(message, parent_computation)
        computation = super().apply_message(state, message, transaction_context, parent_computation)
        tracer.leave(computation)
        return computation

    @classmethod
    def apply_create_message(
        cls,
        state: StateAPI,
        message: MessageAPI,
        transaction_context: TransactionContextAPI,
        parent_computation: ComputationAPI | None = None,
    ) -> ComputationAPI:
        """As the library's."""
        tracer = tracer_of(state)
        tracer.enter(message, parent_computation)
        computation = super().apply_create_message(state, message, transaction_context, parent_computation)
        tracer.leave(computation)
        return computation

    def add_log_entry(self, account: Address, topics: tuple[int, ...], data: bytes) -> None:
        """As the library's."""
        super().add_log_entry(account, topics, data)
        tracer_of(self.state).log(account, topics, data)


class InboundTracedComputation(TracedComputation):
    """The same for calls from another shard."""

    _precompiles = cast(Any, METERED_INBOUND_PRECOMPILES)


def item(computation: ComputationAPI, depth: int) -> int:
    """An item of the stack, 0 the top, as a number; 0 when there is none."""
    values = cast(Any, computation)._stack.values
    if depth >= len(values):
        return 0
    value = values[-1 - depth]
    return value if isinstance(value, int) else int.from_bytes(value, "big")


def _calling(kind: str, original: Run) -> Run:
    def step(computation: ComputationAPI) -> Any:
        # the message of a call through a delegation no longer names the account that was called
        tracer_of(computation.state).next_call = kind, (item(computation, 1) & ADDRESS_MASK).to_bytes(20, "big")
        return original(computation)

    return step


def _creating(kind: str, original: Run) -> Run:
    def step(computation: ComputationAPI) -> Any:
        tracer_of(computation.state).next_call = kind, None
        return original(computation)

    return step


def _ending(original: Run) -> Run:
    def step(computation: ComputationAPI) -> Any:
        address = computation.msg.storage_address
        beneficiary = (item(computation, 0) & ADDRESS_MASK).to_bytes(20, "big")
        balance = computation.state.get_balance(address)
        try:
            return original(computation)
        except Halt:
            tracer_of(computation.state).destroyed(address, beneficiary, balance)
            raise

    return step


def _framed(opcodes: dict[int, OpcodeAPI]) -> dict[int, OpcodeAPI]:
    traced: dict[int, Any] = dict(opcodes)
    for code, kind in (
        (opcode_values.CALL, "CALL"), (opcode_values.CALLCODE, "CALLCODE"), (opcode_values.DELEGATECALL, "DELEGATECALL"),
        (opcode_values.STATICCALL, "STATICCALL"),
    ):  # fmt: skip
        traced[code] = _calling(kind, traced[code])
    for code, kind in ((opcode_values.CREATE, "CREATE"), (opcode_values.CREATE2, "CREATE2")):
        traced[code] = _creating(kind, traced[code])
    traced[opcode_values.SELFDESTRUCT] = _ending(traced[opcode_values.SELFDESTRUCT])
    return traced


class FramesComputation(TracedComputation):
    """Tells besides what makes a frame, and of SELFDESTRUCT."""

    opcodes = _framed(cast(Any, MeteredComputation.opcodes))


class InboundFramesComputation(FramesComputation):
    """The same for calls from another shard."""

    _precompiles = cast(Any, METERED_INBOUND_PRECOMPILES)


def _stepping(code: int, original: Run) -> Run:
    def step(computation: ComputationAPI) -> Any:
        tracer = tracer_of(computation.state)
        if tracer.is_full:
            return original(computation)
        place = tracer.before(computation, code)
        try:
            original(computation)
        except Halt:
            tracer.after(computation, code, place)
            raise
        except VMError as error:
            tracer.failed(computation, code, place, error)
            raise
        tracer.after(computation, code, place)
        return None

    return step


class AskedGasMeter(GasMeter):
    """Remembers what is asked for: where it is not there, it is part of a step's cost all the same."""

    asked = 0

    def consume_gas(self, amount: int, reason: str) -> None:
        """As the library's."""
        self.asked = amount
        super().consume_gas(amount, reason)


class StepsComputation(TracedComputation):
    """Tells of every step."""

    opcodes = {  # noqa: RUF012
        code: cast(OpcodeAPI, _stepping(code, cast(Run, MeteredComputation.opcodes.get(code) or InvalidOpcode(code))))
        for code in range(256)
    }

    def _configure_gas_meter(self) -> GasMeter:
        return AskedGasMeter(self.msg.gas, allow_negative_refund_strategy)


class InboundStepsComputation(StepsComputation):
    """The same for calls from another shard."""

    _precompiles = cast(Any, METERED_INBOUND_PRECOMPILES)

"""Every step of a transaction: geth's struct logs, in the form of the execution API specification."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from eth.abc import ComputationAPI, MessageAPI
from eth.exceptions import FullStack, InsufficientStack, OutOfGas, Revert, VMError
from eth.vm import opcode_values

from shard.engine.reference.computation import ShardComputation
from shard.engine.reference.tracing.computation import InboundStepsComputation, StepsComputation, item
from shard.engine.reference.tracing.tracer import Budget, Traced
from shard.engine.reference.tracing.words import words_of
from shard.views import TraceConfig

_encode = msgspec.json.Encoder().encode
_GETH_NAMES = {"SHA3": "KECCAK256", "SUICIDE": "SELFDESTRUCT", "DIFFICULTY": "PREVRANDAO"}
_CREATING = (opcode_values.CREATE, opcode_values.CREATE2)
_CALLING = (
    opcode_values.CALL, opcode_values.CALLCODE, opcode_values.DELEGATECALL, opcode_values.STATICCALL, *_CREATING,
)  # fmt: skip
_STORING = (opcode_values.SLOAD, opcode_values.SSTORE)
_BEFORE_IT_RUNS = (OutOfGas, InsufficientStack, FullStack)
"""What geth notices before a step runs, and tells with it; anything else is told by how its frame ends."""
_PLAIN = 200
"""Characters of a step without what it holds."""


def _name(code: int) -> str:
    opcode: Any = ShardComputation.opcodes.get(code)
    if opcode is None:
        return f"opcode {code:#x} not defined"
    name = str(getattr(opcode, "mnemonic", None) or opcode.__wrapped__.mnemonic)
    return _GETH_NAMES.get(name, name)


_NAMES = [_name(code) for code in range(256)]


class _Running:
    """A frame that runs."""

    __slots__ = ("counter", "gas", "left", "refund", "slots")

    def __init__(self, refund: int, slots: dict[str, str]) -> None:
        self.counter = 0
        """Place of the next instruction."""
        self.refund = refund
        """Refund counter of all that lies around it."""
        self.gas = 0
        """Before the step."""
        self.left = -1
        """At the start of the frame that the step calls."""
        self.slots = slots
        """Words its account has read or written."""


class StepsTracer:
    """Writes out each step when it is done; a frame's steps come between the call that began it and what follows."""

    user_class = StepsComputation
    inbound_class = InboundStepsComputation

    def __init__(self, config: TraceConfig, budget: Budget) -> None:
        self._config, self._budget = config, budget
        self._steps: list[str] = []
        self._open: list[_Running] = []
        self._storage: dict[bytes, dict[str, str]] = {}
        self._output = b""
        self._limit = config.limit
        self.is_full = False
        """Whether nothing more is told; steps that began before still are."""

    def enter(self, message: MessageAPI, parent: ComputationAPI | None) -> None:
        """See `Tracer`."""
        slots = self._storage.setdefault(message.storage_address, {})
        if parent is None:
            self._open.append(_Running(cast(Any, message).refund, slots))
            return
        around = self._open[-1]
        around.left = parent.get_gas_meter().gas_remaining + (message.gas if message.is_create else 0)
        self._open.append(_Running(self._refund(parent, around), slots))

    @staticmethod
    def _refund(computation: ComputationAPI, frame: _Running) -> int:
        inside: Any = computation
        return frame.refund + int(inside._gas_meter.gas_refunded) + int(inside._effects.refund)

    def leave(self, computation: ComputationAPI) -> None:
        """See `Tracer`."""
        self._open.pop()
        if not self._open and (computation.is_success or isinstance(computation.error, Revert)):
            self._output = bytes(computation.output)
            self._budget.take(2 * len(self._output))

    def log(self, address: bytes, topics: tuple[int, ...], data: bytes) -> None:
        """See `Tracer`."""

    def ending(self) -> None:
        """See `Tracer`."""

    def before(self, computation: ComputationAPI, code: int) -> tuple[int, str, str] | None:
        """A step begins; where it is to be told, and what is known of it so far."""
        inside: Any = computation
        if not inside.code._length_cache:
            return None
        frame, config = self._open[-1], self._config
        frame.gas, frame.left = inside._gas_meter.gas_remaining, -1
        inside._gas_meter.asked = 0
        parts = [f'"depth":{len(self._open)}']
        refund = self._refund(computation, frame)
        if refund:
            parts.append(f'"refund":{refund}')
        if not config.disable_stack:
            words = [hex(v) if v.__class__ is int else hex(int.from_bytes(v, "big")) for v in inside._stack.values]
            parts.append('"stack":["' + '","'.join(words) + '"]' if words else '"stack":[]')
        if config.enable_memory and len(inside._memory):
            memory = inside._memory._bytes.hex()
            self._budget.take(len(memory))
            parts.append('"memory":["0x' + '","0x'.join(memory[i : i + 64] for i in range(0, len(memory), 64)) + '"]')
        if config.enable_return_data and inside.return_data:
            parts.append(f'"returnData":"0x{bytes(inside.return_data).hex()}"')
        if code in _STORING and not config.disable_storage:
            slot = item(computation, 0)
            word = item(computation, 1) if code == opcode_values.SSTORE else computation.state.get_storage(
                computation.msg.storage_address, slot
            )  # fmt: skip
            frame.slots[f"{slot:064x}"] = f"{word:064x}"
            parts.append('"storage":{' + ",".join(f'"0x{key}":"0x{value}"' for key, value in frame.slots.items()) + "}")
        held = ",".join(parts)
        self._budget.take(_PLAIN + len(held))
        self._steps.append("")
        self.is_full = len(self._steps) == self._limit
        return len(self._steps) - 1, f'{{"pc":{frame.counter},"op":"{_NAMES[code]}","gas":{frame.gas}', held

    def after(self, computation: ComputationAPI, code: int, place: tuple[int, str, str] | None) -> None:
        """A step is done, or ends its frame as it should."""
        inside: Any = computation
        frame = self._open[-1]
        frame.counter = inside.code.program_counter
        if place is not None:
            left = frame.left if frame.left >= 0 and code in _CALLING else inside._gas_meter.gas_remaining
            self._steps[place[0]] = f'{place[1]},"gasCost":{frame.gas - left},{place[2]}}}'

    def failed(self, computation: ComputationAPI, code: int, place: tuple[int, str, str] | None, error: VMError) -> None:
        """A step fails its frame, or reverts it."""
        if place is None:
            return
        inside: Any = computation
        cost = self._open[-1].gas - inside._gas_meter.gas_remaining
        if isinstance(error, OutOfGas):
            cost += inside._gas_meter.asked
        told = f',"error":"{words_of(type(error).__name__)}"' if isinstance(error, _BEFORE_IT_RUNS) else ""
        self._steps[place[0]] = f'{place[1]},"gasCost":{cost},{place[2]}{told}}}'

    def result(self, traced: Traced) -> bytes:
        """See `Tracer`."""
        head = {"gas": traced.gas_used, "failed": not traced.success, "returnValue": "0x" + self._output.hex()}
        return _encode(head)[:-1] + b',"structLogs":[' + ",".join(self._steps).encode() + b"]}"

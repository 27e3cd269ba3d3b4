"""The library's Prague computation, with the wei that SELFDESTRUCT destroys counted, and a twin that asks a meter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from eth.abc import ComputationAPI, MessageAPI, OpcodeAPI, StateAPI, TransactionContextAPI
from eth.exceptions import Halt
from eth.vm import mnemonics, opcode_values
from eth.vm.forks.byzantium.opcodes import ensure_no_static
from eth.vm.forks.cancun.logic import selfdestruct_eip6780
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.forks.tangerine_whistle.constants import GAS_SELFDESTRUCT_EIP150
from eth.vm.opcode import as_opcode

from shard.engine.reference.accounts import Accounts
from shard.engine.reference.code import Code
from shard.engine.reference.effects import Effects
from shard.engine.reference.precompiles import INBOUND_PRECOMPILES, METERED_INBOUND_PRECOMPILES, METERED_PRECOMPILES, PRECOMPILES

_METERED = (
    opcode_values.JUMP, opcode_values.JUMPI, opcode_values.CALL, opcode_values.CALLCODE, opcode_values.DELEGATECALL,
    opcode_values.STATICCALL, opcode_values.CREATE, opcode_values.CREATE2, opcode_values.SHA3, opcode_values.SLOAD,
    opcode_values.SSTORE, opcode_values.LOG0, opcode_values.LOG1, opcode_values.LOG2, opcode_values.LOG3, opcode_values.LOG4,
    opcode_values.EXP, opcode_values.BALANCE, opcode_values.EXTCODECOPY, opcode_values.EXTCODESIZE, opcode_values.EXTCODEHASH,
    opcode_values.CALLDATACOPY, opcode_values.CODECOPY, opcode_values.RETURNDATACOPY, opcode_values.MCOPY, opcode_values.SELFDESTRUCT,
)  # fmt: skip
"""Every loop passes one of these, and none of the others is dear."""


def accounts_of(computation: ComputationAPI) -> Accounts:
    """The accounts a computation works on."""
    return cast(Accounts, cast(Any, computation.state).accounts)


def _counting_selfdestruct(computation: ComputationAPI) -> None:
    # The balance is zeroed by the opcode itself, so at deletion nothing would be left to count.
    here = computation.msg.storage_address
    before = computation.state.get_balance(here)
    try:
        selfdestruct_eip6780(computation)
    except Halt:
        # Only an account created in this transaction is deleted (EIP-6780); any other one has paid itself.
        if here in computation.accounts_to_delete and here in computation.beneficiaries:
            accounts_of(computation).destroy(before)
        raise


class ShardComputation(PragueComputation):
    """A computation of the shard's EVM."""

    opcodes = {  # noqa: RUF012
        **PragueComputation.opcodes,
        # Not taken from the library's table, where it warns on every use.
        opcode_values.SELFDESTRUCT: as_opcode(ensure_no_static(_counting_selfdestruct), mnemonics.SELFDESTRUCT, GAS_SELFDESTRUCT_EIP150),
    }
    _precompiles = cast(Any, PRECOMPILES)

    def __init__(self, state: StateAPI, message: MessageAPI, transaction_context: TransactionContextAPI) -> None:
        """As the library's, with code whose jumps are checked in constant time."""
        super().__init__(state, message, transaction_context)
        self.code = Code(message.code)
        self._effects = Effects()
        self._is_settled = False

    def memory_read_bytes(self, start_position: int, size: int) -> bytes:
        """As the library's, copied once instead of twice."""
        return self._memory.read(start_position, size).tobytes()

    def add_child_computation(self, child_computation: ComputationAPI) -> None:
        """As the library's, but only what the child leaves stays, not the child."""
        super().add_child_computation(child_computation)
        self.children.clear()
        child = cast(ShardComputation, child_computation)
        self._effects.join(child.settle())
        if child.is_error:
            # It leads back to the child, which would then live until the next collection.
            child.error.__traceback__ = None

    def settle(self) -> Effects:
        """What the finished frame and all within it leave."""
        if not self._is_settled:
            self._is_settled = True
            effects = self._effects
            if not self.msg.is_create:
                effects.touched.add(self.msg.to)
            if self.is_error:
                effects.fail()
            else:
                effects.logs.extend(self._log_entries)
                effects.touched.update(self.beneficiaries)
                effects.destroyed.update(self.accounts_to_delete)
                effects.refund += self._gas_meter.gas_refunded
        return self._effects

    def get_gas_refund(self) -> int:
        """Of the finished frame."""
        return self.msg.refund + self.settle().refund

    @property
    def is_origin_computation(self) -> bool:
        """Whether this is the outermost frame. The library compares sender and origin, which an EIP-7702 account's own code confuses."""
        return self.msg.depth == 0


def _metered(original: Callable[..., Any]) -> Callable[..., Any]:
    def step(computation: ComputationAPI) -> Any:
        cast(Any, computation.state).meter()
        return original(computation)

    return step


class MeteredComputation(ShardComputation):
    """As ShardComputation; asks the state's meter before every jump and every dear step."""

    opcodes = {  # noqa: RUF012
        code: cast(OpcodeAPI, _metered(cast(Callable[..., Any], opcode))) if code in _METERED else opcode
        for code, opcode in ShardComputation.opcodes.items()
    }
    _precompiles = cast(Any, METERED_PRECOMPILES)


class InboundComputation(ShardComputation):
    """As ShardComputation, with what precompiled contracts cost in a call from another shard."""

    _precompiles = cast(Any, INBOUND_PRECOMPILES)


class MeteredInboundComputation(MeteredComputation):
    """As InboundComputation, asking the state's meter like MeteredComputation."""

    _precompiles = cast(Any, METERED_INBOUND_PRECOMPILES)

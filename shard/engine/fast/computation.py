"""Computations of the fast engine: the reference's, with another way through the code."""

from __future__ import annotations

import sys
from typing import Any, cast

from eth.abc import ComputationAPI, MessageAPI, StateAPI, TransactionContextAPI

from shard.engine.fast.interpreter import END, interpret
from shard.engine.fast.programs import Program, Programs
from shard.engine.interface import Meter
from shard.engine.reference.accounts import Accounts
from shard.engine.reference.computation import InboundComputation, MeteredComputation, MeteredInboundComputation, ShardComputation
from shard.transactions.model import INIT_CODE_BYTES_MAX

PYTHON_FRAMES_MAX = 16 * 1024
"""Calls within calls are 1,024 at most, each of about ten Python functions."""
sys.setrecursionlimit(max(PYTHON_FRAMES_MAX, sys.getrecursionlimit()))


class FastComputation(ShardComputation):
    """As ShardComputation, translating what is hot."""

    accounts: Accounts
    here: bytes
    """Whose storage it works on."""
    meter: Meter | None

    def __init__(self, state: StateAPI, message: MessageAPI, transaction_context: TransactionContextAPI) -> None:
        """As the library's."""
        super().__init__(state, message, transaction_context)
        self.accounts = cast(Any, state).accounts
        self.meter = cast(Any, state).meter
        self.here = message.storage_address

    @classmethod
    def apply_computation(
        cls,
        state: StateAPI,
        message: MessageAPI,
        transaction_context: TransactionContextAPI,
        parent_computation: ComputationAPI | None = None,
    ) -> ComputationAPI:
        """As the library's."""
        with cls(state, message, transaction_context) as computation:
            frame = cast(FastComputation, computation)
            if parent_computation is not None:
                frame.contracts_created = parent_computation.contracts_created
            else:
                frame.contracts_created = []
                if message.is_create:
                    cls.consume_initcode_gas_cost(computation)
            if message.is_create:
                frame.contracts_created.append(message.storage_address)
            precompile = frame.precompiles.get(message.code_address)
            if precompile is None:
                frame.run(cast(Any, state).programs)
            elif not message.is_delegation:
                precompile(computation)
        return computation

    def run(self, programs: Programs) -> None:
        """Runs the code of the message."""
        code = self.msg.code
        if not code:
            return
        if self.msg.is_create or len(code) > INIT_CODE_BYTES_MAX:
            self._interpret(Program(code))
            return
        program = programs.of(code)
        translations, stack, gas_meter, meter = program.translations, cast(Any, self._stack).values, self._gas_meter, self.meter
        place = 0
        while place != END:
            if meter is not None:
                meter()
            translation = translations.get(place) or programs.come_to(program, place)
            if translation is not None:
                place = translation(self, stack, gas_meter)
            else:
                place, count = interpret(self, program.padded, program.marks, place)
                programs.earn(count)

    def _interpret(self, program: Program) -> None:
        """Runs code that will not run again."""
        place, meter = 0, self.meter
        while place != END:
            if meter is not None:
                meter()
            place, _ = interpret(self, program.padded, program.marks, place)


class FastMeteredComputation(FastComputation, MeteredComputation):
    """As MeteredComputation."""


class FastInboundComputation(FastComputation, InboundComputation):
    """As InboundComputation."""


class FastMeteredInboundComputation(FastMeteredComputation, MeteredInboundComputation):
    """As MeteredInboundComputation."""

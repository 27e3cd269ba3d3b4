"""Precompiled contracts that ask a meter while they work, or cost more gas: some are pure Python, and a call can take a minute.

The library's functions read their input piece by piece as they go, so input that watches being read is where to ask; the one that
does all in a single step of native code is ours (modexp.py).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, SupportsIndex, cast, overload

from eth._utils.blake2.coders import extract_blake2b_parameters
from eth.abc import ComputationAPI
from eth.exceptions import VMError
from eth.precompiles import blake2 as library_blake2
from eth.precompiles import point_evaluation as library_kzg
from eth.vm.forks.prague.computation import PragueComputation
from eth_utils import ValidationError

from shard.engine.interface import Meter
from shard.engine.reference import modexp
from shard.inbound import PRECOMPILE_GAS_FACTORS

BLAKE2 = b"\x09".rjust(20, b"\0")
_WORDS_BETWEEN_CHECKS = 1024


class _WatchedBytes(bytes):
    """Bytes that call a meter whenever a slice is taken of them, or of a slice of them."""

    meter: Meter

    @overload
    def __getitem__(self, index: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> bytes: ...
    def __getitem__(self, index: SupportsIndex | slice) -> int | bytes:
        item = super().__getitem__(index)
        if isinstance(item, int):
            return item
        self.meter()
        return _watched(item, self.meter)


def _watched(data: bytes, meter: Meter) -> _WatchedBytes:
    watched = _WatchedBytes(data)
    watched.meter = meter
    return watched


class _WatchedBlock(tuple[int, ...]):
    """A message block of BLAKE2 that calls a meter every so many words read."""

    meter: Meter
    reads = 0

    @overload
    def __getitem__(self, index: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[int, ...]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> int | tuple[int, ...]:
        self.reads += 1
        if self.reads % _WORDS_BETWEEN_CHECKS == 0:
            self.meter()
        return super().__getitem__(index)


def _blake2(computation: ComputationAPI, meter: Meter) -> ComputationAPI:
    """EIP-152."""
    try:
        rounds, state, block, offsets, is_final = extract_blake2b_parameters(computation.msg.data_as_bytes)
    except ValidationError as error:
        raise VMError(f"blake2 input: {error}") from error
    computation.consume_gas(library_blake2.GAS_COST_PER_ROUND * rounds, reason="blake2 rounds")
    words = _WatchedBlock(block)
    words.meter = meter
    computation.output = library_blake2.blake2b_compress(rounds, state, cast(Any, words), offsets, is_final)
    return computation


def _metered(address: bytes, original: Callable[[ComputationAPI], Any]) -> Callable[[ComputationAPI], Any]:
    def precompile(computation: ComputationAPI) -> Any:
        meter = cast(Any, computation.state).meter
        meter()
        if address == BLAKE2:
            return _blake2(computation, meter)
        if address == modexp.ADDRESS:
            return modexp.modular_exponentiation(computation, meter)
        computation.msg.data = _watched(computation.msg.data_as_bytes, meter)
        return original(computation)

    return precompile


# The library reads the trusted setup, which takes it over a second, anew in every call.
library_kzg.load_trusted_setup = functools.cache(library_kzg.load_trusted_setup)


def _dearer(factor: int, original: Callable[[ComputationAPI], Any]) -> Callable[[ComputationAPI], Any]:
    def precompile(computation: Any) -> Any:
        consume = computation.consume_gas
        computation.consume_gas = lambda amount, reason: consume(factor * amount, reason)
        try:
            return original(computation)
        finally:
            del computation.consume_gas

    return precompile


PRECOMPILES: dict[bytes, Callable[[ComputationAPI], Any]] = {
    **cast(Any, PragueComputation.get_precompiles()), modexp.ADDRESS: modexp.modular_exponentiation
}  # fmt: skip
"""By address; the library's, but for one."""
METERED_PRECOMPILES = {address: _metered(address, precompile) for address, precompile in PRECOMPILES.items()}
"""In users' transactions, while a proposer builds and while others execute what is not certified."""
INBOUND_PRECOMPILES = {
    address: _dearer(PRECOMPILE_GAS_FACTORS.get(int.from_bytes(address, "big"), 1), precompile)
    for address, precompile in PRECOMPILES.items()
}
"""In calls from another shard."""
METERED_INBOUND_PRECOMPILES = {
    address: _dearer(PRECOMPILE_GAS_FACTORS.get(int.from_bytes(address, "big"), 1), precompile)
    for address, precompile in METERED_PRECOMPILES.items()
}
"""In calls from another shard, where the work can be taken back or is only looked at again."""

"""The precompiled contract 0x05, modular exponentiation (EIP-198, priced by EIP-2565), in steps between which a meter is asked.

The library does it in one call of Python's `pow`: gas of a block buys it many seconds, in which nothing interrupts it and no other
thread of the process runs. GMP takes a tenth of that time or less, and a step of it a few milliseconds.
"""

from __future__ import annotations

from eth.abc import ComputationAPI
from gmpy2 import mpz, powmod

from shard.engine.interface import Meter

ADDRESS = b"\x05".rjust(20, b"\0")
_WORD, _LENGTHS = 32, 96
_GAS_LEAST, _GAS_DIVISOR = 200, 3
_STEP_BYTES_MAX = 1 << 13
"""Of the exponent, a step; so many squarings of the smallest modulus take about a millisecond."""
_STEP_WORK = 1 << 17
"""Bytes of a step times the square of the modulus's length in words of 64 bits: long division takes as much."""


def modular_exponentiation(computation: ComputationAPI, meter: Meter | None = None) -> ComputationAPI:
    """Runs the contract on a computation's input; `meter` may raise `Interrupted`."""
    data = bytes(computation.msg.data_as_bytes)
    base_size, exponent_size, modulus_size = (_number(data, place, _WORD) for place in (0, _WORD, 2 * _WORD))
    exponent_place = _LENGTHS + base_size
    head = _number(data, exponent_place, min(exponent_size, _WORD))
    computation.consume_gas(_gas(base_size, exponent_size, modulus_size, head), reason="MODEXP Precompile")
    if modulus_size == 0:
        # Where base and modulus are empty, an exponent of any length costs no more.
        computation.output = b""
        return computation
    modulus, result = mpz(_number(data, exponent_place + exponent_size, modulus_size)), mpz(0)
    if modulus > 1:
        base, result = mpz(_number(data, _LENGTHS, base_size)) % modulus, mpz(1)
        words = modulus.bit_length() // 64 + 1
        step = max(1, min(_STEP_BYTES_MAX, _STEP_WORK // (words * words)))
        for done in range(0, exponent_size, step):
            if meter is not None:
                meter()
            size = min(step, exponent_size - done)
            digits = mpz(_number(data, exponent_place + done, size))
            if result != 1:
                result = powmod(result, mpz(1) << 8 * size, modulus)
            result = result * powmod(base, digits, modulus) % modulus
    computation.output = int(result).to_bytes(modulus_size, "big")
    return computation


def _number(data: bytes, place: int, size: int) -> int:
    """Big-endian; what lies beyond the input is zeros."""
    held = data[place : place + size]
    return int.from_bytes(held, "big") << 8 * (size - len(held))


def _gas(base_size: int, exponent_size: int, modulus_size: int, head: int) -> int:
    """EIP-2565; `head` is the exponent's first word."""
    words = (max(base_size, modulus_size) + 7) // 8
    iterations = max(head.bit_length() - 1, 0) + 8 * max(exponent_size - _WORD, 0)
    return max(_GAS_LEAST, words * words * max(iterations, 1) // _GAS_DIVISOR)

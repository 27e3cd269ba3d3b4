"""Modular exponentiation: Python's own `pow` is the oracle, and a meter is asked often enough whatever the input."""

import pytest
from eth.exceptions import OutOfGas
from eth.vm.forks.berlin.computation import BerlinComputation
from hypothesis import given
from hypothesis import strategies as st

from primitives.errors import Interrupted
from shard.engine.reference.modexp import ADDRESS, modular_exponentiation

LIBRARY = BerlinComputation.get_precompiles()[ADDRESS]
BLOCK_GAS = 30_000_000


class Frame:
    """What the contract sees of a computation."""

    def __init__(self, data, gas=10**9):
        self.msg = type("Message", (), {"data_as_bytes": data})()
        self.output, self.gas, self.used = None, gas, 0

    def consume_gas(self, amount, reason):
        self.used += amount
        if self.used > self.gas:
            raise OutOfGas(reason)


def encode(base, exponent, modulus):
    return b"".join([*(len(part).to_bytes(32, "big") for part in (base, exponent, modulus)), base, exponent, modulus])


def run(data, meter=None, gas=10**9):
    frame = Frame(data, gas)
    modular_exponentiation(frame, meter)
    return frame


parts = st.one_of(st.binary(max_size=40), st.binary(min_size=60, max_size=140))


@given(parts, st.one_of(parts, st.binary(min_size=9000, max_size=9100)), parts)
def test_it_gives_what_pow_gives(base, exponent, modulus):
    numbers = [int.from_bytes(part, "big") for part in (base, exponent, modulus)]
    wanted = pow(*numbers).to_bytes(len(modulus), "big") if numbers[2] else bytes(len(modulus))
    assert run(encode(base, exponent, modulus)).output == wanted


@given(st.binary(max_size=300), parts, parts, parts, st.integers(0, 400))
def test_short_and_odd_input_as_in_the_library(noise, base, exponent, modulus, end):
    for data in (encode(base, exponent, modulus)[:end], encode(base, exponent, modulus) + noise):
        ours, theirs = run(data), Frame(data)
        LIBRARY(theirs)
        assert ours.used == theirs.used
        base_size = int.from_bytes(data[:32].ljust(32, b"\0"), "big")
        # the library gives 0 for what has no base, where 0 ** 0 is 1
        assert base_size == 0 or ours.output == theirs.output


def test_nothing_to_the_power_of_nothing_is_one():
    assert run(encode(b"", b"", b"\5")).output == b"\1"
    assert run(encode(b"", b"", b"\1")).output == b"\0"
    assert run(encode(b"", b"\2", b"\5")).output == b"\0"


def test_without_base_and_modulus_any_length_of_exponent_is_nothing():
    data = b"".join(size.to_bytes(32, "big") for size in (0, 2**255, 0))
    assert run(data).output == b""
    assert run(data).used == 200


def test_gas_is_taken_before_the_work():
    data = b"".join(size.to_bytes(32, "big") for size in (2**200, 2**200, 2**200))
    with pytest.raises(OutOfGas):
        run(data, gas=BLOCK_GAS)


@pytest.mark.parametrize(("words", "bits"), [(1, 90_000_000), (4, 5_600_000), (16, 350_000), (128, 5_500), (512, 343)])
def test_a_meter_is_asked_for_each_little_part_of_what_a_block_s_gas_buys(words, bits):
    size = 8 * words
    data = encode(b"\x7b" * size, b"\xff" * (bits // 8), b"\xff" * (size - 1) + b"\xfd")
    asked = 0

    def meter():
        nonlocal asked
        asked += 1
        if asked == 3:
            raise Interrupted("build_budget_ms")

    with pytest.raises(Interrupted):
        run(data, meter, BLOCK_GAS + 10**6)


@given(st.integers(1, 512), st.integers(1, 20_000))
def test_a_step_is_bounded(words, size):
    """Squarings between two questions, times the square of the modulus's words: the same for any modulus, or one byte of exponent."""
    modulus, asked = b"\xff" * (8 * words - 1) + b"\xfd", 0
    size = min(size, 1 + (1 << 21) // words**2)

    def meter():
        nonlocal asked
        asked += 1

    run(encode(b"\3", b"\xff" * size, modulus), meter)
    assert -(-size // asked) <= max(1, min(8192, 2**17 // words**2))

"""Pool transactions without signatures: the pool never looks at one."""

from primitives.types import Address
from shard.transactions import Signature, Transaction

RICH = 10**18


def address(number: int) -> Address:
    return Address(number.to_bytes(20, "big"))


ALICE, BOB, CAROL = address(1), address(2), address(3)


def make(
    sender: Address, nonce: int, fee: int = 100, tip: int | None = None, *, gas: int = 21_000, value: int = 0, size: int = 110
) -> Transaction:
    """A transaction of `sender`; its hash tells apart all that may differ."""
    name = (sender, nonce, fee, tip, gas, value, size)
    return Transaction(
        2, 1, nonce, gas, fee, fee if tip is None else tip, b"\1" * 20, value, b"", (), (), Signature(0, 1, 1), 100,
        bytes(size), repr(name).encode(), 21_000, 21_000,
    )  # fmt: skip

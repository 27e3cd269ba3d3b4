"""Callbacks as Outbox keeps them: what is awaited, and what is left of those that failed (PROTOCOL 6, "Callbacks")."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from eth_abi import encode as abi_encode

from primitives.callbacks import Outcome
from primitives.hashing import keccak256
from shard.contracts import OUTBOX, OUTBOX_CONTRACT
from shard.engine.interface import Log

ReadWord = Callable[[bytes, int], int]
"""(account, slot) -> word."""
SELECTOR = keccak256(b"onCrossShardResult(bytes32,bool,bytes)")[:4]
_MASK32, _MASK160 = 2**32 - 1, 2**160 - 1


@dataclass(frozen=True, slots=True)
class Awaited:
    """A callback that is paid for and still to come."""

    sender: bytes
    """Who is called."""
    destination: int
    """The only chain whose result counts."""
    gas: int
    """21,000 of it for the delivery, the rest for its code."""
    price: int
    """Wei a gas in escrow."""
    refund_to: bytes

    @property
    def escrow(self) -> int:
        """Wei that Outbox holds for it."""
        return self.gas * self.price


def read_awaited(read: ReadWord, call_id: bytes) -> Awaited | None:
    """The callback awaited for a call; None when none is."""
    slot = _slot(call_id)
    first, second = read(OUTBOX, slot), read(OUTBOX, slot + 1)
    if not first:
        return None
    sender, refund_to = ((word & _MASK160).to_bytes(20, "big") for word in (first, second))
    return Awaited(sender, first >> 160 & _MASK32, first >> 192, second >> 160, refund_to)


def closed_words(call_id: bytes) -> dict[int, int]:
    """Slots of Outbox as `Outbox.close` leaves them."""
    slot = _slot(call_id)
    return {slot: 0, slot + 1: 0}


def failed_words(outcome: Outcome) -> dict[int, int]:
    """Slots of Outbox as `Outbox.fail` leaves them."""
    return {_slot(outcome.call_id) + 1: int.from_bytes(outcome.digest(), "big")}


def failed_log(call_id: bytes) -> Log:
    """The log of `Outbox.fail`."""
    return Log(OUTBOX, (OUTBOX_CONTRACT.topics["CallbackFailed"], call_id), b"")


def callback_data(outcome: Outcome) -> bytes:
    """What the sender of a call is called with: `onCrossShardResult(id, success, returnData)`."""
    return SELECTOR + abi_encode(("bytes32", "bool", "bytes"), (outcome.call_id, outcome.success, outcome.returned))


def _slot(call_id: bytes) -> int:
    # A HashMap of Vyper: keccak of its slot, then the key.
    return int.from_bytes(keccak256(OUTBOX_CONTRACT.slots["callbacks"].to_bytes(32, "big") + call_id), "big")

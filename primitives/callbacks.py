"""What travels for a callback: its gas with the call, the outcome with the result (PROTOCOL 6, "Callbacks")."""

from __future__ import annotations

from dataclasses import dataclass

from primitives.hashing import keccak256
from primitives.receipts import CrossShardReceipt, ReceiptKind
from primitives.types import Root

CALLBACK_GAS_BYTES = 8
"""With a kind 3 receipt's data begins: the callback's gas."""
OUTCOME_HEAD_BYTES = 33
"""With these a result's data begins: the call's id, and 1 or 0 for success."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call with a callback went, as a result's data tells it."""

    call_id: Root
    """The id of the call's receipt."""
    success: bool
    returned: bytes
    """What the callee returned or reverted with, cut to `callback_data_max`; empty where it did not run."""

    def encode(self) -> bytes:
        """The data of a result."""
        return self.call_id + bytes([self.success]) + self.returned

    @classmethod
    def decode(cls, data: bytes, returned_max: int) -> Outcome | None:
        """The outcome that a result's data tells; None where it tells none, or returns more than `returned_max` bytes."""
        if not OUTCOME_HEAD_BYTES <= len(data) <= OUTCOME_HEAD_BYTES + returned_max or data[32] > 1:
            return None
        return cls(Root(data[:32]), bool(data[32]), data[OUTCOME_HEAD_BYTES:])

    def digest(self) -> Root:
        """What Outbox keeps of a result whose callback failed."""
        return keccak256(self.encode())


def callback_gas_in(data: bytes) -> int:
    """Gas of the callback that a kind 3 receipt with this data asks for; 0 where a corrupted source left it out."""
    head = data[:CALLBACK_GAS_BYTES]
    return int.from_bytes(head, "big") if len(head) == CALLBACK_GAS_BYTES else 0


def call_data_of(receipt: CrossShardReceipt) -> bytes:
    """What a call receipt calls its `to` with."""
    return receipt.data[CALLBACK_GAS_BYTES:] if receipt.kind == ReceiptKind.CALL_WITH_CALLBACK else receipt.data

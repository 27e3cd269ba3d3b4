"""What a transaction to Outbox says: a transfer to another shard, or a call there with the fee that pays for it."""

from __future__ import annotations

from dataclasses import dataclass

from node.cluster.client import Client
from primitives.errors import InvalidConfig, UserError

LEAST_GAS = 21_000
"""Of a call without data, and of a callback."""
FEE_MULTIPLE = 2
"""Of Outbox's quote: what a call offers, so that a base fee that grows does not stop it; what is not used comes back."""
CALLBACK_QUOTE_PERCENT = 125
"""Of the quote with a callback: what is attached for it, as the base fee may grow until the block; the receiver gets what is over."""
CALLBACK_HEAD_BYTES = 8
"""Of the data of a call with a callback."""
_CLOSED = 1 << 255
_RETURN_CLOSED = 1 << 254


@dataclass(frozen=True, slots=True)
class Call:
    """What a call on another shard needs besides its receiver and value."""

    gas: int
    """Gas limit there."""
    refund_to: str
    """Who gets what is left: of the fee, or of everything where the call fails."""
    data: bytes
    callback_gas: int | None = None
    """Gas to tell the sender of the outcome with; None: it is not told."""


@dataclass(frozen=True, slots=True)
class Ordinary:
    """The transaction on the source shard."""

    to: bytes
    value: int
    """Wei."""
    data: bytes


def transfer(shard: int, to: str, value: int) -> Ordinary:
    """Sends wei to an account of another shard."""
    from shard.contracts import OUTBOX_CONTRACT

    return Ordinary(OUTBOX_CONTRACT.address, value, OUTBOX_CONTRACT.encode_call("transfer", shard, to))


def call(client: Client, path: str, shard: int, to: str, value: int, wanted: Call) -> Ordinary:
    """Calls an account of another shard with `value` wei and a fee of `FEE_MULTIPLE` quotes, or what pays for it and a callback.

    Raises:
        UserError: Outbox would refuse it.
    """
    from shard.contracts import OUTBOX_CONTRACT

    outbox = "0x" + OUTBOX_CONTRACT.address.hex()
    has_callback = wanted.callback_gas is not None
    asked = ("quoteWithCallback", shard, wanted.gas, wanted.callback_gas) if has_callback else ("quote", shard, wanted.gas)
    quote = {"to": outbox, "data": "0x" + OUTBOX_CONTRACT.encode_call(*asked).hex()}
    limits, terms, quoted = client.batch(
        [
            ("eth_getStorageAt", (outbox, hex(OUTBOX_CONTRACT.slots["limits"]), "latest")),
            ("eth_getStorageAt", (outbox, hex(OUTBOX_CONTRACT.slots["terms"] + shard), "latest")),
            ("eth_call", (quote, "latest")),
        ],
        path,
    )
    _check(int(limits, 16), int(terms, 16), shard, wanted)
    if has_callback:
        attached = value + int(quoted, 16) * CALLBACK_QUOTE_PERCENT // 100
        details = (shard, to, wanted.gas, wanted.callback_gas, wanted.refund_to, wanted.data)
        return Ordinary(OUTBOX_CONTRACT.address, attached, OUTBOX_CONTRACT.encode_call("sendWithCallback", *details))
    fee = FEE_MULTIPLE * int(quoted, 16)
    arguments = (shard, to, value, wanted.gas, wanted.refund_to, wanted.data)
    return Ordinary(OUTBOX_CONTRACT.address, value + fee, OUTBOX_CONTRACT.encode_call("send", *arguments))


def _check(limits: int, terms: int, shard: int, wanted: Call) -> None:
    most_data, most_gas, size = limits >> 128 & 2**64 - 1, limits >> 192, len(wanted.data)
    if wanted.callback_gas is not None:
        most_data -= CALLBACK_HEAD_BYTES
        if not LEAST_GAS <= wanted.callback_gas <= most_gas:
            raise InvalidConfig("--callback-gas", f"{wanted.callback_gas} is out of range: a callback may have {LEAST_GAS} to {most_gas}")
    if size > most_data:
        raise InvalidConfig("--data", f"{size} bytes are too many for a call on another shard, at most {most_data}")
    least_gas = LEAST_GAS + 40 * size
    if not least_gas <= wanted.gas <= most_gas:
        raise InvalidConfig("--gas", f"{wanted.gas} is out of range: this call may have {least_gas} to {most_gas}")
    if terms & _CLOSED:
        raise UserError(f"shard {shard} has more messages waiting than it may: try again when it has taken some in")
    if wanted.callback_gas is not None and terms & _RETURN_CLOSED:
        raise UserError(f"shard {shard} has more messages waiting on the way back than it may: try again later, or without a callback")

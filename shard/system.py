"""What the executor says to the system contracts, and what it reads in their storage (PROTOCOL 4 and 6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from eth_abi import encode as abi_encode

from primitives.blocks import CHANNEL_CLOSED, RETURN_CHANNEL_CLOSED, ChannelTerms
from primitives.callbacks import Outcome, callback_gas_in
from primitives.genesis import GenesisAccount
from primitives.parameters import Parameters
from primitives.receipts import ChannelTotals, CrossShardReceipt, ReceiptKind, Summary
from shard.contracts import (
    BEACON_ROOTS,
    BEACON_ROOTS_CODE,
    BLOCK_HASHES,
    BLOCK_HASHES_CODE,
    CLOSED,
    INBOX,
    INBOX_CONTRACT,
    OUTBOX,
    OUTBOX_CONTRACT,
    RETURN_CLOSED,
)
from shard.engine.interface import Log

ReadWord = Callable[[bytes, int], int]
"""(account, slot) -> word."""
_COUNT_BITS = 64
_MASK64 = 2**64 - 1
_SENT_DATA = ("uint8", "address", "address", "uint256", "uint64", "uint256", "address", "bytes")
_SENT_HEAD_BYTES = 32 * (len(_SENT_DATA) + 1)
"""With the place and the length of the data."""


def genesis_contracts(parameters: Parameters, shard: int) -> tuple[GenesisAccount, ...]:
    """The accounts every shard begins with; nonce 1 keeps them from being empty, or created anew."""
    network = parameters.shard_count + 1 | shard << 32 | parameters.chain_id_base << 64
    limits = (
        parameters.receipts_per_block_max
        | parameters.outbox_bytes_per_block_max << 64
        | parameters.data_max << 128
        | parameters.receipt_gas_max << 192
    )
    storage = {OUTBOX_CONTRACT.slots["network"]: network, OUTBOX_CONTRACT.slots["limits"]: limits}
    terms = OUTBOX_CONTRACT.slots["terms"]
    for destination in range(parameters.shard_count):
        if destination != shard:
            storage[terms + destination] = parameters.base_fee_initial
    # Nothing takes receipts in on the beacon chain until staking is there.
    storage[terms + parameters.beacon] = CLOSED
    return (
        GenesisAccount(address=BEACON_ROOTS, nonce=1, code=BEACON_ROOTS_CODE),
        GenesisAccount(address=BLOCK_HASHES, nonce=1, code=BLOCK_HASHES_CODE),
        GenesisAccount(address=OUTBOX, nonce=1, code=OUTBOX_CONTRACT.code, storage=storage),
        GenesisAccount(address=INBOX, nonce=1, code=INBOX_CONTRACT.code),
    )


def encode_terms(terms: ChannelTerms) -> int:
    """Terms of a channel as Outbox keeps them; a base fee no honest shard can have is cut to what fits."""
    refusing = (CLOSED if terms.closed & CHANNEL_CLOSED else 0) | (RETURN_CLOSED if terms.closed & RETURN_CHANNEL_CLOSED else 0)
    return min(terms.base_fee, 2**128 - 1) | refusing


def changed_terms(read: ReadWord, terms: Sequence[ChannelTerms], shard: int) -> bytes | None:
    """Call data of `Outbox.begin` for the terms that differ from what Outbox holds; None when none does."""
    first = OUTBOX_CONTRACT.slots["terms"]
    changed = {
        destination: word
        for destination, word in enumerate(map(encode_terms, terms))
        if destination != shard and word != read(OUTBOX, first + destination)
    }
    return OUTBOX_CONTRACT.encode_call("begin", list(changed), list(changed.values())) if changed else None


def read_terms(read: ReadWord, shard_count: int) -> tuple[ChannelTerms, ...]:
    """The terms that a state holds: those its block began with, as far as they were other than its parent's."""
    words = (read(OUTBOX, OUTBOX_CONTRACT.slots["terms"] + destination) for destination in range(shard_count + 1))
    return tuple(
        ChannelTerms(
            word & (2**128 - 1), CHANNEL_CLOSED * bool(word & CLOSED) | RETURN_CHANNEL_CLOSED * bool(word & RETURN_CLOSED)
        )
        for word in words
    )


def advance_call(totals: Mapping[int, ChannelTotals]) -> bytes:
    """Call data of `Inbox.advance` for the new totals of the sources something was taken in from."""
    sources = sorted(totals)
    return INBOX_CONTRACT.encode_call(
        "advance",
        sources,
        [totals[source].count | totals[source].value << _COUNT_BITS for source in sources],
        [totals[source].accumulator for source in sources],
    )


def end_call(burned: int, fees: int) -> bytes:
    """Call data of `Outbox.end` (wei of this block)."""
    return OUTBOX_CONTRACT.encode_call("end", burned, fees)


def refund_call(source: int, to: bytes) -> bytes:
    """Call data of `Outbox.refund`."""
    return OUTBOX_CONTRACT.encode_call("refund", source, to)


def read_channel(read: ReadWord, contract: bytes, chain: int) -> ChannelTotals:
    """Totals of one channel out of (OUTBOX) or into (INBOX) this shard."""
    slots = (OUTBOX_CONTRACT if contract == OUTBOX else INBOX_CONTRACT).slots
    totals = read(contract, slots["totals"] + chain)
    accumulator = read(contract, slots["accumulators"] + chain)
    return ChannelTotals(totals & _MASK64, totals >> _COUNT_BITS, accumulator.to_bytes(32, "big"))


def read_summary(read: ReadWord, shard_count: int) -> Summary:
    """The Summary that a state holds."""
    slots = OUTBOX_CONTRACT.slots
    return Summary(
        burned=read(OUTBOX, slots["burned"]),
        fees=read(OUTBOX, slots["fees"]),
        outgoing=tuple(read_channel(read, OUTBOX, chain) for chain in range(shard_count + 1)),
        incoming=tuple(read_channel(read, INBOX, chain) for chain in range(shard_count + 1)),
    )


def sent_value(read: ReadWord, shard_count: int) -> int:
    """Wei that ever left in receipts."""
    return sum(read(OUTBOX, OUTBOX_CONTRACT.slots["totals"] + chain) >> _COUNT_BITS for chain in range(shard_count + 1))


def result_call(shard: int, to: bytes, callback_gas: int, refund_to: bytes, data: bytes) -> bytes:
    """Call data of `Outbox.result`."""
    return OUTBOX_CONTRACT.encode_call("result", shard, to, callback_gas, refund_to, data)


def refund_receipt(read: ReadWord, shard: int, receipt: CrossShardReceipt, amount: int) -> CrossShardReceipt:
    """The credit that takes `amount` wei of a delivered receipt back to its source."""
    nonce = read_channel(read, OUTBOX, receipt.source).count
    return CrossShardReceipt(
        source=shard, destination=receipt.source, nonce=nonce, kind=ReceiptKind.CREDIT, sender=OUTBOX, to=receipt.refund_to,
        amount=amount, gas_limit=0, fee=0, refund_to=b"\0" * 20, data=b"",
    )  # fmt: skip


def result_receipt(read: ReadWord, shard: int, receipt: CrossShardReceipt, amount: int, outcome: Outcome) -> CrossShardReceipt:
    """What tells the sender of a delivered call with a callback how it went, and takes `amount` wei back."""
    nonce = read_channel(read, OUTBOX, receipt.source).count
    return CrossShardReceipt(
        source=shard, destination=receipt.source, nonce=nonce, kind=ReceiptKind.RESULT, sender=OUTBOX, to=receipt.sender,
        amount=amount, gas_limit=callback_gas_in(receipt.data), fee=0, refund_to=receipt.refund_to, data=outcome.encode(),
    )  # fmt: skip


def words_of(read: ReadWord, receipt: CrossShardReceipt, chain_id_base: int) -> dict[int, int]:
    """Slots of Outbox as `receipt` leaves them."""
    totals = read_channel(read, OUTBOX, receipt.destination).add([receipt], chain_id_base)
    slots = OUTBOX_CONTRACT.slots
    return {
        slots["totals"] + receipt.destination: totals.count | totals.value << _COUNT_BITS,
        slots["accumulators"] + receipt.destination: int.from_bytes(totals.accumulator, "big"),
    }


def sent_log(receipt: CrossShardReceipt, chain_id_base: int) -> Log:
    """The log Outbox writes for a receipt."""
    values = (
        receipt.kind, receipt.sender, receipt.to, receipt.amount, receipt.gas_limit, receipt.fee, receipt.refund_to, receipt.data,
    )  # fmt: skip
    topics = (
        OUTBOX_CONTRACT.topics["Sent"],
        receipt.identity(chain_id_base),
        receipt.destination.to_bytes(32, "big"),
        receipt.nonce.to_bytes(32, "big"),
    )
    return Log(OUTBOX, topics, abi_encode(_SENT_DATA, values))


def receipt_of_log(log: Log, shard: int) -> CrossShardReceipt | None:
    """The cross-shard receipt that a log tells of; None for any other log."""
    if log.address != OUTBOX or log.topics[:1] != (OUTBOX_CONTRACT.topics["Sent"],):
        return None
    # Read as Outbox writes it, and nobody else writes such a log: a general decoder takes ten times as long.
    words = [int.from_bytes(log.data[at : at + 32], "big") for at in range(0, _SENT_HEAD_BYTES, 32)]
    kind, sender, to, amount, gas_limit, fee, refund_to, _, size = words
    return CrossShardReceipt(
        source=shard,
        destination=int.from_bytes(log.topics[2], "big"),
        nonce=int.from_bytes(log.topics[3], "big"),
        kind=kind,
        sender=sender.to_bytes(20, "big"),
        to=to.to_bytes(20, "big"),
        amount=amount,
        gas_limit=gas_limit,
        fee=fee,
        refund_to=refund_to.to_bytes(20, "big"),
        data=log.data[_SENT_HEAD_BYTES : _SENT_HEAD_BYTES + size],
    )

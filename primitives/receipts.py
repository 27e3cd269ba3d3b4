"""Cross-shard receipts, their channels and the Summary that commits to them (PROTOCOL 4 and 6)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, ClassVar

from eth_abi import decode as abi_decode

from primitives.hashing import keccak256, sha256
from primitives.ssz import ByteList, Bytes20, Bytes32, Container, Repeated, Uint8, Uint32, Uint64, Uint256
from primitives.types import ZERO_ROOT, Address, Root

CHANNELS_MAX = 33
"""Chains a shard may have a channel with: 32 shards and the beacon chain."""
RECEIPT_DATA_BYTES_MAX = 4096
"""Ceiling of a receipt's calldata; the parameter `data_max` may be lower."""
RECEIPT_FIXED_BYTES = 384
"""Counted for every receipt besides its data, by Outbox and in the inbound order: about what the ABI encoding takes."""
BUNDLE_RECEIPTS_MAX = 64
"""Receipts of one page of a channel."""
RECEIPT_TRANSACTION_TYPE = 0x7D
SUMMARY_REQUEST_TYPE = 0x5A
_RECEIPT_ABI = ("uint256", "uint32", "uint64", "uint8", "address", "address", "uint256", "uint64", "uint256", "address", "bytes")


_TYPE_BYTE = bytes([RECEIPT_TRANSACTION_TYPE])


def _number(address: bytes) -> int:
    return int.from_bytes(address, "big")


class ReceiptKind(IntEnum):
    """What a receipt does at its destination."""

    CREDIT = 0
    CALL = 1
    """Unused fee returned as a credit to the source."""
    CALL_REFUND_THERE = 2
    """Unused fee paid to `refund_to` at the destination."""
    CALL_WITH_CALLBACK = 3
    """As CALL; instead of a credit its outcome returns, with whatever wei comes back: a RESULT, always."""
    RESULT = 4
    """`amount` for `refund_to`, and the outcome of a call for the callback of `to`; `gas_limit` names the callback's gas."""


CALL_KINDS = frozenset((ReceiptKind.CALL, ReceiptKind.CALL_REFUND_THERE, ReceiptKind.CALL_WITH_CALLBACK))
"""Calls of a contract, as the sender's alias."""


@dataclass(frozen=True, slots=True)
class CrossShardReceipt(Container):
    """One message from one chain to another."""

    source: Uint32
    destination: Uint32
    nonce: Uint64
    """Counts per (source, destination) without gaps, from 0."""
    kind: Uint8
    """A `ReceiptKind`, or anything else a corrupted source wrote."""
    sender: Bytes20
    to: Bytes20
    amount: Uint256
    """Wei for `to`."""
    gas_limit: Uint64
    fee: Uint256
    """Wei that pays the gas of a call."""
    refund_to: Bytes20
    data: Annotated[bytes, ByteList(RECEIPT_DATA_BYTES_MAX)]

    def transaction_bytes(self, chain_id_base: int) -> bytes:
        """The destination's typed transaction: 0x7d followed by the ABI encoding of the fields."""
        # Written out: a general encoder takes ten times as long, and this is done several times for every receipt.
        size = len(self.data)
        head = (
            chain_id_base + self.destination, self.source, self.nonce, self.kind, _number(self.sender), _number(self.to),
            self.amount, self.gas_limit, self.fee, _number(self.refund_to), 32 * len(_RECEIPT_ABI), size,
        )  # fmt: skip
        words = b"".join([value.to_bytes(32, "big") for value in head])
        return b"".join((_TYPE_BYTE, words, self.data, bytes(-size % 32)))

    @classmethod
    def from_transaction_bytes(cls, raw: bytes, chain_id_base: int) -> CrossShardReceipt:
        """The receipt that a delivered transaction of a valid block is."""
        chain_id, source, nonce, kind, sender, to, amount, gas_limit, fee, refund_to, data = abi_decode(_RECEIPT_ABI, raw[1:])
        sender, to, refund_to = (bytes.fromhex(address[2:]) for address in (sender, to, refund_to))
        return cls(source, chain_id - chain_id_base, nonce, kind, sender, to, amount, gas_limit, fee, refund_to, data)

    def identity(self, chain_id_base: int) -> Root:
        """The receipt's id: keccak of `transaction_bytes`, the hash of the destination's transaction, what Outbox returns."""
        return keccak256(self.transaction_bytes(chain_id_base))


@dataclass(frozen=True, slots=True)
class ChannelTotals(Container):
    """One direction of one channel, cumulative since genesis."""

    count: Uint64
    """Receipts."""
    value: Uint256
    """Wei: the sum of amount + fee."""
    accumulator: Bytes32
    """acc' = keccak(acc || id), from zero."""

    def add(self, receipts: Iterable[CrossShardReceipt], chain_id_base: int) -> ChannelTotals:
        """The totals after `receipts` in order."""
        count, value, accumulator = self.count, self.value, self.accumulator
        for receipt in receipts:
            count, value = count + 1, value + receipt.amount + receipt.fee
            accumulator = keccak256(accumulator + receipt.identity(chain_id_base))
        return ChannelTotals(count, value, accumulator)


EMPTY_CHANNEL = ChannelTotals(0, 0, ZERO_ROOT)


@dataclass(frozen=True, slots=True)
class Summary(Container):
    """A shard's cumulative totals sent, taken in, burned and paid; each header commits to it."""

    burned: Uint256
    """Wei taken out of existence on this shard."""
    fees: Uint256
    """Wei set aside for the beacon's fee pool."""
    outgoing: Annotated[tuple[ChannelTotals, ...], Repeated(CHANNELS_MAX)]
    """By destination chain number; `shard_count + 1` entries, one's own stays empty."""
    incoming: Annotated[tuple[ChannelTotals, ...], Repeated(CHANNELS_MAX)]
    """By source chain number."""

    @property
    def net(self) -> int:
        """Wei by which the shard's accounts hold more than at genesis: taken in, less sent, burned and paid (PROTOCOL 4)."""
        taken, sent = (sum(channel.value for channel in side) for side in (self.incoming, self.outgoing))
        return taken - sent - self.burned - self.fees

    def requests_hash(self) -> Root:
        """The header field that commits to it: EIP-7685 with one request type of our own."""
        return sha256(sha256(bytes([SUMMARY_REQUEST_TYPE]) + self.encode()))


def empty_summary(shard_count: int) -> Summary:
    """The Summary of a shard's genesis block."""
    empty = (EMPTY_CHANNEL,) * (shard_count + 1)
    return Summary(0, 0, empty, empty)


@dataclass(frozen=True, slots=True)
class Bundle(Container):
    """A page of one channel: receipts `first_nonce ...` in order, checkable alone once the end of its fold is known."""

    encoded_bytes_max: ClassVar[int] = 64 + BUNDLE_RECEIPTS_MAX * (RECEIPT_DATA_BYTES_MAX + 256)

    source: Uint32
    destination: Uint32
    first_nonce: Uint64
    accumulator_before: Bytes32
    """The channel's accumulator before the first receipt."""
    receipts: Annotated[tuple[CrossShardReceipt, ...], Repeated(BUNDLE_RECEIPTS_MAX)]

    def accumulator_after(self, chain_id_base: int) -> Root:
        """The accumulator after the last receipt."""
        accumulator = self.accumulator_before
        for receipt in self.receipts:
            accumulator = keccak256(accumulator + receipt.identity(chain_id_base))
        return Root(accumulator)


def alias_of(source: int, sender: bytes) -> Address:
    """Account a call from `sender` of chain `source` acts as at its destination (PROTOCOL 6)."""
    return Address(keccak256(b"shardnet.alias" + source.to_bytes(4, "big") + sender)[12:])

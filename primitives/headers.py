"""Shard headers: Ethereum headers of the Prague fork, encoded and hashed the standard way (EIP-7685 and before)."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass

from primitives.blocks import HEADER_BYTES_MAX, ExtraData
from primitives.errors import EncodingReason, InvalidEncoding
from primitives.hashing import keccak256
from primitives.types import Root

_INTEGERS = {"difficulty", "number", "gas_limit", "gas_used", "timestamp", "base_fee_per_gas", "blob_gas_used", "excess_blob_gas"}
_SIZES = {
    "parent_hash": 32, "uncles_hash": 32, "coinbase": 20, "state_root": 32, "transactions_root": 32, "receipts_root": 32,
    "logs_bloom": 256, "prev_randao": 32, "nonce": 8, "withdrawals_root": 32, "parent_beacon_block_root": 32, "requests_hash": 32,
}
EMPTY_UNCLES_HASH = keccak256(b"\xc0")
EMPTY_TRIE_ROOT = keccak256(b"\x80")
HEADERS_REMEMBERED_MAX = 1024
"""Decoded headers kept, their extra data, and hashes: each is asked for again and again while its block is new."""
_SHORT_MAX = 55
"""Bytes of what RLP writes a one-byte length for."""


@dataclass(frozen=True, slots=True)
class ShardHeader:
    """Header of a shard block; fields in RLP order, named as the execution specifications name them."""

    parent_hash: bytes
    uncles_hash: bytes
    coinbase: bytes
    state_root: bytes
    transactions_root: bytes
    receipts_root: bytes
    logs_bloom: bytes
    difficulty: int
    number: int
    gas_limit: int
    gas_used: int
    timestamp: int
    """Seconds since 1970; may equal the parent's (docs/protocol.md, shard block)."""
    extra_data: bytes
    """`primitives.blocks.ExtraData`; empty in genesis."""
    prev_randao: bytes
    nonce: bytes
    base_fee_per_gas: int
    withdrawals_root: bytes
    blob_gas_used: int
    excess_blob_gas: int
    parent_beacon_block_root: bytes
    """The referenced beacon block."""
    requests_hash: bytes
    """`Summary.requests_hash`."""

    def encode(self) -> bytes:
        """RLP encoding."""
        values = []
        for name in _NAMES:
            value = getattr(self, name)
            values.append(value.to_bytes((value.bit_length() + 7) // 8, "big") if name in _INTEGERS else value)
        return _encode_list(values)

    @classmethod
    def decode(cls, data: bytes) -> ShardHeader:
        """The header encoded by `data`.

        Raises:
            InvalidEncoding: not RLP of 21 fields of the right sizes in canonical form.
        """
        if len(data) > HEADER_BYTES_MAX:
            raise InvalidEncoding(EncodingReason.TOO_LARGE, f"header of {len(data)} bytes, at most {HEADER_BYTES_MAX}")
        return _decode(bytes(data))

    @classmethod
    def _of_items(cls, items: Sequence[bytes]) -> ShardHeader:
        if len(items) != len(_NAMES):
            raise InvalidEncoding(EncodingReason.MALFORMED, f"a header has {len(_NAMES)} byte strings")
        values: list[bytes | int] = []
        for name, item in zip(_NAMES, items, strict=True):
            if name in _INTEGERS:
                if item[:1] == b"\0" or len(item) > 32:
                    raise InvalidEncoding(EncodingReason.NOT_CANONICAL, f"header.{name}")
                values.append(int.from_bytes(item, "big"))
            else:
                if len(item) != _SIZES.get(name, len(item)) or len(item) > 256:
                    raise InvalidEncoding(EncodingReason.MALFORMED, f"header.{name} has {len(item)} bytes")
                values.append(bytes(item))
        return cls(*values)  # type: ignore[arg-type]

    def hash(self) -> Root:
        """Keccak of the RLP: the block's hash, and the root its committee votes on."""
        return _hash(self)

    def extra(self) -> ExtraData:
        """The agreement's part of the header.

        Raises:
            InvalidEncoding: `extra_data` is not an ExtraData.
        """
        return _extra(self.extra_data)


@functools.lru_cache(HEADERS_REMEMBERED_MAX)
def _extra(data: bytes) -> ExtraData:
    return ExtraData.decode(data)


@functools.lru_cache(HEADERS_REMEMBERED_MAX)
def _decode(data: bytes) -> ShardHeader:
    return ShardHeader._of_items(_decode_list(data))


@functools.lru_cache(HEADERS_REMEMBERED_MAX)
def _hash(header: ShardHeader) -> Root:
    return keccak256(header.encode())


def _encode_string(value: bytes) -> bytes:
    if len(value) == 1 and value[0] < 0x80:
        return value
    return _length(len(value), 0x80) + value


def _encode_list(values: Sequence[bytes]) -> bytes:
    payload = b"".join([_encode_string(value) for value in values])
    return _length(len(payload), 0xC0) + payload


def _length(length: int, base: int) -> bytes:
    if length <= _SHORT_MAX:
        return bytes([base + length])
    size = (length.bit_length() + 7) // 8
    return bytes([base + _SHORT_MAX + size]) + length.to_bytes(size, "big")


def _decode_list(data: bytes) -> list[bytes]:
    """The byte strings of a flat RLP list, each in its one encoding."""
    start, end = _span(data, 0, 0xC0)
    if end != len(data):
        raise InvalidEncoding(EncodingReason.MALFORMED, "header: bytes after the list, or too few")
    items = []
    while start < end:
        if data[start] < 0x80:
            items.append(data[start : start + 1])
            start += 1
            continue
        first, start = _span(data, start, 0x80)
        if start > end:
            raise InvalidEncoding(EncodingReason.MALFORMED, "header: an item beyond the end")
        items.append(data[first:start])
        if start == first + 1 and data[first] < 0x80:
            raise InvalidEncoding(EncodingReason.NOT_CANONICAL, "header: a byte that is its own encoding")
    return items


def _span(data: bytes, at: int, base: int) -> tuple[int, int]:
    """Where the payload of the item at a place begins and ends."""
    prefix = data[at] - base if at < len(data) else -1
    if not 0 <= prefix < 0x40:
        raise InvalidEncoding(EncodingReason.MALFORMED, "header: not a flat list of byte strings")
    if prefix <= _SHORT_MAX:
        return at + 1, at + 1 + prefix
    size = prefix - _SHORT_MAX
    length = int.from_bytes(data[at + 1 : at + 1 + size], "big")
    if length <= _SHORT_MAX or data[at + 1] == 0:
        raise InvalidEncoding(EncodingReason.NOT_CANONICAL, "header: a length in more bytes than it needs")
    return at + 1 + size, at + 1 + size + length


_NAMES = tuple(f.name for f in dataclasses.fields(ShardHeader))

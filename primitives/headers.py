"""Shard headers: Ethereum headers of the Prague fork, encoded and hashed the standard way (EIP-7685 and before)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import rlp
from rlp.exceptions import RLPException

from primitives.blocks import HEADER_BYTES_MAX, ExtraData
from primitives.errors import EncodingReason, InvalidEncoding
from primitives.hashing import keccak256
from primitives.types import Root

_INTEGERS = {"difficulty", "number", "gas_limit", "gas_used", "timestamp", "base_fee_per_gas", "blob_gas_used", "excess_blob_gas"}
_SIZES = {
    "parent_hash": 32, "uncles_hash": 32, "coinbase": 20, "state_root": 32, "transactions_root": 32, "receipts_root": 32,
    "logs_bloom": 256, "prev_randao": 32, "nonce": 8, "withdrawals_root": 32, "parent_beacon_block_root": 32, "requests_hash": 32,
}
EMPTY_UNCLES_HASH = keccak256(rlp.encode([]))
EMPTY_TRIE_ROOT = keccak256(rlp.encode(b""))


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
        return bytes(rlp.encode(values))

    @classmethod
    def decode(cls, data: bytes) -> ShardHeader:
        """The header encoded by `data`.

        Raises:
            InvalidEncoding: not RLP of 21 fields of the right sizes in canonical form.
        """
        if len(data) > HEADER_BYTES_MAX:
            raise InvalidEncoding(EncodingReason.TOO_LARGE, f"header of {len(data)} bytes, at most {HEADER_BYTES_MAX}")
        try:
            items = rlp.decode(data)
        except (RLPException, RecursionError) as error:
            raise InvalidEncoding(EncodingReason.MALFORMED, f"header: {str(error)[:200]}") from error
        if not isinstance(items, list) or len(items) != len(_NAMES) or not all(isinstance(i, bytes) for i in items):
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
        return keccak256(self.encode())

    def extra(self) -> ExtraData:
        """The agreement's part of the header.

        Raises:
            InvalidEncoding: `extra_data` is not an ExtraData.
        """
        return ExtraData.decode(self.extra_data)


_NAMES = tuple(f.name for f in dataclasses.fields(ShardHeader))

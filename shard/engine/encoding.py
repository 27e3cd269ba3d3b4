"""Transaction receipts, blooms and logs in the forms Ethereum commits to."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from primitives.hashing import keccak256
from shard.engine.interface import Log
from shard.transactions.rlp import encode_list, encode_number, encode_text

EMPTY_BLOOM = b"\0" * 256


@functools.lru_cache(maxsize=4096)
def _bits(value: bytes) -> int:
    digest = keccak256(value)
    bits = 0
    for i in (0, 2, 4):
        bits |= 1 << (int.from_bytes(digest[i : i + 2], "big") & 2047)
    return bits


def bloom_of(logs: Iterable[Log]) -> bytes:
    """The 256-byte bloom filter over addresses and topics of `logs` (yellow paper, section 4.3.1)."""
    bits = 0
    for log in logs:
        bits |= _bits(log.address)
        for topic in log.topics:
            bits |= _bits(topic)
    return bits.to_bytes(256, "big") if bits else EMPTY_BLOOM


def join_blooms(blooms: Iterable[bytes]) -> bytes:
    """The bloom filter of a block."""
    bits = 0
    for bloom in blooms:
        if bloom is not EMPTY_BLOOM:
            bits |= int.from_bytes(bloom, "big")
    return bits.to_bytes(256, "big")


def encode_receipt(kind: int, status: int, cumulative_gas_used: int, bloom: bytes, logs: Iterable[Log]) -> bytes:
    """A transaction receipt (EIP-2718; EIP-658 status)."""
    encoded = encode_list(
        encode_number(status)
        + encode_number(cumulative_gas_used)
        + encode_text(bloom)
        + encode_list(b"".join([_encode_log(log) for log in logs]))
    )
    return bytes([kind]) + encoded if kind else encoded


def _encode_log(log: Log) -> bytes:
    topics = encode_list(b"".join([encode_text(topic) for topic in log.topics]))
    return encode_list(encode_text(log.address) + topics + encode_text(log.data))

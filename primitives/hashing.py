"""The two hash functions of the protocol."""

from __future__ import annotations

import hashlib

import sha3

from primitives.types import Root


def keccak256(data: bytes) -> Root:
    """Keccak-256 as Ethereum uses it (before the SHA-3 padding change); 32 bytes."""
    return Root(sha3.keccak_256(data).digest())


def sha256(data: bytes) -> Root:
    """SHA-256; 32 bytes."""
    return Root(hashlib.sha256(data).digest())

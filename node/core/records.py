"""Keys of the node's own store: one byte of kind, the chain, then what tells records of that kind apart.

Shard blocks and state live in the executors' stores; this one holds agreement and the beacon chain.
"""

from __future__ import annotations

from dataclasses import dataclass

from primitives.ssz import Bytes32, Container, Uint64
from primitives.votes import Certificate

GENESIS_KEY = b"g"
"""Root of the genesis this store belongs to."""
LEARNED_PEERS_KEY = b"a"
"""Addresses of nodes that peers told of: `KnownPeers`."""


def _key(kind: bytes, chain: int, rest: bytes = b"") -> bytes:
    return kind + chain.to_bytes(4, "big") + rest


def engine_key(chain: int, key: bytes = b"") -> bytes:
    """A durable record of a chain's agreement engine."""
    return _key(b"e", chain, key)


def body_key(chain: int, root: bytes = b"") -> bytes:
    """A block voted for and not final yet."""
    return _key(b"b", chain, root)


def head_key(chain: int) -> bytes:
    """`HeadRecord` of a chain."""
    return _key(b"h", chain)


def certificate_key(chain: int, height: int) -> bytes:
    """Finalization of the block at a height, where there was one of its own."""
    return _key(b"c", chain, height.to_bytes(8, "big"))


def beacon_block_key(chain: int, height: int) -> bytes:
    """A final beacon block."""
    return _key(b"f", chain, height.to_bytes(8, "big"))


def beacon_root_key(chain: int, root: bytes) -> bytes:
    """Height of a final beacon block, 8 bytes."""
    return _key(b"i", chain, root)


def beacon_state_key(chain: int) -> bytes:
    """State after the newest final beacon block."""
    return _key(b"s", chain)


def reference_key(shard: int, beacon_root: bytes) -> bytes:
    """`ShardReference` of a final beacon block for a shard."""
    return _key(b"r", shard, beacon_root)


def crosslink_key(shard: int, height: int) -> bytes:
    """Beacon height (8 bytes) and timestamp (8 bytes) of the crosslink to the shard block at a height."""
    return _key(b"x", shard, height.to_bytes(8, "big"))


@dataclass(frozen=True, slots=True)
class HeadRecord(Container):
    """A chain's newest final block and what proves it."""

    root: Bytes32
    height: Uint64
    certificate: Certificate

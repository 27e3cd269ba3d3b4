"""Keys of the node's own store: one byte of kind, the chain, then what tells records of that kind apart.

Shard blocks and state live in the executors' stores; this one holds agreement and the beacon chain.
"""

from __future__ import annotations

from dataclasses import dataclass

from consensus.beacon.state import EpochSet
from primitives.blocks import ShardReference
from primitives.ssz import Bytes32, Container, Uint8, Uint64
from primitives.votes import Certificate

GENESIS_KEY = b"g"
"""Root of the genesis this store belongs to."""
LEARNED_PEERS_KEY = b"a"
"""Addresses of nodes that peers told of: `KnownPeers`."""


CLOCK_KEY = b"k"
"""Milliseconds by which a developer has moved the node's clock: 8 bytes, signed."""

INCARNATION_KEY = b"j"
"""How often a developer has taken the past back: 8 bytes."""
INCARNATION_VIEW_BITS = 32
"""A view's number is the incarnation it is of, and in this many low bits its place in that."""


def _key(kind: bytes, chain: int, rest: bytes = b"") -> bytes:
    return kind + chain.to_bytes(4, "big") + rest


def engine_key(chain: int, epoch: int | None = None, key: bytes = b"") -> bytes:
    """A durable record of the agreement engine of a chain's instance `epoch`; without an epoch, the start of all of a chain."""
    return _key(b"e", chain) if epoch is None else _key(b"e", chain, epoch.to_bytes(8, "big") + key)


def instance_key(chain: int, epoch: int | None = None) -> bytes:
    """`Opening` of a chain's instance `epoch`; without one, the start of all of a chain."""
    return _key(b"o", chain, b"" if epoch is None else epoch.to_bytes(8, "big"))


def running_key(chain: int) -> bytes:
    """C of the instance a chain is in here, 8 bytes; none while it is the first."""
    return _key(b"n", chain)


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
    """`ReferenceRecord` of a final beacon block for a shard."""
    return _key(b"r", shard, beacon_root)


def set_proof_key(chain: int, epoch: int) -> bytes:
    """`SetProof` of the members of the chain's instance `epoch`, under the boundary block it starts from."""
    return _key(b"p", chain, epoch.to_bytes(8, "big"))


def evidence_key(validator: int | None = None) -> bytes:
    """`Evidence` against a validator that is not final on the beacon chain yet; without one, the start of all."""
    return b"v" if validator is None else b"v" + validator.to_bytes(4, "big")


def crosslink_key(shard: int, height: int) -> bytes:
    """Beacon height (8 bytes) and timestamp (8 bytes) of the crosslink to the shard block at a height."""
    return _key(b"x", shard, height.to_bytes(8, "big"))


@dataclass(frozen=True, slots=True)
class HeadRecord(Container):
    """A chain's newest final block and what proves it."""

    root: Bytes32
    height: Uint64
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class ReferenceRecord(Container):
    """What a final beacon block says to the blocks of a shard that reference it."""

    reference: ShardReference
    instance_epoch: Uint64
    """c of the shard's open instance."""
    closing: Uint8
    """1: that instance is being closed, so a block that references this one is its boundary (PROTOCOL 3)."""


@dataclass(frozen=True, slots=True)
class Opening(Container):
    """An instance as the beacon chain opened it."""

    members: EpochSet
    """Of its first epoch, c: committee and seed."""
    base_height: Uint64
    base_root: Bytes32
    """The final block it starts from."""

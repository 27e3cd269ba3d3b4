"""The words of the protocol as types; one word for one thing (docs/glossary.md).

Integers are checked where bytes become values (primitives/ssz.py), so these cost nothing at run time.
"""

from __future__ import annotations

from typing import NewType

ChainNumber = NewType("ChainNumber", int)
"""0 .. shard_count-1 are the shard chains, shard_count is the beacon chain (PROTOCOL 1)."""
ShardId = NewType("ShardId", int)
"""A shard chain's number."""
ValidatorIndex = NewType("ValidatorIndex", int)
"""Position in the beacon chain's registry; never reused."""
View = NewType("View", int)
"""One attempt to agree on a block; counts from 1 within an instance, 0 is the base (PROTOCOL 2)."""
Height = NewType("Height", int)
"""Number of a block in its chain; genesis is 0."""
Epoch = NewType("Epoch", int)
"""Number of an epoch; beacon heights 1 .. epoch_length are epoch 0 (PROTOCOL 3)."""
Root = NewType("Root", bytes)
"""32 bytes: the Merkle root of a container, or the keccak hash of an EVM header where a shard block is meant."""
Address = NewType("Address", bytes)
"""20 bytes: an account of the EVM."""
Wei = NewType("Wei", int)
"""The only unit of value in code."""

ZERO_ROOT = Root(b"\0" * 32)
ZERO_ADDRESS = Address(b"\0" * 20)

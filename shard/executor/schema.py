"""How a shard's store is laid out: one-letter tables, big-endian numbers, so that order is by height, index and nonce.

- `M name`: what there is one of: see the *_KEY names
- `B hash`: block: SSZ of ShardBlock
- `R hash`: StoredBlock
- `T hash index`: StoredTransaction
- `O hash`: StoredOutgoing, a list: receipts the block sent
- `W height hash`: empty: blocks of a height, until the losers are pruned
- `N height`: canonical: hash, timestamp, then the header's logs bloom unless it is empty
- `I transaction hash`: canonical: block hash, index; a delivered receipt's id is its transaction's hash
- `C destination nonce`: canonical: StoredOutgoing, until the destination has taken it in
- `P receipt id`: canonical: block hash, position in its O list
- `X kind digest height`: canonical: places of transactions in the block of a height that an address or a topic is in (index.py)
- `s key`: state: trie nodes and code by keccak
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from primitives.receipts import CrossShardReceipt
from shard.database import Database
from shard.results import BlockResult
from shard.views import Big

STORE_VERSION = 3
GENESIS_KEY = b"Mgenesis"
LATEST_KEY = b"Mlatest"
FINALIZED_KEY = b"Mfinalized"
STATE_TABLE = b"s"


class StoredGenesis(msgspec.Struct, frozen=True, array_like=True):
    """Whose store this is."""

    version: int
    genesis_root: bytes
    shard: int
    hash: bytes
    supply: Big


class StoredBlock(msgspec.Struct, frozen=True, array_like=True):
    """An executed block without its transactions."""

    result: BlockResult
    received: int
    """Inbound receipts: the first transactions of the block."""
    sent: dict[int, tuple[int, int]]
    """Outgoing receipts by destination: [first nonce, end nonce)."""
    size: int
    """Bytes of the encoded block."""


class Place(NamedTuple):
    """A canonical block, as far as its logs tell of it."""

    number: int
    hash: bytes
    timestamp: int
    """Seconds since 1970."""


class StoredLog(msgspec.Struct, frozen=True, array_like=True):
    """A log of a transaction."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


class StoredTransaction(msgspec.Struct, frozen=True, array_like=True):
    """A transaction of a block and what it left."""

    raw: bytes
    hash: bytes
    sender: bytes
    to: bytes | None
    status: int
    gas_used: int
    cumulative_gas_used: int
    effective_gas_price: Big
    contract_address: bytes | None
    first_log: int
    """Position of its first log in the block."""
    logs: tuple[StoredLog, ...]
    logs_bloom: bytes
    """Empty when there are no logs."""


class StoredOutgoing(msgspec.Struct, frozen=True, array_like=True):
    """A cross-shard receipt a block sent."""

    receipt: bytes
    """SSZ of CrossShardReceipt."""
    id: bytes
    accumulator_before: bytes
    block_hash: bytes
    block_number: int
    transaction_hash: bytes

    def decoded(self) -> CrossShardReceipt:
        """The receipt itself."""
        return CrossShardReceipt.decode(self.receipt)


def height_key(height: int) -> bytes:
    """Canonical block of a height."""
    return b"N" + height.to_bytes(8, "big")


def candidates_key(height: int) -> bytes:
    """Start of the executed blocks of a height."""
    return b"W" + height.to_bytes(8, "big")


def transaction_key(block_hash: bytes, index: int) -> bytes:
    """A transaction by its place."""
    return b"T" + block_hash + index.to_bytes(4, "big")


def transactions_range(block_hash: bytes) -> tuple[bytes, bytes]:
    """All transactions of a block."""
    return b"T" + block_hash, b"T" + block_hash + b"\xff" * 5


def location(block_hash: bytes, index: int) -> bytes:
    """Value of the I and P tables."""
    return block_hash + index.to_bytes(4, "big")


def parse_location(value: bytes) -> tuple[bytes, int]:
    """(block hash, index) of an I or P value."""
    return value[:32], int.from_bytes(value[32:], "big")


def channel_key(destination: int, nonce: int) -> bytes:
    """A receipt on its way."""
    return b"C" + destination.to_bytes(4, "big") + nonce.to_bytes(8, "big")


def place_value(hash: bytes, timestamp: int, bloom: bytes) -> bytes:
    """Value of the N table; `bloom` may be left empty."""
    return hash + timestamp.to_bytes(8, "big") + bloom


def parse_place(number: int, value: bytes) -> tuple[Place, bytes]:
    """(block, bloom) of an N value."""
    return Place(number, value[:32], int.from_bytes(value[32:40], "big")), value[40:]


class StateReader:
    """The engine's view of the state table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: bytes) -> bytes | None:
        """Trie node or code whose keccak is `key`; None when it is not stored."""
        return self._database.get(STATE_TABLE + key)

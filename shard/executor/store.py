"""A shard's blocks on disk: executed ones by hash, canonical ones by height, and what each of them sent.

An executed block is one batch, unsynced; making blocks canonical is one synced batch, which makes all earlier ones durable
too. So whatever moment a process is killed at, the store is that of the moment after some whole batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from primitives.blocks import ShardBlock
from primitives.errors import StartupRefused
from primitives.genesis import Genesis
from primitives.headers import ShardHeader
from shard.database import Database, Item
from shard.executor import schema
from shard.executor.index import entries_of
from shard.executor.rules import EMPTY_BLOOM
from shard.executor.schema import Place, StoredBlock, StoredGenesis, StoredOutgoing, StoredTransaction
from shard.results import BlockResult, FinalizedBlock

LOSERS_KEPT_HEIGHTS = 64
"""Heights below the newest canonical block for which blocks that lost stay stored."""
RECENT_BLOCKS_MAX = 16
"""Blocks kept decoded."""

_encode = msgspec.msgpack.Encoder().encode
_block = msgspec.msgpack.Decoder(StoredBlock).decode
_transaction = msgspec.msgpack.Decoder(StoredTransaction).decode
_outgoing = msgspec.msgpack.Decoder(StoredOutgoing).decode
_outgoing_list = msgspec.msgpack.Decoder(tuple[StoredOutgoing, ...]).decode
_genesis = msgspec.msgpack.Decoder(StoredGenesis).decode


class BlockStore:
    """The tables of `shard.executor.schema` but the state; one thread writes, any may read."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._recent: dict[bytes, StoredBlock] = {}

    def genesis(self, expected: Genesis, shard: int) -> StoredGenesis | None:
        """What the store was made for; None when it is new.

        Raises:
            StartupRefused: it is another network's or another shard's.
        """
        data = self.database.get(schema.GENESIS_KEY)
        if data is None:
            return None
        stored = _genesis(data)
        if stored.version != schema.STORE_VERSION:
            raise StartupRefused(f"the data of shard {shard} has store version {stored.version}, not {schema.STORE_VERSION}: remove it")
        if stored.genesis_root != expected.root:
            raise StartupRefused(
                f"the data of shard {shard} belongs to another network (genesis root 0x{stored.genesis_root.hex()}): "
                "choose another data folder, or remove this one"
            )
        if stored.shard != shard:
            raise StartupRefused(f"the data given for shard {shard} is that of shard {stored.shard}: the data folders were mixed up")
        return stored

    def put_genesis(self, genesis: StoredGenesis, block: StoredBlock, body: bytes, state: Mapping[bytes, bytes]) -> None:
        """Makes a new store: block 0 is canonical and final."""
        items = [*_state_items(state), *_block_items(block, body, (), ())]
        items += [
            (schema.height_key(0), schema.place_value(block.result.hash, block.result.timestamp, b"")),
            (schema.GENESIS_KEY, _encode(genesis)),
            (schema.LATEST_KEY, block.result.hash),
            (schema.FINALIZED_KEY, (0).to_bytes(8, "big")),
        ]
        self.database.write_batch(items, sync=True)

    def block(self, block_hash: bytes) -> StoredBlock | None:
        """An executed block."""
        found = self._recent.get(block_hash)
        if found is not None:
            return found
        data = self.database.get(b"R" + block_hash)
        return None if data is None else _block(data)

    def body(self, block_hash: bytes) -> bytes | None:
        """SSZ of an executed block."""
        return self.database.get(b"B" + block_hash)

    def put_block(
        self,
        block: StoredBlock,
        body: bytes,
        transactions: tuple[StoredTransaction, ...],
        outgoing: tuple[StoredOutgoing, ...],
        state: Mapping[bytes, bytes],
    ) -> None:
        """Keeps an executed block, one batch."""
        self.database.write_batch([*_state_items(state), *_block_items(block, body, transactions, outgoing)], sync=False)
        self._recent[block.result.hash] = block
        if len(self._recent) > RECENT_BLOCKS_MAX:
            del self._recent[next(iter(self._recent))]

    def transaction(self, block_hash: bytes, index: int) -> StoredTransaction | None:
        """A transaction by its place."""
        data = self.database.get(schema.transaction_key(block_hash, index))
        return None if data is None else _transaction(data)

    def transactions(self, block_hash: bytes) -> Iterator[StoredTransaction]:
        """The transactions of a block in order, inbound receipts first."""
        return (_transaction(value) for _, value in self.database.iterate(*schema.transactions_range(block_hash)))

    def block_outgoing(self, block_hash: bytes) -> tuple[StoredOutgoing, ...]:
        """Cross-shard receipts a block sent, in order."""
        data = self.database.get(b"O" + block_hash)
        return () if data is None else _outgoing_list(data)

    def canonical(self, height: int) -> bytes | None:
        """Hash of the canonical block of a height."""
        value = self.database.get(schema.height_key(height))
        return None if value is None else value[:32]

    def place(self, height: int) -> Place | None:
        """The canonical block of a height."""
        value = self.database.get(schema.height_key(height))
        return None if value is None else schema.parse_place(height, value)[0]

    def canonical_blooms(self, first: int, last: int) -> Iterator[tuple[Place, bytes]]:
        """(block, logs bloom or empty) of the canonical blocks first .. last."""
        for key, value in self.database.iterate(schema.height_key(first), schema.height_key(last + 1)):
            yield schema.parse_place(int.from_bytes(key[1:], "big"), value)

    def locate(self, transaction_hash: bytes) -> tuple[bytes, int] | None:
        """(block hash, index) of a canonical transaction."""
        value = self.database.get(b"I" + transaction_hash)
        return None if value is None else schema.parse_location(value)

    def locate_outgoing(self, receipt_id: bytes) -> StoredOutgoing | None:
        """A cross-shard receipt sent by a canonical block."""
        value = self.database.get(b"P" + receipt_id)
        if value is None:
            return None
        block_hash, position = schema.parse_location(value)
        outgoing = self.block_outgoing(block_hash)
        return outgoing[position] if position < len(outgoing) else None

    def channel(self, destination: int, first: int, end: int) -> list[StoredOutgoing]:
        """Receipts first .. end-1 on their way to a destination, as far as they are here without a gap."""
        found = []
        for nonce in range(first, end):
            data = self.database.get(schema.channel_key(destination, nonce))
            if data is None:
                break
            found.append(_outgoing(data))
        return found

    def prune_channel(self, destination: int, below: int) -> None:
        """Forgets receipts a destination has taken in; where they were sent stays known."""
        keys = [key for key, _ in self.database.iterate(schema.channel_key(destination, 0), schema.channel_key(destination, below))]
        if keys:
            self.database.write_batch([(key, None) for key in keys], sync=False)

    def latest(self) -> StoredBlock:
        """The newest canonical block."""
        block_hash = self.database.get(schema.LATEST_KEY)
        assert block_hash is not None, "a store has a newest block from its first batch on"
        block = self.block(block_hash)
        assert block is not None, "the newest canonical block is stored before it is made canonical"
        return block

    def finalized_height(self) -> int:
        """Height of the newest crosslinked block the store was told of."""
        return int.from_bytes(self.database.get(schema.FINALIZED_KEY) or b"", "big")

    def set_finalized_height(self, height: int) -> None:
        """Moves the `finalized` tag."""
        self.database.write_batch([(schema.FINALIZED_KEY, height.to_bytes(8, "big"))], sync=False)

    def make_canonical(self, blocks: list[StoredBlock]) -> None:
        """Appends blocks to the canonical chain, lowest first, and prunes blocks that lost; one synced batch."""
        items: list[Item] = []
        for block in blocks:
            items += self._canonical_items(block)
        newest = blocks[-1].result
        items.append((schema.LATEST_KEY, newest.hash))
        chosen = {block.result.number: block.result.hash for block in blocks}
        items += self._pruning_items(newest.number - LOSERS_KEPT_HEIGHTS, chosen)
        self.database.write_batch(items, sync=True)

    def undo_canonical(self, blocks: list[StoredBlock], newest: bytes) -> None:
        """Takes blocks off the end of the canonical chain, which then ends in `newest`; one synced batch."""
        items: list[Item] = [(schema.LATEST_KEY, newest)]
        for block in blocks:
            items += [(key, None) for key, _ in self._canonical_items(block)]
            items.append((schema.candidates_key(block.result.number) + block.result.hash, b""))
        self.database.write_batch(items, sync=True)

    def _canonical_items(self, block: StoredBlock) -> list[Item]:
        result = block.result
        bloom = ShardHeader.decode(result.header).logs_bloom
        value = schema.place_value(result.hash, result.timestamp, b"" if bloom == EMPTY_BLOOM else bloom)
        items: list[Item] = [(schema.height_key(result.number), value)]
        transactions = list(self.transactions(result.hash))
        items += [(b"I" + transaction.hash, schema.location(result.hash, i)) for i, transaction in enumerate(transactions)]
        items += entries_of(result.number, transactions)
        for position, sent in enumerate(self.block_outgoing(result.hash)):
            receipt = sent.decoded()
            items.append((schema.channel_key(receipt.destination, receipt.nonce), _encode(sent)))
            items.append((b"P" + sent.id, schema.location(result.hash, position)))
        return items

    def _pruning_items(self, below: int, chosen: dict[int, bytes]) -> list[Item]:
        if below <= 0:
            return []
        items: list[Item] = []
        for key, _ in self.database.iterate(schema.candidates_key(0), schema.candidates_key(below)):
            height, block_hash = int.from_bytes(key[1:9], "big"), key[9:]
            items.append((key, None))
            if block_hash != (chosen.get(height) or self.canonical(height)):
                items += [(table + block_hash, None) for table in (b"B", b"R", b"O")]
                items += [(place, None) for place, _ in self.database.iterate(*schema.transactions_range(block_hash))]
                self._recent.pop(block_hash, None)
        return items


def _state_items(state: Mapping[bytes, bytes]) -> list[Item]:
    return [(schema.STATE_TABLE + key, value) for key, value in state.items()]


def _block_items(
    block: StoredBlock, body: bytes, transactions: tuple[StoredTransaction, ...], outgoing: tuple[StoredOutgoing, ...]
) -> list[Item]:
    block_hash = block.result.hash
    items: list[Item] = [
        (schema.candidates_key(block.result.number) + block_hash, b""),
        (b"B" + block_hash, body),
        (b"R" + block_hash, _encode(block)),
    ]
    items += [(schema.transaction_key(block_hash, i), _encode(transaction)) for i, transaction in enumerate(transactions)]
    if outgoing:
        items.append((b"O" + block_hash, _encode(outgoing)))
    return items


def finalized_of(block: StoredBlock) -> FinalizedBlock:
    """What is told of a block that became canonical, or no longer is."""
    result: BlockResult = block.result
    return FinalizedBlock(
        result.hash, result.number, result.timestamp, result.transaction_hashes, result.senders, result.gas_used,
        result.next_base_fee, block.received, block.sent,
    )  # fmt: skip


def genesis_body(header: ShardHeader) -> bytes:
    """SSZ of block 0."""
    return ShardBlock(header.encode(), (), ()).encode()

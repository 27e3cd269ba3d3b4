"""Traces of what canonical blocks did, and of simulated calls: blocks are run again from their parents' states."""

from __future__ import annotations

from collections.abc import Container

import msgspec

from primitives.blocks import ShardBlock, ShardReference
from primitives.errors import InvalidQuery, QueryReason
from primitives.headers import ShardHeader
from primitives.receipts import EMPTY_CHANNEL, CrossShardReceipt
from shard.engine.interface import BlockContext, Meter
from shard.executor.context import ancestor_hashes
from shard.executor.executor import ShardExecutor
from shard.executor.reads import ShardReader
from shard.executor.schema import StoredBlock
from shard.executor.simulation import Simulator
from shard.transactions import Transaction, read_transaction
from shard.views import BlockSelector, CallRequest, TraceConfig

CREATIONS = (2, 3)
"""Otterscan's kinds of internal operations that make a contract."""


class _Operation(msgspec.Struct, rename={"sender": "from"}):
    type: int
    sender: str
    to: str


_internal = msgspec.json.Decoder(list[_Operation]).decode


class Tracing:
    """Runs blocks and calls again; the answers are JSON as clients get it, which is quickest written where a trace comes up."""

    def __init__(self, executor: ShardExecutor, reader: ShardReader, simulator: Simulator) -> None:
        self._executor = executor
        self._reader = reader
        self._simulator = simulator

    def call(self, selector: BlockSelector, request: CallRequest, config: TraceConfig, meter: Meter) -> bytes:
        """The trace of a simulated call.

        Raises:
            InvalidQuery: UNKNOWN_BLOCK, OVER_LIMIT.
            InvalidTransaction, Interrupted: what `Engine.call` says.
        """
        header, context = self._simulator.context(selector)
        return self._executor.engine.trace_call(header.state_root, context, request, config, meter)

    def transaction(self, transaction_hash: bytes, config: TraceConfig, meter: Meter) -> bytes | None:
        """The trace of a canonical transaction, or of a delivery by its receipt's id; None when there is none.

        Raises:
            InvalidQuery: OVER_LIMIT.
            Interrupted: raised by `meter`.
        """
        place = self._executor.store.locate(transaction_hash)
        block = None if place is None else self._executor.store.block(place[0])
        if place is None or block is None:
            return None
        return self._traces(block, range(place[1], place[1] + 1), place[1] + 1, config, meter)[0]

    def block(self, selector: BlockSelector, config: TraceConfig, meter: Meter) -> bytes | None:
        """An array with the hash and the trace of each transaction of a canonical block; None when the block is unknown.

        Raises:
            InvalidQuery: BAD_RANGE (block 0, which nothing led to), OVER_LIMIT.
            Interrupted: raised by `meter`.
        """
        block = self._reader.resolve(selector)
        if block is None:
            return None
        if not block.result.number:
            raise InvalidQuery(QueryReason.BAD_RANGE, "genesis is not traceable")
        hashes = [transaction.hash for transaction in self._executor.store.transactions(block.result.hash)]
        traces = self._traces(block, range(len(hashes)), len(hashes), config, meter)
        parts = (b'{"txHash":"0x%b","result":%b}' % (name.hex().encode(), trace) for name, trace in zip(hashes, traces, strict=True))
        return b"[" + b",".join(parts) + b"]"

    def creation(self, block: StoredBlock, address: bytes, meter: Meter) -> tuple[bytes, bytes] | None:
        """(transaction, account) that made a contract in a canonical block; None when none did.

        Raises:
            InvalidQuery: OVER_LIMIT.
            Interrupted: raised by `meter`.
        """
        transactions = list(self._executor.store.transactions(block.result.hash))
        for transaction in transactions:
            if transaction.status and transaction.contract_address == address:
                return transaction.hash, transaction.sender
        traces = self._traces(block, range(len(transactions)), len(transactions), TraceConfig(tracer="internal"), meter)
        for transaction, trace in zip(transactions, traces, strict=True):
            if not transaction.status:
                continue
            for operation in _internal(trace):
                if operation.type in CREATIONS and bytes.fromhex(operation.to[2:]) == address:
                    return transaction.hash, bytes.fromhex(operation.sender[2:])
        return None

    def _traces(self, block: StoredBlock, wanted: Container[int], count: int, config: TraceConfig, meter: Meter) -> tuple[bytes, ...]:
        """Of those of the first `count` transactions that are wanted."""
        store = self._executor.store
        header, parent = ShardHeader.decode(block.result.header), store.block(block.result.parent)
        body = store.body(block.result.hash)
        assert parent is not None, "the parent of a stored block is stored"
        assert body is not None, "a canonical block's body is stored"
        decoded = ShardBlock.decode(body)
        items: list[CrossShardReceipt | tuple[Transaction, bytes]] = [*decoded.inbound]
        senders = [transaction.sender for transaction in store.transactions(block.result.hash)][len(items) :]
        items += [(read_transaction(raw), sender) for raw, sender in zip(decoded.transactions, senders, strict=True)]
        parent_header = ShardHeader.decode(parent.result.header)
        context = self._context(header, parent_header, block.result.parent)
        return self._executor.engine.trace_block(parent_header.state_root, context, items[:count], wanted, config, meter)

    def _context(self, header: ShardHeader, parent: ShardHeader, parent_hash: bytes) -> BlockContext:
        # A block is given its beacon block's terms and cursors. The terms are what its state holds; nothing that runs reads the cursors.
        terms = self._executor.engine.terms(header.state_root)
        inbound = (EMPTY_CHANNEL,) * len(terms)
        reference = ShardReference(header.parent_beacon_block_root, 0, 0, header.prev_randao, terms, inbound)
        return BlockContext(
            header.number, header.timestamp, header.coinbase, header.gas_limit, header.base_fee_per_gas, parent_hash, reference,
            ancestor_hashes(self._executor.store, parent, parent_hash),
        )  # fmt: skip

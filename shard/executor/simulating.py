"""eth_simulateV1: blocks of calls on top of a canonical block, each with a header as it would have."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from primitives.blocks import ChannelTerms, ShardReference
from primitives.errors import InvalidQuery, QueryReason
from primitives.headers import EMPTY_TRIE_ROOT, EMPTY_UNCLES_HASH, ShardHeader
from primitives.receipts import EMPTY_CHANNEL
from primitives.types import ZERO_ROOT
from shard.engine.interface import BlockContext, Log, Meter, SimulatedResult
from shard.executor.context import ancestor_hashes
from shard.executor.executor import ShardExecutor
from shard.executor.reads import ShardReader
from shard.executor.rules import EMPTY_NONCE, next_base_fee
from shard.simulations import BlockToSimulate, SimulatedBlock, SimulatedCall
from shard.transactions.rlp import encode_list, encode_text
from shard.views import BlockSelector, LogView, small

NO_REQUESTS_HASH = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
"""Of a block without requests (EIP-7685): what is simulated sends nothing to other shards that anyone could wait for."""


class Simulations:
    """Makes blocks that are thrown away."""

    def __init__(self, executor: ShardExecutor, reader: ShardReader) -> None:
        self._executor = executor
        self._reader = reader

    def simulate(
        self, selector: BlockSelector, blocks: Sequence[BlockToSimulate], validation: bool, transfers: bool, meter: Meter
    ) -> tuple[SimulatedBlock, ...]:
        """Runs blocks one after another.

        Args:
            selector: the canonical block they are on top of.
            blocks: of rising numbers and timestamps.
            validation: whether nonces and base fees must be right.
            transfers: whether logs tell of transfers of value too.
            meter: asked at every dear step.

        Raises:
            InvalidQuery: UNKNOWN_BLOCK, OVER_LIMIT (what comes of it is too large).
            InvalidTransaction: a call is no transaction that could be in its block.
            Interrupted: raised by `meter`.
        """
        base = self._reader.resolve(selector)
        if base is None:
            raise InvalidQuery(QueryReason.UNKNOWN_BLOCK, "header not found")
        first = ShardHeader.decode(base.result.header)
        run = self._executor.engine.simulation(validation, transfers, meter)
        stored, made = ancestor_hashes(self._executor.store, first, base.result.hash), dict[int, bytes]()
        hashes = _either(made, stored)
        parent, parent_hash = first, base.result.hash
        found: list[SimulatedBlock] = []
        for block in blocks:
            meter()
            context = _context(block, first, parent, parent_hash, validation, hashes)
            result = run(parent.state_root, context, block)
            header = _header(block, context, result)
            parent, parent_hash = header, header.hash()
            made[header.number] = parent_hash
            found.append(_told(header, parent_hash, result))
        return tuple(found)


def _either(made: dict[int, bytes], stored: Callable[[int], bytes | None]) -> Callable[[int], bytes | None]:
    return lambda number: made.get(number) or stored(number)


def _context(
    block: BlockToSimulate, first: ShardHeader, parent: ShardHeader, parent_hash: bytes, validation: bool,
    hashes: Callable[[int], bytes | None],
) -> BlockContext:  # fmt: skip
    base_fee = small(block.base_fee) if block.base_fee is not None else next_base_fee(parent) if validation else 0
    no_terms = (ChannelTerms(0, 0),)
    return BlockContext(
        block.number, block.timestamp, first.coinbase if block.coinbase is None else block.coinbase,
        first.gas_limit if block.gas_limit is None else block.gas_limit, base_fee, parent_hash,
        ShardReference(ZERO_ROOT, 0, 0, block.prev_randao, no_terms, (EMPTY_CHANNEL,)), hashes,
    )  # fmt: skip


def _header(block: BlockToSimulate, context: BlockContext, result: SimulatedResult) -> ShardHeader:
    return ShardHeader(
        parent_hash=context.parent_hash, uncles_hash=EMPTY_UNCLES_HASH, coinbase=context.coinbase, state_root=result.state_root,
        transactions_root=result.transactions_root, receipts_root=result.receipts_root, logs_bloom=result.logs_bloom, difficulty=0,
        number=block.number, gas_limit=context.gas_limit, gas_used=result.gas_used, timestamp=block.timestamp, extra_data=b"",
        prev_randao=block.prev_randao, nonce=EMPTY_NONCE, base_fee_per_gas=context.base_fee, withdrawals_root=EMPTY_TRIE_ROOT,
        blob_gas_used=0, excess_blob_gas=0, parent_beacon_block_root=ZERO_ROOT, requests_hash=NO_REQUESTS_HASH,
    )  # fmt: skip


def _told(header: ShardHeader, block_hash: bytes, result: SimulatedResult) -> SimulatedBlock:
    encoded = header.encode()
    raws = encode_list(b"".join(encode_text(raw) for raw in result.raws))
    size = len(encode_list(encoded + raws + encode_list(b"") + encode_list(b"")))
    calls, first_log = [], 0
    for index, ((outcome, most, logs), transaction) in enumerate(zip(result.calls, result.transactions, strict=True)):
        views = tuple(_log(log, header, block_hash, transaction.hash, index, first_log + i) for i, log in enumerate(logs))
        first_log += len(logs)
        calls.append(SimulatedCall(outcome, most, views))
    return SimulatedBlock(block_hash, encoded, size, result.transactions, tuple(calls))


def _log(log: Log, header: ShardHeader, block_hash: bytes, transaction_hash: bytes, index: int, position: int) -> LogView:
    place = (header.number, block_hash, transaction_hash, index, position, header.timestamp)
    return LogView(log.address, log.topics, log.data, *place)

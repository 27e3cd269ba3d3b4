"""What JSON-RPC reads of a shard: heads of the core, the executor's chain, the pool (node/rpc/backend.py)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import msgspec

from consensus.beacon.state import BeaconState
from node.core.shard_chain import ShardChain
from node.executors.executor import Executor
from node.head_reads import read_at_head
from node.rpc.backend import BlockRef, Heads, PoolCounts, PooledTransaction, PoolView
from primitives.headers import ShardHeader
from primitives.types import Address
from shard.pool import PoolTransaction
from shard.simulations import BlockToSimulate, SimulatedBlock
from shard.views import (
    AccessOutcome,
    AccountProof,
    AccountView,
    BalancePage,
    BlockSelector,
    BlockView,
    CallOutcome,
    CallRequest,
    Estimate,
    FeeHistoryBlock,
    LogFilter,
    LogView,
    OutgoingReceipt,
    ReceiptView,
    SearchPage,
    TraceConfig,
    TransactionView,
    small,
)

ACCOUNTS_PER_READ_MAX = 128
"""Accounts that an executor is asked for at once, so that others' questions get their turn."""
Submit = Callable[[int, bytes], Coroutine[Any, Any, bytes]]


class ShardReads:
    """One hosted shard, as `node.rpc.backend.ShardBackend` asks for it.

    Its executor may be a block ahead of what the core has heard. Who sees a receipt reads the state at `latest` next, so what is found
    by its hash, and not by its block, is told when that block is `latest` or below.
    """

    def __init__(self, chain: ShardChain, link: Executor, submit: Submit) -> None:
        self._chain, self._link, self._submit = chain, link, submit

    def follow(self, chain: ShardChain) -> None:
        """The shard's chain is another object from now on."""
        self._chain = chain

    def heads(self) -> Heads:
        """Heads as of the last turn of the core."""
        head = self._chain.tree.head
        assert head.outcome is not None
        latest = BlockRef(head.info.height, head.info.root)
        record = self._beacon_state().shards[self._chain.number]
        # behind the beacon chain, a node names no block that it does not have
        finalized = BlockRef(record.height, record.hash) if record.height <= latest.number else latest
        return Heads(latest, latest, finalized, small(head.outcome.result.base_fee), small(head.outcome.result.next_base_fee))

    def _beacon_state(self) -> BeaconState:
        state = self._chain.beacon.tree.head.outcome
        assert state is not None
        return state

    def _resolve(self, selector: BlockSelector) -> BlockSelector:
        """Tags are read off the core's heads, so that every answer agrees with `heads`."""
        match selector:
            case "latest" | "safe" | "pending":
                return self.heads().latest.number
            case "finalized":
                return self.heads().finalized.number
            case "earliest":
                return 0
        return selector

    def _is_told(self, number: int) -> bool:
        """Whether a block is `latest` or below."""
        height: int = self._chain.tree.head.info.height
        return number <= height

    async def block(self, selector: BlockSelector) -> BlockView | None:
        """See `ShardBackend`."""
        return await self._link.block(self._resolve(selector))

    async def header(self, selector: BlockSelector) -> ShardHeader | None:
        """See `ShardBackend`."""
        return await self._link.header(self._resolve(selector))

    async def transaction(self, hash: bytes) -> TransactionView | None:
        """See `ShardBackend`."""
        found = await self._link.transaction(hash)
        return found if found is not None and self._is_told(found.block_number) else None

    async def pooled_transaction(self, hash: bytes) -> PooledTransaction | None:
        """See `ShardBackend`."""
        held = self._chain.pool.get(hash)
        return None if held is None else _pooled(held)

    async def receipt(self, hash: bytes) -> ReceiptView | None:
        """See `ShardBackend`."""
        found = await self._link.receipt(hash)
        return found if found is not None and self._is_told(found.transaction.block_number) else None

    async def transaction_at(self, selector: BlockSelector, index: int) -> TransactionView | None:
        """See `ShardBackend`."""
        return await self._link.transaction_at(self._resolve(selector), index)

    async def block_receipts(self, selector: BlockSelector) -> tuple[ReceiptView, ...] | None:
        """See `ShardBackend`."""
        return await self._link.block_receipts(self._resolve(selector))

    async def logs(self, wanted: LogFilter) -> tuple[LogView, ...]:
        """See `ShardBackend`."""
        return await self._link.logs(msgspec.structs.replace(wanted, first=self._resolve(wanted.first), last=self._resolve(wanted.last)))

    async def account(self, address: bytes, selector: BlockSelector) -> AccountView | None:
        """See `ShardBackend`."""
        return await self._link.account(self._resolve(selector), address)

    async def accounts(self, wanted: Sequence[tuple[bytes, BlockSelector]]) -> Sequence[AccountView | None]:
        """See `ShardBackend`."""
        found: list[AccountView | None] = []
        for start in range(0, len(wanted), ACCOUNTS_PER_READ_MAX):
            part = wanted[start : start + ACCOUNTS_PER_READ_MAX]
            found += await self._link.accounts([(self._resolve(selector), address) for address, selector in part])
        return found

    async def block_logs(self, block_hash: bytes) -> tuple[LogView, ...]:
        """See `ShardBackend`."""
        return await self._link.block_logs(block_hash)

    async def outgoing_in(self, block_hash: bytes) -> tuple[OutgoingReceipt, ...]:
        """See `ShardBackend`."""
        return await self._link.outgoing_in(block_hash)

    async def code(self, address: bytes, selector: BlockSelector) -> bytes | None:
        """See `ShardBackend`."""
        return await self._link.code(self._resolve(selector), address)

    async def storage(self, address: bytes, slot: int, selector: BlockSelector) -> bytes | None:
        """See `ShardBackend`."""
        return await self._link.storage(self._resolve(selector), address, slot)

    async def proof(self, address: bytes, slots: Sequence[int], selector: BlockSelector) -> AccountProof | None:
        """See `ShardBackend`."""
        return await self._link.proof(self._resolve(selector), address, slots)

    async def call(self, request: CallRequest, selector: BlockSelector) -> CallOutcome | None:
        """See `ShardBackend`."""
        return await self._link.call(self._resolve(selector), request)

    async def create_access_list(self, request: CallRequest, selector: BlockSelector) -> AccessOutcome | None:
        """See `ShardBackend`."""
        return await self._link.create_access_list(self._resolve(selector), request)

    async def estimate_gas(self, request: CallRequest, selector: BlockSelector) -> Estimate | None:
        """See `ShardBackend`."""
        return await self._link.estimate_gas(self._resolve(selector), request)

    async def search(self, address: bytes, height: int, count: int, *, before: bool) -> SearchPage:
        """See `ShardBackend`."""
        return await self._link.search(address, height, count, before=before)

    async def sent_by(self, address: bytes, nonce: int) -> bytes | None:
        """See `ShardBackend`."""
        return await self._link.sent_by(address, nonce)

    async def creator(self, address: bytes) -> tuple[bytes, bytes] | None:
        """See `ShardBackend`."""
        return await self._link.creator(address)

    async def simulate(
        self, blocks: Sequence[BlockToSimulate], selector: BlockSelector, validation: bool, transfers: bool
    ) -> tuple[SimulatedBlock, ...]:
        """See `ShardBackend`."""
        return await self._link.simulate(self._resolve(selector), blocks, validation, transfers)

    async def trace_call(self, request: CallRequest, selector: BlockSelector, config: TraceConfig) -> bytes | None:
        """See `ShardBackend`."""
        return await self._link.trace_call(self._resolve(selector), request, config)

    async def trace_transaction(self, hash: bytes, config: TraceConfig) -> bytes | None:
        """See `ShardBackend`."""
        return await self._link.trace_transaction(hash, config)

    async def trace_block(self, selector: BlockSelector, config: TraceConfig) -> bytes | None:
        """See `ShardBackend`."""
        return await self._link.trace_block(self._resolve(selector), config)

    async def fee_history(self, count: int, newest: int, percentiles: Sequence[float]) -> tuple[FeeHistoryBlock, ...]:
        """See `ShardBackend`."""
        return await self._link.fee_history(count, newest, percentiles)

    async def accounts_page(self, number: int, after: bytes | None, count: int) -> BalancePage:
        """See `ShardBackend`."""
        return await self._link.page(number, after, count)

    async def submit(self, raw: bytes) -> bytes:
        """See `ShardBackend`."""
        return await self._submit(self._chain.number, raw)

    async def pending_nonce(self, address: bytes) -> int:
        """See `ShardBackend`."""
        _, account = await read_at_head(lambda: self._chain, lambda root: self._link.account(root, address))
        return self._chain.pool.pending_nonce(Address(address), account.nonce)

    def pool_counts(self) -> PoolCounts:
        """See `ShardBackend`."""
        return PoolCounts(*self._chain.pool.counts())

    def pool_content(self, sender: bytes | None) -> PoolView:
        """See `ShardBackend`."""
        content = self._chain.pool.content(None if sender is None else Address(sender))
        return PoolView(_listed(content.pending), _listed(content.queued))

    async def outgoing_receipt(self, id: bytes) -> OutgoingReceipt | None:
        """See `ShardBackend`."""
        found = await self._link.outgoing_receipt(id)
        return found if found is not None and self._is_told(found.block_number) else None

    async def outgoing_of(self, transaction_hash: bytes) -> tuple[OutgoingReceipt, ...]:
        """See `ShardBackend`."""
        found = await self._link.outgoing_of(transaction_hash)
        return found if not found or self._is_told(found[0].block_number) else ()

    async def delivered_receipt(self, id: bytes) -> ReceiptView | None:
        """See `ShardBackend`."""
        return await self.receipt(id)


def _pooled(held: PoolTransaction) -> PooledTransaction:
    return PooledTransaction(held.transaction.raw, held.sender)


def _listed(senders: Mapping[Address, tuple[PoolTransaction, ...]]) -> dict[bytes, dict[int, PooledTransaction]]:
    return {sender: {held.transaction.nonce: _pooled(held) for held in waiting} for sender, waiting in senders.items()}

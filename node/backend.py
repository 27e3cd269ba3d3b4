"""What JSON-RPC reads of this node: the core's published heads, the executors' chains, the pools (node/rpc/backend.py)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from consensus.beacon.committees import committee_of
from consensus.beacon.state import BeaconState
from consensus.beacon.supply import imbalance
from node.core.core import Core
from node.core.records import crosslink_key
from node.core.shard_chain import ShardChain
from node.executors.executor import Executor
from node.executors.link import ExecutorLink
from node.feed import Feed
from node.rpc.backend import BeaconHead, BlockRef, Crossing, CrosslinkView, Heads, PoolCounts, PooledTransaction, PoolView, SupplyTerms
from node.store import NodeStore
from primitives.blocks import BeaconBlock
from primitives.genesis import Genesis
from primitives.types import Address
from shard.pool import PoolTransaction
from shard.views import (
    AccessOutcome,
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
    TransactionView,
    small,
)

ACCOUNTS_PER_READ_MAX = 128
"""Accounts that an executor is asked for at once, so that others' questions get their turn."""
Submit = Callable[[int, bytes], Coroutine[Any, Any, bytes]]


class ShardReads:
    """One hosted shard, as `node.rpc.backend.ShardBackend` asks for it."""

    def __init__(self, chain: ShardChain, link: Executor, submit: Submit) -> None:
        self._chain, self._link, self._submit = chain, link, submit

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

    async def block(self, selector: BlockSelector) -> BlockView | None:
        """See `ShardBackend`."""
        return await self._link.block(self._resolve(selector))

    async def transaction(self, hash: bytes) -> TransactionView | None:
        """See `ShardBackend`."""
        return await self._link.transaction(hash)

    async def pooled_transaction(self, hash: bytes) -> PooledTransaction | None:
        """See `ShardBackend`."""
        held = self._chain.pool.get(hash)
        return None if held is None else _pooled(held)

    async def receipt(self, hash: bytes) -> ReceiptView | None:
        """See `ShardBackend`."""
        return await self._link.receipt(hash)

    async def transaction_at(self, selector: BlockSelector, index: int) -> TransactionView | None:
        """See `ShardBackend`."""
        return await self._link.transaction_at(self._resolve(selector), index)

    async def block_receipts(self, selector: BlockSelector) -> tuple[ReceiptView, ...] | None:
        """See `ShardBackend`."""
        return await self._link.block_receipts(self._resolve(selector))

    async def logs(self, wanted: LogFilter) -> tuple[LogView, ...]:
        """See `ShardBackend`."""
        return await self._link.logs(wanted)

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

    async def call(self, request: CallRequest, selector: BlockSelector) -> CallOutcome | None:
        """See `ShardBackend`."""
        return await self._link.call(self._resolve(selector), request)

    async def create_access_list(self, request: CallRequest, selector: BlockSelector) -> AccessOutcome | None:
        """See `ShardBackend`."""
        return await self._link.create_access_list(self._resolve(selector), request)

    async def estimate_gas(self, request: CallRequest, selector: BlockSelector) -> Estimate | None:
        """See `ShardBackend`."""
        return await self._link.estimate_gas(self._resolve(selector), request)

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
        pending = self._chain.pool.pending_nonce(Address(address))
        account = await self._link.account(self.heads().latest.number, address)
        assert account is not None, "the final head is executed"
        return account.nonce if pending is None else max(pending, account.nonce)

    def pool_counts(self) -> PoolCounts:
        """See `ShardBackend`."""
        return PoolCounts(*self._chain.pool.counts())

    def pool_content(self, sender: bytes | None) -> PoolView:
        """See `ShardBackend`."""
        content = self._chain.pool.content(None if sender is None else Address(sender))
        return PoolView(_listed(content.pending), _listed(content.queued))

    async def outgoing_receipt(self, id: bytes) -> OutgoingReceipt | None:
        """See `ShardBackend`."""
        return await self._link.outgoing_receipt(id)

    async def outgoing_of(self, transaction_hash: bytes) -> tuple[OutgoingReceipt, ...]:
        """See `ShardBackend`."""
        return await self._link.outgoing_of(transaction_hash)

    async def delivered_receipt(self, id: bytes) -> ReceiptView | None:
        """See `ShardBackend`."""
        return await self._link.receipt(id)


def _pooled(held: PoolTransaction) -> PooledTransaction:
    return PooledTransaction(held.transaction.raw, held.sender)


def _listed(senders: Mapping[Address, tuple[PoolTransaction, ...]]) -> dict[bytes, dict[int, PooledTransaction]]:
    return {sender: {held.transaction.nonce: _pooled(held) for held in waiting} for sender, waiting in senders.items()}


class NodeBackend:
    """This node, as `node.rpc.backend.NetworkBackend` asks for it."""

    def __init__(
        self, *, core: Core, links: Mapping[int, Executor], store: NodeStore, submit: Submit, peers: Callable[[], int], feed: Feed
    ) -> None:
        self._core, self._links, self._store, self._peers, self._feed = core, links, store, peers, feed
        self._shards = {shard: ShardReads(chain, links[shard], submit) for shard, chain in core.shards.items()}

    @property
    def genesis(self) -> Genesis:
        """See `NetworkBackend`."""
        return self._core.context.genesis

    @property
    def feed(self) -> Feed:
        """See `NetworkBackend`."""
        return self._feed

    def shard(self, shard: int) -> ShardReads | None:
        """See `NetworkBackend`."""
        return self._shards.get(shard)

    def _state(self) -> BeaconState:
        state = self._core.beacon.tree.head.outcome
        assert state is not None
        return state

    def beacon_head(self) -> BeaconHead:
        """See `NetworkBackend`."""
        head, state = self._core.beacon.tree.head, self._state()
        block = BeaconBlock.decode(head.data)
        return BeaconHead(
            block=BlockRef(head.info.height, head.info.root), epoch=block.epoch, view=block.view, timestamp=block.timestamp,
            proposer=block.proposer, parent_root=block.parent_root, state_root=block.state_root,
            crosslinks=tuple(CrosslinkView(BlockRef(record.height, record.hash), record.base_fee) for record in state.shards),
        )

    def committee(self, chain: int) -> tuple[int, ...]:
        """See `NetworkBackend`."""
        return tuple(member.index for member in committee_of(self._state(), chain).members)

    def peers(self) -> int:
        """See `NetworkBackend`."""
        return self._peers()

    def supply(self) -> SupplyTerms:
        """See `NetworkBackend`."""
        state, head = self._state(), self._core.beacon.tree.head.info
        flows = tuple(
            (source, destination, value) for source, row in enumerate(state.in_flight) for destination, value in enumerate(row) if value
        )
        return SupplyTerms(
            block=BlockRef(head.height, head.root),
            crosslinks=tuple(BlockRef(record.height, record.hash) for record in state.shards),
            shards=tuple(record.supply for record in state.shards), in_flight=flows,
            stakes=sum(v.stake for v in state.validators) + state.delegated + state.queued + state.unbonding,
            unclaimed=state.unclaimed, fee_pool=state.fee_pool, treasury=state.treasury, genesis=state.genesis_wei,
            issued=state.issued, burned=state.burned,
        )

    async def crossing(self, receipt: OutgoingReceipt) -> Crossing:
        """See `NetworkBackend`: the first crosslink at or above the source block took it in."""
        prefix = crosslink_key(receipt.source, 0)[:5]
        found = self._store.first_from(crosslink_key(receipt.source, receipt.block_number), prefix)
        if found is None:
            return Crossing(None, None, None)
        height, timestamp = int.from_bytes(found[1][:8], "big"), int.from_bytes(found[1][8:], "big")
        root = self._core.beacon.root_at(height)
        return Crossing(None if root is None else BlockRef(height, root), timestamp, None)

    def is_ready(self) -> bool:
        """See `NetworkBackend`: every chain this node follows has something final, and no peer is known to be far ahead."""
        core = self._core
        return (
            core.beacon.tree.head.info.height >= 1
            and all(shard.heads().finalized.number >= 1 for shard in self._shards.values())
            and core.has_caught_up
        )

    def health(self) -> list[str]:
        """See `NetworkBackend`."""
        problems = [f"chain {chain.number} has halted here: {chain.halted}" for chain in self._core.chains if chain.halted]
        for shard, link in self._links.items():
            if isinstance(link, ExecutorLink) and link.process_id is None:
                problems.append(f"the executor of shard {shard} is not running")
        wei = imbalance(self._state())
        if wei:
            problems.append(f"the supply invariant is off by {wei} wei")
        return problems

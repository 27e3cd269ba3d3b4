"""What a node asks of a shard executor, wherever that runs.

Every method may raise `primitives.errors.Unavailable`:

- Busy: the lane's queue is full (limits `block_queue_max`, `own_queue_max`, `read_queue_max`, `call_queue_max`);
- ExecutorLost: the executor ended before it answered, or has not come back in time. Whatever was asked may be asked again;
- QuestionFailed: a bug, met in answering what clients ask.

Block work may raise `primitives.errors.StorageFailed`, which ends the node: it cannot stand by what it would say.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import trio

from node.executors.operations import Receipts, to_selector
from primitives.blocks import ShardReference
from primitives.headers import ShardHeader
from primitives.receipts import Bundle, CrossShardReceipt
from shard.executor.context import BuildContext
from shard.results import BlockResult, Built, FinalizedBlock, HeadInfo
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
    OutgoingPath,
    OutgoingReceipt,
    ReceiptView,
    SearchPage,
    TraceConfig,
    TransactionView,
    big,
)


class Executor(ABC):
    """One shard's executor. What each method means is said by the classes of `shard.executor` it leads to."""

    @abstractmethod
    async def start(self, nursery: trio.Nursery) -> HeadInfo:
        """Opens the shard's database, made from genesis when it is new; what goes on in the background runs in `nursery`.

        Raises:
            StartupRefused: the database is of another network or shard, or in use.
            StorageFailed: there is no room for it.
            ExecutorLost: the executor ended, or was not ready in time.
        """

    @abstractmethod
    async def stop(self) -> None:
        """Ends the executor; what is being done is brought to its end if that is soon. Later questions raise ExecutorLost."""

    @abstractmethod
    async def _ask(self, operation: str, *arguments: Any) -> Any:
        """Has an operation done; arguments and result are those of `node.executors.operations`."""

    async def settle(self) -> None:
        """Waits until the block work asked for so far is done."""
        await self._ask("settle")

    async def hold(self) -> None:
        """Closes the database, for somebody else's use of its files; questions wait until `resume`, calls asked before are ended."""
        await self._ask("hold")

    async def resume(self) -> HeadInfo:
        """Opens the database again, whose files may be others now; where that is."""
        found: HeadInfo = await self._ask("resume")
        return found

    async def head(self) -> HeadInfo:
        """Where the store is."""
        found: HeadInfo = await self._ask("head")
        return found

    async def build(self, parent: bytes, context: BuildContext, candidates: Sequence[tuple[bytes, bytes]], build_budget_ms: float) -> Built:
        """See `ShardExecutor.build`."""
        built: Built = await self._ask(
            "build", parent, context.reference.encode(), context.coinbase, context.epoch, context.view, context.proposer,
            context.timestamp, _receipts(context.available), tuple(candidates), build_budget_ms,
        )  # fmt: skip
        return built

    async def execute(
        self, block: bytes, reference: ShardReference, coinbase: bytes, available: Mapping[int, tuple[CrossShardReceipt, ...]] | None,
        number: int | None = None,
    ) -> BlockResult:
        """See `ShardExecutor.execute`; `number`, above any used before, is for `withdraw_executions`. None: it is never taken back.

        Raises:
            InvalidBlock: it is not valid.
            Interrupted: execution_withdrawn, or the executor stops; all is as if it had never been asked for.
        """
        proven = None if available is None else _receipts(available)
        result: BlockResult = await self._ask("execute", block, reference.encode(), coinbase, proven, number)
        return result

    async def withdraw_executions(self, number: int) -> None:
        """Ends the execution with a number, and those below, soon; what it came to is still its answer where it was done before."""
        await self._ask("withdraw_executions", number)

    async def finalize(self, root: bytes) -> tuple[FinalizedBlock, ...]:
        """See `ShardExecutor.finalize`."""
        blocks: tuple[FinalizedBlock, ...] = await self._ask("finalize", root)
        return blocks

    async def truncate(self, root: bytes) -> tuple[FinalizedBlock, ...]:
        """See `ShardExecutor.truncate`."""
        blocks: tuple[FinalizedBlock, ...] = await self._ask("truncate", root)
        return blocks

    async def set_finalized(self, height: int) -> None:
        """See `ShardExecutor.set_finalized`."""
        await self._ask("set_finalized", height)

    async def prune_outgoing(self, destination: int, below: int) -> None:
        """See `ShardExecutor.prune_outgoing`."""
        await self._ask("prune_outgoing", destination, below)

    async def outgoing(self, destination: int, first: int, count: int) -> Bundle | None:
        """See `ShardExecutor.outgoing`."""
        data = await self._ask("outgoing", destination, first, count)
        return None if data is None else Bundle.decode(data)

    async def result(self, root: bytes) -> BlockResult | None:
        """Result of a block executed here, canonical or not."""
        result: BlockResult | None = await self._ask("result", root)
        return result

    async def body(self, root: bytes) -> bytes | None:
        """SSZ of a block executed here."""
        data: bytes | None = await self._ask("body", root)
        return data

    async def blocks(self, first_height: int, count: int) -> list[bytes]:
        """SSZ of canonical blocks from a height on; see `ShardExecutor.blocks`."""
        return list(await self._ask("blocks", first_height, count))

    async def user_transactions(self, root: bytes) -> tuple[tuple[bytes, bytes], ...]:
        """(signed bytes, sender) of an executed block's user transactions."""
        found: tuple[tuple[bytes, bytes], ...] = await self._ask("user_transactions", root)
        return found

    async def header(self, selector: BlockSelector) -> ShardHeader | None:
        """See `ShardReader.header`; this and all below may raise InvalidQuery."""
        data = await self._ask("header", to_selector(selector))
        return None if data is None else ShardHeader.decode(data)

    async def block(self, selector: BlockSelector) -> BlockView | None:
        """See `ShardReader.block`."""
        found: BlockView | None = await self._ask("block", to_selector(selector))
        return found

    async def transaction(self, transaction_hash: bytes) -> TransactionView | None:
        """See `ShardReader.transaction`."""
        found: TransactionView | None = await self._ask("transaction", transaction_hash)
        return found

    async def transaction_at(self, selector: BlockSelector, index: int) -> TransactionView | None:
        """See `ShardReader.transaction_at`."""
        found: TransactionView | None = await self._ask("transaction_at", to_selector(selector), index)
        return found

    async def receipt(self, transaction_hash: bytes) -> ReceiptView | None:
        """See `ShardReader.receipt`."""
        found: ReceiptView | None = await self._ask("receipt", transaction_hash)
        return found

    async def block_receipts(self, selector: BlockSelector) -> tuple[ReceiptView, ...] | None:
        """See `ShardReader.block_receipts`."""
        found: tuple[ReceiptView, ...] | None = await self._ask("block_receipts", to_selector(selector))
        return found

    async def block_logs(self, block_hash: bytes) -> tuple[LogView, ...]:
        """See `ShardReader.block_logs`."""
        found: tuple[LogView, ...] = await self._ask("block_logs", block_hash)
        return found

    async def account(self, selector: BlockSelector, address: bytes) -> AccountView | None:
        """See `ShardReader.account`."""
        found: AccountView | None = await self._ask("account", to_selector(selector), address)
        return found

    async def accounts(self, wanted: Sequence[tuple[BlockSelector, bytes]]) -> list[AccountView | None]:
        """Many accounts at once, each a block and an address; see `ShardReader.account`."""
        return list(await self._ask("accounts", tuple((to_selector(selector), address) for selector, address in wanted)))

    async def code(self, selector: BlockSelector, address: bytes) -> bytes | None:
        """See `ShardReader.code`."""
        found: bytes | None = await self._ask("code", to_selector(selector), address)
        return found

    async def storage(self, selector: BlockSelector, address: bytes, slot: int) -> bytes | None:
        """See `ShardReader.storage`."""
        found: bytes | None = await self._ask("storage", to_selector(selector), address, big(slot))
        return found

    async def proof(self, selector: BlockSelector, address: bytes, slots: Sequence[int]) -> AccountProof | None:
        """See `ShardReader.proof`; may raise Interrupted: call_deadline_ms."""
        found: AccountProof | None = await self._ask("proof", to_selector(selector), address, tuple(big(slot) for slot in slots))
        return found

    async def outgoing_receipt(self, receipt_id: bytes) -> OutgoingReceipt | None:
        """See `ShardReader.outgoing_receipt`."""
        found: OutgoingReceipt | None = await self._ask("outgoing_receipt", receipt_id)
        return found

    async def outgoing_of(self, transaction_hash: bytes) -> tuple[OutgoingReceipt, ...]:
        """See `ShardReader.outgoing_of`."""
        found: tuple[OutgoingReceipt, ...] = await self._ask("outgoing_of", transaction_hash)
        return found

    async def outgoing_in(self, block_hash: bytes) -> tuple[OutgoingReceipt, ...]:
        """See `ShardReader.outgoing_in`."""
        found: tuple[OutgoingReceipt, ...] = await self._ask("outgoing_in", block_hash)
        return found

    async def outgoing_path(self, receipt_id: bytes, count: int) -> OutgoingPath | None:
        """See `ShardReader.outgoing_path`; this and all below but `page` may raise Interrupted: call_deadline_ms."""
        found: OutgoingPath | None = await self._ask("outgoing_path", receipt_id, count)
        return found

    async def logs(self, wanted: LogFilter) -> tuple[LogView, ...]:
        """See `ShardReader.logs`."""
        found: tuple[LogView, ...] = await self._ask(
            "logs", to_selector(wanted.first), to_selector(wanted.last), wanted.block_hash, wanted.addresses, wanted.topics
        )
        return found

    async def call(self, selector: BlockSelector, request: CallRequest) -> CallOutcome:
        """See `Simulator.call`; raises InvalidTransaction."""
        outcome: CallOutcome = await self._ask("call", to_selector(selector), request)
        return outcome

    async def create_access_list(self, selector: BlockSelector, request: CallRequest) -> AccessOutcome:
        """See `Simulator.create_access_list`; raises InvalidTransaction."""
        found: AccessOutcome = await self._ask("create_access_list", to_selector(selector), request)
        return found

    async def estimate_gas(self, selector: BlockSelector, request: CallRequest) -> Estimate:
        """See `Simulator.estimate_gas`; raises InvalidTransaction."""
        estimate: Estimate = await self._ask("estimate_gas", to_selector(selector), request)
        return estimate

    async def search(self, address: bytes, height: int, count: int, *, before: bool) -> SearchPage:
        """See `History.search`."""
        page: SearchPage = await self._ask("search", address, height, count, before)
        return page

    async def sent_by(self, address: bytes, nonce: int) -> bytes | None:
        """See `History.sent_by`."""
        found: bytes | None = await self._ask("sent_by", address, nonce)
        return found

    async def creator(self, address: bytes) -> tuple[bytes, bytes] | None:
        """See `History.creator`."""
        found: tuple[bytes, bytes] | None = await self._ask("creator", address)
        return found

    async def simulate(
        self, selector: BlockSelector, blocks: Sequence[BlockToSimulate], validation: bool, transfers: bool
    ) -> tuple[SimulatedBlock, ...]:
        """See `Simulations.simulate`; raises InvalidTransaction."""
        found: tuple[SimulatedBlock, ...] = await self._ask("simulate", to_selector(selector), tuple(blocks), validation, transfers)
        return found

    async def trace_call(self, selector: BlockSelector, request: CallRequest, config: TraceConfig) -> bytes:
        """See `Tracing.call`; raises InvalidTransaction."""
        trace: bytes = await self._ask("trace_call", to_selector(selector), request, config)
        return trace

    async def trace_transaction(self, transaction_hash: bytes, config: TraceConfig) -> bytes | None:
        """See `Tracing.transaction`."""
        trace: bytes | None = await self._ask("trace_transaction", transaction_hash, config)
        return trace

    async def trace_block(self, selector: BlockSelector, config: TraceConfig) -> bytes | None:
        """See `Tracing.block`."""
        traces: bytes | None = await self._ask("trace_block", to_selector(selector), config)
        return traces

    async def fee_history(self, count: int, newest: BlockSelector, percentiles: Sequence[float]) -> tuple[FeeHistoryBlock, ...]:
        """See `Simulator.fee_history`."""
        found: tuple[FeeHistoryBlock, ...] = await self._ask("fee_history", count, to_selector(newest), tuple(percentiles))
        return found

    async def page(self, selector: BlockSelector, after: bytes | None, count: int) -> BalancePage:
        """See `Auditor.page`."""
        page: BalancePage = await self._ask("page", to_selector(selector), after, count)
        return page


def _receipts(available: Mapping[int, tuple[CrossShardReceipt, ...]]) -> Receipts:
    return {source: tuple(receipt.encode() for receipt in receipts) for source, receipts in available.items()}

"""One shard's executor behind its operations, in the forms that travel; synchronous, its lanes are threads of whoever runs it."""

from __future__ import annotations

import time
from typing import Any

from node.executors.gate import Gate
from node.executors.operations import OPERATIONS, Lane, Receipts, Selector, Topics, from_selector
from node.executors.use import Use
from primitives.blocks import ShardReference
from primitives.genesis import Genesis
from primitives.receipts import CrossShardReceipt
from shard.database import Database
from shard.engine.engines import make_engine
from shard.executor.audit import Auditor
from shard.executor.context import BuildContext
from shard.executor.executor import ShardExecutor
from shard.executor.history import History
from shard.executor.reads import ShardReader
from shard.executor.schema import StateReader
from shard.executor.simulating import Simulations
from shard.executor.simulation import Simulator
from shard.executor.tracing import Tracing
from shard.results import BlockResult, Built, HeadInfo
from shard.simulations import BlockToSimulate, SimulatedBlock
from shard.views import (
    AccessOutcome,
    AccountProof,
    AccountView,
    BalancePage,
    Big,
    CallOutcome,
    CallRequest,
    Estimate,
    FeeHistoryBlock,
    LogFilter,
    LogView,
    OutgoingPath,
    SearchPage,
    TraceConfig,
    small,
)

ACCOUNTS_PER_PART = 16
"""Accounts read between two looks at whether block work runs."""


class Service:
    """Performs operations; those of one lane must come one after another.

    Raises:
        StartupRefused: the database is of another network or shard.
    """

    def __init__(self, genesis: Genesis, shard: int, database: Database, call_deadline_ms: int, engine_name: str) -> None:
        self._genesis, self._shard, self._database, self._engine_name = genesis, shard, database, engine_name
        self._gate, self._use = Gate(call_deadline_ms, time.monotonic), Use()
        self._begin()

    def _begin(self) -> None:
        genesis, shard, database = self._genesis, self._shard, self._database
        engine = make_engine(self._engine_name, genesis.parameters, shard, StateReader(database))
        self._executor = ShardExecutor(database, genesis, shard, engine, time.monotonic, time.thread_time)
        self._reader = ShardReader(self._executor)
        self._simulator = Simulator(self._executor, self._reader)
        self._simulations = Simulations(self._executor, self._reader)
        self._tracing = Tracing(self._executor, self._reader, self._simulator)
        self._history = History(self._executor, self._tracing)
        self._auditor = Auditor(self._executor, self._reader)
        executor, reader = self._executor, self._reader
        self._methods: dict[str, Any] = {
            "build": self._build,
            "execute": self._execute,
            "finalize": executor.finalize,
            "truncate": executor.truncate,
            "set_finalized": executor.set_finalized,
            "prune_outgoing": executor.prune_outgoing,
            "settle": _nothing,
            "withdraw_executions": self._gate.withdraw_executions,
            "hold": self._hold,
            "resume": self._resume,
            "head": executor.head,
            "result": executor.result,
            "body": executor.body,
            "blocks": executor.blocks,
            "user_transactions": executor.user_transactions,
            "outgoing": self._outgoing,
            "header": self._header,
            "block": lambda selector: reader.block(from_selector(selector)),
            "transaction": reader.transaction,
            "transaction_at": lambda selector, index: reader.transaction_at(from_selector(selector), index),
            "receipt": reader.receipt,
            "block_receipts": lambda selector: reader.block_receipts(from_selector(selector)),
            "block_logs": reader.block_logs,
            "account": lambda selector, address: reader.account(from_selector(selector), address),
            "accounts": self._accounts,
            "code": lambda selector, address: reader.code(from_selector(selector), address),
            "storage": lambda selector, address, slot: reader.storage(from_selector(selector), address, small(slot)),
            "outgoing_receipt": reader.outgoing_receipt,
            "outgoing_of": reader.outgoing_of,
            "outgoing_in": reader.outgoing_in,
            "outgoing_path": self._outgoing_path,
            "proof": self._proof,
            "logs": self._logs,
            "call": self._call,
            "create_access_list": self._create_access_list,
            "estimate_gas": self._estimate_gas,
            "search": self._search,
            "sent_by": self._sent_by,
            "creator": self._creator,
            "simulate": self._simulate,
            "trace_call": self._trace_call,
            "trace_transaction": self._trace_transaction,
            "trace_block": self._trace_block,
            "fee_history": self._fee_history,
            "page": self._page,
        }
        assert self._methods.keys() == OPERATIONS.keys(), "every operation has its method"

    @property
    def times_held(self) -> int:
        """How often the database has been held; to be looked at when an operation is asked for, from whatever thread."""
        return self._use.times_ended

    def perform(self, operation: str, arguments: tuple[Any, ...], asked: int) -> Any:
        """Does an operation that was asked for when `times_held` was `asked`.

        A call that was asked for before the database was held ends with that, whether it runs or is yet to begin: when a thread
        comes to its turn is luck, and what is asked of a past that may be gone must not keep the call lane from what is asked after.

        Raises:
            InvalidBlock, InvalidTransaction, InvalidQuery, Interrupted: as the operation says.
            Busy: use_seconds_max: the database has been held for so long.
        """
        lane = OPERATIONS[operation].lane
        if lane is Lane.CONTROL:
            return self._methods[operation](*arguments)
        with self._use.one(asked if lane is Lane.CALL else None):
            method = self._methods[operation]
            if lane is Lane.BLOCK:
                with self._gate.block_work():
                    return method(*arguments)
            return method(*arguments)

    def _hold(self) -> None:
        self._gate.end()
        self._use.end()
        self._executor.close()

    def _resume(self) -> HeadInfo:
        if self._use.is_ended:
            self._database.reopen()
            self._begin()
            self._gate.begin()
            self._use.begin()
        return self._executor.head()

    def begin_call(self) -> None:
        """What is performed next in the call lane is another call."""
        self._gate.admit()

    def end_call(self) -> None:
        """Ends the call begun last."""
        self._gate.withdraw()

    def end_calls(self) -> None:
        """Ends calls that run, and all that start after this."""
        self._gate.end()

    def close(self) -> None:
        """Ends use, after the last operation."""
        self._executor.close()

    def _build(
        self,
        parent: bytes,
        reference: bytes,
        coinbase: bytes,
        epoch: int,
        view: int,
        proposer: int,
        timestamp: int,
        available: Receipts,
        candidates: tuple[tuple[bytes, bytes], ...],
        budget_ms: float,
    ) -> Built:
        context = BuildContext(ShardReference.decode(reference), coinbase, epoch, view, proposer, timestamp, _receipts(available))
        return self._executor.build(parent, context, candidates, budget_ms)

    def _execute(self, block: bytes, reference: bytes, coinbase: bytes, available: Receipts | None, number: int | None) -> BlockResult:
        proven = None if available is None else _receipts(available)
        meter = None if number is None else self._gate.execution_meter(number)
        return self._executor.execute(block, ShardReference.decode(reference), coinbase, proven, meter)

    def _outgoing(self, destination: int, first_nonce: int, count: int) -> bytes | None:
        bundle = self._executor.outgoing(destination, first_nonce, count)
        return None if bundle is None else bundle.encode()

    def _header(self, selector: Selector) -> bytes | None:
        header = self._reader.header(from_selector(selector))
        return None if header is None else header.encode()

    def _accounts(self, wanted: tuple[tuple[Selector, bytes], ...]) -> tuple[AccountView | None, ...]:
        found: tuple[AccountView | None, ...] = ()
        for start in range(0, len(wanted), ACCOUNTS_PER_PART):
            self._gate.pause()
            part = wanted[start : start + ACCOUNTS_PER_PART]
            found += self._reader.accounts((from_selector(selector), address) for selector, address in part)
        return found

    def _proof(self, selector: Selector, address: bytes, slots: tuple[Big, ...]) -> AccountProof | None:
        return self._reader.proof(from_selector(selector), address, [small(slot) for slot in slots], self._gate.meter())

    def _logs(
        self, first: Selector, last: Selector, block_hash: bytes | None, addresses: tuple[bytes, ...], topics: Topics
    ) -> tuple[LogView, ...]:
        wanted = LogFilter(from_selector(first), from_selector(last), block_hash, addresses, topics)
        return self._reader.logs(wanted, self._gate.meter())

    def _outgoing_path(self, receipt_id: bytes, count: int) -> OutgoingPath | None:
        return self._reader.outgoing_path(receipt_id, count, self._gate.meter())

    def _call(self, selector: Selector, request: CallRequest) -> CallOutcome:
        return self._simulator.call(from_selector(selector), request, self._gate.meter())

    def _create_access_list(self, selector: Selector, request: CallRequest) -> AccessOutcome:
        return self._simulator.create_access_list(from_selector(selector), request, self._gate.meter())

    def _estimate_gas(self, selector: Selector, request: CallRequest) -> Estimate:
        return self._simulator.estimate_gas(from_selector(selector), request, self._gate.meter())

    def _search(self, address: bytes, height: int, count: int, before: bool) -> SearchPage:
        return self._history.search(address, height, count, self._gate.meter(), before=before)

    def _sent_by(self, address: bytes, nonce: int) -> bytes | None:
        return self._history.sent_by(address, nonce, self._gate.meter())

    def _creator(self, address: bytes) -> tuple[bytes, bytes] | None:
        return self._history.creator(address, self._gate.meter())

    def _simulate(
        self, selector: Selector, blocks: tuple[BlockToSimulate, ...], validation: bool, transfers: bool
    ) -> tuple[SimulatedBlock, ...]:
        return self._simulations.simulate(from_selector(selector), blocks, validation, transfers, self._gate.meter())

    def _trace_call(self, selector: Selector, request: CallRequest, config: TraceConfig) -> bytes:
        return self._tracing.call(from_selector(selector), request, config, self._gate.meter())

    def _trace_transaction(self, transaction_hash: bytes, config: TraceConfig) -> bytes | None:
        return self._tracing.transaction(transaction_hash, config, self._gate.meter())

    def _trace_block(self, selector: Selector, config: TraceConfig) -> bytes | None:
        return self._tracing.block(from_selector(selector), config, self._gate.meter())

    def _fee_history(self, count: int, newest: Selector, percentiles: tuple[float, ...]) -> tuple[FeeHistoryBlock, ...]:
        return self._simulator.fee_history(count, from_selector(newest), percentiles, self._gate.meter())

    def _page(self, selector: Selector, after: bytes | None, count: int) -> BalancePage:
        # bounded by the number of accounts, and no user's calls may keep an audit waiting
        return self._auditor.page(from_selector(selector), after, count, _unmetered)


def _receipts(available: Receipts) -> dict[int, tuple[CrossShardReceipt, ...]]:
    return {source: tuple(CrossShardReceipt.decode(data) for data in receipts) for source, receipts in available.items()}


def _nothing() -> None:
    """What is asked for to know that all before it is done."""


def _unmetered() -> None:
    """A meter for work that is bounded by its size."""

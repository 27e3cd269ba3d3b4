"""Running again what a block holds, or a call, and telling what is seen."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from primitives.callbacks import call_data_of
from primitives.receipts import CrossShardReceipt, ReceiptKind
from shard.engine.interface import Meter, TransactionOutcome
from shard.engine.reference import calls
from shard.engine.reference.block import ReferenceBlock
from shard.engine.reference.tracing.frames import ErrorTracer, FlatTracer, FramesTracer, InternalTracer
from shard.engine.reference.tracing.state import TracedState
from shard.engine.reference.tracing.steps import StepsTracer
from shard.engine.reference.tracing.touches import TouchesTracer
from shard.engine.reference.tracing.tracer import Budget, Traced, Tracer
from shard.inbound import CREDIT_GAS
from shard.transactions import Transaction
from shard.views import CallRequest, TraceConfig, small

_FRAMES = {"callTracer": FramesTracer, "flat": FlatTracer, "internal": InternalTracer, "error": ErrorTracer}
REFUSED = "refused by the network"
"""A developer's operation (shard/operations.py): the one transaction to an account that runs nothing and can fail."""
Item = CrossShardReceipt | tuple[Transaction, bytes]
"""A receipt, or a user transaction and its sender."""


def _tracer(state: TracedState, config: TraceConfig, budget: Budget) -> Tracer:
    if config.tracer == "prestateTracer":
        return TouchesTracer(config, budget, state.touched_accounts, state.context.coinbase)
    return _FRAMES[config.tracer](config, budget) if config.tracer else StepsTracer(config, budget)


def trace_items(
    block: ReferenceBlock, state: TracedState, items: Sequence[Item], wanted: Container[int], config: TraceConfig, meter: Meter
) -> Iterator[bytes]:
    """Runs a block's items in order; the traces of those in `wanted` as JSON.

    Args:
        block: on `state`, nothing run yet.
        state: that of the block's parent.
        items: the block's, or as many of them as are needed.
        wanted: places in `items`.
        config: of each trace.
        meter: asked at every dear step.

    Raises:
        InvalidQuery: OVER_LIMIT.
        Interrupted: raised by `meter`.
    """
    budget = Budget()
    for place, item in enumerate(items):
        meter()
        tracer = _tracer(state, config, budget) if place in wanted else None
        state.watch(tracer)
        if isinstance(item, CrossShardReceipt):
            traced = _traced_receipt(item, block.deliver(item))
        else:
            transaction, sender = item
            traced = _traced_transaction(transaction, block.apply(transaction, sender, meter))
        if tracer is not None:
            yield tracer.result(traced)


def _traced_transaction(transaction: Transaction, outcome: TransactionOutcome) -> Traced:
    return Traced(
        outcome.sender, outcome.to, transaction.value, transaction.data, transaction.gas_limit,
        outcome.gas_used, bool(outcome.status), "" if outcome.status else "contract address collision" if outcome.to is None else REFUSED,
    )  # fmt: skip


def _traced_receipt(receipt: CrossShardReceipt, outcome: TransactionOutcome) -> Traced:
    is_credit = receipt.kind == ReceiptKind.CREDIT
    value = receipt.amount + receipt.fee if is_credit else receipt.amount
    gas = CREDIT_GAS if is_credit else receipt.gas_limit
    what = "callback" if receipt.kind == ReceiptKind.RESULT else "call"
    error = "" if outcome.status else f"{what} not run: it offers too little for its gas, or is not one that runs"
    return Traced(outcome.sender, outcome.to, value, call_data_of(receipt), gas, outcome.gas_used, bool(outcome.status), error)


def trace_request(state: TracedState, request: CallRequest, config: TraceConfig, meter: Meter) -> bytes:
    """The trace of a simulated call as JSON; see `calls.simulate`.

    Raises:
        InvalidTransaction: as `Engine.call` says.
        InvalidQuery: OVER_LIMIT.
        Interrupted: raised by `meter`.
    """
    calls.override(state, request.overrides, meter)
    tracer = _tracer(state, config, Budget())
    state.watch(tracer)
    outcome = calls.run(state, request, meter)
    state.accounts.end_transaction()
    gas = state.context.gas_limit
    limit = gas if request.gas is None else min(request.gas, gas)
    return tracer.result(
        Traced(request.sender, request.to, small(request.value), request.data, limit, outcome.gas_used, outcome.success, outcome.error)
    )

"""Choosing user transactions for a block within gas, bytes and wall-clock time (PROTOCOL 5, No transaction can stop a chain)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from primitives.errors import Interrupted, InvalidTransaction, TransactionReason
from primitives.hashing import keccak256
from shard.engine.interface import BlockExecution
from shard.results import RejectedTransaction
from shard.transactions import Transaction
from shard.transactions.model import TRANSACTION_GAS

SSZ_OFFSET_BYTES = 4
"""What an element of variable size costs a list besides itself."""
SHARE_OF_ONE = 2
"""One transaction may use this fraction of the build budget, so that others always get room."""
SHARE_WORKED = 4
"""A transaction that was stopped is too slow if the processor was its own for this fraction of its time; else others had the machine."""
TOO_SLOW_MESSAGE = "execution too slow for this network"

_WAITING = {TransactionReason.NONCE_TOO_HIGH, TransactionReason.FEE_BELOW_BASE}
"""Reasons that pass by themselves: the transaction stays in the pool."""


@dataclass(slots=True)
class Limits:
    """What a block has left for user transactions."""

    gas: int
    block_bytes: int
    budget_ms: float
    """Wall-clock time for executing user transactions."""


@dataclass(slots=True)
class Selection:
    """What building chose, and what it found out about the rest."""

    transactions: list[bytes] = field(default_factory=list)
    rejected: list[RejectedTransaction] = field(default_factory=list)
    too_slow: list[bytes] = field(default_factory=list)


def select_transactions(
    execution: BlockExecution,
    candidates: Sequence[tuple[bytes, bytes]],
    limits: Limits,
    decode: Callable[[bytes], Transaction],
    monotonic: Callable[[], float],
    worked: Callable[[], float],
) -> Selection:
    """Executes candidates on `execution` in order, as many as the limits have room for.

    A sender one of whose transactions is left out has its later ones left out too: their nonces would not fit. Once a
    transaction has overrun its share, others with as much gas wait until the lighter ones have had their turn: however many
    endless loops pay better, one share of the time goes to them before everybody else's transfers.

    Args:
        execution: the block, inbound receipts delivered.
        candidates: (signed bytes, sender) in the order to try.
        limits: what is left.
        decode: decodes and checks without state.
        monotonic: seconds.
        worked: seconds of processor time of this thread.
    """
    selection = Selection()
    end = monotonic() + limits.budget_ms / 1000
    share = limits.budget_ms / 1000 / SHARE_OF_ONE
    gas_end = execution.gas_used + limits.gas
    bytes_left = limits.block_bytes
    passed_over: set[bytes] = set()
    heavy_gas: int | None = None
    heavy: list[tuple[bytes, bytes]] = []
    queue = deque(candidates)
    while queue or heavy:
        if not queue:
            queue, heavy, heavy_gas = deque(heavy), [], None
            passed_over -= {sender for _, sender in queue}
        raw, sender = queue.popleft()
        now, worked_before = monotonic(), worked()
        if now >= end or execution.gas_used + TRANSACTION_GAS > gas_end:
            break
        if sender in passed_over:
            continue
        size = len(raw) + SSZ_OFFSET_BYTES
        try:
            transaction = decode(raw)
            if size > bytes_left or execution.gas_used + transaction.gas_limit > gas_end:
                passed_over.add(sender)
                continue
            if heavy_gas is not None and transaction.gas_limit >= heavy_gas:
                passed_over.add(sender)
                heavy.append((raw, sender))
                continue
            deadline = min(now + share, end)
            execution.apply(transaction, sender, _meter(deadline, monotonic))
        except InvalidTransaction as error:
            passed_over.add(sender)
            if error.reason not in _WAITING:
                selection.rejected.append(RejectedTransaction(keccak256(raw), error.reason.code, error.message))
        except Interrupted:
            passed_over.add(sender)
            heavy_gas = transaction.gas_limit if heavy_gas is None else min(heavy_gas, transaction.gas_limit)
            if now + share <= end and worked() - worked_before >= share / SHARE_WORKED:
                selection.too_slow.append(keccak256(raw))
        else:
            selection.transactions.append(raw)
            bytes_left -= size
    return selection


def _meter(deadline: float, monotonic: Callable[[], float]) -> Callable[[], None]:
    def check() -> None:
        if monotonic() >= deadline:
            raise Interrupted("build_budget_ms", TOO_SLOW_MESSAGE)

    return check

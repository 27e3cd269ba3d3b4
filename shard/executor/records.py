"""From an executed block to the records its store keeps of it."""

from __future__ import annotations

from dataclasses import dataclass

from primitives.hashing import keccak256
from primitives.headers import ShardHeader
from primitives.receipts import ChannelTotals, Summary
from shard.engine.interface import ExecutionResult, TransactionOutcome
from shard.executor.rules import EMPTY_BLOOM, next_base_fee
from shard.executor.schema import StoredBlock, StoredLog, StoredOutgoing, StoredTransaction
from shard.operations import decode_operation, is_operation
from shard.results import BlockResult
from shard.system import receipt_of_log
from shard.transactions import read_transaction
from shard.views import big


@dataclass(frozen=True, slots=True)
class Executed:
    """A valid block and what it did."""

    header: ShardHeader
    body: bytes
    """SSZ of ShardBlock."""
    received: int
    """Inbound receipts."""
    before: Summary
    """Of the parent."""
    supply_before: int
    """Wei of all accounts, at the parent."""
    result: ExecutionResult


def records_of(
    executed: Executed, shard: int, chain_id_base: int, execution_ms: int
) -> tuple[StoredBlock, tuple[StoredTransaction, ...], tuple[StoredOutgoing, ...]]:
    """The records of a block of `shard`."""
    header = executed.header
    block_hash = header.hash()
    outcomes = executed.result.outcomes
    users = outcomes[executed.received :]
    result = BlockResult(
        hash=block_hash,
        parent=header.parent_hash,
        number=header.number,
        timestamp=header.timestamp,
        header=header.encode(),
        summary=executed.result.summary.encode(),
        gas_used=header.gas_used,
        base_fee=big(header.base_fee_per_gas),
        next_base_fee=big(next_base_fee(header)),
        transaction_hashes=tuple(outcome.hash for outcome in users),
        senders=_senders(executed, users),
        execution_ms=execution_ms,
        # nothing below zero travels; a shard that owes more than it holds does not add up either way
        supply=big(max(0, executed.supply_before + executed.result.balance_change)),
    )
    outgoing = _outgoing(executed, shard, chain_id_base, block_hash)
    block = StoredBlock(result, executed.received, _sent(executed), len(executed.body))
    return block, _transactions(outcomes), outgoing


def _senders(executed: Executed, users: tuple[TransactionOutcome, ...]) -> dict[bytes, tuple[int, bytes]]:
    accounts = executed.result.accounts
    changed = {outcome.sender for outcome in users} | {target for outcome in users if (target := _target(outcome)) in accounts}
    return {address: (accounts[address].nonce, big(accounts[address].balance)) for address in sorted(changed)}


def _target(outcome: TransactionOutcome) -> bytes:
    """Whose nonce or balance a developer's operation set; the pool has to know."""
    operation = decode_operation(read_transaction(outcome.raw).data) if is_operation(outcome.sender, outcome.to) else None
    return b"" if operation is None else operation.address


def _sent(executed: Executed) -> dict[int, tuple[int, int]]:
    pairs = zip(executed.before.outgoing, executed.result.summary.outgoing, strict=True)
    return {chain: (old.count, new.count) for chain, (old, new) in enumerate(pairs) if old.count != new.count}


def _transactions(outcomes: tuple[TransactionOutcome, ...]) -> tuple[StoredTransaction, ...]:
    stored = []
    first_log = 0
    for outcome in outcomes:
        stored.append(
            StoredTransaction(
                raw=outcome.raw,
                hash=outcome.hash,
                sender=outcome.sender,
                to=outcome.to,
                status=outcome.status,
                gas_used=outcome.gas_used,
                cumulative_gas_used=outcome.cumulative_gas_used,
                effective_gas_price=big(outcome.effective_gas_price),
                contract_address=outcome.contract_address,
                first_log=first_log,
                logs=tuple(StoredLog(log.address, log.topics, log.data) for log in outcome.logs),
                logs_bloom=b"" if outcome.logs_bloom == EMPTY_BLOOM else outcome.logs_bloom,
            )
        )
        first_log += len(outcome.logs)
    return tuple(stored)


def _outgoing(executed: Executed, shard: int, chain_id_base: int, block_hash: bytes) -> tuple[StoredOutgoing, ...]:
    stored: list[StoredOutgoing] = []
    totals = list(executed.before.outgoing)
    for outcome in executed.result.outcomes:
        for log in outcome.logs:
            receipt = receipt_of_log(log, shard)
            if receipt is None:
                continue
            before = totals[receipt.destination]
            assert receipt.nonce == before.count, "Outbox counts without gaps"
            identity = receipt.identity(chain_id_base)
            totals[receipt.destination] = ChannelTotals(
                before.count + 1, before.value + receipt.amount + receipt.fee, keccak256(before.accumulator + identity)
            )
            stored.append(StoredOutgoing(receipt.encode(), identity, before.accumulator, block_hash, executed.header.number, outcome.hash))
    assert tuple(totals) == executed.result.summary.outgoing, "the logs of Outbox are its totals"
    return tuple(stored)

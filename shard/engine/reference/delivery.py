"""Delivering inbound receipts: total, whatever a corrupted source wrote (PROTOCOL 6)."""

from __future__ import annotations

from dataclasses import dataclass

from eth.vm.message import Message
from eth_typing import Address

from primitives.parameters import Parameters
from primitives.receipts import CrossShardReceipt, ReceiptKind, alias_of
from shard import system
from shard.contracts import OUTBOX
from shard.engine.interface import Log
from shard.engine.reference import messages
from shard.engine.reference.state import ShardState
from shard.inbound import CREDIT_GAS
from shard.transactions.model import intrinsic_gas_of

PRICE_FLOOR_QUOTIENT = 8
"""A call that offers less than this part of the base fee a gas does not run."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What delivering a receipt did."""

    success: bool
    gas_used: int
    price: int
    """Wei a gas that was burned."""
    logs: tuple[Log, ...]


def deliver(state: ShardState, receipt: CrossShardReceipt, parameters: Parameters, shard: int) -> Delivered:
    """Delivers a receipt of a folded bundle; the wei of amount + fee is minted and goes somewhere whatever happens."""
    if receipt.kind == ReceiptKind.CREDIT:
        _mint(state, receipt.to, receipt.amount + receipt.fee)
        state.accounts.end_transaction()
        return Delivered(True, CREDIT_GAS, 0, ())
    if not _runs(receipt, parameters, state.context.base_fee):
        logs = _send_back(state, receipt, receipt.amount + receipt.fee, parameters, shard)
        state.accounts.end_transaction()
        return Delivered(False, CREDIT_GAS, 0, logs)
    delivered = _call(state, receipt, parameters, shard)
    state.accounts.end_transaction()
    return delivered


def _runs(receipt: CrossShardReceipt, parameters: Parameters, base_fee: int) -> bool:
    if receipt.kind not in (ReceiptKind.CALL, ReceiptKind.CALL_REFUND_THERE) or receipt.source == parameters.beacon:
        return False
    if len(receipt.data) > parameters.data_max:
        return False
    if not max(intrinsic_gas_of(receipt.data, False, (), 0)) <= receipt.gas_limit <= parameters.receipt_gas_max:
        return False
    return PRICE_FLOOR_QUOTIENT * (receipt.fee // receipt.gas_limit) >= base_fee


def _call(state: ShardState, receipt: CrossShardReceipt, parameters: Parameters, shard: int) -> Delivered:
    accounts = state.accounts
    intrinsic, floor = intrinsic_gas_of(receipt.data, False, (), 0)
    price = min(state.context.base_fee, receipt.fee // receipt.gas_limit)
    alias = alias_of(receipt.source, receipt.sender)
    before = accounts.snapshot()
    # Minting to the alias and moving on to `to` comes to the same, and would leave an empty alias behind.
    _mint(state, receipt.to, receipt.amount)
    accounts.mark_address_warm(alias)
    accounts.mark_address_warm(receipt.to)
    code, delegated = messages.code_to_run(state, receipt.to)
    message = Message(
        gas=receipt.gas_limit - intrinsic, to=Address(receipt.to), sender=Address(alias), value=receipt.amount, data=receipt.data,
        code=code, is_delegation=delegated, should_transfer_value=False,
    )  # fmt: skip
    computation = messages.execute(state, message, alias, price)
    gas_used = messages.gas_used_by(computation, receipt.gas_limit, floor)
    unused = receipt.fee - price * gas_used
    if computation.is_error:
        accounts.revert(before)
        return Delivered(False, gas_used, price, _send_back(state, receipt, receipt.amount + unused, parameters, shard))
    messages.delete_accounts(state, computation, alias)
    logs = messages.logs_of(computation)
    # What the callee paid back to the alias goes home with the unused fee.
    paid_back = accounts.get_balance(alias)
    if paid_back:
        accounts.set_balance(alias, 0)
        if accounts.account_is_empty(alias):
            accounts.delete_account(alias)
    if receipt.kind == ReceiptKind.CALL_REFUND_THERE:
        _mint(state, receipt.refund_to, unused + paid_back)
    else:
        logs += _send_back(state, receipt, unused + paid_back, parameters, shard)
    return Delivered(True, gas_used, price, logs)


def _mint(state: ShardState, to: bytes, amount: int) -> None:
    # Writing a zero would leave an empty account.
    if amount:
        state.accounts.set_balance(to, state.accounts.get_balance(to) + amount)


def _send_back(state: ShardState, receipt: CrossShardReceipt, amount: int, parameters: Parameters, shard: int) -> tuple[Log, ...]:
    """Writes a credit to the source, as `Outbox.refund` would; the value waits in Outbox for the end of the block."""
    if not amount:
        return ()
    credit = system.refund_receipt(state.accounts.get_storage, shard, receipt, amount)
    _mint(state, OUTBOX, amount)
    for slot, word in system.words_of(state.accounts.get_storage, credit, parameters.chain_id_base).items():
        state.accounts.set_storage(OUTBOX, slot, word)
    return (system.sent_log(credit, parameters.chain_id_base),)

"""Delivering results: what comes back from a call is credited, and its outcome handed to the sender's callback (PROTOCOL 6)."""

from __future__ import annotations

from eth.vm.message import Message
from eth_typing import Address

from primitives.callbacks import Outcome
from primitives.parameters import Parameters
from primitives.receipts import CrossShardReceipt
from shard import callbacks
from shard.callbacks import Awaited
from shard.contracts import INBOX, OUTBOX
from shard.engine.reference import messages
from shard.engine.reference.messages import Delivered
from shard.engine.reference.state import ShardState
from shard.inbound import CREDIT_GAS, PRICE_FLOOR_QUOTIENT, counted_gas


def deliver_result(state: ShardState, receipt: CrossShardReceipt, parameters: Parameters) -> Delivered:
    """Delivers a result. Only what this shard itself wrote down is believed of whom to call, with how much gas, and for what.

    A corrupted shard can lie about the outcome of calls that were sent to it, once each, and about nothing else.
    """
    accounts, value = state.accounts, receipt.amount + receipt.fee
    outcome = Outcome.decode(receipt.data, parameters.callback_data_max)
    awaited = callbacks.read_awaited(accounts.get_storage, outcome.call_id) if outcome is not None else None
    if outcome is None or awaited is None or awaited.destination != receipt.source:
        messages.mint(state, receipt.refund_to, value)
        return Delivered(False, CREDIT_GAS, 0, ())
    # It is closed before any code runs: whatever the callback does, it comes once.
    _write(state, callbacks.closed_words(outcome.call_id))
    accounts.set_balance(OUTBOX, accounts.get_balance(OUTBOX) - awaited.escrow)
    messages.mint(state, awaited.refund_to, value)
    delivered = Delivered(False, CREDIT_GAS, 0, ())
    # More gas than the block has counted for the receipt would undo the bound on its time.
    is_counted = awaited.gas <= counted_gas(receipt, parameters.receipt_gas_max)
    if is_counted and PRICE_FLOOR_QUOTIENT * awaited.price >= state.context.base_fee:
        delivered = _call(state, awaited, outcome)
    messages.mint(state, awaited.refund_to, awaited.escrow - delivered.price * delivered.gas_used)
    if delivered.success:
        return delivered
    _write(state, callbacks.failed_words(outcome))
    return Delivered(False, delivered.gas_used, delivered.price, (callbacks.failed_log(outcome.call_id),))


def _call(state: ShardState, awaited: Awaited, outcome: Outcome) -> Delivered:
    accounts = state.accounts
    price = min(state.context.base_fee, awaited.price)
    before = accounts.snapshot()
    accounts.mark_address_warm(INBOX)
    accounts.mark_address_warm(awaited.sender)
    code, delegated = messages.code_to_run(state, awaited.sender)
    # The outcome's bytes cost the callback nothing, or whoever was called could leave it without gas by returning much.
    message = Message(
        gas=awaited.gas - CREDIT_GAS, to=Address(awaited.sender), sender=Address(INBOX), value=0, data=callbacks.callback_data(outcome),
        code=code, is_delegation=delegated, should_transfer_value=False,
    )  # fmt: skip
    computation = messages.execute(state, message, INBOX, price)
    gas_used = messages.gas_used_by(computation, awaited.gas, CREDIT_GAS)
    if computation.is_error:
        accounts.revert(before)
        return Delivered(False, gas_used, price, ())
    messages.delete_accounts(state, computation)
    return Delivered(True, gas_used, price, messages.logs_of(computation))


def _write(state: ShardState, words: dict[int, int]) -> None:
    for slot, word in words.items():
        state.accounts.set_storage(OUTBOX, slot, word)

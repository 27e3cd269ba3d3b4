"""Delivering inbound receipts: total, whatever a corrupted source wrote (PROTOCOL 6)."""

from __future__ import annotations

from eth.vm.message import Message
from eth_typing import Address

from primitives.callbacks import Outcome, call_data_of
from primitives.parameters import Parameters
from primitives.receipts import CALL_KINDS, CrossShardReceipt, ReceiptKind, alias_of
from shard import system
from shard.contracts import OUTBOX
from shard.engine.interface import Log
from shard.engine.reference import messages
from shard.engine.reference.messages import Delivered
from shard.engine.reference.results import deliver_result
from shard.engine.reference.state import ShardState
from shard.inbound import CREDIT_GAS, PRICE_FLOOR_QUOTIENT
from shard.transactions.model import intrinsic_gas_of


def deliver(state: ShardState, receipt: CrossShardReceipt, parameters: Parameters, shard: int) -> Delivered:
    """Delivers a receipt of a folded bundle; the wei of amount + fee is minted and goes somewhere whatever happens."""
    if receipt.kind == ReceiptKind.CREDIT:
        messages.mint(state, receipt.to, receipt.amount + receipt.fee)
        delivered = Delivered(True, CREDIT_GAS, 0, ())
    elif receipt.kind == ReceiptKind.RESULT:
        delivered = deliver_result(state, receipt, parameters)
    elif _runs(receipt, parameters, state.context.base_fee):
        delivered = _call(state, receipt, parameters, shard)
    else:
        logs = _send_back(state, receipt, receipt.amount + receipt.fee, parameters, shard)
        delivered = Delivered(False, CREDIT_GAS, 0, logs)
    state.accounts.end_transaction()
    return delivered


def _runs(receipt: CrossShardReceipt, parameters: Parameters, base_fee: int) -> bool:
    if receipt.kind not in CALL_KINDS or receipt.source == parameters.beacon:
        return False
    if len(receipt.data) > parameters.data_max:
        return False
    if not max(intrinsic_gas_of(call_data_of(receipt), False, (), 0)) <= receipt.gas_limit <= parameters.receipt_gas_max:
        return False
    return PRICE_FLOOR_QUOTIENT * (receipt.fee // receipt.gas_limit) >= base_fee


def _call(state: ShardState, receipt: CrossShardReceipt, parameters: Parameters, shard: int) -> Delivered:
    accounts, data = state.accounts, call_data_of(receipt)
    intrinsic, floor = intrinsic_gas_of(data, False, (), 0)
    price = min(state.context.base_fee, receipt.fee // receipt.gas_limit)
    alias = alias_of(receipt.source, receipt.sender)
    before = accounts.snapshot()
    # Minting to the alias and moving on to `to` comes to the same, and would leave an empty alias behind.
    messages.mint(state, receipt.to, receipt.amount)
    accounts.mark_address_warm(alias)
    accounts.mark_address_warm(receipt.to)
    code, delegated = messages.code_to_run(state, receipt.to)
    message = Message(
        gas=receipt.gas_limit - intrinsic, to=Address(receipt.to), sender=Address(alias), value=receipt.amount, data=data,
        code=code, is_delegation=delegated, should_transfer_value=False,
    )  # fmt: skip
    computation = messages.execute(state, message, alias, price)
    gas_used = messages.gas_used_by(computation, receipt.gas_limit, floor)
    unused = receipt.fee - price * gas_used
    if computation.is_error:
        accounts.revert(before)
        logs = _send_back(state, receipt, receipt.amount + unused, parameters, shard, bytes(computation.output))
        return Delivered(False, gas_used, price, logs)
    messages.delete_accounts(state, computation, alias)
    logs = messages.logs_of(computation)
    # What the callee paid back to the alias goes home with the unused fee.
    paid_back = accounts.get_balance(alias)
    if paid_back:
        accounts.set_balance(alias, 0)
        if accounts.account_is_empty(alias):
            accounts.delete_account(alias)
    if receipt.kind == ReceiptKind.CALL_REFUND_THERE:
        messages.mint(state, receipt.refund_to, unused + paid_back)
    else:
        logs += _send_back(state, receipt, unused + paid_back, parameters, shard, bytes(computation.output), success=True)
    return Delivered(True, gas_used, price, logs)


def _send_back(
    state: ShardState, receipt: CrossShardReceipt, amount: int, parameters: Parameters, shard: int, returned: bytes = b"", *,
    success: bool = False,
) -> tuple[Log, ...]:  # fmt: skip
    """Writes what goes back to the source, as `Outbox.refund` and `Outbox.result` would; the value waits in Outbox for the block's end."""
    read, base = state.accounts.get_storage, parameters.chain_id_base
    if receipt.kind == ReceiptKind.CALL_WITH_CALLBACK:
        outcome = Outcome(receipt.identity(base), success, returned[: parameters.callback_data_max])
        back = system.result_receipt(read, shard, receipt, amount, outcome)
    elif amount:
        back = system.refund_receipt(read, shard, receipt, amount)
    else:
        return ()
    messages.mint(state, OUTBOX, amount)
    for slot, word in system.words_of(read, back, base).items():
        state.accounts.set_storage(OUTBOX, slot, word)
    return (system.sent_log(back, base),)

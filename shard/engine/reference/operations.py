"""A developer's operations, carried out by the engine (shard/operations.py)."""

from __future__ import annotations

from shard.contracts import DEVELOPER
from shard.engine.reference.accounts import Accounts
from shard.engine.reference.messages import Ran
from shard.engine.reference.state import ShardState
from shard.operations import Operation, OperationKind, complaint_about, decode_operation
from shard.transactions import Transaction

UNKNOWN = "the data is no operation"


def perform(state: ShardState, transaction: Transaction, tip: int) -> Ran:
    """Does what an operation says, or nothing; it pays for its intrinsic gas as every transaction does, `tip` wei a gas to the coinbase."""
    accounts, coinbase = state.accounts, state.context.coinbase
    gas = max(transaction.intrinsic_gas, transaction.floor_gas)
    accounts.set_balance(DEVELOPER, accounts.get_balance(DEVELOPER) - gas * (state.context.base_fee + tip))
    accounts.increment_nonce(DEVELOPER)
    if tip:
        accounts.set_balance(coinbase, accounts.get_balance(coinbase) + gas * tip)
    operation = decode_operation(transaction.data)
    error = UNKNOWN if operation is None else _complaint(accounts, operation)
    if operation is not None and not error:
        _change(accounts, operation)
        if accounts.account_exists(operation.address) and accounts.account_is_empty(operation.address):
            accounts.delete_account(operation.address)
    return Ran(not error, gas, (), b"", error, gas_before_refunds=gas)


def _complaint(accounts: Accounts, operation: Operation) -> str:
    address = operation.address
    return complaint_about(
        operation, nonce=accounts.get_nonce(address), balance=accounts.get_balance(address), is_empty=accounts.account_is_empty(address),
        bank=accounts.get_balance(DEVELOPER),
    )  # fmt: skip


def _change(accounts: Accounts, operation: Operation) -> None:
    address = operation.address
    match operation.kind:
        case OperationKind.BALANCE:
            accounts.set_balance(DEVELOPER, accounts.get_balance(DEVELOPER) + accounts.get_balance(address) - operation.value)
            accounts.set_balance(address, operation.value)
        case OperationKind.NONCE:
            accounts.set_nonce(address, operation.value)
        case OperationKind.CODE if operation.code:
            accounts.set_code(address, operation.code)
        case OperationKind.CODE:
            accounts.delete_code(address)
        case OperationKind.STORAGE:
            accounts.set_storage(address, operation.slot, operation.value)

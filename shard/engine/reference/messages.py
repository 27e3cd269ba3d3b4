"""Running messages on a state: user transactions, system calls and calls from another shard, each with its settlement."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

from eth.abc import ComputationAPI, MessageAPI
from eth.constants import CREATE_CONTRACT_ADDRESS
from eth.exceptions import ContractCreationCollision
from eth.vm.forks.cancun.transaction_context import CancunTransactionContext
from eth.vm.message import Message
from eth_typing import Address

from primitives.hashing import keccak256
from shard.contracts import SYSTEM_ADDRESS
from shard.engine.interface import Log
from shard.engine.reference.accounts import DELEGATION_PREFIX, is_delegation
from shard.engine.reference.computation import ShardComputation
from shard.engine.reference.effects import Effects
from shard.engine.reference.state import ShardState
from shard.transactions import Transaction, recover_authority
from shard.transactions.rlp import encode_list, encode_number, encode_text

SYSTEM_CALL_GAS = 30_000_000
"""EIP-4788."""
REFUND_QUOTIENT = 5
"""Gas refunds are at most this part of the gas used (EIP-3529)."""
AUTHORIZATION_REFUND_GAS = 12_500
"""EIP-7702: PER_EMPTY_ACCOUNT_COST - PER_AUTH_BASE_COST."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What delivering a cross-shard receipt did."""

    success: bool
    gas_used: int
    price: int
    """Wei a gas that was burned."""
    logs: tuple[Log, ...]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a message did, its state changes made or undone."""

    success: bool
    gas_used: int
    """After refunds, at least the floor."""
    logs: tuple[Log, ...]
    output: bytes
    error: str
    """Name of the EVM's error; empty on success."""
    contract_address: bytes | None = None
    gas_before_refunds: int = 0


def mint(state: ShardState, to: bytes, amount: int) -> None:
    """Adds wei to an account; no code runs."""
    # Writing a zero would leave an empty account.
    if amount:
        state.accounts.set_balance(to, state.accounts.get_balance(to) + amount)


def created_address(sender: bytes, nonce: int) -> Address:
    """Address of the contract that a creation by `sender` at `nonce` makes."""
    return Address(keccak256(encode_list(encode_text(sender) + encode_number(nonce)))[12:])


def code_to_run(state: ShardState, address: bytes) -> tuple[bytes, bool]:
    """The code a message to `address` runs, and whether a delegation led to it (EIP-7702); the delegate becomes warm."""
    code = state.accounts.get_code(address)
    if not is_delegation(code):
        return code, False
    delegate = code[len(DELEGATION_PREFIX) :]
    state.accounts.mark_address_warm(delegate)
    return state.accounts.get_code(delegate), True


def execute(state: ShardState, message: MessageAPI, origin: bytes, gas_price: int) -> ComputationAPI:
    """Runs a message as the outermost frame."""
    context = CancunTransactionContext(gas_price=gas_price, origin=Address(origin))
    if not message.is_create:
        return state.computation_class.apply_message(state, message, context)
    if state.has_code_or_nonce(message.storage_address):
        computation = state.computation_class(state, message, context)
        computation.error = ContractCreationCollision("address collision")
        return computation
    return state.computation_class.apply_create_message(state, message, context)


def effects_of(computation: ComputationAPI) -> Effects:
    """What a finished computation leaves."""
    return cast(ShardComputation, computation).settle()


def logs_of(computation: ComputationAPI) -> tuple[Log, ...]:
    """Logs of a computation in order."""
    entries = sorted(effects_of(computation).logs)
    return tuple(Log(address, tuple(topic.to_bytes(32, "big") for topic in topics), bytes(data)) for _, address, topics, data in entries)


def gas_used_by(computation: ComputationAPI, gas_limit: int, floor: int) -> int:
    """Gas of a finished message: at most a fifth given back (EIP-3529), never below the floor (EIP-7623)."""
    used = gas_limit - computation.get_gas_remaining()
    return max(used - min(computation.get_gas_refund(), used // REFUND_QUOTIENT), floor)


def delete_accounts(state: ShardState, computation: ComputationAPI, *others: bytes) -> None:
    """Ends what SELFDESTRUCT began and removes touched accounts that are empty (EIP-161)."""
    accounts = state.accounts
    effects = effects_of(computation)
    for address in sorted(effects.destroyed):
        # Wei can still have come in after the SELFDESTRUCT.
        accounts.destroy(accounts.get_balance(address))
        accounts.delete_account(address)
    for address in sorted({state.coinbase, *others, *effects.touched}):
        if accounts.account_exists(address) and accounts.account_is_empty(address):
            accounts.delete_account(address)


def result_of(computation: ComputationAPI, gas_used: int) -> Ran:
    """What a computation did, as data."""
    error = "" if computation.is_success else type(computation.error).__name__
    created = computation.msg.storage_address if computation.msg.is_create else None
    return Ran(computation.is_success, gas_used, logs_of(computation), bytes(computation.output), error, created)


def apply_transaction(state: ShardState, transaction: Transaction, sender: bytes, tip: int) -> Ran:
    """Executes a transaction that passed every check; `tip` and the base fee are what it pays a gas (wei)."""
    return run_transaction(state, transaction, sender, state.context.base_fee + tip, tip)


def run_transaction(state: ShardState, transaction: Transaction, sender: bytes, price: int, tip: int) -> Ran:
    """As `apply_transaction`, at any `price` a gas (wei), `tip` of it for the coinbase."""
    accounts = state.accounts
    accounts.set_balance(sender, accounts.get_balance(sender) - transaction.gas_limit * price)
    accounts.increment_nonce(sender)
    refund = _apply_authorizations(state, transaction)
    message = _message_of(state, transaction, sender, refund)
    computation = execute(state, message, sender, price)
    gas_used = gas_used_by(computation, transaction.gas_limit, transaction.floor_gas)
    back = (transaction.gas_limit - gas_used) * price
    if back:
        accounts.set_balance(sender, accounts.get_balance(sender) + back)
    if tip:
        coinbase = state.context.coinbase
        accounts.set_balance(coinbase, accounts.get_balance(coinbase) + gas_used * tip)
    delete_accounts(state, computation)
    ran = result_of(computation, gas_used)
    return replace(ran, gas_before_refunds=max(transaction.gas_limit - computation.get_gas_remaining(), transaction.floor_gas))


def _message_of(state: ShardState, transaction: Transaction, sender: bytes, refund: int) -> MessageAPI:
    accounts = state.accounts
    gas = transaction.gas_limit - transaction.intrinsic_gas
    create_address = None
    if transaction.to is None:
        create_address = created_address(sender, transaction.nonce)
        to, data, code, delegated = CREATE_CONTRACT_ADDRESS, b"", transaction.data, False
        # The library charges the words of init code again when the frame starts.
        gas += (len(transaction.data) + 31) // 32 * 2
    else:
        to, data = Address(transaction.to), transaction.data
        code, delegated = code_to_run(state, to)
    accounts.mark_address_warm(sender)
    accounts.mark_address_warm(create_address or to)
    for address, keys in transaction.access_list:
        accounts.mark_address_warm(address)
        for key in keys:
            accounts.mark_storage_warm(address, int.from_bytes(key, "big"))
    return Message(
        gas=gas, to=to, sender=Address(sender), value=transaction.value, data=data, code=code,
        create_address=cast(Any, create_address), is_delegation=delegated, refund=refund,
    )  # fmt: skip


def _apply_authorizations(state: ShardState, transaction: Transaction) -> int:
    """Sets the delegations that hold; returns the gas refunded (EIP-7702, "Behavior")."""
    accounts, refund = state.accounts, 0
    for authorization in transaction.authorization_list:
        if authorization.chain_id not in (0, state.execution_context.chain_id):
            continue
        authority = recover_authority(authorization)
        if authority is None:
            continue
        accounts.mark_address_warm(authority)
        code = accounts.get_code(authority)
        if (code and not is_delegation(code)) or accounts.get_nonce(authority) != authorization.nonce:
            continue
        if accounts.account_exists(authority):
            refund += AUTHORIZATION_REFUND_GAS
        if any(authorization.address):
            accounts.set_code(authority, DELEGATION_PREFIX + authorization.address)
        else:
            accounts.delete_code(authority)
        accounts.increment_nonce(authority)
    return refund


def system_call(state: ShardState, to: bytes, data: bytes, value: int = 0) -> tuple[Log, ...]:
    """Calls a system contract as EIP-4788 does: no nonce, no fee, no sender account; `value` is minted to `to`. Returns the logs.

    Raises:
        AssertionError: the call failed, which only a bug of ours can bring about.
    """
    accounts = state.accounts
    if value:
        accounts.set_balance(to, accounts.get_balance(to) + value)
    message = Message(
        gas=SYSTEM_CALL_GAS, to=Address(to), sender=Address(SYSTEM_ADDRESS), value=value, data=data, code=accounts.get_code(to),
        should_transfer_value=False,
    )  # fmt: skip
    computation = execute(state, message, SYSTEM_ADDRESS, 0)
    assert computation.is_success, f"system call of 0x{to.hex()} failed: {computation.error!r}"
    accounts.end_transaction()
    return logs_of(computation)

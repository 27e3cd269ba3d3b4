"""Simulated calls: eth_call, and what gas estimation is made of."""

from __future__ import annotations

from primitives.errors import InvalidTransaction, TransactionReason
from shard.engine.interface import Meter
from shard.engine.reference import messages
from shard.engine.reference.accesses import Accesses
from shard.engine.reference.state import ShardState
from shard.engine.reference.tracing.words import words_of
from shard.transactions.checks import check_fee, check_funds, check_intrinsic_gas
from shard.transactions.model import INIT_CODE_BYTES_MAX, Authorization, Signature, Transaction, intrinsic_gas_of
from shard.views import AccessOutcome, AccountOverride, CallOutcome, CallRequest, small


def simulate(state: ShardState, request: CallRequest, meter: Meter | None) -> CallOutcome:
    """Runs a request on a state nobody else uses; see `Engine.call`."""
    override(state, request.overrides, meter)
    return run(state, request, meter)


def simulate_accesses(state: ShardState, accesses: Accesses, request: CallRequest, meter: Meter | None) -> AccessOutcome:
    """As `simulate`, on a state that uses `accesses`; see `Engine.access_list`."""
    override(state, request.overrides, meter)
    target = request.to or messages.created_address(request.sender, accesses.get_nonce(request.sender))
    outcome = run(state, request, meter)
    # a list makes nothing warmer than it is by itself (EIP-2929, EIP-3651)
    warm = {request.sender, target, state.context.coinbase, *state.computation_class.get_precompiles()}
    return AccessOutcome(accesses.listed(warm), outcome)


def run(state: ShardState, request: CallRequest, meter: Meter | None) -> CallOutcome:
    """Runs a request whose overrides hold already; see `simulate`."""
    transaction = _transaction_of(state, request)
    accounts, sender = state.accounts, request.sender
    price = transaction.max_fee_per_gas
    base_fee = state.context.base_fee if price else 0
    check_fee(price, base_fee)
    check_funds(transaction, accounts.get_balance(sender))
    check_intrinsic_gas(transaction)
    state.use_meter(meter)
    ran = messages.run_transaction(state, transaction, sender, price, price - base_fee)
    return outcome_of(ran)


def outcome_of(ran: messages.Ran) -> CallOutcome:
    """What a call did, in geth's words."""
    error = words_of(ran.error)
    return CallOutcome(success=ran.success, output=ran.output, gas_used=ran.gas_used, error=error)


def override(state: ShardState, overrides: tuple[AccountOverride, ...], meter: Meter | None) -> None:
    """Makes accounts what a caller has them be."""
    accounts = state.accounts
    for given in overrides:
        address = given.address
        if given.balance is not None:
            accounts.set_balance(address, small(given.balance))
        if given.nonce is not None:
            accounts.set_nonce(address, given.nonce)
        if given.code is not None:
            accounts.set_code(address, given.code)
        if given.is_whole_storage:
            accounts.delete_storage(address)
        for slot, word in given.words:
            if meter is not None:
                meter()
            accounts.set_storage(address, small(slot), small(word))
    accounts.end_transaction()


def _transaction_of(state: ShardState, request: CallRequest) -> Transaction:
    if request.to is None and len(request.data) > INIT_CODE_BYTES_MAX:
        raise InvalidTransaction(
            TransactionReason.INIT_CODE_SIZE,
            f"max initcode size exceeded: code size {len(request.data)}, limit {INIT_CODE_BYTES_MAX}",
            size=len(request.data), limit=INIT_CODE_BYTES_MAX,
        )  # fmt: skip
    if request.to is None and request.authorizations:
        raise InvalidTransaction(TransactionReason.AUTHORIZATION_LIST, "EIP-7702 transaction cannot be used to create contract")
    authorizations = tuple(
        Authorization(small(a.chain_id), a.address, a.nonce, Signature(a.y_parity, small(a.r), small(a.s))) for a in request.authorizations
    )
    intrinsic, floor = intrinsic_gas_of(request.data, request.to is None, request.access_list, len(authorizations))
    gas, price = state.context.gas_limit, small(request.gas_price)
    return Transaction(
        type=4 if authorizations else 2, chain_id=state.execution_context.chain_id, nonce=state.accounts.get_nonce(request.sender),
        gas_limit=gas if request.gas is None else min(request.gas, gas), max_fee_per_gas=price, max_priority_fee_per_gas=price,
        to=request.to, value=small(request.value), data=request.data, access_list=request.access_list, authorization_list=authorizations,
        signature=Signature(0, 0, 0), signature_offset=0, raw=b"", hash=b"", intrinsic_gas=intrinsic, floor_gas=floor,
    )  # fmt: skip

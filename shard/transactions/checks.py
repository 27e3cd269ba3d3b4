"""The rules a transaction must meet, in geth's words; pool, block building and block import all come through here.

The EVM library accepts several transactions a block must not hold, so nothing reaches it that did not pass both checks.
Source: EIP-155, EIP-1559, EIP-3607, EIP-3860, EIP-7623, EIP-7702; PROTOCOL 1 for chain ids; docs/json-rpc.md for the words.
"""

from __future__ import annotations

from primitives.errors import InvalidTransaction, TransactionReason
from shard.transactions.model import INIT_CODE_BYTES_MAX, Transaction


def check_stateless(transaction: Transaction, *, chain_id: int, chain_id_base: int, shard_count: int, block_gas_limit: int) -> None:
    """Checks everything that needs no account and no base fee.

    Args:
        transaction: as decoded, so its field bounds and size hold already.
        chain_id: of the shard it was sent to.
        chain_id_base: chain id of shard 0; with `shard_count`, tells a user which other shard a transaction was signed for.
        shard_count: shards of the network.
        block_gas_limit: gas.

    Raises:
        InvalidTransaction: WRONG_CHAIN_ID, INIT_CODE_SIZE, GAS_LIMIT, TIP_ABOVE_FEE, FEE_OVERFLOW, INTRINSIC_GAS or
            AUTHORIZATION_LIST.
    """
    if transaction.chain_id != chain_id:
        raise _wrong_chain(transaction.chain_id, chain_id, chain_id_base, shard_count)
    if transaction.gas_limit > block_gas_limit:
        raise InvalidTransaction(TransactionReason.GAS_LIMIT, "exceeds block gas limit", gas=transaction.gas_limit, limit=block_gas_limit)
    fee, tip = transaction.max_fee_per_gas, transaction.max_priority_fee_per_gas
    if tip > fee:
        raise InvalidTransaction(
            TransactionReason.TIP_ABOVE_FEE,
            f"max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: {tip}, maxFeePerGas: {fee}",
            max_priority_fee_per_gas=tip,
            max_fee_per_gas=fee,
        )
    # With the value it may exceed 256 bits all the same: no balance can pay that, so it fails for want of funds.
    if transaction.gas_limit * fee >= 2**256:
        raise InvalidTransaction(TransactionReason.FEE_OVERFLOW, "gas limit * max fee per gas exceeds 256 bits")
    _check_contents(transaction)


def _wrong_chain(have: int | None, want: int, base: int, shard_count: int) -> InvalidTransaction:
    if have is None:
        return InvalidTransaction(
            TransactionReason.WRONG_CHAIN_ID,
            "only replay-protected (EIP-155) transactions allowed: this one names no chain id and could be repeated on every shard; "
            f"sign it for chain id {want}",
            want=want,
        )
    message = f"invalid chain id for signer: have {have} want {want}"
    if base <= have < base + shard_count:
        message += f" (chain id {have} is shard {have - base} of this network: send it there, or sign it for chain id {want})"
    elif have == base + shard_count:
        message += f" (chain id {have} is the beacon chain of this network, which takes no transactions: sign it for chain id {want})"
    return InvalidTransaction(TransactionReason.WRONG_CHAIN_ID, message, have=have, want=want)


def _check_contents(transaction: Transaction) -> None:
    if transaction.to is None and len(transaction.data) > INIT_CODE_BYTES_MAX:
        size = len(transaction.data)
        raise InvalidTransaction(
            TransactionReason.INIT_CODE_SIZE,
            f"max initcode size exceeded: code size {size}, limit {INIT_CODE_BYTES_MAX}",
            size=size,
            limit=INIT_CODE_BYTES_MAX,
        )
    if transaction.type == 4:
        if transaction.to is None:
            raise InvalidTransaction(TransactionReason.AUTHORIZATION_LIST, "EIP-7702 transaction cannot be used to create contract")
        if not transaction.authorization_list:
            raise InvalidTransaction(TransactionReason.AUTHORIZATION_LIST, "EIP-7702 transaction with empty auth list")
    check_intrinsic_gas(transaction)


def check_intrinsic_gas(transaction: Transaction) -> None:
    """Whether the gas limit pays for what is due before any code runs.

    Raises:
        InvalidTransaction: INTRINSIC_GAS.
    """
    needed = max(transaction.intrinsic_gas, transaction.floor_gas)
    if transaction.gas_limit < needed:
        raise InvalidTransaction(
            TransactionReason.INTRINSIC_GAS,
            f"intrinsic gas too low: gas {transaction.gas_limit}, minimum needed {needed}",
            gas=transaction.gas_limit,
            needed=needed,
        )


def check_fee(fee: int, base_fee: int) -> None:
    """Whether a max fee pays a block's base fee, both wei a gas.

    Raises:
        InvalidTransaction: FEE_BELOW_BASE.
    """
    if fee < base_fee:
        raise InvalidTransaction(
            TransactionReason.FEE_BELOW_BASE,
            f"max fee per gas less than block base fee: maxFeePerGas: {fee}, baseFee: {base_fee}",
            max_fee_per_gas=fee,
            base_fee=base_fee,
        )


def check_funds(transaction: Transaction, balance: int) -> None:
    """Whether a balance (wei) covers all that a transaction may cost.

    Raises:
        InvalidTransaction: INSUFFICIENT_FUNDS.
    """
    if transaction.cost > balance:
        raise insufficient_funds(transaction, balance)


def check_against_account(
    transaction: Transaction,
    *,
    nonce: int,
    balance: int,
    sender_has_code: bool,
    base_fee: int,
    allow_nonce_gap: bool = False,
    allow_fee_below_base: bool = False,
) -> None:
    """Checks a transaction against its sender's account and a block's base fee.

    Args:
        transaction: past `check_stateless`.
        nonce: the sender's next nonce.
        balance: the sender's, wei.
        sender_has_code: code other than an EIP-7702 delegation.
        base_fee: of the block it would be in, wei a gas.
        allow_nonce_gap: a nonce above the next one waits (the pool) instead of being refused (a block).
        allow_fee_below_base: a max fee below the base fee waits (the pool) instead of being refused (a block).

    Raises:
        InvalidTransaction: NONCE_TOO_LOW, NONCE_TOO_HIGH, SENDER_HAS_CODE, FEE_BELOW_BASE or INSUFFICIENT_FUNDS.
    """
    if transaction.nonce < nonce:
        raise nonce_too_low(transaction, nonce)
    if transaction.nonce > nonce and not allow_nonce_gap:
        raise InvalidTransaction(
            TransactionReason.NONCE_TOO_HIGH,
            f"nonce too high: next nonce {nonce}, tx nonce {transaction.nonce}",
            next_nonce=nonce,
            nonce=transaction.nonce,
        )
    if sender_has_code:
        raise InvalidTransaction(TransactionReason.SENDER_HAS_CODE, "sender not an eoa: the account holds a contract (EIP-3607)")
    if not allow_fee_below_base:
        check_fee(transaction.max_fee_per_gas, base_fee)
    check_funds(transaction, balance)


def nonce_too_low(transaction: Transaction, nonce: int) -> InvalidTransaction:
    """The error for a nonce below the sender's next one."""
    return InvalidTransaction(
        TransactionReason.NONCE_TOO_LOW,
        f"nonce too low: next nonce {nonce}, tx nonce {transaction.nonce}",
        next_nonce=nonce,
        nonce=transaction.nonce,
    )


def insufficient_funds(transaction: Transaction, balance: int) -> InvalidTransaction:
    """The error for a balance (wei) below what the transaction may cost."""
    cost = transaction.cost
    return InvalidTransaction(
        TransactionReason.INSUFFICIENT_FUNDS,
        f"insufficient funds for gas * price + value: balance {balance}, tx cost {cost}, overshot {cost - balance}",
        balance=balance,
        cost=cost,
        overshot=cost - balance,
    )

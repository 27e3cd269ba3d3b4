"""The transaction as a value, and what it pays before its first instruction."""

from __future__ import annotations

from dataclasses import dataclass

AccessList = tuple[tuple[bytes, tuple[bytes, ...]], ...]
"""EIP-2930: (address, storage keys) pairs, in the order sent."""

TRANSACTION_GAS = 21_000
CREATION_GAS = 32_000
ZERO_BYTE_TOKENS, NONZERO_BYTE_TOKENS = 1, 4
TOKEN_GAS = 4
"""Gas of a token of data: 4 a zero byte, 16 any other (EIP-2028)."""
FLOOR_TOKEN_GAS = 10
"""Least gas of a token of data, whatever execution uses (EIP-7623)."""
INIT_CODE_WORD_GAS = 2
INIT_CODE_BYTES_MAX = 49_152
"""EIP-3860."""
ACCESS_ADDRESS_GAS, ACCESS_KEY_GAS = 2_400, 1_900
AUTHORIZATION_GAS = 25_000
"""EIP-7702, PER_EMPTY_ACCOUNT_COST."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A secp256k1 signature that can be recovered."""

    y_parity: int
    """0 or 1 on a transaction; an authorization may carry any byte."""
    r: int
    s: int


@dataclass(frozen=True, slots=True)
class Authorization:
    """A signed delegation of an account to code (EIP-7702); a false one is skipped by execution, it does not spoil its transaction."""

    chain_id: int
    """0: valid on every chain."""
    address: bytes
    """Whose code the signer takes on."""
    nonce: int
    signature: Signature


@dataclass(frozen=True, slots=True)
class Transaction:
    """A user transaction of type 0, 1, 2 or 4, decoded and within its field bounds; `decode_transaction` makes it."""

    type: int
    chain_id: int | None
    """None: signed before EIP-155, for any chain; this network refuses it."""
    nonce: int
    gas_limit: int
    max_fee_per_gas: int
    """Wei a gas; the gas price on types 0 and 1."""
    max_priority_fee_per_gas: int
    """Wei a gas; the gas price on types 0 and 1."""
    to: bytes | None
    """None creates a contract."""
    value: int
    """Wei."""
    data: bytes
    access_list: AccessList
    authorization_list: tuple[Authorization, ...]
    signature: Signature
    signature_offset: int
    """Where in `raw` the first signature field starts."""
    raw: bytes
    """Signed bytes as received (EIP-2718)."""
    hash: bytes
    """Keccak of `raw`."""
    intrinsic_gas: int
    """What the transaction costs before its first instruction."""
    floor_gas: int
    """The least it is charged (EIP-7623)."""

    @property
    def is_impersonated(self) -> bool:
        """Whether it has no signature, but names its sender in place of r; `decode_transaction` takes such where it is told to."""
        return self.signature.s == 0

    @property
    def cost(self) -> int:
        """Wei the sender must own: gas limit x max fee + value."""
        return self.gas_limit * self.max_fee_per_gas + self.value

    def effective_tip(self, base_fee: int) -> int:
        """Wei a gas that reach the proposer at `base_fee` (EIP-1559); negative when the max fee is below it."""
        return min(self.max_priority_fee_per_gas, self.max_fee_per_gas - base_fee)


def intrinsic_gas_of(data: bytes, is_creation: bool, access_list: AccessList, authorizations: int) -> tuple[int, int]:
    """(intrinsic gas, EIP-7623 floor) of a transaction.

    Source: EIP-2028, EIP-2930, EIP-3860, EIP-7702, EIP-7623.
    """
    zeros = data.count(0)
    tokens = zeros * ZERO_BYTE_TOKENS + (len(data) - zeros) * NONZERO_BYTE_TOKENS
    gas = TRANSACTION_GAS + tokens * TOKEN_GAS + authorizations * AUTHORIZATION_GAS
    if is_creation:
        gas += CREATION_GAS + (len(data) + 31) // 32 * INIT_CODE_WORD_GAS
    for _, keys in access_list:
        gas += ACCESS_ADDRESS_GAS + len(keys) * ACCESS_KEY_GAS
    return gas, TRANSACTION_GAS + tokens * FLOOR_TOKEN_GAS

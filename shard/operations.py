"""What a developer may do to an account of a network of its own: ordinary transactions that the engine itself carries out.

An operation is a transaction from the developer account to itself, whose data is the ABI encoding of one of `_FORMS`. Nobody has
that account's key: such transactions are not signed (`Transaction.is_impersonated`), and valid only where genesis grants
`developer_controls`. A balance that is set is taken from the developer account or goes to it, so that no wei comes out of nothing
(docs/decisions/0015).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from eth_abi import decode as abi_decode
from eth_abi import encode as abi_encode
from eth_abi.exceptions import DecodingError, InsufficientDataBytes

from primitives.genesis import GenesisAccount
from primitives.hashing import keccak256
from primitives.parameters import Parameters
from shard.contracts import BEACON_ROOTS, BLOCK_HASHES, DEVELOPER, INBOX, OUTBOX, SYSTEM_ADDRESS

BANK_WEI = 10**30
"""What the developer account of each shard holds in genesis: a million million coins."""
CODE_BYTES_MAX = 24_576
"""EIP-170."""
NONCE_MAX = 2**64 - 2
"""EIP-2681."""
BUILT_IN_MAX = 0x11
"""Highest address of a precompiled contract in Prague (EIP-2537)."""
PROTECTED = frozenset({OUTBOX, INBOX, BEACON_ROOTS, BLOCK_HASHES, SYSTEM_ADDRESS, DEVELOPER})
"""Accounts on which the supply of all shards rests, or that stand for the protocol: nobody acts as they do, or changes them."""


class OperationKind(StrEnum):
    """What an operation sets."""

    BALANCE = "setBalance"
    NONCE = "setNonce"
    CODE = "setCode"
    STORAGE = "setStorageAt"


_FORMS = {
    OperationKind.BALANCE: ("address", "uint256"),
    OperationKind.NONCE: ("address", "uint64"),
    OperationKind.CODE: ("address", "bytes"),
    OperationKind.STORAGE: ("address", "uint256", "uint256"),
}
_SELECTORS = {kind: keccak256(f"{kind}({','.join(form)})".encode())[:4] for kind, form in _FORMS.items()}
_KINDS = {selector: kind for kind, selector in _SELECTORS.items()}


@dataclass(frozen=True, slots=True)
class Operation:
    """One change of one account."""

    kind: OperationKind
    address: bytes
    value: int = 0
    """Wei, the nonce, or the word of storage."""
    slot: int = 0
    code: bytes = b""

    def encode(self) -> bytes:
        """The transaction's data."""
        last: dict[OperationKind, tuple[object, ...]] = {
            OperationKind.BALANCE: (self.value,), OperationKind.NONCE: (self.value,), OperationKind.CODE: (self.code,),
            OperationKind.STORAGE: (self.slot, self.value),
        }  # fmt: skip
        return _SELECTORS[self.kind] + abi_encode(_FORMS[self.kind], (self.address, *last[self.kind]))


def decode_operation(data: bytes) -> Operation | None:
    """The operation that a transaction's data is; None where it is none."""
    kind = _KINDS.get(data[:4])
    if kind is None:
        return None
    try:
        named, *rest = abi_decode(_FORMS[kind], data[4:])
    except (DecodingError, InsufficientDataBytes, OverflowError):
        return None
    values: list[Any] = rest
    address = bytes.fromhex(named[2:])
    if kind is OperationKind.CODE:
        return Operation(kind, address, code=values[0])
    if kind is OperationKind.STORAGE:
        return Operation(kind, address, values[1], slot=values[0])
    return Operation(kind, address, values[0])


def is_operation(sender: bytes, to: bytes | None) -> bool:
    """Whether a transaction is an operation, by whom it goes from and to."""
    return sender == to == DEVELOPER


def is_protected(address: bytes) -> bool:
    """Whether an account is no developer's to change or to act as."""
    return address in PROTECTED or 0 < int.from_bytes(address, "big") <= BUILT_IN_MAX


def complaint_about(operation: Operation, *, nonce: int, balance: int, is_empty: bool, bank: int) -> str:
    """Why an operation cannot be done, as a sentence; empty where it can.

    Args:
        operation: to be done.
        nonce: of its account.
        balance: of its account, wei.
        is_empty: whether its account is (EIP-161).
        bank: balance of the developer account, wei.
    """
    who = f"0x{operation.address.hex()}"
    if is_protected(operation.address):
        return f"{who} belongs to the protocol: leave it as it is"
    match operation.kind:
        case OperationKind.BALANCE if operation.value - balance > bank:
            return f"the developer account has {bank} wei left on this shard, not the {operation.value - balance} that {who} would get"
        case OperationKind.NONCE if operation.value < nonce:
            return f"the nonce of {who} is {nonce} already, and one it had would make old transactions valid again: choose a higher one"
        case OperationKind.NONCE if operation.value > NONCE_MAX:
            return f"nonce {operation.value} is above the last one, {NONCE_MAX}"
        case OperationKind.CODE if len(operation.code) > CODE_BYTES_MAX:
            return f"{len(operation.code)} bytes of code are more than the {CODE_BYTES_MAX} that an account can have"
        case OperationKind.STORAGE if is_empty:
            return f"{who} is an empty account, which has no storage: give it code, a nonce or a balance first"
    return ""


def developer_account(parameters: Parameters) -> tuple[GenesisAccount, ...]:
    """The account in genesis, where there is one."""
    return (GenesisAccount(address=DEVELOPER, balance=BANK_WEI),) if parameters.developer_controls else ()

"""Who signed: senders of transactions and authorities of EIP-7702 authorizations.

Recovery runs in libsecp256k1 with the interpreter lock released, so callers may spread it over threads.
"""

from __future__ import annotations

from coincurve import PublicKey

from primitives.errors import InvalidTransaction, TransactionReason
from primitives.hashing import keccak256
from primitives.types import Address, Root
from shard.contracts import DEVELOPER
from shard.operations import PROTECTED
from shard.transactions import rlp
from shard.transactions.decoding import NONCE_MAX, SECP256K1_ORDER
from shard.transactions.model import Authorization, Signature, Transaction

UNIMPERSONATED = PROTECTED - {DEVELOPER}
"""Accounts that no transaction comes from, with a signature or without."""
AUTHORIZATION_DOMAIN = b"\x05"


def signing_hash(transaction: Transaction) -> Root:
    """What the sender signed: the wire bytes up to the signature, under a list header of their own (EIP-155, EIP-2718)."""
    raw, kind = transaction.raw, transaction.type
    start = _payload_start(raw, 1 if kind else 0)
    payload = raw[start : transaction.signature_offset]
    if kind:
        return keccak256(raw[:1] + rlp.encode_list(payload))
    if transaction.chain_id is not None:
        payload += rlp.encode_number(transaction.chain_id) + b"\x80\x80"
    return keccak256(rlp.encode_list(payload))


def _payload_start(raw: bytes, at: int) -> int:
    return at + 1 if raw[at] < 0xF8 else at + 1 + raw[at] - 0xF7


def _recover(message: bytes, signature: Signature) -> Address | None:
    encoded = signature.r.to_bytes(32, "big") + signature.s.to_bytes(32, "big") + bytes([signature.y_parity])
    try:
        key = PublicKey.from_signature_and_message(encoded, message, hasher=None)
    except (ValueError, RuntimeError):
        return None
    return Address(keccak256(key.format(compressed=False)[1:])[12:])


def recover_sender(transaction: Transaction) -> Address:
    """The account that signed `transaction`; about 45 us, mostly without the interpreter lock.

    Of a transaction without a signature it is the account it names (`Transaction.is_impersonated`).

    Raises:
        InvalidTransaction: BAD_SIGNATURE when no key gives this signature, or the account named stands for the protocol.
    """
    if transaction.is_impersonated:
        named = Address(transaction.signature.r.to_bytes(20, "big"))
        if named in UNIMPERSONATED:
            raise InvalidTransaction(TransactionReason.BAD_SIGNATURE, f"invalid sender: nobody acts as 0x{named.hex()}")
        return named
    sender = _recover(signing_hash(transaction), transaction.signature)
    if sender is None:
        raise InvalidTransaction(TransactionReason.BAD_SIGNATURE, "invalid sender: no key gives this signature")
    return sender


def recover_authority(authorization: Authorization) -> Address | None:
    """The account that signed `authorization`; None when the signature or the nonce makes it void (EIP-7702, behaviour 3)."""
    signature = authorization.signature
    if signature.y_parity > 1 or not 0 < signature.r < SECP256K1_ORDER or not 0 < signature.s <= SECP256K1_ORDER // 2:
        return None
    if authorization.nonce > NONCE_MAX:
        return None
    payload = rlp.encode_number(authorization.chain_id) + rlp.encode_text(authorization.address) + rlp.encode_number(authorization.nonce)
    return _recover(keccak256(AUTHORIZATION_DOMAIN + rlp.encode_list(payload)), signature)

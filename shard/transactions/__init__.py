"""User transactions: decoding, senders, and the one set of checks that pool, block building and block import share."""

from shard.transactions.checks import check_against_account, check_stateless
from shard.transactions.decoding import decode_transaction, read_transaction
from shard.transactions.encoding import encode_impersonated
from shard.transactions.model import AccessList, Authorization, Signature, Transaction
from shard.transactions.signatures import recover_authority, recover_sender, signing_hash

__all__ = [
    "AccessList",
    "Authorization",
    "Signature",
    "Transaction",
    "check_against_account",
    "check_stateless",
    "decode_transaction",
    "encode_impersonated",
    "read_transaction",
    "recover_authority",
    "recover_sender",
    "signing_hash",
]

"""Transactions signed by eth-account, an implementation that shares no code with ours."""

from eth_account import Account

from shard.transactions import Transaction, decode_transaction

CHAIN_ID = 735_700
SIGNER = Account.from_key(b"\x11" * 32)
OTHER = Account.from_key(b"\x22" * 32)
TO = "0x" + "12" * 20


def fields(kind: int, **changes):
    """A valid transaction of one type as eth-account takes it; None removes a field."""
    base = {"chainId": CHAIN_ID, "nonce": 7, "gas": 100_000, "to": TO, "value": 5, "data": b"\0\1\2"}
    if kind == 0:
        base |= {"gasPrice": 30}
    elif kind == 1:
        base |= {"type": 1, "gasPrice": 30, "accessList": [{"address": TO, "storageKeys": ["0x" + "00" * 32, "0x" + "01" * 32]}]}
    else:
        base |= {"type": kind, "maxFeePerGas": 30, "maxPriorityFeePerGas": 3, "accessList": []}
    if kind == 4:
        base |= {"authorizationList": [OTHER.sign_authorization({"chainId": CHAIN_ID, "address": TO, "nonce": 0})]}
    return {key: value for key, value in (base | changes).items() if value is not None}


def signed(kind: int, signer=SIGNER, **changes) -> bytes:
    return bytes(signer.sign_transaction(fields(kind, **changes)).raw_transaction)


def transaction(kind: int = 2, signer=SIGNER, **changes) -> Transaction:
    return decode_transaction(signed(kind, signer, **changes))

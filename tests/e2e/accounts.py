"""Wallets and small contracts for the tests, in hand-made bytecode."""

from __future__ import annotations

from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address

from node.cluster.accounts import TEST_ACCOUNTS
from node.cluster.client import Client

GWEI = 10**9
LOG_TOPIC = 0x2A
KEEPER_INIT = "0x601b8060095f395ff3" + "36600c575f545f5260205ff35b5f35805f555f52602a60205fa100"
"""Called with a word: stores it and logs it under LOG_TOPIC. Called without data: returns what it stores."""
LOOP_INIT = "0x625b5f565f526003601df3"
"""JUMPDEST PUSH0 JUMP, for ever."""


def known_account(index: int) -> LocalAccount:
    account: LocalAccount = Account.from_key(TEST_ACCOUNTS[index].key)
    return account


def new_account() -> LocalAccount:
    account: LocalAccount = Account.create()
    return account


def sign(account: LocalAccount, chain_id: int, nonce: int, **fields: Any) -> str:
    """A signed transfer unless the fields say otherwise."""
    wanted: dict[str, Any] = {
        "chainId": chain_id, "nonce": nonce, "value": 0, "gas": 21_000,
        "maxFeePerGas": 20 * GWEI, "maxPriorityFeePerGas": GWEI,
    } | fields  # fmt: skip
    if "to" in wanted:
        wanted["to"] = to_checksum_address(wanted["to"])
    return "0x" + account.sign_transaction(wanted).raw_transaction.hex().removeprefix("0x")


def next_nonce(client: Client, account: LocalAccount) -> int:
    return int(client.call("eth_getTransactionCount", account.address, "pending"), 16)

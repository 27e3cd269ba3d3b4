"""TransactionTests of ethereum/tests, through our decoding, recovery and stateless checks."""

from __future__ import annotations

import dataclasses
import json
from functools import partial
from typing import Any

from primitives.errors import InvalidTransaction
from shard.transactions import Transaction, check_stateless, decode_transaction, recover_sender
from tests.conformance.cases import VECTORS, Case

MAINNET = {"chain_id": 1, "chain_id_base": 735_700, "shard_count": 2, "block_gas_limit": 2**64}


def accept(raw: bytes) -> Transaction:
    """All stateless rules but the one that this network adds: no signature without a chain id."""
    transaction = decode_transaction(raw)
    recover_sender(transaction)
    protected = dataclasses.replace(transaction, chain_id=1) if transaction.chain_id is None else transaction
    check_stateless(protected, **MAINNET)
    return transaction


def expected(case: dict[str, Any]) -> dict[str, str]:
    """The expectation of the latest fork that there is one of."""
    results = case["result"]
    found: dict[str, str] = results.get("Prague") or results.get("Cancun") or results["Shanghai"]
    return found


def _check(case: dict[str, Any]) -> None:
    raw, wanted = bytes.fromhex(case["txbytes"][2:]), expected(case)
    if "exception" in wanted:
        try:
            accept(raw)
        except InvalidTransaction:
            return
        raise AssertionError(f"accepted, though {wanted['exception']}")
    transaction = accept(raw)
    assert "0x" + transaction.hash.hex() == wanted["hash"]
    assert "0x" + recover_sender(transaction).hex() == wanted["sender"]
    assert transaction.intrinsic_gas == int(wanted["intrinsicGas"], 16)


def vectors() -> list[tuple[str, dict[str, Any]]]:
    """(folder and name, vector), all there are."""
    files = sorted((VECTORS / "transaction_tests").glob("*/*.json"))
    return [(f"{path.parent.name}/{name}", case) for path in files for name, case in json.loads(path.read_text()).items()]


def cases() -> list[Case]:
    """One a vector."""
    return [Case(name, partial(_check, case)) for name, case in vectors()]

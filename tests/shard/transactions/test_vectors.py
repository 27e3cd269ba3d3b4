"""Every TransactionTests vector of ethereum/tests."""

import dataclasses
import json
from pathlib import Path

import pytest

from primitives.errors import InvalidTransaction, TransactionReason
from shard.transactions import Transaction, check_stateless, decode_transaction, recover_sender

FILES = sorted((Path(__file__).parents[2] / "vectors" / "transaction_tests").glob("*/*.json"))
CASES = [(name, case) for path in FILES for name, case in json.loads(path.read_text()).items()]
MAINNET = {"chain_id": 1, "chain_id_base": 735_700, "shard_count": 2, "block_gas_limit": 2**64}
EXPECTED_COUNT = 134
BEFORE_PRAGUE = {"DataTestSufficientGas2028"}
"""Expected to be valid up to Cancun; EIP-7623's floor makes it fall short, and so it is with us."""


def expected(case) -> dict[str, str]:
    results = case["result"]
    return results.get("Prague") or results.get("Cancun") or results["Shanghai"]


def is_valid(name: str, case) -> bool:
    return "exception" not in expected(case) and name not in BEFORE_PRAGUE


def accept(raw: bytes) -> Transaction:
    """All stateless rules, with the one that this network adds (no signature without a chain id) looked at separately below."""
    transaction = decode_transaction(raw)
    recover_sender(transaction)
    protected = dataclasses.replace(transaction, chain_id=1) if transaction.chain_id is None else transaction
    check_stateless(protected, **MAINNET)
    return transaction


def test_all_vectors_are_here() -> None:
    assert len(CASES) == EXPECTED_COUNT


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES if is_valid(name, case)])
def test_valid(case) -> None:
    transaction = accept(bytes.fromhex(case["txbytes"][2:]))
    assert "0x" + transaction.hash.hex() == expected(case)["hash"]
    assert "0x" + recover_sender(transaction).hex() == expected(case)["sender"]
    assert transaction.intrinsic_gas == int(expected(case)["intrinsicGas"], 16)


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES if not is_valid(name, case)])
def test_invalid(case) -> None:
    with pytest.raises(InvalidTransaction):
        accept(bytes.fromhex(case["txbytes"][2:]))


def test_exceptions_have_no_later_expectation() -> None:
    for name, case in CASES:
        if name in BEFORE_PRAGUE:
            assert "Prague" not in case["result"]
            with pytest.raises(InvalidTransaction) as caught:
                accept(bytes.fromhex(case["txbytes"][2:]))
            assert caught.value.reason is TransactionReason.INTRINSIC_GAS


def test_unprotected_signatures_are_refused_here() -> None:
    unprotected = []
    for _, case in CASES:
        if "exception" in expected(case):
            continue
        transaction = decode_transaction(bytes.fromhex(case["txbytes"][2:]))
        if transaction.chain_id is None:
            unprotected.append(transaction)
    assert unprotected
    for transaction in unprotected:
        with pytest.raises(InvalidTransaction) as caught:
            check_stateless(transaction, **MAINNET)
        assert caught.value.reason is TransactionReason.WRONG_CHAIN_ID

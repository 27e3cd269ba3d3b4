"""What the public transaction tests say of a rule that only this network has; tests/conformance runs them for all others."""

import pytest

from primitives.errors import InvalidTransaction, TransactionReason
from shard.transactions import check_stateless, decode_transaction
from tests.conformance.transactions import MAINNET, accept, expected, vectors


def test_too_little_gas_since_prague() -> None:
    case = dict(vectors())["ttEIP2028/DataTestSufficientGas2028"]
    assert "Prague" not in case["result"]
    with pytest.raises(InvalidTransaction) as caught:
        accept(bytes.fromhex(case["txbytes"][2:]))
    assert caught.value.reason is TransactionReason.INTRINSIC_GAS


def test_unprotected_signatures_are_refused_here() -> None:
    unprotected = []
    for _, case in vectors():
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

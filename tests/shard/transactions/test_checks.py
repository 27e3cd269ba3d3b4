import dataclasses

import pytest

from primitives.errors import InvalidTransaction, TransactionReason
from shard.transactions import check_against_account, check_stateless, recover_sender
from tests.shard.transactions.signing import CHAIN_ID, SIGNER, TO, transaction

R = TransactionReason
RULES = {"chain_id": CHAIN_ID, "chain_id_base": CHAIN_ID, "shard_count": 3, "block_gas_limit": 30_000_000}


def stateless_refusal(tx, **rules) -> InvalidTransaction:
    with pytest.raises(InvalidTransaction) as caught:
        check_stateless(tx, **(RULES | rules))
    return caught.value


@pytest.mark.parametrize("kind", [0, 1, 2, 4])
def test_a_good_one_passes(kind) -> None:
    check_stateless(transaction(kind), **RULES)


def test_wrong_chain_id_in_geths_words() -> None:
    error = stateless_refusal(transaction(chainId=1))
    assert (error.reason, error.message) == (R.WRONG_CHAIN_ID, f"invalid chain id for signer: have 1 want {CHAIN_ID}")


def test_wrong_shard_is_named() -> None:
    error = stateless_refusal(transaction(chainId=CHAIN_ID + 2))
    assert error.message.startswith(f"invalid chain id for signer: have {CHAIN_ID + 2} want {CHAIN_ID} (")
    assert "shard 2 of this network" in error.message
    assert error.details == {"have": CHAIN_ID + 2, "want": CHAIN_ID}
    assert "beacon chain" in stateless_refusal(transaction(chainId=CHAIN_ID + 3)).message
    assert "of this network" not in stateless_refusal(transaction(chainId=CHAIN_ID + 4)).message


def test_unprotected_is_refused_though_its_signature_is_good() -> None:
    tx = transaction(0, chainId=None)
    assert tx.chain_id is None
    assert recover_sender(tx) == bytes.fromhex(SIGNER.address[2:])
    error = stateless_refusal(tx)
    assert error.reason is R.WRONG_CHAIN_ID
    assert error.message.startswith("only replay-protected (EIP-155) transactions allowed")


def test_gas_over_the_block() -> None:
    check_stateless(transaction(gas=30_000_000), **RULES)
    error = stateless_refusal(transaction(gas=30_000_001))
    assert (error.reason, error.message) == (R.GAS_LIMIT, "exceeds block gas limit")


def test_tip_above_fee() -> None:
    check_stateless(transaction(maxFeePerGas=5, maxPriorityFeePerGas=5), **RULES)
    error = stateless_refusal(transaction(maxFeePerGas=5, maxPriorityFeePerGas=6))
    assert error.reason is R.TIP_ABOVE_FEE
    assert error.message == "max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: 6, maxFeePerGas: 5"


def test_fee_over_256_bits() -> None:
    at_limit = {"gas": 2**16, "maxPriorityFeePerGas": 0}
    check_stateless(transaction(**at_limit, maxFeePerGas=2**240 - 1, value=2**256 - 1), **RULES)
    assert stateless_refusal(transaction(**at_limit, maxFeePerGas=2**240, value=0)).reason is R.FEE_OVERFLOW
    beyond = transaction(**at_limit, maxFeePerGas=2**240 - 1, value=2**256 - 1)
    assert account_refusal(beyond, balance=2**256 - 1).reason is R.INSUFFICIENT_FUNDS


@pytest.mark.parametrize(
    ("kind", "changes", "needed"),
    [
        (2, {"data": b""}, 21_000),
        (2, {"data": b"\0" * 10}, 21_000 + 10 * 10),
        (2, {"data": b"\1" * 10}, 21_000 + 40 * 10),
        (2, {"data": b"\1" * 32, "to": ""}, 21_000 + 32_000 + 512 + 2),
        (2, {"data": b"\1" * 33, "to": ""}, 21_000 + 32_000 + 528 + 4),
        (1, {"data": b""}, 21_000 + 2_400 + 2 * 1_900),
        (4, {"data": b""}, 21_000 + 25_000),
        (1, {"data": b"\1" * 10}, 21_000 + 2_400 + 2 * 1_900 + 160),
        (1, {"data": b"\1" * 1_000}, 21_000 + 40_000),
    ],
)
def test_intrinsic_and_floor_gas(kind, changes, needed) -> None:
    check_stateless(transaction(kind, gas=needed, **changes), **RULES)
    error = stateless_refusal(transaction(kind, gas=needed - 1, **changes))
    assert error.reason is R.INTRINSIC_GAS
    assert error.message == f"intrinsic gas too low: gas {needed - 1}, minimum needed {needed}"


def test_init_code_size() -> None:
    check_stateless(transaction(to="", data=bytes(49_152), gas=3_000_000), **RULES)
    check_stateless(transaction(to=TO, data=bytes(49_153), gas=3_000_000), **RULES)
    error = stateless_refusal(transaction(to="", data=bytes(49_153), gas=3_000_000))
    assert (error.reason, error.message) == (R.INIT_CODE_SIZE, "max initcode size exceeded: code size 49153, limit 49152")


def test_authorization_rules() -> None:
    assert stateless_refusal(dataclasses.replace(transaction(4), authorization_list=())).reason is R.AUTHORIZATION_LIST
    assert stateless_refusal(dataclasses.replace(transaction(4), to=None)).reason is R.AUTHORIZATION_LIST


ACCOUNT = {"nonce": 7, "balance": 10**9, "sender_has_code": False, "base_fee": 10}


def account_refusal(tx, **changes) -> InvalidTransaction:
    with pytest.raises(InvalidTransaction) as caught:
        check_against_account(tx, **(ACCOUNT | changes))
    return caught.value


def test_a_good_one_passes_its_account() -> None:
    check_against_account(transaction(), **ACCOUNT)


def test_nonces() -> None:
    low = account_refusal(transaction(), nonce=8)
    assert (low.reason, low.message) == (R.NONCE_TOO_LOW, "nonce too low: next nonce 8, tx nonce 7")
    assert account_refusal(transaction(), nonce=8, allow_nonce_gap=True).reason is R.NONCE_TOO_LOW
    assert account_refusal(transaction(), nonce=6).reason is R.NONCE_TOO_HIGH
    check_against_account(transaction(), **(ACCOUNT | {"nonce": 6}), allow_nonce_gap=True)


def test_funds_are_for_the_worst_case() -> None:
    cost = 100_000 * 30 + 5
    check_against_account(transaction(), **(ACCOUNT | {"balance": cost}))
    error = account_refusal(transaction(), balance=cost - 2)
    assert error.reason is R.INSUFFICIENT_FUNDS
    assert error.message == f"insufficient funds for gas * price + value: balance {cost - 2}, tx cost {cost}, overshot 2"
    assert error.details == {"balance": cost - 2, "cost": cost, "overshot": 2}


def test_a_contract_does_not_send() -> None:
    assert account_refusal(transaction(), sender_has_code=True).reason is R.SENDER_HAS_CODE


def test_fee_below_base() -> None:
    check_against_account(transaction(), **(ACCOUNT | {"base_fee": 30}))
    error = account_refusal(transaction(), base_fee=31)
    assert error.reason is R.FEE_BELOW_BASE
    assert error.message == "max fee per gas less than block base fee: maxFeePerGas: 30, baseFee: 31"
    check_against_account(transaction(), **(ACCOUNT | {"base_fee": 31}), allow_fee_below_base=True)


def test_effective_tip() -> None:
    tx = transaction(maxFeePerGas=30, maxPriorityFeePerGas=3)
    assert [tx.effective_tip(base) for base in (0, 27, 28, 30, 31)] == [3, 3, 2, 0, -1]

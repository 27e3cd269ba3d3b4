"""Accounts whose transactions need no signature."""

import pytest

from node.impersonated import IMPERSONATED_MAX, Impersonated
from primitives.errors import ControlReason, InvalidControl
from shard.contracts import DEVELOPER
from shard.operations import PROTECTED

ALICE, BOB = b"\xaa" * 20, b"\xbb" * 20


def test_who_is_not_impersonated_signs():
    impersonated = Impersonated()
    impersonated.add(ALICE)
    impersonated.require(ALICE)
    with pytest.raises(InvalidControl) as caught:
        impersonated.require(BOB)
    assert caught.value.reason is ControlReason.NOT_IMPERSONATED
    impersonated.everyone = True
    impersonated.require(BOB)
    impersonated.everyone = False
    impersonated.remove(ALICE)
    impersonated.remove(ALICE)
    assert ALICE not in impersonated


@pytest.mark.parametrize("address", [*sorted(PROTECTED), (9).to_bytes(20, "big")])
def test_nobody_acts_as_the_protocol_does(address):
    impersonated = Impersonated()
    with pytest.raises(InvalidControl) as caught:
        impersonated.add(address)
    assert caught.value.reason is ControlReason.IMPOSSIBLE
    impersonated.everyone = True
    assert address not in impersonated
    assert not impersonated.may_send(address, b"\1" * 32)


def test_of_the_developer_account_only_the_node_s_own_order_is_taken():
    impersonated = Impersonated()
    impersonated.everyone = True
    impersonated.operation = b"\1" * 32
    assert impersonated.may_send(DEVELOPER, b"\1" * 32)
    assert not impersonated.may_send(DEVELOPER, b"\2" * 32)
    assert impersonated.may_send(ALICE, b"\2" * 32)


def test_there_is_a_limit():
    impersonated = Impersonated()
    for number in range(IMPERSONATED_MAX):
        impersonated.add((2**32 + number).to_bytes(20, "big"))
    impersonated.add((2**32).to_bytes(20, "big"))
    with pytest.raises(InvalidControl) as caught:
        impersonated.add(ALICE)
    assert caught.value.reason is ControlReason.TOO_MANY_ACCOUNTS

"""Simulated calls: overrides, authorizations and access lists."""

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from primitives.errors import Interrupted, InvalidTransaction, TransactionReason
from primitives.genesis import GenesisAccount
from shard.engine.reference.messages import created_address
from shard.executor.reads import ShardReader
from shard.executor.simulation import Simulator
from shard.views import AccountOverride, CallRequest, SignedAuthorization, big
from tests.shard.executor.support import COINBASE, GWEI, LOOP, RICH, address, make_executor, make_genesis

TWO_SLOTS = b"\x51" * 20
TWO_SLOTS_CODE = bytes.fromhex("5f545f526001546020526040" + "5ff3")
"""Returns the words of slots 0 and 1."""
VISITOR = b"\x52" * 20
VISITOR_CODE = bytes.fromhex(
    "600554"  # SLOAD 5
    + "73" + (b"\x77" * 20).hex() + "31"  # BALANCE of an account
    + "5f5f5f5f5f73" + TWO_SLOTS.hex() + "5af1"  # CALL that succeeds
    + "5f5f5f5f5f73" + (b"\x53" * 20).hex() + "5af1"  # CALL that reverts
    + "5f5f5f5f5f60045af1"  # CALL of a built-in contract
    + "4131"  # BALANCE of the coinbase
    + "00"
)  # fmt: skip
REVERTER = b"\x53" * 20
REVERTER_CODE = bytes.fromhex("600954" + "5f5ffd")
"""SLOAD 9, REVERT."""
POOR = b"\x99" * 20
SIGNER = Account.from_key(b"\x21" * 32)
SENDER = address(0)
AUTHORITY = bytes.fromhex(SIGNER.address[2:])


def word(value):
    return value.to_bytes(32, "big")


def no_meter():
    """Lets all work go on."""


class Chain:
    def __init__(self):
        genesis = make_genesis()
        accounts = [
            GenesisAccount(address=TWO_SLOTS, nonce=1, code=TWO_SLOTS_CODE, storage={0: 10, 1: 11}),
            GenesisAccount(address=VISITOR, nonce=1, code=VISITOR_CODE),
            GenesisAccount(address=REVERTER, nonce=1, code=REVERTER_CODE),
        ]
        self.genesis = genesis.model_copy(update={"accounts": (*genesis.accounts, *accounts)})
        self.executor = make_executor(self.genesis)
        self.simulator = Simulator(self.executor, ShardReader(self.executor))

    def call(self, to, data=b"", sender=SENDER, **more):
        return self.simulator.call("latest", request(to, data, sender, **more), no_meter)

    def accesses(self, to, data=b"", **more):
        found = self.simulator.create_access_list("latest", request(to, data, address(0), **more), no_meter)
        return dict(found.access_list), found.outcome


def request(to, data=b"", sender=SENDER, gas=None, price=0, value=0, **more):
    return CallRequest(sender, to, gas, big(price), big(value), data, **more)


@pytest.fixture(scope="module")
def chain():
    return Chain()


def test_without_overrides_state_is_what_it_is(chain):
    assert chain.call(TWO_SLOTS).output == word(10) + word(11)


@pytest.mark.parametrize(("is_whole", "words"), [(False, (10, 21)), (True, (0, 21))])
def test_some_or_all_of_a_storage(chain, is_whole, words):
    override = AccountOverride(TWO_SLOTS, words=((word(1), word(21)),), is_whole_storage=is_whole)
    assert chain.call(TWO_SLOTS, overrides=(override,)).output == word(words[0]) + word(words[1])
    assert chain.call(TWO_SLOTS).output == word(10) + word(11)


def test_storage_of_an_account_that_is_not_there(chain):
    override = AccountOverride(POOR, code=TWO_SLOTS_CODE, words=((word(0), word(7)),), is_whole_storage=True)
    assert chain.call(POOR, overrides=(override,)).output == word(7) + word(0)
    assert chain.call(POOR).output == b""


def test_code_is_replaced_or_taken_away(chain):
    assert chain.call(TWO_SLOTS, overrides=(AccountOverride(TWO_SLOTS, code=b""),)).output == b""
    answer = bytes.fromhex("602a5f5260205ff3")
    assert chain.call(LOOP, overrides=(AccountOverride(LOOP, code=answer),)).output == word(42)


def test_a_balance_pays_value_and_gas(chain):
    with pytest.raises(InvalidTransaction) as refused:
        chain.call(TWO_SLOTS, sender=POOR, value=5)
    assert refused.value.reason is TransactionReason.INSUFFICIENT_FUNDS
    rich = (AccountOverride(POOR, balance=big(RICH)),)
    assert chain.call(TWO_SLOTS, sender=POOR, value=5, price=GWEI, gas=100_000, overrides=rich).success
    with pytest.raises(InvalidTransaction):
        chain.call(TWO_SLOTS, value=5, overrides=(AccountOverride(address(0), balance=b""),))


def test_more_wei_than_there_can_be_wraps(chain):
    overrides = (AccountOverride(TWO_SLOTS, balance=big(2**256 - 1), code=bytes.fromhex("475f5260205ff3")),)
    assert chain.call(TWO_SLOTS, value=3, overrides=overrides).output == word(2)


PARTS = ("5f5f5f5f6001335af1", "5f5f6001f0", "33ff", "47315f55", "6001335af4", "5f545f55")
CODES = st.lists(st.one_of(st.binary(min_size=1, max_size=4), st.sampled_from(list(map(bytes.fromhex, PARTS)))), max_size=12).map(b"".join)
NUMBERS = st.one_of(st.integers(0, 3), st.integers(2**64 - 2, 2**64 - 1))
WEI = st.one_of(st.none(), st.integers(0, 3), st.integers(2**256 - 3, 2**256 - 1))


@settings(max_examples=300)
@given(CODES, st.tuples(WEI, WEI, WEI), NUMBERS, st.integers(0, 2), st.booleans())
def test_whatever_is_overridden_ends_in_an_outcome_or_a_typed_error(chain, code, balances, nonce, value, is_creation):
    steps = iter(range(200))

    def meter():
        if next(steps, None) is None:
            raise Interrupted("call_deadline_ms")

    overrides = tuple(
        AccountOverride(at, None if wei is None else big(wei), nonce, code, ((word(0), word(2**256 - 1)),), bool(value))
        for at, wei in zip((TWO_SLOTS, SENDER, COINBASE), balances, strict=True)
    )
    wanted = request(None if is_creation else TWO_SLOTS, code, SENDER, 100_000, GWEI * (value > 1), value, overrides=overrides)
    for ask in (chain.simulator.call, chain.simulator.create_access_list, chain.simulator.estimate_gas):
        try:
            ask("latest", wanted, meter)
        except (InvalidTransaction, Interrupted):
            continue


def test_an_estimate_counts_the_balance_it_is_given(chain):
    wanted = request(address(1), sender=POOR, price=GWEI, value=1)
    with pytest.raises(InvalidTransaction):
        chain.simulator.estimate_gas("latest", wanted, no_meter)
    rich = (AccountOverride(POOR, balance=big(22_000 * GWEI + 1)),)
    estimate = chain.simulator.estimate_gas("latest", request(address(1), sender=POOR, price=GWEI, value=1, overrides=rich), no_meter)
    assert estimate.gas == 21_000


def test_a_nonce_decides_where_a_contract_lands(chain):
    own_address = bytes.fromhex("305f5260205ff3")
    for nonce in (0, 6):
        overrides = (AccountOverride(address(0), nonce=nonce),)
        assert chain.call(None, own_address, overrides=overrides).output[12:] == created_address(address(0), nonce)


def signed(chain, code_of, nonce=0):
    chain_id = chain.genesis.parameters.chain_id(0)
    one = SIGNER.sign_authorization({"chainId": chain_id, "address": "0x" + code_of.hex(), "nonce": nonce})
    return SignedAuthorization(big(chain_id), code_of, nonce, one.y_parity, big(one.r), big(one.s))


def test_an_authorization_lets_an_account_run_code(chain):
    assert chain.call(AUTHORITY).output == b""
    ran = chain.call(AUTHORITY, authorizations=(signed(chain, TWO_SLOTS),))
    assert ran.output == word(0) + word(0)
    assert chain.call(AUTHORITY, authorizations=(signed(chain, TWO_SLOTS, nonce=1),)).output == b""
    estimate = chain.simulator.estimate_gas("latest", request(AUTHORITY, authorizations=(signed(chain, TWO_SLOTS),)), no_meter)
    assert estimate.gas >= 46_000


def test_no_authorization_comes_with_a_creation(chain):
    with pytest.raises(InvalidTransaction) as refused:
        chain.call(None, b"\x00", authorizations=(signed(chain, TWO_SLOTS),))
    assert refused.value.reason is TransactionReason.AUTHORIZATION_LIST


def test_an_access_list_has_what_is_not_warm_anyway(chain):
    accessed, outcome = chain.accesses(VISITOR)
    assert accessed == {
        VISITOR: (word(5),), b"\x77" * 20: (), TWO_SLOTS: (word(0), word(1)), REVERTER: (word(9),),
    }  # fmt: skip
    assert outcome.success
    listed = tuple(sorted(accessed.items()))
    assert chain.call(VISITOR, access_list=listed).gas_used == outcome.gas_used
    assert COINBASE not in accessed


def test_what_the_caller_lists_stays_listed(chain):
    accessed, _ = chain.accesses(TWO_SLOTS, access_list=((b"\x66" * 20, (word(3),)), (address(0), ())))
    assert accessed == {b"\x66" * 20: (word(3),), TWO_SLOTS: (word(0), word(1))}


def test_the_access_list_of_a_failing_call(chain):
    accessed, outcome = chain.accesses(REVERTER)
    assert (accessed, outcome.success, outcome.error) == ({REVERTER: (word(9),)}, False, "execution reverted")


def test_new_contracts_and_delegating_accounts_are_not_listed(chain):
    for init_code in ("", "60015ff3"):
        create = bytes.fromhex(f"63{init_code.rjust(8, '0')}5f526004601c5ff000")
        accessed, outcome = chain.accesses(None, create)
        assert (accessed, outcome.success) == ({}, True)
    accessed, _ = chain.accesses(address(1), authorizations=(signed(chain, TWO_SLOTS),))
    assert accessed == {}


def test_an_overridden_contract_is_listed(chain):
    overrides = (AccountOverride(b"\x77" * 20, code=b"\x00"), AccountOverride(address(1), balance=b"\1"))
    accessed, _ = chain.accesses(VISITOR, overrides=overrides)
    assert accessed[b"\x77" * 20] == ()
    assert address(1) not in accessed


def test_overrides_end_at_the_deadline(chain):
    def meter():
        raise Interrupted("call_deadline_ms")

    override = AccountOverride(POOR, words=((word(0), word(1)),))
    with pytest.raises(Interrupted):
        chain.simulator.call("latest", request(address(1), overrides=(override,)), meter)


def test_an_access_list_ends_at_its_deadline(chain):
    def meter():
        raise Interrupted("call_deadline_ms")

    with pytest.raises(Interrupted):
        chain.simulator.create_access_list("latest", request(LOOP), meter)

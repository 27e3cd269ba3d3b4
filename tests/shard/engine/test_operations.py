"""A developer's operations on accounts: done or not, they leave the supply as it was, and run the same again."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primitives.errors import InvalidTransaction, TransactionReason
from primitives.hashing import keccak256
from shard.contracts import DEVELOPER, OUTBOX
from shard.operations import BANK_WEI, CODE_BYTES_MAX, Operation, OperationKind, decode_operation
from shard.transactions import decode_transaction, encode_impersonated, recover_sender
from tests.shard.engine.support import GWEI, RICH, Shard, address

NEW = b"\x77" * 20
CONTRACT = b"\x5c" * 20
K = OperationKind


class Solo(Shard):
    """A shard of a network that a developer has alone."""

    def __init__(self, **parameters):
        super().__init__({CONTRACT: bytes.fromhex("602a5f5260205ff3")}, developer_controls=True, **parameters)

    def impersonated(self, block, sender, to, value=0, data=b"", gas=1_000_000, nonce=None):
        if nonce is None:
            nonce = self.nonces.get(sender, self.engine.account(self.root, sender).nonce)
            self.nonces[sender] = nonce + 1
        raw = encode_impersonated(
            chain_id=self.parameters.chain_id(self.shard), sender=sender, nonce=nonce, fee=3 * GWEI, tip=GWEI, gas=gas, to=to, value=value,
            data=data,
        )
        transaction = decode_transaction(raw, impersonation=True)
        return block.apply(transaction, recover_sender(transaction))

    def operate(self, *operations):
        """A block with these operations; their statuses."""
        before, block = self.root, self.begin()
        outcomes = [self.impersonated(block, DEVELOPER, DEVELOPER, data=o.encode() if isinstance(o, Operation) else o) for o in operations]
        result = self.finish(block)
        self.audit()
        assert result.burned == GWEI * sum(outcome.gas_used for outcome in outcomes)
        # a block that is executed again gives the same
        again = self.engine.begin(before, self._context_before())
        for outcome in outcomes:
            again.apply(decode_transaction(outcome.raw, impersonation=True), outcome.sender)
        assert again.finish().state_root == result.state_root
        return [outcome.status for outcome in outcomes]

    def _context_before(self):
        self.height -= 1
        context = self.context()
        self.height += 1
        return context


def test_a_balance_is_taken_from_the_developer_account_or_given_to_it():
    shard = Solo()
    assert shard.balance(DEVELOPER) == BANK_WEI
    assert shard.operate(Operation(K.BALANCE, NEW, 5), Operation(K.BALANCE, address(0), 0), Operation(K.BALANCE, CONTRACT, 7)) == [1, 1, 1]
    assert [shard.balance(a) for a in (NEW, address(0), CONTRACT)] == [5, 0, 7]
    assert shard.operate(Operation(K.BALANCE, NEW, 0)) == [1]
    assert not shard.engine.account(shard.root, address(0)).nonce
    assert shard.balance(DEVELOPER) > BANK_WEI + RICH - 10**18


def test_code_storage_and_nonce_are_set():
    shard = Solo()
    code = bytes.fromhex("5f545f5260205ff3")
    operations = Operation(K.CODE, NEW, code=code), Operation(K.STORAGE, NEW, 42, slot=2**256 - 1), Operation(K.NONCE, NEW, 9)
    assert shard.operate(*operations) == [1] * 3
    account = shard.engine.account(shard.root, NEW)
    assert (account.nonce, account.has_contract_code) == (9, True)
    assert shard.engine.code(shard.root, NEW) == code
    assert shard.engine.storage(shard.root, NEW, 2**256 - 1) == 42
    assert shard.operate(Operation(K.CODE, NEW), Operation(K.STORAGE, NEW, 0, slot=2**256 - 1)) == [1, 1]
    assert shard.engine.code(shard.root, NEW) == b""
    assert shard.engine.storage(shard.root, NEW, 2**256 - 1) == 0


@pytest.mark.parametrize("operation", [
    Operation(K.BALANCE, NEW, BANK_WEI), Operation(K.BALANCE, OUTBOX, 1), Operation(K.CODE, OUTBOX, code=b"\0"),
    Operation(K.NONCE, DEVELOPER, 9), Operation(K.STORAGE, OUTBOX, 1),
    Operation(K.BALANCE, (9).to_bytes(20, "big"), 1), Operation(K.NONCE, CONTRACT, 0),
    Operation(K.NONCE, NEW, 2**64 - 1), Operation(K.CODE, NEW, code=bytes(CODE_BYTES_MAX + 1)), Operation(K.STORAGE, NEW, 1),
    b"", b"\1\2\3\4", Operation(K.BALANCE, NEW, 1).encode()[:-1], Operation(K.NONCE, NEW, 1).encode()[:-32] + b"\xff" * 32,
])  # fmt: skip
def test_what_cannot_be_is_not_done_and_costs_its_gas(operation):
    shard = Solo()
    target = operation.address if isinstance(operation, Operation) else NEW
    before, code = shard.engine.account(shard.root, target), shard.engine.code(shard.root, target)
    assert shard.operate(operation) == [0]
    after = shard.engine.account(shard.root, target)
    assert shard.engine.code(shard.root, target) == code
    assert shard.engine.storage(shard.root, target, 0) == Solo().engine.storage(Solo().root, target, 0)
    if target != DEVELOPER:
        assert (after.balance, after.nonce) == (before.balance, before.nonce)


def test_nothing_empty_is_left_behind():
    shard = Solo()
    assert shard.operate(Operation(K.BALANCE, NEW, 0), Operation(K.CODE, NEW), Operation(K.NONCE, NEW, 0)) == [1, 1, 1]
    assert keccak256(NEW) not in dict(shard.engine.iterate_accounts(shard.root))


def test_a_contract_that_is_impersonated_sends_and_pays():
    shard = Solo()
    assert shard.operate(Operation(K.BALANCE, CONTRACT, 10**18)) == [1]
    block = shard.begin()
    outcome = shard.impersonated(block, CONTRACT, NEW, value=5)
    assert (outcome.status, outcome.sender) == (1, CONTRACT)
    shard.finish(block)
    shard.audit()
    assert shard.balance(NEW) == 5
    assert shard.balance(CONTRACT) == 10**18 - 5 - outcome.gas_used * 2 * GWEI
    assert shard.engine.account(shard.root, CONTRACT).nonce == 2


def test_who_has_nothing_sends_nothing():
    shard = Solo()
    with pytest.raises(InvalidTransaction) as caught:
        shard.impersonated(shard.begin(), CONTRACT, NEW, value=5)
    assert caught.value.reason is TransactionReason.INSUFFICIENT_FUNDS


def test_without_controls_there_is_no_such_account():
    assert Shard().balance(DEVELOPER) == 0


@settings(max_examples=300)
@given(st.one_of(st.binary(max_size=200), st.builds(
    lambda kind, rest: Operation(kind, NEW).encode()[:4] + rest, st.sampled_from(list(K)), st.binary(max_size=200)
)))  # fmt: skip
def test_any_bytes_are_an_operation_or_none(data):
    operation = decode_operation(data)
    assert operation is None or decode_operation(operation.encode()) == operation

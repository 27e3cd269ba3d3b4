"""Blocks of user transactions: what they change, what they leave, and that every wei is accounted for."""

import pytest
import rlp
from trie import HexaryTrie

from primitives.errors import Interrupted, InvalidTransaction, TransactionReason
from primitives.hashing import keccak256
from primitives.headers import EMPTY_TRIE_ROOT
from primitives.receipts import empty_summary
from shard.contracts import BEACON_ROOTS, BLOCK_HASHES, OUTBOX, SYSTEM_ADDRESS
from shard.engine.reference.messages import created_address
from shard.views import CallRequest, big
from tests.shard.engine.support import COINBASE, GWEI, RICH, Shard, address

LOGGER = b"\xa1" * 20  # sstore(0, number); log1(topic 7) of nothing
REVERTER = b"\xa2" * 20  # sstore(0, 1); revert with "hi" (2 bytes)
ENDLESS = b"\xa3" * 20  # sstore(0, 1); loop
BOMB = b"\xa4" * 20  # CREATE(value, init code 30ff: selfdestruct to itself)
SUICIDE = b"\xa5" * 20  # selfdestruct to itself, not created in this transaction
CODES = {
    LOGGER: bytes.fromhex("435f55 6007 5f5f a1 00".replace(" ", "")),
    REVERTER: bytes.fromhex("6001 5f55 61 6869 5f52 6002 601e fd".replace(" ", "")),
    ENDLESS: bytes.fromhex("6001 5f55 5b 6004 56".replace(" ", "")),
    BOMB: bytes.fromhex("6130ff 5f52 6002 601e 34 f0 00".replace(" ", "")),
    SUICIDE: bytes.fromhex("30ff"),
}


@pytest.fixture
def shard():
    return Shard(CODES)


def test_a_transfer_pays_burns_and_tips(shard):
    block = shard.begin()
    outcome = shard.send(block, 0, b"\x99" * 20, 5)
    result = shard.finish(block)
    assert (outcome.status, outcome.gas_used, outcome.effective_gas_price) == (1, 21_000, 2 * GWEI)
    assert shard.balance(b"\x99" * 20) == 5
    assert shard.balance(address(0)) == RICH - 5 - 21_000 * 2 * GWEI
    assert shard.balance(COINBASE) == 21_000 * GWEI
    assert result.burned == result.summary.burned == 21_000 * GWEI
    assert result.accounts[address(0)].nonce == 1
    assert result.requests_hash == result.summary.requests_hash() == shard.engine.summary(shard.root).requests_hash()
    shard.audit()


def test_genesis_has_an_empty_summary_and_system_contracts(shard):
    assert shard.engine.summary(shard.root) == empty_summary(3)
    for contract in (OUTBOX, BEACON_ROOTS, BLOCK_HASHES):
        assert shard.engine.account(shard.root, contract).nonce == 1
    shard.audit()


def test_an_empty_block_writes_the_system_contracts_only(shard):
    result = shard.finish(shard.begin())
    assert result.transactions_root == result.receipts_root == EMPTY_TRIE_ROOT
    assert set(result.accounts) == {BEACON_ROOTS, BLOCK_HASHES}
    assert shard.engine.storage(shard.root, BEACON_ROOTS, 1000 % 8191 + 8191) == int.from_bytes(b"\1" * 32, "big")
    assert shard.engine.storage(shard.root, BLOCK_HASHES, 0) == int.from_bytes(b"\3" * 32, "big")
    assert shard.engine.account(shard.root, SYSTEM_ADDRESS).nonce == 0
    assert not result.burned


def test_creation_revert_and_logs_and_the_roots_over_them(shard):
    block = shard.begin()
    outcomes = [
        shard.send(block, 0, None, 0, bytes.fromhex("60015f5360015ff3")),
        shard.send(block, 1, LOGGER),
        shard.send(block, 1, REVERTER, 3),
        shard.send(block, 0, b"\x98" * 20, 1),
    ]
    result = shard.finish(block)
    assert [o.status for o in outcomes] == [1, 1, 0, 1]
    assert outcomes[0].contract_address == created_address(address(0), 0)
    assert shard.engine.code(shard.root, outcomes[0].contract_address) == b"\1"
    assert outcomes[1].logs[0].topics == ((7).to_bytes(32, "big"),)
    assert shard.engine.storage(shard.root, LOGGER, 0) == 1
    assert shard.engine.storage(shard.root, REVERTER, 0) == 0
    assert outcomes[-1].cumulative_gas_used == result.gas_used == sum(o.gas_used for o in outcomes)
    for values, root in (([o.raw for o in outcomes], result.transactions_root), ([o.receipt for o in outcomes], result.receipts_root)):
        trie = HexaryTrie({})
        for i, value in enumerate(values):
            trie[rlp.encode(i)] = value
        assert trie.root_hash == root
    assert result.logs_bloom == outcomes[1].logs_bloom != outcomes[0].logs_bloom
    status, cumulative, bloom, logs = rlp.decode(outcomes[1].receipt[1:])
    assert (outcomes[1].receipt[0], status, int.from_bytes(cumulative, "big"), bloom) == (
        2, b"\1", outcomes[1].cumulative_gas_used, outcomes[1].logs_bloom,
    )  # fmt: skip
    assert logs == [[LOGGER, [(7).to_bytes(32, "big")], b""]]
    shard.audit()


def test_what_selfdestruct_destroys_counts_as_burned(shard):
    block = shard.begin()
    destroyed = shard.send(block, 0, BOMB, 40)
    kept = shard.send(block, 0, SUICIDE, 7)
    result = shard.finish(block)
    assert destroyed.status == kept.status == 1
    assert result.burned == result.gas_used * GWEI + 40
    assert shard.balance(SUICIDE) == 7
    shard.audit()


def test_an_endless_loop_is_interrupted_and_leaves_no_trace(shard):
    untouched, block = Shard(CODES), shard.begin()
    steps = 0

    def meter():
        nonlocal steps
        steps += 1
        if steps > 1000:
            raise Interrupted("build_budget_ms")

    with pytest.raises(Interrupted, match="build_budget_ms"):
        shard.send(block, 0, ENDLESS, 9, gas=20_000_000, meter=meter)
    shard.nonces[0] = 0
    outcomes = [(s.send(b, 0, LOGGER), s.finish(b)) for s, b in ((shard, block), (untouched, untouched.begin()))]
    assert outcomes[0][0] == outcomes[1][0]
    assert outcomes[0][1].state_root == outcomes[1][1].state_root
    shard.audit()


def test_what_ends_too_late_changes_nothing_either(shard):
    block, untouched = shard.begin(), Shard(CODES)
    asked = 0

    def count():
        nonlocal asked
        asked += 1

    shard.send(shard.begin(), 0, address(1), 9, meter=count)
    shard.nonces[0] = 0
    assert asked == 1, "a transfer asks once: when it is done"

    def refuse():
        raise Interrupted("build_budget_ms")

    with pytest.raises(Interrupted):
        shard.send(block, 0, address(1), 9, meter=refuse)
    shard.nonces[0] = 0
    outcomes = [s.finish(b).state_root for s, b in ((shard, block), (untouched, untouched.begin()))]
    assert outcomes[0] == outcomes[1]


def test_refused_transactions_change_nothing(shard):
    block = shard.begin()
    for transaction, reason in (
        (shard.transaction(0, LOGGER, nonce=1), TransactionReason.NONCE_TOO_HIGH),
        (shard.transaction(0, LOGGER, value=RICH, nonce=0), TransactionReason.INSUFFICIENT_FUNDS),
    ):
        with pytest.raises(InvalidTransaction) as caught:
            block.apply(transaction, address(0))
        assert caught.value.reason is reason
    shard.send(block, 1, LOGGER, gas=29_000_000)
    with pytest.raises(InvalidTransaction) as caught:
        shard.send(block, 0, LOGGER, gas=29_990_000)
    assert caught.value.reason is TransactionReason.GAS_LIMIT
    assert address(0) not in shard.finish(block).accounts


def test_a_dropped_block_leaves_no_trace_and_roots_stay_readable(shard):
    genesis = shard.root
    shard.send(shard.begin(), 0, LOGGER)
    shard.nonces.clear()
    block = shard.begin()
    shard.send(block, 0, b"\x99" * 20, 5)
    shard.finish(block)
    assert shard.engine.account(genesis, address(0)).balance == RICH
    assert shard.engine.account(shard.root, address(0)).nonce == 1


def test_simulated_calls(shard):
    context = shard.context()

    def call(to, data=b"", **fields):
        request = {"sender": address(0), "to": to, "gas": None, "gas_price": b"", "value": b"", "data": data, **fields}
        return shard.engine.call(shard.root, context, CallRequest(**request))

    assert call(b"\x99" * 20, value=big(5)).gas_used == 21_000
    reverted = call(REVERTER)
    assert (reverted.success, reverted.output, reverted.error) == (False, b"hi", "execution reverted")
    assert call(None, bytes.fromhex("60015f5360015ff3")).output == b"\1"
    assert call(LOGGER, gas=22_000).error == "out of gas"
    assert shard.engine.storage(shard.root, LOGGER, 0) == 0
    for fields, reason in (
        ({"value": big(RICH + 1)}, TransactionReason.INSUFFICIENT_FUNDS),
        ({"gas_price": big(1)}, TransactionReason.FEE_BELOW_BASE),
        ({"gas": 20_999}, TransactionReason.INTRINSIC_GAS),
    ):
        with pytest.raises(InvalidTransaction) as caught:
            call(b"\x99" * 20, **fields)
        assert caught.value.reason is reason
    assert keccak256(b"") == shard.engine.account(shard.root, address(0)).code_hash


@pytest.mark.parametrize(
    ("precompile", "data", "gas"),
    [
        (9, (20_000_000).to_bytes(4, "big") + b"\1" * 208 + b"\1", 21_000_000),  # twenty million rounds
        (8, bytes(192 * 100), 4_000_000),  # a hundred pairings of nothing
        (15, bytes(384 * 100), 4_000_000),
        (12, bytes(160 * 100), 2_000_000),
    ],
)
def test_one_call_of_a_precompile_can_be_interrupted(shard, precompile, data, gas):
    asked = 0

    def meter():
        nonlocal asked
        asked += 1
        if asked == 10:
            raise Interrupted("build_budget_ms")

    with pytest.raises(Interrupted):
        shard.send(shard.begin(), 0, precompile.to_bytes(20, "big"), 0, data, gas, meter)

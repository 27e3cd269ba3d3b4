"""Simulated blocks: one on top of the other, with checks or without, and their headers as they would be."""

import pytest

from primitives.errors import Interrupted, InvalidQuery, InvalidTransaction, QueryReason, TransactionReason
from primitives.hashing import keccak256
from primitives.headers import ShardHeader
from shard.contracts import BLOCK_HASHES
from shard.engine.reference.tracing import tracer
from shard.engine.trie import list_root
from shard.executor.reads import ShardReader
from shard.executor.simulating import Simulations
from shard.simulations import BlockToSimulate, CallToSimulate
from shard.views import AccountOverride, big
from tests.shard.executor.support import GWEI, LOGGER, LOOP, RICH, address, make_executor, make_genesis

POOR, OTHER = b"\x99" * 20, b"\x98" * 20
SENDING = bytes.fromhex("5f5f5f5f6001" + "73" + OTHER.hex() + "5af150" + "5f545f5260205ff3")
"""Sends 1 wei on, and returns slot 0."""
IDENTITY = b"\x04".rjust(20, b"\0")


def no_meter():
    """Lets all work go on."""


class Chain:
    def __init__(self):
        self.executor = make_executor(make_genesis())
        self.simulations = Simulations(self.executor, ShardReader(self.executor))

    def run(self, *blocks, validation=False, transfers=False, meter=no_meter):
        return self.simulations.simulate("latest", blocks, validation, transfers, meter)


@pytest.fixture
def chain():
    return Chain()


def word(value):
    return value.to_bytes(32, "big")


def call(sender=POOR, to=OTHER, value=0, data=b"", fee=0, tip=0, nonce=None, gas=None):
    return CallToSimulate(sender, to, nonce, gas, big(fee), big(tip), big(value), data)


def block(number, *calls, **fields):
    return BlockToSimulate(number, 1000 + number, calls=calls, **fields)


def test_each_block_is_on_top_of_the_one_before(chain):
    rich = (AccountOverride(POOR, balance=big(1000)),)
    first, second = chain.run(block(1, call(value=600), overrides=rich), block(2, call(OTHER, POOR, 600), call(value=1000)))
    assert [found.outcome.success for found in (*first.calls, *second.calls)] == [True] * 3
    headers = [ShardHeader.decode(found.header) for found in (first, second)]
    assert headers[0].parent_hash == chain.executor.latest.result.hash
    assert headers[1].parent_hash == first.hash == headers[0].hash()
    assert [(header.number, header.timestamp, header.base_fee_per_gas) for header in headers] == [(1, 1001, 0), (2, 1002, 0)]
    assert headers[1].gas_used == 42_000
    assert headers[0].state_root != headers[1].state_root
    assert second.transactions[1].nonce == 1
    assert chain.executor.engine.account(ShardHeader.decode(chain.executor.latest.result.header).state_root, POOR).nonce == 0


def test_an_ancestor_that_was_made_just_now_is_known_by_its_hash(chain):
    asking = AccountOverride(OTHER, code=bytes.fromhex("6001430340" + "5f5260205ff3"))
    first, second = chain.run(block(1, call(), overrides=(asking,)), block(2, call()))
    assert first.calls[0].outcome.output == chain.executor.latest.result.hash
    assert second.calls[0].outcome.output == first.hash


def test_what_a_block_is_told_of_itself(chain):
    telling = AccountOverride(OTHER, code=bytes.fromhex("415f52" + "42602052" + "45604052" + "44606052" + "48608052" + "60a05ff3"))
    fields = {"coinbase": POOR, "gas_limit": 5_000_000, "base_fee": big(7), "prev_randao": b"\x05" * 32, "overrides": (telling,)}
    (made,) = chain.run(block(1, call(), **fields))
    words = [made.calls[0].outcome.output[i : i + 32] for i in range(0, 160, 32)]
    assert words == [POOR.rjust(32, b"\0"), word(1001), word(5_000_000), b"\x05" * 32, word(7)]


def test_without_validation_any_nonce_will_do_and_with_it_the_next_one(chain):
    (made,) = chain.run(block(1, call(nonce=7)))
    assert made.transactions[0].nonce == 7
    paying = {"sender": address(0), "fee": 3 * GWEI, "gas": 21_000}
    for nonce, reason in ((7, TransactionReason.NONCE_TOO_HIGH), (0, None)):
        if reason is None:
            (made,) = chain.run(block(1, call(nonce=nonce, **paying)), validation=True)
            assert made.calls[0].outcome.success
            continue
        with pytest.raises(InvalidTransaction) as refused:
            chain.run(block(1, call(nonce=nonce, **paying)), validation=True)
        assert refused.value.reason is reason
    with pytest.raises(InvalidTransaction) as refused:
        chain.run(block(1, call(**paying), call(nonce=0, **paying)), validation=True)
    assert refused.value.reason is TransactionReason.NONCE_TOO_LOW


@pytest.mark.parametrize(
    ("wanted", "validation", "reason"),
    [
        (call(), True, TransactionReason.FEE_BELOW_BASE),
        (call(address(0), fee=1), True, TransactionReason.FEE_BELOW_BASE),
        (call(value=1), False, TransactionReason.INSUFFICIENT_FUNDS),
        (call(fee=1), False, TransactionReason.INSUFFICIENT_FUNDS),
        (call(gas=20_999), False, TransactionReason.INTRINSIC_GAS),
        (call(gas=2**40), False, TransactionReason.GAS_LIMIT),
        (call(to=None, data=bytes(49_153)), False, TransactionReason.INIT_CODE_SIZE),
        (call(fee=1, tip=2), False, TransactionReason.TIP_ABOVE_FEE),
    ],
)
def test_calls_that_are_no_transactions(chain, wanted, validation, reason):
    with pytest.raises(InvalidTransaction) as refused:
        chain.run(block(1, wanted), validation=validation)
    assert refused.value.reason is reason


def test_a_nonce_that_is_at_its_end(chain):
    last = (AccountOverride(POOR, nonce=2**64 - 1),)
    (made,) = chain.run(block(1, call(), call(), overrides=last))
    assert [transaction.nonce for transaction in made.transactions] == [2**64 - 1, 0]
    rich = (AccountOverride(POOR, nonce=2**64 - 1, balance=big(RICH)),)
    with pytest.raises(InvalidTransaction) as refused:
        chain.run(block(1, call(fee=GWEI, gas=21_000), overrides=rich), validation=True)
    assert refused.value.reason is TransactionReason.NONCE_MAX


def test_base_fees_follow_the_parent_when_all_is_checked(chain):
    first, second = (ShardHeader.decode(made.header) for made in chain.run(block(1), block(2), validation=True))
    assert first.base_fee_per_gas == int.from_bytes(chain.executor.latest.result.next_base_fee, "big")
    assert second.base_fee_per_gas == first.base_fee_per_gas - first.base_fee_per_gas // 8


def test_gas_left_out_is_what_the_block_has_left(chain):
    (made,) = chain.run(block(1, call(gas=21_000), call()))
    limit = ShardHeader.decode(made.header).gas_limit
    assert [transaction.gas for transaction in made.transactions] == [21_000, limit - 21_000]


def test_transfers_are_told_among_the_logs_and_nowhere_else(chain):
    overrides = (AccountOverride(POOR, balance=big(100)), AccountOverride(LOGGER[:19] + b"\x01", code=SENDING))
    wanted = block(1, call(to=LOGGER[:19] + b"\x01", value=9), call(to=LOGGER), overrides=overrides)
    (told,) = chain.run(wanted, transfers=True)
    (plain,) = chain.run(wanted)
    assert [(log.address, int.from_bytes(log.data, "big")) for log in told.calls[0].logs] == [(b"\xee" * 20, 9), (b"\xee" * 20, 1)]
    assert [log.address for log in told.calls[1].logs] == [LOGGER]
    assert [log.log_index for found in told.calls for log in found.logs] == [0, 1, 2]
    assert plain.calls[0].logs == ()
    assert plain.header == told.header


def test_what_fails_is_told_and_the_rest_goes_on(chain):
    failing = AccountOverride(OTHER, code=bytes.fromhex("60aa5f5fa1" + "60015f5260205ffd"))
    (made,) = chain.run(block(1, call(gas=100_000), call(to=LOOP, gas=50_000), call(to=LOGGER, gas=100_000), overrides=(failing,)))
    outcomes = [found.outcome for found in made.calls]
    assert [(outcome.success, outcome.error) for outcome in outcomes] == [
        (False, "execution reverted"), (False, "out of gas"), (True, ""),
    ]  # fmt: skip
    assert made.calls[0].logs == ()
    assert outcomes[1].gas_used == 50_000


def test_refunds_are_told_apart(chain):
    clearing = AccountOverride(OTHER, code=bytes.fromhex("5f5f5500"), words=((bytes(32), (1).to_bytes(32, "big")),))
    (made,) = chain.run(block(1, call(), overrides=(clearing,)))
    assert made.calls[0].gas_before_refunds - made.calls[0].outcome.gas_used == 4800


def test_built_in_contracts_move_and_are_replaced(chain):
    answer = bytes.fromhex("602a5f5260205ff3")
    override = (AccountOverride(IDENTITY, code=answer),)
    asked = [call(to=to, data=b"\x07") for to in (IDENTITY, OTHER)]
    (moved,) = chain.run(block(1, *asked, overrides=override, moves=((IDENTITY, OTHER),)))
    assert [found.outcome.output for found in moved.calls] == [(42).to_bytes(32, "big"), b"\x07"]
    first, second = chain.run(block(1, call(to=IDENTITY, data=b"\x07"), overrides=override), block(2, call(to=IDENTITY, data=b"\x07")))
    assert first.calls[0].outcome.output == (42).to_bytes(32, "big")
    assert second.calls[0].outcome.output == b"\x07"


def test_system_contracts_may_be_anything(chain):
    made = chain.run(block(1, overrides=(AccountOverride(BLOCK_HASHES, code=bytes.fromhex("5f5ffd")),)), block(2))
    assert len(made) == 2


def test_roots_and_size_are_those_of_what_is_told(chain):
    (made,) = chain.run(block(1, call(to=LOGGER)))
    header = ShardHeader.decode(made.header)
    assert header.logs_bloom != bytes(256)
    assert made.hash == keccak256(made.header)
    assert header.transactions_root != list_root([])
    assert made.size > len(made.header)


def test_a_simulation_ends_at_its_meter_its_bytes_and_on_nothing(chain, monkeypatch):
    steps = iter(range(100))

    def meter():
        if next(steps, None) is None:
            raise Interrupted("call_deadline_ms")

    with pytest.raises(Interrupted):
        chain.run(block(1, call(to=LOOP)), meter=meter)
    with pytest.raises(InvalidQuery) as refused:
        chain.simulations.simulate(77, [block(1)], False, False, no_meter)
    assert refused.value.reason is QueryReason.UNKNOWN_BLOCK
    monkeypatch.setattr(tracer.Budget.__init__, "__defaults__", (5_000,))
    with pytest.raises(InvalidQuery) as refused:
        chain.run(block(1, *[call(data=bytes(500), gas=50_000)] * 9))
    assert refused.value.reason is QueryReason.OVER_LIMIT


def test_a_block_of_any_gas_limit_gives_a_call_no_more_than_the_chain_has(chain):
    told = bytes.fromhex("5a5f5260205ff3")
    grasping = bytes.fromhex("6001640400000000535f5ff3")
    overrides = AccountOverride(OTHER, code=told), AccountOverride(LOGGER, code=grasping)
    most = chain.executor.parameters.gas_limit
    (made,) = chain.run(block(1, call(gas=2**40), call(), call(to=LOGGER), overrides=overrides, gas_limit=2**64 - 1))
    assert ShardHeader.decode(made.header).gas_limit == 2**64 - 1
    assert [transaction.gas for transaction in made.transactions] == [most] * 3
    assert [int.from_bytes(found.outcome.output, "big") < most for found in made.calls[:2]] == [True] * 2
    assert made.calls[2].outcome.error == "out of gas", "memory of 16 GiB is more than a block's gas pays for"
    with pytest.raises(InvalidTransaction) as refused:
        chain.run(block(1, call(gas=most + 2), gas_limit=most + 1))
    assert refused.value.reason is TransactionReason.GAS_LIMIT

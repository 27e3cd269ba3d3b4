"""What precompiled contracts cost in calls from another shard, and that users' transactions pay what they always paid."""

import gc
import tracemalloc

import pytest

from primitives.errors import Interrupted
from primitives.receipts import CrossShardReceipt, ReceiptKind
from shard.engine.reference.computation import InboundComputation, ShardComputation
from shard.engine.reference.effects import Effects
from shard.inbound import PRECOMPILE_GAS_FACTORS
from tests.shard.engine.support import GWEI, Shard

# CALLDATACOPY everything, then CALL precompile 9 with it
CALLER = b"\xa6" * 20
CALLER_CODE = bytes.fromhex("365f5f375f5f365f5f60095af100")
ROUNDS = 10_000
BLAKE2_INPUT = ROUNDS.to_bytes(4, "big") + bytes(208) + b"\1"


@pytest.fixture
def shard():
    return Shard({CALLER: CALLER_CODE})


def delivered(shard, to, data, gas=200_000):
    receipt = CrossShardReceipt(1, 0, 0, ReceiptKind.CALL, b"\xb0" * 20, to, 0, gas, 2 * gas * GWEI, b"\xfe" * 20, data)
    return shard.begin().deliver(receipt)


def test_a_slow_contract_costs_its_factor_more_in_a_call_from_another_shard(shard):
    user = shard.send(shard.begin(), 0, CALLER, data=BLAKE2_INPUT)
    inbound = delivered(shard, CALLER, BLAKE2_INPUT)
    assert (user.status, inbound.status) == (1, 1)
    assert inbound.gas_used - user.gas_used == (PRECOMPILE_GAS_FACTORS[9] - 1) * ROUNDS


def test_called_directly_too(shard):
    user = shard.send(shard.begin(), 0, b"\x09".rjust(20, b"\0"), data=BLAKE2_INPUT)
    inbound = delivered(shard, b"\x09".rjust(20, b"\0"), BLAKE2_INPUT)
    assert (user.status, inbound.status) == (1, 1)
    assert inbound.gas_used - user.gas_used == (PRECOMPILE_GAS_FACTORS[9] - 1) * ROUNDS


def test_what_cannot_be_paid_is_not_worked_out(shard):
    rounds = 200_000
    outcome = delivered(shard, b"\x09".rjust(20, b"\0"), rounds.to_bytes(4, "big") + bytes(209), gas=1_000_000)
    assert (outcome.status, outcome.gas_used) == (0, 1_000_000)
    outcome = delivered(shard, b"\x0a".rjust(20, b"\0"), bytes(192), gas=1_000_000)
    assert (outcome.status, outcome.gas_used) == (0, 1_000_000), "50,000 x 64 is more than any call may have"


def test_the_price_falls_back_to_users_after_a_delivery(shard):
    alone = shard.send(shard.begin(), 0, CALLER, data=BLAKE2_INPUT)
    shard.nonces.clear()
    block = shard.begin()
    block.deliver(CrossShardReceipt(1, 0, 0, ReceiptKind.CALL, b"\xb0" * 20, CALLER, 0, 200_000, 10**15, b"\xfe" * 20, BLAKE2_INPUT))
    assert shard.send(block, 0, CALLER, data=BLAKE2_INPUT).gas_used == alone.gas_used


def test_every_factor_belongs_to_a_contract_and_is_dearer():
    known = {int.from_bytes(address, "big") for address in InboundComputation.get_precompiles()}
    assert set(PRECOMPILE_GAS_FACTORS) <= known
    assert min(PRECOMPILE_GAS_FACTORS.values()) > 1
    assert InboundComputation.get_precompiles().keys() == ShardComputation.get_precompiles().keys()


@pytest.mark.parametrize("helper", ["c3", "c4"])
def test_what_finished_frames_were_called_with_is_let_go(helper):
    """Fifty calls with 200,000 bytes each, to an account that takes them or one that fails."""
    shard = Shard({CALLER: bytes.fromhex(f"5f5f62030d405f5f60{helper}61ffff" + "f150") * 50, b"\xc4".rjust(20, b"\0"): b"\xfe"})
    block = shard.begin()
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        outcome = block.deliver(CrossShardReceipt(1, 0, 0, 1, b"\xb0" * 20, CALLER, 0, 10**6, 10**16, b"\xfe" * 20, b""))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        gc.enable()
    assert outcome.gas_used > 50 * 100
    # of fifty; translating the code takes as much as ten
    assert peak < 15 * 200_000


def test_what_deep_frames_leave_is_gathered_once(monkeypatch):
    """A contract that calls itself as deep as it goes and logs before and after."""
    shard = Shard({CALLER: bytes.fromhex("5f5fa0" + "5f5f5f5f5f305af150" + "5f5fa0")})
    joined = []
    join = Effects.join
    monkeypatch.setattr(Effects, "join", lambda self, other: joined.append(min(len(self.logs), len(other.logs))) or join(self, other))
    outcome = delivered(shard, CALLER, b"", gas=200_000)
    assert outcome.status == 1
    assert len(joined) > 40
    assert len(outcome.logs) > 80
    assert max(joined) == 0, "only the smaller part is moved: a frame's own logs are added last"


@pytest.mark.parametrize("number", range(1, 0x12))
def test_a_meter_changes_no_price(number):
    to = bytes([number]).rjust(20, b"\0")
    shard = Shard({CALLER: CALLER_CODE})
    receipt = CrossShardReceipt(1, 0, 0, ReceiptKind.CALL, b"\xb0" * 20, to, 0, 10**6, 10**16, b"\xfe" * 20, BLAKE2_INPUT)
    asked = []
    metered, plain = shard.begin().deliver(receipt, lambda: asked.append(1)), shard.begin().deliver(receipt)
    assert (metered.gas_used, metered.status, metered.receipt) == (plain.gas_used, plain.status, plain.receipt)
    assert asked, "it is metered"


def test_a_call_from_another_shard_asks_its_meter():
    def enough():
        raise Interrupted("enough")

    shard = Shard({CALLER: bytes.fromhex("5b5f56")})
    receipt = CrossShardReceipt(1, 0, 0, ReceiptKind.CALL, b"\xb0" * 20, CALLER, 0, 10**6, 10**16, b"\xfe" * 20, b"")
    with pytest.raises(Interrupted):
        shard.begin().deliver(receipt, enough)
    assert shard.begin().deliver(receipt).gas_used == 10**6

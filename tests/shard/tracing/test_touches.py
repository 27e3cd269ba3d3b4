"""prestateTracer: what a transaction touched, before and after."""

import pytest

from shard.engine.reference.accounts import DELEGATION_PREFIX
from shard.engine.reference.messages import created_address
from shard.views import AccountOverride, big
from tests.shard.executor.support import COINBASE, GWEI, RICH, address, transfer
from tests.shard.tracing.support import CALLING, ENDING, FAILING, LOGGING, LOGGING_CODE, Chain, message

WORD = "0x" + "0" * 63


def hexed(value):
    return "0x" + value.hex()


@pytest.fixture
def chain():
    return Chain()


def test_before_a_transaction(chain):
    first, second = chain.add(transfer(chain.genesis, 0, 0, LOGGING, gas=100_000), transfer(chain.genesis, 0, 1, LOGGING, gas=100_000))
    before = chain.trace(first, tracer="prestateTracer")
    stored = {WORD + "0": WORD + "1", WORD + "2": WORD + "9"}
    assert before == {
        hexed(address(0)): {"balance": hex(RICH)},
        hexed(LOGGING): {"balance": "0x0", "nonce": 1, "code": hexed(LOGGING_CODE), "storage": stored},
    }
    later = chain.trace(second, tracer="prestateTracer")
    assert later[hexed(address(0))]["nonce"] == 1
    assert later[hexed(LOGGING)]["storage"][WORD + "0"] == WORD + "9"
    assert hexed(COINBASE) in later
    slim = chain.trace(first, tracer="prestateTracer", disable_code=True, disable_storage=True)
    assert slim[hexed(LOGGING)] == {"balance": "0x0", "nonce": 1}


def test_the_difference(chain):
    first, failed = chain.add(transfer(chain.genesis, 0, 0, LOGGING, gas=100_000), transfer(chain.genesis, 1, 0, FAILING, 0, 100_000))
    told = chain.trace(first, tracer="prestateTracer", diff_mode=True)
    stored = chain.executor.store.transaction(chain.executor.latest.result.hash, 0)
    paid = stored.gas_used * int.from_bytes(stored.effective_gas_price, "big") + 1
    assert told["post"] == {
        hexed(address(0)): {"balance": hex(RICH - paid), "nonce": 1},
        hexed(LOGGING): {"balance": "0x1", "storage": {WORD + "0": WORD + "9"}},
        hexed(COINBASE): {"balance": hex(stored.gas_used * GWEI)},
    }
    assert told["pre"][hexed(LOGGING)]["storage"] == {WORD + "0": WORD + "1"}
    assert hexed(COINBASE) not in told["pre"]
    reverted = chain.trace(failed, tracer="prestateTracer", diff_mode=True)
    assert hexed(FAILING) not in reverted["pre"] | reverted["post"]


def test_what_is_made_was_not_there_before(chain):
    (name,) = chain.add(transfer(chain.genesis, 0, 0, CALLING, gas=1_000_000))
    made = hexed(created_address(CALLING, 1))
    assert made not in chain.trace(name, tracer="prestateTracer")
    told = chain.trace(name, tracer="prestateTracer", diff_mode=True)
    assert told["post"][made] == {"balance": "0x1", "nonce": 1, "code": "0x01"}
    assert made not in told["pre"]


def test_a_balance_that_leaves(chain):
    told = chain.trace_call(ENDING, tracer="prestateTracer", diff_mode=True)
    assert told["pre"][hexed(ENDING)]["balance"] == "0x7"
    assert told["post"][hexed(ENDING)] == {"balance": "0x0"}
    assert told["post"]["0x" + "99" * 20] == {"balance": "0x7"}


def test_a_delegate_is_touched(chain):
    delegated = AccountOverride(address(1), code=DELEGATION_PREFIX + LOGGING, balance=big(1))
    told = chain.trace_call(address(1), tracer="prestateTracer", overrides=(delegated,))
    assert hexed(LOGGING) in told
    assert told[hexed(address(1))]["code"] == hexed(DELEGATION_PREFIX + LOGGING)


def test_a_delivery(chain):
    (name,) = chain.add_deliveries((message(0),))
    told = chain.trace(name, tracer="prestateTracer", diff_mode=True)
    assert told["post"][hexed(LOGGING)]["balance"] == "0x5"

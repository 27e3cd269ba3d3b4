"""What travels for a callback: its gas before a call's data, the outcome as a result's data."""

from hypothesis import given
from hypothesis import strategies as st

from primitives.callbacks import OUTCOME_HEAD_BYTES, Outcome, call_data_of, callback_gas_in
from primitives.receipts import CrossShardReceipt

outcomes = st.builds(Outcome, st.binary(min_size=32, max_size=32), st.booleans(), st.binary(max_size=64))


@given(outcomes)
def test_an_outcome_is_read_as_it_was_written(outcome):
    assert Outcome.decode(outcome.encode(), 64) == outcome
    if outcome.returned:
        assert Outcome.decode(outcome.encode(), len(outcome.returned) - 1) is None


@given(st.binary(max_size=120))
def test_any_bytes_are_one_outcome_or_none(data):
    outcome = Outcome.decode(data, 64)
    assert (outcome is None) == (not OUTCOME_HEAD_BYTES <= len(data) <= OUTCOME_HEAD_BYTES + 64 or data[32] > 1)
    assert outcome is None or outcome.encode() == data


@given(st.integers(0, 2**64 - 1), st.binary(max_size=40))
def test_the_callbacks_gas_comes_before_the_data_of_a_call(gas, data):
    carried = gas.to_bytes(8, "big") + data
    assert callback_gas_in(carried) == gas
    receipts = {kind: CrossShardReceipt(1, 0, 0, kind, bytes(20), bytes(20), 0, 0, 0, bytes(20), carried) for kind in range(5)}
    assert {kind: call_data_of(receipt) for kind, receipt in receipts.items()} == dict.fromkeys(range(5), carried) | {3: data}


def test_data_too_short_to_name_a_gas_names_none():
    assert [callback_gas_in(b"\1" * size) for size in range(8)] == [0] * 8

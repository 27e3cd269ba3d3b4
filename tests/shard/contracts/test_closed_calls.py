"""While `call_receipts` is off, nobody can send a call, whatever gas limit is asked for; transfers pass."""

import pytest

from primitives.parameters import Parameters
from shard.contracts import OUTBOX_CONTRACT
from shard.system import genesis_contracts


@pytest.mark.parametrize("is_open", [False, True])
def test_the_gas_limit_in_outbox_tells_whether_calls_are_open(is_open: bool) -> None:
    parameters = Parameters(call_receipts=is_open)
    outbox = next(account for account in genesis_contracts(parameters, 0) if account.address == OUTBOX_CONTRACT.address)
    limits = outbox.storage[OUTBOX_CONTRACT.slots["limits"]]
    assert limits >> 192 == (parameters.receipt_gas_max if is_open else 0)
    assert limits & (2**64 - 1) == parameters.receipts_per_block_max

"""An endless loop stops as promptly as in the reference: what is asked, and how often, and that nothing of it stays."""

import pytest

from primitives.errors import Interrupted
from shard.engine.fast.translation import TRANSLATION_SIZE_MAX
from tests.shard.engine.support import Shard, address
from tests.shard.fast.eager import EagerEngine

TARGET = b"\xe7" * 20
STEPS = {
    "nothing": "", "SLOAD": "5f5450", "SSTORE": "5f5f55", "KECCAK256": "5f5f2050", "LOG0": "5f5fa0", "EXP": "600260030a50",
    "CALLDATACOPY": "5f5f5f37", "CODECOPY": "5f5f5f39", "MCOPY": "5f5f5f5e", "RETURNDATACOPY": "5f5f5f3e", "BALANCE": "303150",
    "EXTCODESIZE": "303b50", "EXTCODEHASH": "303f50", "EXTCODECOPY": "5f5f5f303c", "STATICCALL": "5f5f5f5f60045afa50",
}  # fmt: skip
"""What a loop does besides; all but the first are dear."""
GAS = 400_000


class Asked:
    """Counts, and stops the work when it is asked the `last` time."""

    def __init__(self, last=10**9):
        self.count, self.last = 0, last

    def __call__(self):
        self.count += 1
        if self.count >= self.last:
            raise Interrupted("call_deadline_ms")


def shards(step):
    codes = {TARGET: bytes.fromhex("5b" + step + "5f56")}
    return Shard(codes), Shard(codes, engine=EagerEngine)


@pytest.mark.parametrize("name", STEPS)
def test_every_dear_step_and_every_translation_asks(name):
    counts = []
    for shard in shards(STEPS[name]):
        asked = Asked()
        shard.send(shard.begin(), 0, TARGET, gas=GAS, meter=asked)
        counts.append(asked.count)
    reference, fast = counts
    assert fast >= reference / 2
    if not STEPS[name]:
        # Nothing but jumps: a translation goes on over some of them, and is never longer than its limit.
        assert fast >= GAS / 12 / TRANSLATION_SIZE_MAX


@pytest.mark.parametrize("name", STEPS)
def test_work_that_is_stopped_leaves_nothing(name):
    shard = shards(STEPS[name])[1]
    block = shard.begin()
    for last in (1, 2, 7, 50):
        with pytest.raises(Interrupted):
            shard.send(block, 0, TARGET, gas=GAS, meter=Asked(last))
        shard.nonces[0] = 0
    outcome = block.apply(shard.transaction(0, address(1), 1, gas=21_000), address(0))
    assert outcome.status == 1
    result = shard.finish(block)
    assert len(result.outcomes) == 1
    assert TARGET not in result.accounts or not result.accounts[TARGET].balance

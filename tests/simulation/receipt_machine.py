"""Random programs of sends, congestion, crashes and voided blocks on `receipt_world`: `make receipts STEPS=10000`."""

import argparse
import sys
import time
from collections import Counter
from typing import ClassVar

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from shard.contracts import OUTBOX, OUTBOX_CONTRACT
from tests.shard.executor.support import GWEI
from tests.simulation.receipt_world import CALLERS, DESTINATIONS, PLAIN, SHARDS, USERS, ReceiptWorld

STEPS_PER_PROGRAM = 50
SHARD = st.integers(0, SHARDS - 1)
USER = st.integers(0, USERS - 1)
AWAY = st.integers(1, SHARDS - 1)
"""How many shards further a receipt goes."""
WEI = st.sampled_from([0, 1, 1000, 10**18])
GAS = st.sampled_from([0, 21_000, 30_000, 100_000, 600_000, 700_000])
CALLBACK_GAS = st.sampled_from([21_000, 40_000, 150_000])
WHERE_NOTHING_IS = b"\x99" * 20
CALLDATA = st.sampled_from([b"", bytes(31) + b"\1", b"\xab" * 900]) | st.builds(
    lambda shard: OUTBOX_CONTRACT.encode_call("transfer", shard, PLAIN), SHARD
)
"""The last makes a contract that hands on what it is called with send receipts of its own."""
LAG = st.integers(0, 2)


class ReceiptMachine(RuleBasedStateMachine):
    """A step is one rule; what a step must leave whole is checked by the world."""

    counts: ClassVar[Counter[str]] = Counter()
    """Over all programs: steps, and what they came across."""

    def __init__(self):
        super().__init__()
        self.world = ReceiptWorld()

    def step(self):
        type(self).counts["steps"] += 1

    @rule(shard=SHARD, lag=LAG)
    def empty_block(self, shard, lag):
        self.step()
        self.world.extend_shard(shard, lag=lag)

    @rule(shard=SHARD, away=AWAY, user=USER, to=st.sampled_from([PLAIN, *CALLERS]), wei=WEI, count=st.integers(1, 4), lag=LAG)
    def transfers(self, shard, away, user, to, wei, count, lag):
        self.step()
        there = (shard + away) % SHARDS
        sends = [self.world.transaction(shard, user, i, "transfer", there, to, value=wei) for i in range(count)]
        self.world.extend_shard(shard, sends, lag)

    @rule(shard=SHARD, away=AWAY, user=USER, to=st.sampled_from(DESTINATIONS), wei=WEI, gas=GAS, price=st.sampled_from([2, 3]),
          refund_to=st.sampled_from([WHERE_NOTHING_IS, *CALLERS]), data=CALLDATA, lag=LAG)  # fmt: skip
    def calls(self, shard, away, user, to, wei, gas, price, refund_to, data, lag):
        self.step()
        there = (shard + away) % SHARDS
        value = wei + price * gas * GWEI
        sends = [self.world.transaction(shard, user, 0, "send", there, to, wei, gas, refund_to, data, value=value)]
        self.world.extend_shard(shard, sends, lag)

    @rule(shard=SHARD, away=AWAY, user=USER, sender=st.sampled_from([OUTBOX, *CALLERS]), to=st.sampled_from(DESTINATIONS), wei=WEI, gas=GAS,
          callback_gas=CALLBACK_GAS, refund_to=st.sampled_from([WHERE_NOTHING_IS, *CALLERS]), data=CALLDATA, count=st.integers(1, 3),
          crash=st.none() | st.integers(0, 1))  # fmt: skip
    def calls_with_callbacks(self, shard, away, user, sender, to, wei, gas, callback_gas, refund_to, data, count, crash):
        self.step()
        there = (shard + away) % SHARDS
        value = wei + 3 * (gas + callback_gas) * GWEI
        arguments = (there, to, gas, callback_gas, refund_to, data)
        sends = [self.world.transaction(shard, user, i, "sendWithCallback", *arguments, to=sender, value=value) for i in range(count)]
        self.world.extend_shard(shard, sends, crash=crash)

    @rule(shard=SHARD, away=AWAY, user=USER)
    def congest(self, shard, away, user):
        """More than a channel may hold, recorded at once: it closes, and users' sends are refused."""
        self.step()
        there = (shard + away) % SHARDS
        self.world.extend_shard(shard, [self.world.transaction(shard, user, i, "transfer", there, PLAIN, value=7) for i in range(7)])
        self.world.crosslink_shard(shard)

    @rule(shard=SHARD)
    def crosslink(self, shard):
        self.step()
        self.world.crosslink_shard(shard)

    @rule(shard=SHARD)
    def deliver(self, shard):
        """All that is on its way to a shard and fits, recorded."""
        self.step()
        self.world.extend_shard(shard)
        self.world.crosslink_shard(shard)

    @rule(shard=SHARD, kept=st.integers(0, 1), lag=LAG)
    def crash_before_finality(self, shard, kept, lag):
        self.step()
        self.world.extend_shard(shard, lag=lag, crash=kept)

    @rule(shard=SHARD)
    def restart(self, shard):
        self.step()
        self.world.crash(shard)

    @rule(shard=SHARD)
    def void(self, shard):
        self.step()
        self.world.void(shard)

    @rule(shard=SHARD, away=AWAY)
    def overspend(self, shard, away):
        self.step()
        self.world.overspend(shard, (shard + away) % SHARDS)

    def teardown(self):
        # A program that failed ends where it failed.
        if sys.exc_info()[0] is None:
            self.world.settle()
            type(self).counts.update(self.world.seen)
            type(self).counts["programs"] += 1


def run_steps(steps, number, program=STEPS_PER_PROGRAM, shrink=False):
    """Runs programs of the seed until `steps` steps were made; what they came across.

    Raises:
        Exception: the first that a program ended in; hypothesis prints the program.
    """
    counts: ClassVar[Counter[str]] = Counter()
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)
    while counts["steps"] < steps:
        machine = seed(f"{number}/{counts['programs']}")(type("Program", (ReceiptMachine,), {"counts": counts}))
        wanted = settings(
            max_examples=max(1, min(20, (steps - counts["steps"]) // program)), stateful_step_count=program, deadline=None, database=None,
            phases=phases, suppress_health_check=list(HealthCheck), print_blob=False,
        )  # fmt: skip
        run_state_machine_as_test(machine, settings=wanted)
        print(f"{counts['steps']} steps", file=sys.stderr, flush=True)
    return counts


def main() -> int:
    """Prints what the steps came across."""
    parser = argparse.ArgumentParser(description="Random programs of cross-shard sends on the real executors and beacon transition.")
    parser.add_argument("--steps", type=int, default=10_000, help="steps, of all programs together, at least")
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    started = time.monotonic()
    counts = run_steps(wanted.steps, wanted.seed, shrink=True)
    seconds = time.monotonic() - started
    print(f"{counts.pop('steps')} steps in {counts.pop('programs')} programs, seed {wanted.seed}, {seconds:.0f} s: all hold")
    print(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(counts.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())

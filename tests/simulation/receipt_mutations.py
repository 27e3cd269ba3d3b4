"""Rules of receipts broken on purpose, to show that the state machine can fail: `make receipts-broken`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from consensus.beacon import crosslinks
from node.simulator.storage import CrashingDatabase
from primitives.receipts import ReceiptKind
from shard import callbacks
from shard.engine.reference import delivery, results
from shard.executor import executor
from tests.simulation.mutations import choose_again, replaced
from tests.simulation.receipt_machine import run_steps

STEPS_MAX = 3_000
PROGRAM_STEPS = 25


@dataclass(frozen=True)
class Broken:
    """One broken rule."""

    rule: str
    how: Callable[[], AbstractContextManager[Any]]


def reread(taken: Any, available: Any) -> Any:
    """What a node holds, and the newest receipt it has delivered, once more."""
    return {
        source: tuple(dataclasses.replace(receipt, nonce=receipt.nonce - 1) for receipt in held[:1]) + tuple(held)
        if taken[source].count else held for source, held in available.items()
    }  # fmt: skip


def deliver_again(height: int, taken: Any, recorded: Any, available: Any, *rest: Any) -> Any:
    return choose_again(height, taken, recorded, reread(taken, available), *rest)


def deliver_backwards(*rest: Any) -> Any:
    chosen, missing = plain_choose(*rest)
    return tuple(reversed(chosen)), missing


plain_choose = executor.choose_inbound


def no_refund(state: Any, receipt: Any, amount: int, *rest: Any, **named: Any) -> Any:
    return () if receipt.kind == ReceiptKind.CALL else plain_back(state, receipt, amount, *rest, **named)


def no_result(state: Any, receipt: Any, amount: int, *rest: Any, **named: Any) -> Any:
    """As a plain call: what is left is credited, and nobody is told."""
    return plain_back(state, dataclasses.replace(receipt, kind=ReceiptKind.CREDIT), amount, *rest, **named)


plain_back = delivery._send_back


def keep_escrow(state: Any, receipt: Any, parameters: Any) -> Any:
    held = state.accounts.get_balance(results.OUTBOX)
    delivered = plain_result(state, receipt, parameters)
    state.accounts.set_balance(results.OUTBOX, held)
    return delivered


plain_result = results.deliver_result


def book_overdrawn(state: Any, shard: int, new: Any) -> Any:
    """As `crosslinks._book`, without a look at whether the shard holds what it spends."""
    def lent(state: Any, wei: int) -> Any:
        record = dataclasses.replace(state.shards[shard], supply=state.shards[shard].supply + wei)
        return dataclasses.replace(state, shards=(*state.shards[:shard], record, *state.shards[shard + 1 :]))

    return lent(plain_book(lent(state, 10**40), shard, new), -(10**40))


plain_book = crosslinks._book


def lose_all(self: Any, items: Any, sync: bool) -> None:
    plain_write(self, items, False)


plain_write = CrashingDatabase.write_batch

BROKEN = {
    "cursor not checked": Broken("a receipt is delivered once", replaced(executor, "choose_inbound", deliver_again)),
    "order of a channel turned": Broken("a channel's receipts come in order", replaced(executor, "choose_inbound", deliver_backwards)),
    "refund forgotten": Broken("a failed call is paid back", replaced(delivery, "_send_back", no_refund)),
    "result forgotten": Broken("each call with a callback has one result", replaced(delivery, "_send_back", no_result)),
    "escrow kept": Broken("what is paid for a callback is spent once", replaced(delivery, "deliver_result", keep_escrow)),
    "another record of a failed callback": Broken(
        "a callback runs or leaves its record",
        replaced(callbacks, "failed_words", lambda outcome: {callbacks._slot(outcome.call_id) + 1: 1}),
    ),
    "callback not closed": Broken("a callback comes once", replaced(callbacks, "closed_words", lambda call_id: {})),
    "nothing synced": Broken("what is final is on disk", replaced(CrashingDatabase, "write_batch", lose_all)),
    "containment off": Broken("no shard spends more than it holds", replaced(crosslinks, "_book", book_overdrawn)),
    "supply not booked": Broken(
        "the beacon chain knows what every shard holds", replaced(crosslinks, "_book", lambda state, shard, new: state)
    ),
}


def caught(name: str, steps_max: int = STEPS_MAX, seed: int = 1) -> str | None:
    """What the machine found under a broken rule; None where it found nothing."""
    with BROKEN[name].how():
        try:
            run_steps(steps_max, seed, program=PROGRAM_STEPS)
        except Exception as error:
            return f"{type(error).__name__}: {error}".splitlines()[0][:90]
        except BaseExceptionGroup as group:
            return f"{type(group.exceptions[0]).__name__}: {group.exceptions[0]}".splitlines()[0][:90]
    return None


def print_table() -> int:
    """The table; how many broken rules were not noticed."""
    print("| broken | rule | what was found |\n|---|---|---|")
    missed = 0
    for name, broken in BROKEN.items():
        found = caught(name)
        missed += found is None
        print(f"| {name} | {broken.rule} | {found or f'nothing in {STEPS_MAX} steps'} |", flush=True)
    return missed


if __name__ == "__main__":
    raise SystemExit(1 if print_table() else 0)

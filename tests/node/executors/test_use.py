"""Who may be at work on a database: nobody while it is held, and of what was asked for another state of it, only what says so."""

import threading

import pytest

from node.executors.inline import InlineExecutor
from node.executors.use import Use
from primitives.errors import Busy, Interrupted
from shard.database import MemoryDatabase
from shard.views import CallRequest
from tests.shard.executor.support import LOOP, address, make_genesis

WAIT_SECONDS = 20
CALL = (b"latest", CallRequest(sender=address(0), to=LOOP, gas=None, gas_price=b"", value=b"", data=b""))


def in_thread(use, asked=None):
    """What comes of an operation: a list that gets its outcome, and an event that is set then."""
    outcome, done = [], threading.Event()

    def work():
        try:
            with use.one(asked):
                outcome.append("worked")
        except (Busy, Interrupted) as error:
            outcome.append(error.limit)
        done.set()

    threading.Thread(target=work, daemon=True).start()
    return outcome, done


def test_what_is_asked_while_the_database_is_held_waits():
    use = Use()
    use.end()
    outcomes = [in_thread(use), in_thread(use, use.times_ended)]
    assert not any(done.wait(0.05) for _, done in outcomes)
    use.begin()
    assert all(done.wait(WAIT_SECONDS) for _, done in outcomes)
    assert [outcome for outcome, _ in outcomes] == [["worked"]] * 2


def test_what_was_asked_for_another_state_does_not_wait_for_the_next():
    use = Use()
    asked = use.times_ended
    use.end()
    for _ in range(2):
        with pytest.raises(Interrupted) as raised, use.one(asked):
            pass
        assert raised.value.limit == "executor_stopping"
        use.begin()


def test_holding_anew_ends_what_waits_for_the_state_before():
    use = Use()
    use.end()
    outcome, done = in_thread(use, use.times_ended)
    assert not done.wait(0.05)
    use.end()
    assert done.wait(WAIT_SECONDS)
    assert outcome == ["executor_stopping"]


def test_whoever_waits_for_too_long_is_told(monkeypatch):
    monkeypatch.setattr("node.executors.use.USE_SECONDS_MAX", 0.01)
    use = Use()
    use.end()
    with pytest.raises(Busy) as raised, use.one():
        pass
    assert raised.value.limit == "use_seconds_max"


def test_the_end_waits_for_who_is_at_work():
    use, entered, leave, ended = Use(), threading.Event(), threading.Event(), threading.Event()

    def work():
        with use.one():
            entered.set()
            leave.wait(WAIT_SECONDS)

    def end():
        use.end()
        ended.set()

    threading.Thread(target=work, daemon=True).start()
    assert entered.wait(WAIT_SECONDS)
    threading.Thread(target=end, daemon=True).start()
    assert not ended.wait(0.05)
    leave.set()
    assert ended.wait(WAIT_SECONDS)


def test_a_call_that_comes_to_its_turn_after_the_database_was_held_is_over():
    service = InlineExecutor(make_genesis(), 0, MemoryDatabase())._open()
    asked = service.times_held
    service.perform("hold", (), asked)
    service.perform("resume", (), asked)
    with pytest.raises(Interrupted) as raised:
        service.perform("call", CALL, asked)
    assert raised.value.limit == "executor_stopping"
    assert service.perform("head", (), asked).result.number == 0

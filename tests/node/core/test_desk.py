"""What an executor is asked for next, and what it is not asked for any more."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from node.core.desk import Desk
from node.core.effects import Build, Execute


def needed_by(*numbers):
    return lambda: [execution(number).root for number in numbers]


def build(view, epoch=0):
    return Build(0, b"p" * 32, view, epoch, 0, b"c" * 20, 0, None, {}, ())


def execution(number):
    return Execute(0, bytes([number]) * 32, b"", None, b"c" * 20)


def ask(desk, view, needed=(), held=range(10), epoch=0):
    held = {execution(number).root for number in held}
    return desk.next(epoch, view, lambda: [execution(number).root for number in needed], held.__contains__)


def test_one_thing_at_a_time_and_the_running_view_s_block_first():
    desk = Desk()
    for work in (execution(1), build(7), execution(2)):
        desk.add(work)
    assert ask(desk, 7, needed=(2, 1)) == build(7)
    assert ask(desk, 7, needed=(2, 1)) is None, "it is at work"
    desk.answered()
    assert ask(desk, 7, needed=(2, 1)) == execution(2)
    desk.answered()
    assert ask(desk, 7, needed=(2, 1)) == execution(1)
    desk.answered()
    assert ask(desk, 7, needed=(2, 1)) is None


def test_a_block_of_a_view_or_an_instance_that_has_ended_is_not_built():
    desk = Desk()
    desk.add(build(7))
    assert ask(desk, 8) is None
    desk.add(build(9))
    assert ask(desk, 1, epoch=1) is None
    desk.add(build(9))
    desk.add(build(10))
    assert ask(desk, 9) == build(10)


def test_a_block_nobody_waits_for_waits_until_somebody_does_or_it_is_gone():
    desk = Desk()
    desk.add(execution(1))
    desk.add(execution(2))
    assert ask(desk, 1) is None
    assert ask(desk, 2, needed=(2,)) == execution(2)
    desk.answered()
    assert ask(desk, 3, held=(2,)) is None
    assert ask(desk, 3, needed=(1,)) is None, "it was no longer held"


@given(st.lists(st.one_of(st.integers(0, 9).map(execution), st.integers(0, 9).map(build), st.none())))
def test_all_that_stays_needed_is_given_out_in_the_end(steps):
    desk, due, given_out = Desk(), set(), set()
    for step in steps:
        if step is None:
            desk.answered()
            work = ask(desk, 0, needed=range(10))
            if isinstance(work, Execute):
                given_out.add(work.root)
        else:
            desk.add(step)
            if isinstance(step, Execute):
                due.add(step.root)
                given_out.discard(step.root)
    for _ in range(12):
        desk.answered()
        work = ask(desk, 0, needed=range(10))
        if isinstance(work, Execute):
            given_out.add(work.root)
    assert given_out == due


def test_what_is_out_is_withdrawn_once_when_nobody_needs_it_any_more():
    desk = Desk()
    assert desk.withdraw(needed_by()) is None, "nothing is out"
    desk.add(execution(1))
    assert ask(desk, 1, needed=(1,)) == execution(1)
    assert desk.withdraw(needed_by(2, 1)) is None
    assert desk.withdraw(needed_by(2)) == execution(1).root
    assert desk.withdraw(needed_by(2)) is None, "it has been said"
    assert ask(desk, 2, needed=(1,)) is None, "it has not ended yet"
    desk.answered()
    assert ask(desk, 2, needed=(1,)) is None, "nothing waits"
    desk.add(execution(1))
    assert ask(desk, 2, needed=(1,)) == execution(1)
    assert desk.withdraw(needed_by()) == execution(1).root


def test_neither_a_final_block_nor_one_of_our_own_is_withdrawn():
    desk, final = Desk(), replace(execution(1), certified=True)
    desk.add(final)
    assert ask(desk, 1, needed=(1,)) == final
    assert desk.withdraw(needed_by()) is None
    desk.answered()
    desk.add(build(7))
    assert ask(desk, 7) == build(7)
    assert desk.withdraw(needed_by()) is None

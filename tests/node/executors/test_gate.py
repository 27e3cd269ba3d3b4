"""Calls stand still while block work runs, and end at their deadline."""

import threading

import pytest

from node.executors.gate import Gate
from primitives.errors import Interrupted


class Clock:
    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


def test_a_call_stands_still_while_block_work_runs():
    gate = Gate(3_600_000, Clock())
    meter = gate.meter()
    order = []

    def call():
        meter()
        order.append("call")

    with gate.block_work():
        thread = threading.Thread(target=call)
        thread.start()
        thread.join(0.05)
        order.append("block")
    thread.join()
    assert order == ["block", "call"]


def test_a_call_ends_at_its_deadline():
    clock = Clock()
    gate = Gate(5000, clock)
    meter = gate.meter()
    clock.seconds = 4.9
    meter()
    clock.seconds = 5.0
    with pytest.raises(Interrupted) as raised:
        meter()
    assert raised.value.limit == "call_deadline_ms"
    gate.meter()()


def test_standing_still_counts():
    clock = Clock()
    gate = Gate(10, clock)
    meter = gate.meter()
    with gate.block_work():
        clock.seconds = 0.01
        with pytest.raises(Interrupted):
            meter()


def test_a_part_of_a_large_read_lets_block_work_go_first(monkeypatch):
    monkeypatch.setattr("node.executors.gate.READ_PAUSE_MS_MAX", 60_000)
    gate = Gate(5000, Clock())
    gate.pause()
    order = []

    def read():
        gate.pause()
        order.append("read")

    with gate.block_work():
        thread = threading.Thread(target=read)
        thread.start()
        order.append("block")
    thread.join()
    assert order == ["block", "read"]


def test_block_work_without_end_holds_a_read_up_only_so_long(monkeypatch):
    monkeypatch.setattr("node.executors.gate.READ_PAUSE_MS_MAX", 1)
    gate = Gate(5000, Clock())
    with gate.block_work():
        gate.pause()


def test_the_end_ends_all_calls():
    gate = Gate(5000, Clock())
    running = gate.meter()
    gate.end()
    for meter in (running, gate.meter()):
        with pytest.raises(Interrupted) as raised:
            meter()
        assert raised.value.limit == "executor_stopping"


def test_a_call_that_is_withdrawn_ends_and_the_next_runs():
    gate = Gate(5000, Clock())
    gate.admit()
    meter = gate.meter()
    meter()
    gate.withdraw()
    for started in (meter, gate.meter()):
        with pytest.raises(Interrupted) as raised:
            started()
        assert raised.value.limit == "call_withdrawn"
    gate.admit()
    gate.meter()()


def test_an_execution_is_withdrawn_by_its_number_before_it_begins_too():
    gate = Gate(10, Clock())
    running, next_one = gate.execution_meter(1), gate.execution_meter(2)
    running()
    gate.withdraw_executions(1)
    with pytest.raises(Interrupted) as raised:
        running()
    assert raised.value.limit == "execution_withdrawn"
    next_one()
    gate.withdraw_executions(3)
    gate.withdraw_executions(2)
    with pytest.raises(Interrupted):
        gate.execution_meter(3)()
    gate.execution_meter(4)()


def test_executions_with_a_meter_end_where_the_executor_stops():
    gate = Gate(10, Clock())
    meter = gate.execution_meter(1)
    gate.end()
    with pytest.raises(Interrupted):
        meter()
    gate.begin()
    meter()

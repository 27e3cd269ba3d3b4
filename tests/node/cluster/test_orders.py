"""Orders to nodes, from one command or many at once: each is taken before the next, or nothing of it is left."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from node.cluster import chaos, orders
from node.cluster.bundle_faults import ChannelFault
from node.cluster.chaos import Partition, Slow
from node.cluster.files import write_network
from node.cluster.layout import Layout, Options, replace_file
from node.cluster.orders import LOCK_FILE, ORDER_FILE, NotTaken, give, turn
from primitives.errors import UserError

OPTIONS = Options(nodes=2)
DEAF = "import signal, time; signal.signal(signal.SIGUSR1, signal.SIG_IGN); print(flush=True); time.sleep(60)"
OBEDIENT = """
import os, pathlib, signal, sys, time
order, taken = map(pathlib.Path, sys.argv[1:])
def obey(number, frame):
    if order.exists():
        with taken.open("a") as file:
            file.write(order.read_text() + chr(10))
        order.unlink()
signal.signal(signal.SIGUSR1, obey)
print(flush=True)
while True:
    time.sleep(60)
"""


@pytest.fixture
def layout(tmp_path, monkeypatch):
    write_network(tmp_path, OPTIONS)
    monkeypatch.setattr(orders, "ask_health", lambda options, node: {})
    return Layout(tmp_path)


@pytest.fixture
def processes(layout, monkeypatch):
    """Stand-ins of the two nodes, by code; found by whoever looks for the nodes."""
    begun = {}

    def start(node, code):
        place = layout.node(node)
        process = subprocess.Popen(
            [sys.executable, "-c", code, place / ORDER_FILE, place / "taken"], stdout=subprocess.PIPE, start_new_session=True
        )
        begun[node] = process
        assert process.stdout.readline()
        return process

    monkeypatch.setattr(chaos, "find_nodes", lambda *_: {node: one.pid for node, one in begun.items() if one.poll() is None})
    yield start
    for process in begun.values():
        process.kill()
        process.communicate()


def taken(layout, node):
    path = layout.node(node) / "taken"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_orders_given_at_once_are_each_taken_once(layout, processes):
    process = processes(0, OBEDIENT)
    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(give, layout, OPTIONS, 0, process.pid, {"number": number}) for number in range(24)]
        for one in done:
            one.result()
    assert sorted(order["number"] for order in taken(layout, 0)) == list(range(24))
    assert not list(layout.node(0).glob("*.new"))


def test_faults_begun_and_ended_at_once_are_all_ended(layout, processes):
    for node in range(2):
        processes(node, OBEDIENT)
    faults = [Slow(layout, OPTIONS, 0, 100 + number) for number in range(3)] + [Partition(layout, OPTIONS, [[0], [1]]) for _ in range(3)]
    with ThreadPoolExecutor(len(faults)) as pool:
        for act in (lambda fault: fault.begin(60.0), lambda fault: fault.end()):
            list(pool.map(act, faults))
    last = {"refuse" in order: order for order in taken(layout, 0)}
    assert all(order.get("delay_seconds", 0.0) == order.get("refuse_seconds", 0.0) == 0.0 for order in last.values())
    assert len(taken(layout, 0)) == 12
    assert len(taken(layout, 1)) == 6


def test_who_waits_too_long_for_its_turn_hears_whom_it_waits_for(layout, monkeypatch):
    monkeypatch.setattr(orders, "TURN_SECONDS_MAX", 0.1)
    message = rf"node 0 is given orders by another command \(process {os.getpid()}\) for more than 0.1 s"
    with turn(layout, 0), pytest.raises(NotTaken, match=message), turn(layout, 0):
        pass
    with turn(layout, 0), turn(layout, 1):
        assert (layout.node(1) / LOCK_FILE).read_text() == str(os.getpid())


def test_a_node_that_does_not_obey_is_named_and_nothing_of_the_order_is_left(layout, processes, monkeypatch):
    monkeypatch.setattr(orders, "OBEY_SECONDS_MAX", 0.1)
    processes(0, OBEDIENT)
    deaf = processes(1, DEAF)
    told = rf"no order is taken: node 1 \(process {deaf.pid}\) does not answer, .* logs --node 1 .*; what .* at other nodes is ended"
    with pytest.raises(UserError, match=told):
        Partition(layout, OPTIONS, [[0], [1]]).begin(1.0)
    assert [order["refuse_seconds"] for order in taken(layout, 0)] == [1.0, 0.0]
    assert not (layout.node(1) / ORDER_FILE).exists()


def test_a_node_that_stands_still_is_no_riddle(layout, processes):
    processes(0, OBEDIENT)
    process = processes(1, OBEDIENT)
    fault = Partition(layout, OPTIONS, [[0], [1]])
    fault.begin(60.0)
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    told = rf"not whole again: .*node 1 \(process {process.pid}\) stands still .* kill -CONT {process.pid}; it ends .* within 6\d s"
    with pytest.raises(UserError, match=told):
        fault.end()
    process.send_signal(signal.SIGCONT)
    fault.end()
    assert [order["refuse_seconds"] for order in taken(layout, 1)] == [60.0, 0.0]
    assert len(taken(layout, 0)) == 2, "what has ended is not ended again"


def test_an_order_is_not_given_to_a_node_that_does_not_answer_yet(layout, processes, monkeypatch):
    monkeypatch.setattr(orders, "OBEY_SECONDS_MAX", 0.1)
    monkeypatch.setattr(orders, "ask_health", lambda options, node: None)
    # it would end at the signal, as every process that has not asked for it
    process = processes(0, "import time; print(flush=True); time.sleep(60)")
    with pytest.raises(NotTaken, match="it is starting or very busy"):
        give(layout, OPTIONS, 0, process.pid, {})
    assert process.poll() is None


def test_what_a_node_was_ordered_is_gone_with_its_process(layout, processes):
    process = processes(0, OBEDIENT)
    fault = Slow(layout, OPTIONS, 0, 100)
    fault.begin(60.0)
    process.kill()
    process.wait()
    fault.end()


def test_a_node_with_too_many_faults_says_so_and_one_that_was_only_slow_to_answer_does_not(layout, processes, monkeypatch):
    processes(0, OBEDIENT)
    drop = {"source": 0, "destination": 1, "kind": "drop"}
    monkeypatch.setattr("node.cluster.bundle_faults.ask_health", lambda options, node: None)
    ChannelFault(layout, OPTIONS, [0], drop).begin(1.0)
    monkeypatch.setattr("node.cluster.bundle_faults.ask_health", lambda options, node: {"faults": [{"kind": "slow"}]})
    with pytest.raises(UserError, match="node 0 has as many faults as it takes"):
        ChannelFault(layout, OPTIONS, [0], drop).begin(1.0)


def test_a_file_is_replaced_whole_by_many_at_once(tmp_path):
    path = tmp_path / "file"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: replace_file(path, str(number) * 5_000, mode=0o600), range(8)))
    assert len(set(path.read_text())) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]

"""Orders in a node's folder: carried out once, or logged and removed."""

import json
import os
import signal
from functools import partial

import pytest
import trio

from node.bundle_faults import FaultKind
from node.chaos import ORDER_BYTES_MAX, Suffered, carry_out, obey
from node.cluster.orders import ORDER_FILE
from p2p.adapter.identity import load_or_create_identity


class Node:
    def __init__(self):
        self.done = []
        self.told = trio.Event()

    def ban(self, peer, seconds):
        self.done.append(("ban", peer, seconds))
        return True

    def pardon(self, peer):
        self.done.append(("pardon", peer))

    def delay_gossip(self, seconds, for_seconds):
        self.done.append(("delay", seconds, for_seconds))
        self.told.set()

    def begin(self, fault, margin_seconds):
        self.done.append(fault)
        return len(self.done) < 3


async def test_an_order_is_carried_out_at_the_signal_and_removed(tmp_path):
    peer, node, path = load_or_create_identity(tmp_path / "key"), Node(), tmp_path / ORDER_FILE
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(obey, tmp_path, node, node, node, Suffered()))
        path.write_text(f'{{"refuse": ["{peer}"], "refuse_seconds": 30, "delay_ms": 500, "delay_seconds": 10}}')
        os.kill(os.getpid(), signal.SIGUSR1)
        await node.told.wait()
        nursery.cancel_scope.cancel()
    assert node.done == [("ban", peer, 30.0), ("delay", 0.5, 10.0)]
    assert not path.exists()


def test_peers_are_pardoned_by_refusing_them_for_no_time(tmp_path):
    peer, node, path = load_or_create_identity(tmp_path / "key"), Node(), tmp_path / ORDER_FILE
    path.write_text(f'{{"refuse": ["{peer}"]}}')
    carry_out(path, node, node, node, Suffered(), 0.0)
    assert node.done == [("pardon", peer)]


@pytest.mark.parametrize(
    "order",
    [
        "", "[]", '{"refuse": ["nobody"]}', '{"refuse_seconds": -1}', '{"delay_ms": 1e9}', '{"burn": true}', '{"refuse": "a"}',
        '{"bundles": [{"kind": "burn", "source": 0, "destination": 1, "seconds": 5}]}', '{"bundles": [{"kind": "drop"}]}',
        " " * (ORDER_BYTES_MAX + 1),
    ],
)
def test_an_order_that_makes_no_sense_changes_nothing(order, tmp_path, caplog):
    node, path = Node(), tmp_path / ORDER_FILE
    path.write_text(order)
    carry_out(path, node, node, node, Suffered(), 0.0)
    assert node.done == []
    assert not path.exists()
    assert "chaos_refused" in caplog.text


def test_no_order_is_no_matter(tmp_path, caplog):
    node = Node()
    carry_out(tmp_path / ORDER_FILE, node, node, node, Suffered(), 0.0)
    assert node.done == []
    assert "chaos_refused" in caplog.text


def test_an_order_about_pages_of_receipts_is_about_nothing_else(tmp_path, caplog):
    node, path = Node(), tmp_path / ORDER_FILE
    drop = {"kind": "drop", "source": 0, "destination": 1, "seconds": 5.0}
    path.write_text(json.dumps({"bundles": [drop, drop | {"kind": "hold"}, drop | {"kind": "reorder"}]}))
    carry_out(path, node, node, node, Suffered(), 0.0)
    assert [fault.kind for fault in node.done] == [FaultKind.DROP, FaultKind.HOLD, FaultKind.REORDER]
    assert "8 faults are on already" in caplog.text
    assert not path.exists()


def test_orders_about_other_things_leave_each_other_alone_and_are_told_without_their_margin(tmp_path):
    peer, node, suffered, path = load_or_create_identity(tmp_path / "key"), Node(), Suffered(), tmp_path / ORDER_FILE

    def give(now, **order):
        path.write_text(json.dumps(order | {"margin_seconds": 5}))
        carry_out(path, node, node, node, suffered, now)
        return suffered.report(now)

    slow = {"kind": "slow", "delay_ms": 700, "seconds_left": 60.0}
    assert give(0.0, delay_ms=700, delay_seconds=60) == [slow]
    apart = {"kind": "partition", "peers": [str(peer)], "seconds_left": 20.0}
    assert give(10.0, refuse=[str(peer)], refuse_seconds=20) == [apart, slow | {"seconds_left": 50.0}]
    assert suffered.report(34.0) == [apart | {"seconds_left": 0.0}, slow | {"seconds_left": 26.0}]
    assert suffered.report(36.0) == [slow | {"seconds_left": 24.0}]
    assert give(12.0, refuse=[str(peer)], refuse_seconds=0) == [slow | {"seconds_left": 48.0}]
    assert give(13.0, delay_ms=0, delay_seconds=0) == []
    assert node.done == [("delay", 0.7, 65.0), ("ban", peer, 25.0), ("pardon", peer), ("delay", 0.0, 5.0)]

"""The node's feed: each final head once, with what readers need of it."""

from dataclasses import replace

from node.feed import Feed
from node.rpc.backend import HeadMoved, PooledTransaction, TransactionPooled
from tests.node.support import make_core


def test_a_head_is_told_when_it_has_moved_and_once():
    core = make_core()
    feed, told = Feed(core), []
    feed.listen(told.append)
    feed.after_turn()
    assert told == []
    shard = core.shards[1].tree.head
    shard.info = replace(shard.info, height=1, root=b"\1" * 32)
    beacon = core.beacon.tree.head
    beacon.info = replace(beacon.info, height=2, root=b"\2" * 32)
    feed.after_turn()
    feed.after_turn()
    assert shard.outcome is not None
    header = shard.outcome.result.header
    assert header
    assert told == [HeadMoved(1, 1, b"\1" * 32, header), HeadMoved(core.beacon.number, 2, b"\2" * 32, b"")]


def test_every_listener_hears_of_a_pooled_transaction():
    feed, first, second = Feed(make_core()), [], []
    feed.listen(first.append)
    feed.listen(second.append)
    pooled = PooledTransaction(b"raw", b"\5" * 20)
    feed.pooled(1, b"\6" * 32, pooled)
    assert first == second == [TransactionPooled(1, b"\6" * 32, pooled)]

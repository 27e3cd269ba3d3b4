"""Final beacon blocks and channels as a node's core and store hold them."""

from dataclasses import replace

from node.backend import NodeBackend
from node.core.effects import Persist
from node.core.records import beacon_block_key, beacon_root_key
from node.rpc.beacon_backend import ChannelView
from primitives.blocks import BeaconBlock
from primitives.receipts import ChannelTotals
from tests.node.test_backend import Node


async def stored():
    node = Node()
    genesis = BeaconBlock.decode(node.core.beacon.tree.head.data)
    blocks = [genesis, replace(genesis, height=1), replace(genesis, height=2)]
    records = [Persist(beacon_block_key(2, b.height), b.encode()) for b in blocks]
    records += [Persist(beacon_root_key(2, b.hash_tree_root()), b.height.to_bytes(8, "big")) for b in blocks]
    await node.store.write(records)
    node.beacon_at(2)
    return node, blocks


async def test_blocks_by_height_root_and_tag():
    node, blocks = await stored()
    beacon = node.backend.beacon
    for block in blocks:
        found = beacon.block(block.height)
        assert (found.root, found.block, found.size) == (block.hash_tree_root(), block, len(block.encode()))
        assert beacon.block(found.root) == found
    assert beacon.block("latest") == beacon.block("finalized") == beacon.block(2)
    assert beacon.block("earliest") == beacon.block(0)
    assert beacon.block(1) is beacon.block(1)
    assert beacon.block(3) is None
    assert beacon.block(b"\1" * 32) is None


async def test_a_bounded_number_of_blocks_is_kept_decoded(monkeypatch):
    node, blocks = await stored()
    monkeypatch.setattr("node.beacon_reads.BLOCKS_CACHED_MAX", 2)
    first = node.backend.beacon.block(0)
    assert [node.backend.beacon.block(height).block for height in (1, 2)] == blocks[1:]
    again = node.backend.beacon.block(0)
    assert again == first
    assert again is not first


async def test_registry_and_committees():
    node, _ = await stored()
    beacon = node.backend.beacon
    validators = beacon.validators()
    assert len(validators) == len(node.core.context.genesis.validators)
    assert all(v.is_active and v.stake > 0 and v.votes_due == 0 for v in validators)
    assert beacon.epochs_known() == (0, 1)
    committees = beacon.committees(None)
    assert (committees.epoch, len(committees.committees)) == (0, 3)
    assert [index for index, _ in committees.committees[2].members] == list(range(len(validators)))
    assert beacon.committees(1).epoch == 1
    assert beacon.committees(2) is None


def backend_of(node, hosted):
    node.core.shards = {shard: chain for shard, chain in node.core.shards.items() if shard in hosted}
    links, feed = dict.fromkeys(hosted), node.backend.feed
    return NodeBackend(core=node.core, links=links, store=node.store, submit=node.submit, peers=lambda: 3, feed=feed)


def with_totals(summary, outgoing=None, incoming=None):
    """A Summary with other counts on the channel to or from chain 1 (outgoing) or 0 (incoming)."""
    out = list(summary.outgoing)
    into = list(summary.incoming)
    if outgoing is not None:
        out[1] = ChannelTotals(outgoing, 0, bytes(32))
    if incoming is not None:
        into[0] = ChannelTotals(incoming, 0, bytes(32))
    return replace(summary, outgoing=tuple(out), incoming=tuple(into))


def test_cursors_of_a_channel_are_the_newest_that_are_known():
    node = Node()
    source, destination = (node.core.shards[shard].tree.head for shard in range(2))
    head = node.core.beacon.tree.head
    records = head.outcome.shards
    node.beacon_at(
        shard_0={"summary": with_totals(records[0].summary, outgoing=5)}, shard_1={"summary": with_totals(records[1].summary, incoming=2)}
    )
    source.outcome = replace(source.outcome, summary=with_totals(source.outcome.summary, outgoing=7))
    destination.outcome = replace(destination.outcome, summary=with_totals(destination.outcome.summary, incoming=3))
    assert node.backend.channels.view(0, 1) == ChannelView(7, 5, 3, False)
    assert backend_of(node, (0,)).channels.view(0, 1) == ChannelView(7, 5, 2, False)
    assert backend_of(node, ()).channels.view(0, 1) == ChannelView(5, 5, 2, False)


def test_a_source_that_is_behind_the_beacon_chain_has_sent_what_is_recorded():
    node = Node()
    record = node.core.beacon.tree.head.outcome.shards[0]
    node.beacon_at(shard_0={"summary": with_totals(record.summary, outgoing=5)})
    assert node.backend.channels.view(0, 1) == ChannelView(5, 5, 0, False)


async def test_pending_receipts_where_neither_shard_is_hosted():
    assert await backend_of(Node(), ()).channels.pending(0, 1, 0, 10) is None
    assert await backend_of(Node(), (1,)).channels.pending(0, 1, 0, 10) == ()

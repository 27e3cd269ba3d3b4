"""What JSON-RPC reads of a node: tags agree with the heads, a crossing is found in the records, troubles are named."""

from dataclasses import replace

import pytest

from node.backend import NodeBackend
from node.core.effects import Now, PeerConnected, Persist
from node.core.records import beacon_block_key, crosslink_key
from node.core.vigil import PEERLESS_MS_MAX
from node.executors.inline import InlineExecutor
from node.executors.link import ExecutorLink
from node.feed import Feed
from node.rpc.backend import BlockRef, PoolCounts
from node.store import NodeStore
from primitives.blocks import BeaconBlock
from primitives.errors import InvalidTransaction, TransactionReason
from primitives.receipts import EMPTY_CHANNEL, Bundle, CrossShardReceipt, empty_summary
from shard.database import MemoryDatabase
from shard.views import LogFilter, OutgoingReceipt, ReceiptView, TransactionView, small
from tests.node.support import make_core, make_genesis

RICH = b"\xaa" * 20


def outgoing(block_number: int, source: int = 0) -> OutgoingReceipt:
    return OutgoingReceipt(
        id=b"\1" * 32, source=source, destination=1, nonce=0, kind=0, sender=RICH, to=RICH, amount=b"\1", gas_limit=0, fee=b"",
        refund_to=RICH, data=b"", block_number=block_number, block_hash=b"\2" * 32, transaction_hash=b"\3" * 32,
    )  # fmt: skip


class Node:
    """A backend on a core at genesis, with real executors in memory."""

    def __init__(self, links=None):
        self.core, self.now = make_core(), Now(1_000, 1_000_000)
        self.store = NodeStore(MemoryDatabase(), self.core.context.genesis.root, "memory")
        self.core.context.read = self.store.read
        self.sent = []
        self.backend = NodeBackend(
            core=self.core, links=links or {0: None, 1: None}, store=self.store, submit=self.submit, peers=lambda: 3, feed=Feed(self.core),
            now=lambda: self.now,
        )  # fmt: skip

    async def submit(self, shard, raw):
        if not raw:
            raise InvalidTransaction(TransactionReason.MALFORMED, "empty")
        self.sent.append((shard, raw))
        return b"\7" * 32

    def beacon_at(self, height=1, **records):
        """Has the beacon chain stand at `height` with changes to shard records, by shard number in the name."""
        head = self.core.beacon.tree.head
        shards = tuple(replace(record, **records.get(f"shard_{i}", {})) for i, record in enumerate(head.outcome.shards))
        head.outcome = replace(head.outcome, height=height, shards=shards)
        head.info = replace(head.info, height=height)


@pytest.fixture
async def executed(nursery):
    links = {shard: InlineExecutor(make_genesis(), shard, MemoryDatabase()) for shard in range(2)}
    for link in links.values():
        await link.start(nursery)
    yield Node(links)
    for link in links.values():
        await link.stop()


@pytest.mark.parametrize("tag", ["latest", "safe", "pending", "finalized", "earliest"])
async def test_every_tag_names_the_block_that_heads_name(executed, tag):
    shard = executed.backend.shard(1)
    block = await shard.block(tag)
    assert (block.hash, await shard.block(block.hash)) == (shard.heads().latest.hash, block)
    assert small((await shard.account(RICH, tag)).balance) == 10**22
    assert await shard.code(RICH, tag) == b""
    assert await shard.storage(RICH, 0, tag) == bytes(32)


async def test_unknown_blocks_transactions_and_shards_are_none(executed):
    shard = executed.backend.shard(0)
    assert await shard.block(1) is None
    assert await shard.block(b"\1" * 32) is None
    assert await shard.account(RICH, 1) is None
    for read in (shard.transaction, shard.receipt, shard.outgoing_receipt, shard.delivered_receipt, shard.pooled_transaction):
        assert await read(b"\1" * 32) is None
    assert await shard.outgoing_of(b"\1" * 32) == ()
    assert executed.backend.shard(2) is None


async def test_pages_of_accounts_add_up_to_the_supply(executed):
    shard, total, after = executed.backend.shard(0), 0, None
    while True:
        page = await shard.accounts_page(0, after, 1)
        total, after = total + small(page.balance), page.last
        if after is None:
            break
    assert total == executed.backend.supply().shards[0] == 10**22


async def test_transactions_go_to_their_shard_and_refusals_come_back(executed):
    shard = executed.backend.shard(1)
    assert await shard.submit(b"raw") == b"\7" * 32
    assert executed.sent == [(1, b"raw")]
    with pytest.raises(InvalidTransaction, match="empty"):
        await shard.submit(b"")
    assert await shard.pending_nonce(RICH) == 0
    assert shard.pool_counts() == PoolCounts(0, 0)


def test_finalized_is_the_crosslinked_block_and_never_one_that_is_not_here():
    node = Node()
    heads = node.backend.shard(0).heads()
    assert heads.finalized == heads.latest
    node.beacon_at(shard_0={"height": 5, "hash": b"\5" * 32})
    assert node.backend.shard(0).heads().finalized == heads.latest
    node.core.shards[0].tree.head.info = replace(node.core.shards[0].tree.head.info, height=7)
    assert node.backend.shard(0).heads().finalized == BlockRef(5, b"\5" * 32)
    assert node.backend.shard(0).heads().latest.number == 7


def test_a_node_is_ready_once_every_chain_has_something_final():
    node = Node()
    assert not node.backend.is_ready()
    node.beacon_at(shard_0={"height": 1, "hash": b"\1" * 32})
    for chain in node.core.shards.values():
        chain.tree.head.info = replace(chain.tree.head.info, height=1)
    assert not node.backend.is_ready()
    node.beacon_at(shard_0={"height": 1}, shard_1={"height": 1})
    assert node.backend.is_ready()


async def test_a_crossing_is_taken_in_by_the_first_crosslink_at_or_above_its_block():
    node = Node()
    block = BeaconBlock.decode(node.core.beacon.tree.head.data)
    blocks = {height: replace(block, height=height) for height in (3, 6)}
    stamp = {height: height.to_bytes(8, "big") + (100 + height).to_bytes(8, "big") for height in blocks}
    await node.store.write(
        [Persist(beacon_block_key(2, height), held.encode()) for height, held in blocks.items()]
        + [Persist(crosslink_key(0, 4), stamp[3]), Persist(crosslink_key(0, 300), stamp[6]), Persist(crosslink_key(1, 500), stamp[6])]
    )
    for number, height in ((1, 3), (4, 3), (5, 6), (300, 6)):
        found = await node.backend.crossing(outgoing(number))
        assert (found.crosslink, found.crosslink_timestamp) == (BlockRef(height, blocks[height].hash_tree_root()), 100 + height)
    assert (await node.backend.crossing(outgoing(301))).crosslink is None


async def test_a_crossing_tells_when_the_message_was_here():
    node = Node()
    await node.store.write([Persist(crosslink_key(0, 4), (3).to_bytes(8, "big") + (103).to_bytes(8, "big"))])
    assert (await node.backend.crossing(outgoing(4))).bundle_ms is None
    node.core.context.now = Now(monotonic_ms=9_000, wall_ms=1_009_500)
    message = CrossShardReceipt(0, 1, 0, 0, RICH, RICH, 1, 0, 0, bytes(20), b"")
    sent = empty_summary(2)
    sent = replace(sent, outgoing=(EMPTY_CHANNEL, EMPTY_CHANNEL.add([message], 735_700), EMPTY_CHANNEL))
    node.core.context.passages.on_beacon_block(2, 1, 1_009, 8_900, {0: sent}, node.core.context.now)
    inbound = node.core.shards[1].inbound
    inbound.channels[0].advance_target(sent.outgoing[1], 0)
    node.core.context.now = Now(monotonic_ms=9_100, wall_ms=1_009_600)
    assert inbound.offer(None, Bundle(0, 1, 0, bytes(32), (message,)))
    assert (await node.backend.crossing(outgoing(4))).bundle_ms == 1_009_600
    assert (node.backend.final_at(2, 1), node.backend.final_at(0, 4)) == (1_009_500, None)
    assert (await node.backend.crossing(outgoing(4, source=1))).crosslink is None


def test_supply_holds_every_term_and_health_tells_what_is_off():
    node = Node()
    assert node.backend.health() == []
    terms = node.backend.supply()
    assert (terms.shards, terms.stakes, terms.in_flight, terms.imbalance) == ((10**22,) * 2, 32 * 10**18, (), 0)
    node.beacon_at(shard_1={"supply": 10**22 + 5})
    assert node.backend.supply().imbalance == 5
    assert node.backend.health() == []
    node.core.context.doubt("the supply invariant is off by 5 wei at beacon block 9")
    node.core.context.doubt("what comes of it")
    assert node.backend.health() == ["the supply invariant is off by 5 wei at beacon block 9"]
    node.core.shards[0].halted = "its root differs"
    assert node.backend.health()[0] == "chain 0 has halted here: its root differs"


def test_a_node_that_is_cut_off_is_neither_ready_nor_well():
    node = Node()
    node.core.context.local = ()
    node.core._has_heard = True
    node.beacon_at(shard_0={"height": 1}, shard_1={"height": 1})
    for chain in node.core.shards.values():
        chain.tree.head.info = replace(chain.tree.head.info, height=1)
    node.backend.after_turn()
    assert node.backend.is_ready()
    assert node.backend.health() == []
    node.now = Now(1_000 + PEERLESS_MS_MAX, 1_000_000 + PEERLESS_MS_MAX)
    assert not node.backend.is_ready()
    assert node.backend.health() == ["no peers: this node is cut off; its log tells why dials fail"]


def test_peers_of_another_network_are_not_counted():
    node = Node()
    assert node.backend.peers() == 3
    node.core.handle(PeerConnected("a"), node.now)
    node.core.hear_status("a", b"\7" * 32, ())
    assert node.backend.peers() == 2


def test_health_names_an_executor_that_is_away(tmp_path):
    links = {0: InlineExecutor(make_genesis(), 0, MemoryDatabase()), 1: ExecutorLink(make_genesis(), 1, tmp_path / "shard-1")}
    assert Node(links).backend.health() == ["the executor of shard 1 is not running"]


def test_the_rest_is_read_off_the_newest_beacon_block():
    node = Node()
    head = node.backend.beacon_head()
    assert (head.block, head.epoch) == (BlockRef(0, node.core.beacon.tree.head.info.root), 0)
    assert [link.block for link in head.crosslinks] == [chain.heads().latest for chain in map(node.backend.shard, range(2))]
    assert [node.backend.committee(chain) for chain in range(3)] == [(0,)] * 3
    assert (node.backend.peers(), node.backend.genesis) == (3, make_genesis())


class AheadExecutor:
    """Has carried out block 1 and said so, which the core has not heard yet."""

    transaction_view = TransactionView(b"\3" * 32, b"", RICH, 1, b"\2" * 32, 0, b"", 0)

    async def transaction(self, hash):
        return self.transaction_view

    async def receipt(self, hash):
        return ReceiptView(self.transaction_view, 1, 21_000, 21_000, b"", bytes(256), (), RICH, None)

    async def outgoing_receipt(self, id):
        return outgoing(1)

    async def outgoing_of(self, transaction_hash):
        return (outgoing(1),)

    async def logs(self, wanted):
        return wanted


async def test_what_is_found_by_its_hash_is_told_once_its_block_is_the_latest():
    node = Node({0: AheadExecutor(), 1: None})
    shard, head = node.backend.shard(0), node.core.shards[0].tree.head
    questions = (shard.transaction, shard.receipt, shard.delivered_receipt, shard.outgoing_receipt, shard.outgoing_of)
    assert [bool(await question(b"\3" * 32)) for question in questions] == [False] * 5
    wanted = await shard.logs(LogFilter())
    assert (wanted.first, wanted.last) == (0, 0)
    head.info = replace(head.info, height=1)
    assert [bool(await question(b"\3" * 32)) for question in questions] == [True] * 5
    assert (await shard.logs(LogFilter(first="earliest", last=7))).last == 7

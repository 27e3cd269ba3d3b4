"""A relay that swaps a block's body must not make its header invalid."""

import dataclasses

from node.core.effects import Execute
from node.core.tree import Held, Status
from primitives.blocks import ExtraData, ShardBlock
from primitives.headers import ShardHeader
from primitives.receipts import CrossShardReceipt
from tests.node.support import make_core

FORGED = CrossShardReceipt(1, 0, 0, 0, b"\1" * 20, b"\2" * 20, 5, 0, 0, b"\0" * 20, b"")


def test_inbound_receipts_added_by_a_relay_drop_the_body_and_not_the_block():
    core = make_core()
    core.start()
    chain = core.shards[0]
    genesis = ShardHeader.decode(chain.tree.head.outcome.result.header)
    header = dataclasses.replace(
        genesis, number=1, parent_hash=genesis.hash(), parent_beacon_block_root=core.beacon.tree.head.info.root,
        extra_data=ExtraData(1, 0, 1, 0, 0).encode(),
    )  # fmt: skip
    good, swapped = ShardBlock(header.encode(), (), ()), ShardBlock(header.encode(), (FORGED,), ())
    root = header.hash()
    held = Held(chain.decode(swapped.encode()), swapped.encode())
    assert chain.tree.insert(held)
    chain.advance(root)
    assert held.status is not Status.INVALID
    assert chain.tree.get(root) is None
    assert chain.insert(root, good.encode())
    core.context.effects.clear()
    chain._want_executed(root, 1)
    chain.drain()
    chain.dispatch()
    assert [effect.root for effect in core.context.effects if isinstance(effect, Execute)] == [root]

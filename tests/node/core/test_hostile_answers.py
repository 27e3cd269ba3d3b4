"""What peers answer is held against them when it is not what was asked for; a block that no executor survives is given up."""

import dataclasses

import pytest

from consensus.simplex import events as simplex
from node.core.chain import EXECUTIONS_LOST_MAX
from node.core.effects import (
    Ask,
    BlockExecuted,
    Execute,
    ExecutionWithdrawn,
    Now,
    Observe,
    PeerConnected,
    Penalize,
    ResponseReceived,
    Tick,
    Withdraw,
)
from node.core.tree import Held, Status
from p2p.messages import Blocks, BlocksByRange, BlocksByRoot, BundleByNonce
from primitives.blocks import ExtraData, ShardBlock
from primitives.errors import BlockReason, Fault, InvalidBlock, ReceiptsReason
from primitives.headers import ShardHeader
from primitives.receipts import Bundle, CrossShardReceipt
from primitives.votes import EMPTY_SIGNATURE, Certificate, VoteKind
from tests.node.support import make_core

FORGED = CrossShardReceipt(1, 0, 0, 0, b"\1" * 20, b"\2" * 20, 5, 0, 0, b"\0" * 20, b"")


@pytest.fixture
def core():
    core = make_core()
    core.start()
    core.handle(PeerConnected("peer"), Now(1_000, 1_000_000))
    return core


def block_of(core, inbound=()):
    """A shard block on genesis, and its root."""
    chain = core.shards[0]
    genesis = ShardHeader.decode(chain.tree.head.outcome.result.header)
    header = dataclasses.replace(
        genesis, number=1, parent_hash=genesis.hash(), parent_beacon_block_root=core.beacon.tree.head.info.root,
        extra_data=ExtraData(1, 0, 1, 0, 0).encode(),
    )  # fmt: skip
    return header.hash(), ShardBlock(header.encode(), inbound, ()).encode()


def ask(core, need, request):
    """The id under which `request` is in flight."""
    core.context.effects.clear()
    core.context.want(need, request)
    return next(effect.request_id for effect in core.context.effects if isinstance(effect, Ask) and effect.request == request)


def blamed(effects):
    return [(effect.peer, effect.reason) for effect in effects if isinstance(effect, Penalize)]


@pytest.mark.parametrize("answer", [b"junk", "another"])
def test_a_body_of_another_block(core, answer):
    root, data = block_of(core)
    asked = ask(core, ("block", 0, b"\7" * 32), BlocksByRoot(0, (b"\7" * 32,)))
    effects = core.handle(ResponseReceived(asked, Blocks((data if answer == "another" else answer,), ())), Now(1_001, 1_000_001))
    assert blamed(effects) == [("peer", BlockReason.BAD_BODY)]
    assert BlockReason.BAD_BODY.fault is Fault.PEER
    assert core.shards[0].tree.get(root) is None


def test_more_bodies_than_asked_for(core):
    root, data = block_of(core)
    asked = ask(core, ("block", 0, root), BlocksByRoot(0, (root,)))
    effects = core.handle(ResponseReceived(asked, Blocks((data, data), ())), Now(1_001, 1_000_001))
    assert blamed(effects) == [("peer", BlockReason.BAD_BODY)]


def test_a_swapped_body_is_held_against_who_delivered_it(core):
    root, data = block_of(core, (FORGED,))
    asked = ask(core, ("block", 0, root), BlocksByRoot(0, (root,)))
    core.handle(ResponseReceived(asked, Blocks((data,), ())), Now(1_001, 1_000_001))
    core.context.effects.clear()
    core.shards[0].advance(root)
    assert blamed(core.context.effects) == [("peer", BlockReason.BAD_BODY)]
    assert core.shards[0].tree.get(root) is None


def test_a_range_without_its_finalization(core):
    _, data = block_of(core)
    asked = ask(core, ("range", 0, 1), BlocksByRange(0, 1, 1))
    effects = core.handle(ResponseReceived(asked, Blocks((data,), ())), Now(1_001, 1_000_001))
    assert blamed(effects) == [("peer", BlockReason.MALFORMED)]
    assert BlockReason.MALFORMED.fault is Fault.PEER


def test_a_page_of_another_channel(core):
    asked = ask(core, ("bundle", 1, 0, 1), BundleByNonce(1, 0, 0, 1))
    effects = core.handle(ResponseReceived(asked, Bundle(0, 1, 0, b"\0" * 32, (FORGED,))), Now(1_001, 1_000_001))
    assert blamed(effects) == [("peer", ReceiptsReason.WRONG_CHANNEL)]
    assert ReceiptsReason.WRONG_CHANNEL.fault is Fault.PEER


def have_executed(chain, root):
    """As if somebody needed the block: nothing else is executed."""
    chain._want_executed(root, 1)
    chain.drain()
    chain.dispatch()


def lose_executors(core, root, times):
    have_executed(core.shards[0], root)
    for _ in range(times):
        assert core.shards[0].tree.get(root).status is Status.EXECUTING
        core.handle(BlockExecuted(0, root, None), Now(1_001, 1_000_001))


def executing(core):
    """Withdrawals, and a block that is being executed although nobody waits for it any more."""
    root, data = block_of(core)
    chain = core.shards[0]
    held = Held(chain.decode(data), data)
    assert chain.tree.insert(held)
    have_executed(chain, root)
    assert held.status is Status.EXECUTING
    chain._wanted.clear()
    return root, held, core.handle(Tick(), Now(1_001, 1_000_001))


def test_what_nobody_needs_any_more_is_withdrawn_and_executed_once_it_is_needed(core):
    root, held, effects = executing(core)
    assert Withdraw(0, root) in effects
    assert not [effect for effect in core.handle(Tick(), Now(1_002, 1_000_002)) if isinstance(effect, Withdraw)], "it was said"
    core.shards[0]._want_executed(root, 1)
    effects = core.handle(ExecutionWithdrawn(0, root), Now(1_003, 1_000_003))
    assert [effect.root for effect in effects if isinstance(effect, Execute)] == [root]
    assert Observe("executions_withdrawn", {"shard": "0"}) in effects
    assert (held.status, held.executions_lost) == (Status.EXECUTING, 0)


def test_a_withdrawn_execution_says_nothing_of_its_block(core):
    root, held, _ = executing(core)
    effects = core.handle(ExecutionWithdrawn(0, root), Now(1_003, 1_000_003))
    assert not [effect for effect in effects if isinstance(effect, Execute)], "nobody needs it"
    assert (held.status, held.executions_lost) == (Status.UNCHECKED, 0)


def test_a_verdict_that_was_faster_than_the_withdrawal_counts(core):
    root, held, _ = executing(core)
    core.handle(BlockExecuted(0, root, InvalidBlock(BlockReason.BAD_STATE_ROOT, "")), Now(1_003, 1_000_003))
    assert held.status is Status.INVALID


def test_a_block_that_no_executor_survives_is_given_up(core):
    root, data = block_of(core)
    held = Held(core.shards[0].decode(data), data)
    assert core.shards[0].tree.insert(held)
    lose_executors(core, root, EXECUTIONS_LOST_MAX)
    assert held.status is Status.INVALID
    assert BlockReason.NOT_EXECUTABLE.fault is Fault.UNKNOWN
    core.context.effects.clear()
    have_executed(core.shards[0], root)
    assert not [effect for effect in core.context.effects if isinstance(effect, Execute)]


def test_a_final_block_is_tried_for_ever(core):
    root, data = block_of(core)
    chain = core.shards[0]
    held = Held(chain.decode(data), data)
    assert chain.tree.insert(held)
    lose_executors(core, root, EXECUTIONS_LOST_MAX)
    final = Certificate(chain.instance, 1, VoteKind.FINALIZE, root, (True,), EMPTY_SIGNATURE)
    core.context.effects.clear()
    chain._certificate_held(final)
    chain.dispatch()
    assert not chain.halted
    assert [effect.root for effect in core.context.effects if isinstance(effect, Execute)] == [root]
    lose_executors(core, root, 2 * EXECUTIONS_LOST_MAX)
    assert held.status is Status.EXECUTING


def test_one_lie_a_turn_is_all_that_is_checked(core):
    chain = core.shards[0]
    asked = []
    chain.engine.handle_all = lambda events, now_ms: asked.append(events.popleft()) or [simplex.Penalize("liar", BlockReason.BAD_BODY)]
    for peer in ("liar", "liar", "honest", "liar"):
        chain.post(simplex.WakeReceived(peer, None))
    chain.drain()
    assert [event.peer for event in asked] == ["liar", "honest"]

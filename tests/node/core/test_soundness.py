"""A node at which supply or balances do not add up casts no vote; the numbers are made wrong where the node takes them from."""

from dataclasses import replace

import msgspec
import pytest

from consensus.beacon.genesis import build_genesis_state
from consensus.signatures import BlsScheme
from node.core.core import Core
from node.core.effects import BlockBuilt, Build, Finalize, Now, Observe, Persist, Publish, ShardFinalized, Tick
from node.core.soundness import WITHHELD, complaint_about_block, complaint_about_record, complaint_about_state
from node.hosting import genesis_of_shards
from p2p.messages import ConsensusBatch
from primitives.receipts import EMPTY_CHANNEL, empty_summary
from primitives.types import ValidatorIndex
from primitives.votes import Proposal
from shard.database import MemoryDatabase
from shard.engine.reference import ReferenceEngine
from shard.executor.context import BuildContext
from shard.executor.executor import ShardExecutor
from shard.executor.schema import StateReader
from shard.pool import Pool, PoolLimits
from shard.views import big, small
from tests.node.support import KEY, make_genesis

START = Now(1_000, 1_000_000)


def executors(genesis):
    made = {}
    for shard in range(genesis.parameters.shard_count):
        database = MemoryDatabase()
        engine = ReferenceEngine(genesis.parameters, shard, StateReader(database))
        made[shard] = ShardExecutor(database, genesis, shard, engine, lambda: 0.0)
    return made


def core_with(genesis, heads, state_changes, store=None):
    store = {} if store is None else store
    block, state = build_genesis_state(genesis, genesis_of_shards(genesis, heads))
    return Core(
        genesis=genesis, genesis_block=block, genesis_state=replace(state, **state_changes), heads=heads,
        pools={shard: Pool(PoolLimits()) for shard in heads}, scheme=BlsScheme({0: KEY}), local=(ValidatorIndex(0),),
        read=store.get, scan=lambda prefix: {key: value for key, value in store.items() if key.startswith(prefix)}, now=START,
    )  # fmt: skip


def spoken(effects):
    batches = [e.message for e in effects if isinstance(e, Publish) and isinstance(e.message, ConsensusBatch)]
    return [message for batch in batches for message in (*batch.votes, *batch.proposals, *batch.wakes)]


def live(spoil, heads=None, state_changes=None, seconds=10):
    """Runs a network of one validator; `spoil` may change what an executor has built. The core, what it said, its complaints."""
    genesis, store = make_genesis(), {}
    made = executors(genesis)
    heads = heads or {shard: executor.head() for shard, executor in made.items()}
    core = core_with(genesis, heads, state_changes or {}, store)
    pending, said, observed = list(core.start()), [], []
    for step in range(seconds * 20):
        now = Now(START.monotonic_ms + 50 * (step + 1), START.wall_ms + 50 * (step + 1))
        said += spoken(pending)
        observed += [effect.labels["why"] for effect in pending if isinstance(effect, Observe) and effect.name == "unsound"]
        store.update({effect.key: effect.value for effect in pending if isinstance(effect, Persist)})
        for key in [key for key, value in store.items() if value is None]:
            del store[key]
        events = [Tick()]
        for effect in pending:
            if isinstance(effect, Finalize):
                events.append(ShardFinalized(effect.shard, effect.root, made[effect.shard].finalize(effect.root)))
            if isinstance(effect, Build):
                context = BuildContext(
                    reference=effect.reference, coinbase=effect.coinbase, epoch=effect.epoch, view=effect.view, proposer=effect.proposer,
                    timestamp=effect.timestamp, available=effect.available,
                )  # fmt: skip
                built = made[effect.shard].build(effect.parent, context, effect.candidates, 1000)
                events.append(BlockBuilt(effect.shard, effect.parent, effect.view, spoil(effect.shard, built)))
        pending = core.handle_all(events, now)
    return core, said, observed


def honest(shard, built):
    return built


def test_a_node_that_adds_up_proposes_and_votes():
    core, said, observed = live(honest)
    assert {message.vote.instance.chain for message in said if isinstance(message, Proposal)} == {0, 1, 2}
    assert (core.context.unsound, observed) == ("", [])


def test_a_wrong_balance_of_one_shard_ends_the_votes_of_all_chains():
    def one_wei_more(shard, built):
        supply = small(built.result.supply) + (shard == 1)
        return msgspec.structs.replace(built, result=msgspec.structs.replace(built.result, supply=big(supply)))

    core, said, observed = live(one_wei_more)
    assert observed == [f"the balances of shard 1 are off by 1 wei at block 1: {WITHHELD}"]
    assert core.context.unsound == observed[0]
    assert not any(message.vote.instance.chain == 1 for message in said if isinstance(message, Proposal))
    quiet, again = live_on(core, 40)
    assert (quiet, again) == ([], [])


def live_on(core, steps):
    said, observed = [], []
    for step in range(steps):
        effects = core.handle(Tick(), Now(50_000 + 100 * step, 1_050_000 + 100 * step))
        said += spoken(effects)
        observed += [effect for effect in effects if isinstance(effect, Observe) and effect.name == "unsound"]
    return said, observed


@pytest.mark.parametrize("wei", [-3, 7])
def test_a_wrong_beacon_state_is_found_at_the_start(wei):
    core, said, observed = live(honest, state_changes={"genesis_wei": 2 * 10**22 + 32 * 10**18 - wei})
    assert core.context.unsound == f"the supply invariant is off by {wei} wei at beacon block 0: {WITHHELD}"
    assert said == []
    assert observed == [core.context.unsound]


def test_a_wrong_balance_that_was_stored_is_found_again_at_the_next_start():
    genesis = make_genesis()
    heads = {shard: executor.head() for shard, executor in executors(genesis).items()}
    supply = small(heads[0].result.supply)
    heads[0] = msgspec.structs.replace(heads[0], result=msgspec.structs.replace(heads[0].result, supply=big(supply - 2)))
    core, said, _ = live(honest, heads)
    assert core.context.unsound == f"the balances of shard 0 are off by -2 wei at block 0: {WITHHELD}"
    assert said == []


def test_every_sum_is_exact():
    genesis = make_genesis()
    made = executors(genesis)
    _, state = build_genesis_state(genesis, genesis_of_shards(genesis, {shard: one.head() for shard, one in made.items()}))
    assert complaint_about_state(state) == complaint_about_record(0, state, 10**22) == ""
    moved = replace(state, shards=(replace(state.shards[0], supply=10**22 - 1), replace(state.shards[1], supply=10**22 + 1)))
    assert complaint_about_state(moved) == "", "two wrongs that make a right in the whole"
    assert complaint_about_record(0, moved, 10**22).startswith("the recorded supply of shard 0 is off by -1 wei")
    assert complaint_about_record(1, moved, 10**22).startswith("the recorded supply of shard 1 is off by 1 wei")
    sent = replace(EMPTY_CHANNEL, value=30)
    outgoing, incoming = (EMPTY_CHANNEL, sent, sent), (EMPTY_CHANNEL, sent, EMPTY_CHANNEL)
    summary = replace(empty_summary(2), burned=5, fees=1, outgoing=outgoing, incoming=incoming)
    assert summary.net == -36
    assert complaint_about_block(0, 1, 64, 100, summary) == ""
    assert complaint_about_block(0, 1, 65, 100, summary).startswith("the balances of shard 0 are off by 1 wei at block 1")

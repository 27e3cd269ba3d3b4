"""Orders of a developer who has a network alone, and where there are none."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import trio

from node.clock import Clock
from node.config import NodeConfig
from node.controls import MINED_BLOCKS_MAX, OPERATION_BLOCKS_MAX, ORDER_SECONDS_MAX, TIMESTAMP_MAX, Controls, check_granted
from node.core.effects import Mine, SetAutomine, SetTimestamp
from node.core.records import CLOCK_KEY
from node.feed import Feed
from node.loop import clocks
from node.rpc.errors import of_control
from node.wiring import load_identity
from primitives.errors import ControlReason, Interrupted, InvalidConfig, InvalidControl
from primitives.genesis import parse_genesis
from primitives.parameters import Parameters
from shard.database import MemoryDatabase
from shard.engine.reference import ReferenceEngine
from shard.executor.executor import ShardExecutor
from shard.executor.schema import StateReader
from shard.pool import Pool, PoolLimits
from tests.node.support import make_core, make_genesis


def solo_genesis():
    genesis = make_genesis()
    return genesis.model_copy(update={"parameters": genesis.parameters.model_copy(update={"developer_controls": True})})


class Loop:
    """Notes what the core is told, and what is to be carried out."""

    def __init__(self):
        self.told, self.performed = [], []

    async def tell(self, event):
        await trio.lowlevel.checkpoint()
        self.told.append(event)

    def perform(self, effects):
        self.performed += effects


def make_controls():
    core, loop, clock = make_core(genesis=solo_genesis()), Loop(), Clock()
    return Controls(core, clock, Feed(core), loop.tell, loop.perform, lambda shard: None, None), core, loop, clock


def reason_of(caught):
    assert len(of_control(caught.value).message.split(". ")) == 1
    assert of_control(caught.value).data == caught.value.reason.code
    return caught.value.reason


def test_where_several_validators_must_agree_nobody_has_controls():
    with pytest.raises(InvalidControl) as caught:
        check_granted(make_core())
    assert reason_of(caught) is ControlReason.NOT_GRANTED


def test_a_node_that_only_follows_has_no_controls():
    core = make_core(genesis=solo_genesis())
    check_granted(core)
    core.context = replace(core.context, local=())
    with pytest.raises(InvalidControl) as caught:
        check_granted(core)
    assert reason_of(caught) is ControlReason.NOT_ALONE


def test_controls_want_a_network_for_development():
    text = solo_genesis().to_json().replace('"devnet": true', '"devnet": false')
    with pytest.raises(Exception, match="developer_controls are for a network for development"):
        parse_genesis(text)
    assert Parameters().developer_controls is False


def test_a_part_of_the_validators_does_not_start(tmp_path):
    from node.cluster.files import write_network
    from node.cluster.layout import Layout, Options

    genesis, layout = write_network(tmp_path, Options(nodes=1, validators_per_node=2)), Layout(tmp_path)
    assert genesis.parameters.developer_controls
    keys = layout.node(0) / "validator-keys.json"
    config = NodeConfig(genesis=layout.genesis, data_dir=tmp_path, node_key=tmp_path / "node.key", validator_keys=keys)
    assert load_identity(config).local == (0, 1)
    keys.write_text(keys.read_text().rpartition(",\n  {")[0] + "]")
    with pytest.raises(InvalidConfig, match="want all 2 validators at one node, not 1"):
        load_identity(config)
    several = write_network(tmp_path / "four", Options())
    assert not several.parameters.developer_controls


async def test_time_goes_on_and_ends_with_the_year_9999():
    controls, core, loop, clock = make_controls()
    newest = core.shards[0].tree.head.outcome.result.timestamp
    for timestamp in (newest, TIMESTAMP_MAX + 1):
        with pytest.raises(InvalidControl) as caught:
            await controls.set_next_timestamp(0, timestamp)
        assert reason_of(caught) is ControlReason.BAD_TIME
    with pytest.raises(InvalidControl):
        await controls.increase_time(TIMESTAMP_MAX)
    with pytest.raises(InvalidControl):
        await controls.mine(0, 1000, 2**40)
    with pytest.raises(InvalidControl):
        await controls.set_next_timestamp(None, core.beacon.tree.head.outcome.timestamp)
    assert (loop.told, loop.performed, clock.offset_ms) == ([], [], 0)
    await controls.set_next_timestamp(0, newest + 7)
    assert loop.told == [SetTimestamp(0, newest + 7)]
    assert clock().wall_ms // 1000 == newest + 7
    assert [effect.key for effect in loop.performed] == [CLOCK_KEY]


async def test_the_clock_goes_forward_and_remembers():
    controls, _, loop, clock = make_controls()
    assert await controls.increase_time(3600) == 3600
    assert await controls.increase_time(60) == 3660
    again = Clock(loop.performed[-1].value)
    assert again.offset_ms == clock.offset_ms == 3_660_000
    assert again().monotonic_ms <= clocks().monotonic_ms  # waiting goes by the machine's clock alone
    assert abs(again().wall_ms - clocks().wall_ms - 3_660_000) < 1000
    assert Clock(Clock(None).record().value).offset_ms == 0


async def test_an_order_is_bounded(autojump_clock):
    controls, core, loop, _ = make_controls()
    with pytest.raises(InvalidControl) as caught:
        await controls.mine(0, MINED_BLOCKS_MAX + 1, 1)
    assert reason_of(caught) is ControlReason.TOO_MANY_BLOCKS
    core.context.genesis.parameters.__dict__["epoch_length"] = MINED_BLOCKS_MAX + 1
    with pytest.raises(InvalidControl) as caught:
        await controls.jump_epoch()
    assert reason_of(caught) is ControlReason.TOO_MANY_BLOCKS
    started = trio.current_time()
    with pytest.raises(Interrupted) as interrupted:
        await controls.mine(0, 3, 1)  # nobody makes them
    assert interrupted.value.limit == "order_seconds_max"
    assert trio.current_time() - started == ORDER_SECONDS_MAX
    assert loop.told == [Mine(0, 3, 1)]


@pytest.mark.parametrize("blocks", [0, 5, OPERATION_BLOCKS_MAX, None])
async def test_blocks_are_mined_until_an_operation_is_in_one_and_not_for_ever(blocks, monkeypatch):
    controls, _, _, _ = make_controls()
    mined = []

    async def mine(chain, until):
        await trio.lowlevel.checkpoint()
        mined.append((chain, until))

    class Shard:
        async def receipt(self, transaction):
            await trio.lowlevel.checkpoint()
            return SimpleNamespace(status=1) if blocks is not None and len(mined) >= blocks else None

    monkeypatch.setattr(controls, "_mine", mine)
    if blocks is not None:
        assert await controls._included(0, Shard(), b"hash") == 1
        assert mined == [(0, 1)] * blocks
        return
    with pytest.raises(Interrupted) as interrupted:
        await controls._included(0, Shard(), b"hash")
    assert interrupted.value.limit == "operation_blocks_max"
    assert len(mined) == OPERATION_BLOCKS_MAX


def test_with_automine_work_is_wanted_now_and_stays_so_when_the_core_begins_anew():
    core = make_core(genesis=solo_genesis())
    core.start()
    shard = core.shards[0]
    root = shard.tree.head.info.root
    assert shard.sees_work(root)
    assert not shard.wants_now(root)
    core.handle(SetAutomine(True), core.context.now)
    assert shard.wants_now(root)
    core.begin(core_heads(core), {number: Pool(PoolLimits()) for number in core.shards}, core.context.now)
    core.start()
    assert core.shards[0] is not shard
    assert core.shards[0].wants_now(root)
    core.handle(SetAutomine(False), core.context.now)
    assert not core.shards[0].wants_now(root)


def core_heads(core):
    genesis, heads = core.context.genesis, {}
    for number in core.shards:
        database = MemoryDatabase()
        engine = ReferenceEngine(genesis.parameters, number, StateReader(database))
        heads[number] = ShardExecutor(database, genesis, number, engine, lambda: 0.0).head()
    return heads

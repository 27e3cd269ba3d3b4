"""What the matrix of throughput is worked out from."""

import random
from collections import Counter

import pytest

from benchmarks.cross_shard import Block, Costs, bottleneck, cells, counted, crossing_times, plan, read_block, uses
from primitives.parameters import Parameters
from shard.contracts import OUTBOX

PARAMETERS = Parameters()
IDLE = Costs(seconds=10, executors=1, nodes=2, busy=4, executing=0.5, executions=10, views_lost=0)


@pytest.mark.parametrize(("share", "crossing"), [("0", 0), ("10", 10), ("50", 50)])
def test_of_a_hundred_transfers_of_a_shard_exactly_the_share_crosses(share: str, crossing: int) -> None:
    transfers = plan(4, share, 100, random.Random(1))
    assert Counter(t.source for t in transfers if t.source != t.destination) == Counter(dict.fromkeys(range(4), crossing))
    assert Counter(t.source for t in transfers) == Counter(dict.fromkeys(range(4), 100))
    assert len({t.value for t in transfers}) == 400


def test_uniform_transfers_go_to_any_shard_the_own_one_among_them() -> None:
    transfers = plan(4, "uniform", 1000, random.Random(1))
    local = sum(t.source == t.destination for t in transfers)
    assert 900 < local < 1100
    assert {(t.source, t.destination) for t in transfers} == {(s, d) for s in range(4) for d in range(4)}


def test_nothing_crosses_on_one_shard() -> None:
    assert cells((1, 2), ("0", "50", "uniform")) == [(1, "0"), (2, "0"), (2, "50"), (2, "uniform")]


BLOCKS = (
    Block(0, 1.0, 21_000, ((5, False), (6, True)), ()),
    Block(1, 2.0, 42_000, ((7, False),), (6,)),
    Block(1, 9.0, 42_000, ((8, True),), (99,)),
)


def test_a_transfer_counts_once_at_its_end() -> None:
    assert counted(BLOCKS, 0, 9.5) == 4, "5 and 7 at inclusion, 6 and 99 at their credit"
    assert counted(BLOCKS, 1.5, 9.0) == 2


def test_the_time_of_a_crossing_is_from_inclusion_to_credit() -> None:
    assert crossing_times(BLOCKS) == [1.0], "8 is not credited, 99 was included before anyone looked"


def test_a_block_is_read_as_json_rpc_tells_it() -> None:
    transactions = [
        {"value": "0x9", "to": "0x" + "bb" * 20, "type": "0x7d"},
        {"value": "0x5", "to": "0x" + "aa" * 20, "type": "0x2"},
        {"value": "0x6", "to": "0x" + bytes(OUTBOX).hex(), "type": "0x2"},
    ]
    block = read_block(1, {"gasUsed": "0x5208", "transactions": transactions}, 3.0)
    assert block == Block(1, 3.0, 21_000, ((5, False), (6, True)), (9,))


@pytest.mark.parametrize(
    ("block", "costs", "name", "used"),
    [
        (Block(0, 1.0, 29_700_000, (), ()), IDLE, "gas limit", 0.99),
        (Block(0, 1.0, 0, (), (1,) * 714), IDLE, "inbound share", 714 * 21_000 / 15_000_000),
        (Block(0, 1.0, 0, ((1, True),) * 500, ()), IDLE, "receipts cap", 1.0),
        (Block(0, 1.0, 0, (), ()), Costs(10, 1, 2, 4, 2.4, 10, 0), "builder time", 0.96),
        (Block(0, 1.0, 0, (), ()), Costs(10, 9, 8, 19, 0.5, 10, 0), "processor, most of it executor time", 0.95),
        (Block(0, 1.0, 0, (), ()), Costs(10, 8, 9, 19, 0.5, 10, 0), "processor, most of it node time", 0.95),
    ],
)  # fmt: skip
def test_the_bottleneck_is_the_limit_that_was_used_most(block: Block, costs: Costs, name: str, used: float) -> None:
    found = uses([block], costs, PARAMETERS, cores=2)
    assert bottleneck(found) == (name, pytest.approx(used))


def test_without_a_block_no_limit_of_blocks_was_used() -> None:
    found = uses([], Costs(10, 1, 2, 4, 0, 0, 0), PARAMETERS, cores=2)
    assert bottleneck(found) == ("processor, most of it node time", pytest.approx(0.2))

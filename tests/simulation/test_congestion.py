"""A shard that floods a channel to its cap: it closes and opens again, and neither another source nor the destination's users wait."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from consensus.beacon.state import BeaconState
from node.simulator.workload import FORWARDER, REFUSER, User, sign
from primitives.blocks import ShardBlock
from primitives.parameters import Parameters
from primitives.receipts import ReceiptKind
from shard.contracts import OUTBOX, OUTBOX_CONTRACT
from shard.executor.rules import decode_header
from tests.simulation.cluster import Cluster

FLOODING, CROWDED, QUIET = 0, 1, 2
BACKLOG_MAX, CREDITS_PER_BLOCK = 30, 10
PARAMETERS = Parameters(
    shard_count=3, channel_backlog_max=BACKLOG_MAX, gas_limit=3_000_000, inbound_gas_share_percent=7, inbound_call_gas_max=210_000,
    receipt_gas_max=105_000,
)  # fmt: skip
"""A block takes in ten credits, and has room for far more transactions that send some."""
SECONDS, FLOOD_PER_SECOND, FLOODERS = 8, 24, 16
FIRST_CALLBACK_MS = 900
"""After the flood has begun: its call is delivered when the flood has closed the channel."""
CALL_GAS, CALLBACK_GAS = 100_000, 30_000
SENDING_GOES_ON_BLOCKS = 6
"""Until a closing is known to the source: in the beacon block that records the receipts, final, and referenced by a block."""


def receiver(kind: int, number: int) -> bytes:
    return bytes([kind]) * 18 + number.to_bytes(2, "big")


FLOOD, OTHERS, LOCAL, BACK, LAST = 0xA0, 0xA1, 0xA2, 0xA3, 0xA4


@dataclass
class Crowd:
    """A cluster of three shards, its users, and every final beacon state that it came to."""

    cluster: Cluster
    nonces: dict[tuple[int, int], int] = field(default_factory=dict)
    states: dict[bytes, BeaconState] = field(default_factory=dict)
    submitted: dict[bytes, int] = field(default_factory=dict)
    """Final height of the crowded shard when a transaction was handed in."""

    @property
    def state(self) -> BeaconState:
        head = self.cluster.node(0).core.beacon.tree.head
        assert head.outcome is not None
        return self.states.setdefault(head.info.root, head.outcome)

    def send(self, number: int, shard: int, to: bytes, value: int, data: bytes = b"") -> None:
        user: User = self.cluster.world.users[number]
        nonce = self.nonces.get((number, shard), 0)
        self.nonces[number, shard] = nonce + 1
        raw = sign(user, PARAMETERS, shard, to, value, data, nonce)
        self.submitted[raw] = self.cluster.height(CROWDED)
        self.cluster.node(0).submit(shard, raw, is_local=True)

    def transfer(self, number: int, shard: int, to: bytes, value: int) -> None:
        self.send(number, shard, OUTBOX, value, OUTBOX_CONTRACT.encode_call("transfer", CROWDED, to))

    def until(self, done, seconds=120) -> None:
        def seen() -> bool:
            return bool(done(self.state))

        assert self.cluster.world.run_until(seen, seconds * 1000), self.cluster.world.checks.violations
        self.cluster.check()

    def blocks(self, shard: int) -> list[ShardBlock]:
        executor = self.cluster.node(0).executors[shard]
        hashes = [executor.canonical(height) for height in range(1, executor.head().result.number + 1)]
        return [ShardBlock.decode(executor.body(one)) for one in hashes]

    def referenced(self, block: ShardBlock) -> BeaconState:
        return self.states[decode_header(block.header).parent_beacon_block_root]

    def wei(self, shard: int, account: bytes) -> int:
        return self.cluster.node(0).executors[shard].account(account)[1]


def waiting(state: BeaconState, source: int) -> int:
    return state.recorded_out(source, CROWDED).count - state.recorded_in(source, CROWDED).count


def is_closed(state: BeaconState) -> bool:
    return bool(state.shards[FLOODING].closed[CROWDED])


@pytest.fixture(scope="module", params=[("stand-in", 4), ("reference", 1)], ids=lambda param: param[0])
def crowd(request) -> Crowd:
    """Flood, others' transfers and local ones side by side, and calls whose refund and result have to pass the closed channel."""
    # a call with a callback leaves while the channel its result takes is open, and is refused once it is closed
    executors, nodes = request.param
    crowd = Crowd(Cluster(nodes, 3, seed=3, executors=executors, parameters=PARAMETERS))
    world = crowd.cluster.world
    crowd.until(lambda state: state.height >= 1)
    begin_ms = world.now_ms
    for n in range(SECONDS * FLOOD_PER_SECOND):
        at_ms = begin_ms + 1000 * (n // FLOOD_PER_SECOND)
        world.at(at_ms, lambda n=n: crowd.transfer(n % FLOODERS, FLOODING, receiver(FLOOD, n), 1 + n))
    for n in range(2 * SECONDS):
        world.at(begin_ms + 500 * n, lambda n=n: crowd.transfer(16 + n % 3, QUIET, receiver(OTHERS, n), 1 + n))
        world.at(begin_ms + 500 * n + 250, lambda n=n: crowd.send(19 + n % 3, CROWDED, receiver(LOCAL, n), 1 + n))
    fee = 4 * CALL_GAS * PARAMETERS.base_fee_initial
    attached = 1 + 8 * (CALL_GAS + CALLBACK_GAS) * PARAMETERS.base_fee_initial
    failing = OUTBOX_CONTRACT.encode_call("send", FLOODING, REFUSER, 1, CALL_GAS, receiver(BACK, 0), b"")
    answered = OUTBOX_CONTRACT.encode_call("sendWithCallback", FLOODING, FORWARDER, CALL_GAS, CALLBACK_GAS, receiver(BACK, 1), bytes(32))
    world.at(begin_ms + FIRST_CALLBACK_MS, lambda: crowd.send(23, CROWDED, OUTBOX, attached, answered))
    crowd.until(is_closed)
    crowd.send(22, CROWDED, OUTBOX, 1 + fee, failing)
    crowd.until(lambda state: any(is_closed(crowd.referenced(block)) for block in crowd.blocks(CROWDED)))
    crowd.send(23, CROWDED, OUTBOX, attached, answered)
    crowd.until(lambda state: not is_closed(state))
    crowd.until(lambda state: state.recorded_in(FLOODING, CROWDED).count and not any(waiting(state, s) for s in (FLOODING, QUIET)))
    crowd.transfer(0, FLOODING, receiver(LAST, 0), 7)
    crowd.until(lambda state: crowd.wei(CROWDED, receiver(LAST, 0)) == 7)
    crowd.until(lambda state: not any(waiting(state, s) for s in (FLOODING, QUIET)))
    return crowd


def test_the_channel_closes_at_its_cap_and_opens_below_half(crowd: Crowd) -> None:
    was_closed = False
    seen = set()
    for state in crowd.states.values():
        backlog = waiting(state, FLOODING)
        expected = True if backlog > BACKLOG_MAX else False if 2 * backlog < BACKLOG_MAX else was_closed
        assert is_closed(state) == expected
        seen.add((was_closed, expected))
        was_closed = expected
        closed = [(s, d) for s in range(3) for d in range(3) if state.shards[s].closed[d]]
        assert closed in ([], [(FLOODING, CROWDED)]), "no other channel closes"
    assert {(False, True), (True, True), (True, False)} <= seen
    assert max(waiting(state, FLOODING) for state in crowd.states.values()) <= BACKLOG_MAX + SENDING_GOES_ON_BLOCKS * FLOOD_PER_SECOND


def test_outbox_refuses_while_a_block_refers_to_a_closed_channel_and_only_then(crowd: Crowd) -> None:
    """Each transfer in a block of the flooding shard has either left or not, as the channel stood in the block's reference."""
    sent = refused = 0
    for block in crowd.blocks(FLOODING):
        for raw in block.transactions:
            transaction, _ = crowd.cluster.world.transaction(raw)
            arrived = crowd.wei(CROWDED, transaction.data[-20:])
            if is_closed(crowd.referenced(block)):
                refused += 1
                assert arrived == 0
            else:
                sent += 1
                assert arrived == transaction.value
    assert sent + refused == SECONDS * FLOOD_PER_SECOND + 1
    assert sent > BACKLOG_MAX
    assert refused > 0


def test_refunds_and_results_pass_the_closed_channel(crowd: Crowd) -> None:
    closed_blocks = [block for block in crowd.blocks(FLOODING) if is_closed(crowd.referenced(block))]
    calls = [receipt for block in closed_blocks for receipt in block.inbound if receipt.source == CROWDED]
    assert [receipt.kind for receipt in calls] == [ReceiptKind.CALL_WITH_CALLBACK, ReceiptKind.CALL_REFUND_THERE]
    back = [receipt for block in crowd.blocks(CROWDED) for receipt in block.inbound if receipt.sender == OUTBOX]
    assert [receipt.kind for receipt in back] == [ReceiptKind.RESULT, ReceiptKind.CREDIT]
    assert crowd.wei(CROWDED, receiver(BACK, 0)) == back[1].amount > 1
    assert crowd.wei(CROWDED, receiver(BACK, 1)) >= back[0].amount > 0
    assert crowd.state.recorded_out(CROWDED, FLOODING).count == 2, "no second call with a callback while its result would wait"
    assert crowd.wei(CROWDED, OUTBOX) == 0, "what was in escrow for the callback is paid out"


def test_a_block_takes_no_more_than_the_share_of_inbound_receipts(crowd: Crowd) -> None:
    sizes = [len(block.inbound) for block in crowd.blocks(CROWDED)]
    assert max(sizes) == CREDITS_PER_BLOCK


def test_the_other_source_never_waits_for_the_flood(crowd: Crowd) -> None:
    """The first block that may take a receipt of the quiet shard takes it, however many of the flood wait."""
    taken, crowded_blocks = 0, 0
    for block in crowd.blocks(CROWDED):
        recorded = crowd.referenced(block).recorded_out(QUIET, CROWDED).count
        taken += sum(receipt.source == QUIET for receipt in block.inbound)
        assert taken == recorded
        crowded_blocks += len(block.inbound) == CREDITS_PER_BLOCK and any(receipt.source == QUIET for receipt in block.inbound)
    assert taken == 2 * SECONDS
    assert crowded_blocks >= 3, "they did come while the flood filled blocks"
    assert [crowd.wei(CROWDED, receiver(OTHERS, n)) for n in range(taken)] == [1 + n for n in range(taken)]


def test_users_of_the_crowded_shard_are_included_as_ever(crowd: Crowd) -> None:
    """Within two blocks of the one that was being made as they came."""
    included = {raw: height for height, block in enumerate(crowd.blocks(CROWDED), 1) for raw in block.transactions}
    assert len(included) == 2 * SECONDS + 3
    assert max(height - crowd.submitted[raw] for raw, height in included.items()) <= 3
    assert [crowd.wei(CROWDED, receiver(LOCAL, n)) for n in range(2 * SECONDS)] == [1 + n for n in range(2 * SECONDS)]


def test_nothing_is_lost_and_all_adds_up(crowd: Crowd) -> None:
    state = crowd.state
    assert state.recorded_in(FLOODING, CROWDED) == state.recorded_out(FLOODING, CROWDED)
    arrived = [n for n in range(SECONDS * FLOOD_PER_SECOND) if crowd.wei(CROWDED, receiver(FLOOD, n))]
    assert all(crowd.wei(CROWDED, receiver(FLOOD, n)) == 1 + n for n in arrived)
    assert state.recorded_out(FLOODING, CROWDED).count == len(arrived) + 3, "and the refund, the result and the last transfer"
    assert crowd.cluster.world.checks.violations == []

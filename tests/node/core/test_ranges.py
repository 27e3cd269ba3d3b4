"""Catching up by range: which is asked for next, and what of a hostile one is refused."""

import pytest

from consensus.simplex.events import BlockInfo
from node.core import effects as fx
from node.core.core import Core
from node.core.ranges import RANGES_HELD_MAX, WALK_BLOCKS_MAX, Ranges, check_range, is_far
from node.core.records import beacon_block_key, certificate_key
from node.simulator import World
from p2p.messages import BLOCKS_PER_RESPONSE_MAX, Blocks, BlocksByRange
from primitives.errors import BlockReason, ConsensusReason, Fault, InvalidBlock
from primitives.votes import EMPTY_SIGNATURE, Certificate, Instance, VoteKind

HERE = Instance(0, 0)
COUNT = 4


def info(height: int, parent: bytes | None = None) -> BlockInfo:
    return BlockInfo(
        bytes([height]) * 32, bytes([height - 1]) * 32 if parent is None else parent, height, height, 0, 0, is_boundary=False  # type: ignore[arg-type]
    )


def certificate(height: int, kind: VoteKind = VoteKind.FINALIZE, instance: Instance = HERE) -> Certificate:
    return Certificate(instance, height, kind, bytes([height]) * 32, (), EMPTY_SIGNATURE)


def test_one_range_after_the_other_up_to_a_bound() -> None:
    ranges = Ranges()
    assert ranges.wanted(0) is None
    ranges.hear("peer", 1000)
    ranges.hear("liar", 900)
    assert ranges.peer == "peer"
    for number in range(RANGES_HELD_MAX):
        first = 1 + number * BLOCKS_PER_RESPONSE_MAX
        assert ranges.wanted(0) == (first, BLOCKS_PER_RESPONSE_MAX)
        ranges.push(first + BLOCKS_PER_RESPONSE_MAX - 1, certificate(number + 1))
    assert ranges.wanted(0) is None
    assert ranges.front(0) == certificate(1)
    assert ranges.front(BLOCKS_PER_RESPONSE_MAX) == certificate(2)
    assert ranges.wanted(BLOCKS_PER_RESPONSE_MAX) == (1 + RANGES_HELD_MAX * BLOCKS_PER_RESPONSE_MAX, BLOCKS_PER_RESPONSE_MAX)
    assert ranges.front(1000) is None


def test_the_last_range_is_as_long_as_what_is_left() -> None:
    ranges = Ranges()
    ranges.hear("peer", 70)
    assert ranges.wanted(65) == (66, 5)
    assert ranges.wanted(70) is None


def test_a_range_that_leads_nowhere_new_is_not_kept() -> None:
    ranges = Ranges()
    ranges.push(10, certificate(10))
    ranges.push(10, certificate(9))
    ranges.push(8, certificate(8))
    assert ranges.front(0) == certificate(10)
    assert ranges.front(10) is None


def test_a_height_that_nobody_has_is_forgotten_when_it_does_not_come() -> None:
    ranges = Ranges()
    ranges.hear("liar", 2**63)
    ranges.fail()
    assert ranges.wanted(0) is None
    ranges.hear("peer", 5)
    assert (ranges.wanted(0), ranges.peer) == ((1, 5), "peer")


def test_what_is_near_is_pulled_by_root() -> None:
    assert not is_far(WALK_BLOCKS_MAX, 0)
    assert is_far(WALK_BLOCKS_MAX + 1, 0)


@pytest.mark.parametrize(
    ("infos", "proof", "first", "reason"),
    [
        ([info(1), info(2)], certificate(1), 1, BlockReason.BAD_PARENT_CERTIFICATE),
        ([info(1), info(2)], certificate(2, VoteKind.NOTARIZE), 1, BlockReason.BAD_PARENT_CERTIFICATE),
        ([info(1), info(2)], certificate(2, instance=Instance(1, 0)), 1, BlockReason.BAD_PARENT_CERTIFICATE),
        ([info(1), info(2, b"\xee" * 32)], certificate(2), 1, BlockReason.WRONG_PARENT),
        ([info(2), info(1)], certificate(1), 1, BlockReason.WRONG_PARENT),
        ([info(2), info(3)], certificate(3), 1, BlockReason.WRONG_HEIGHT),
        ([info(1), info(3, b"\x01" * 32)], certificate(3), 1, BlockReason.WRONG_HEIGHT),
    ],
)
def test_what_is_not_the_range_asked_for_is_its_peers_fault(
    infos: list[BlockInfo], proof: Certificate, first: int, reason: BlockReason
) -> None:
    with pytest.raises(InvalidBlock) as refusal:
        check_range(infos, proof, HERE.chain, first)
    assert (refusal.value.reason, refusal.value.fault) == (reason, Fault.PEER)


class Late:
    """A node that has only genesis, of a network whose beacon chain is some blocks on."""

    def __init__(self) -> None:
        world = World(3, nodes=4, shards=1, faults="none", observers=[()], observers_join_ms=10_000_000)
        assert world.run_until(lambda: world.nodes[0].is_alive and world.nodes[0].core.beacon.tree.head.info.height >= 12, 300_000)
        self.node, self.late = world.nodes[0], world.nodes[4]
        self.late.start()
        self.core: Core = self.late.core
        self.core.context.fetcher.connect("peer")
        self.now = fx.Now(world.now_ms, world.now_ms)
        beacon = self.node.core.beacon.number
        self.last = max(h for h in range(1, 12) if self.node.store.read(certificate_key(beacon, h)) is not None)
        data = [self.node.store.read(beacon_block_key(beacon, height)) for height in range(1, self.last + 1)]
        proof = self.node.store.read(certificate_key(beacon, self.last))
        assert proof is not None
        self.blocks = Blocks(tuple(block for block in data if block is not None), (Certificate.decode(proof),))

    def offer(self, blocks: Blocks) -> list[fx.Effect]:
        """As the answer to the range that the node asks for when it hears how far the peer is."""
        self.core.beacon.catch_up("peer", self.last)
        asked = [e for e in self.core.handle(fx.OutgoingRead(7, 7, None), self.now) if isinstance(e, fx.Ask)]
        (ask,) = [e for e in asked if isinstance(e.request, BlocksByRange)]
        assert ask.request == BlocksByRange(self.core.beacon.number, 1, self.last)
        return self.core.handle(fx.ResponseReceived(ask.request_id, blocks), self.now)

    def height(self) -> int:
        for _ in range(10):
            self.core.handle(fx.Tick(), self.now)
        return self.core.beacon.tree.head.info.height


def test_a_range_is_executed_a_few_blocks_a_turn_and_made_final_by_its_own_certificate() -> None:
    late = Late()
    late.offer(late.blocks)
    assert late.core.deadline_ms <= late.now.monotonic_ms, "there is more to do at once"
    assert late.core.beacon.tree.head.info.height == 0
    assert late.height() == late.last


def test_a_newer_finalization_whose_blocks_are_not_here_holds_nothing_up() -> None:
    late = Late()
    newest = late.node.core.beacon.certificate
    assert newest is not None
    late.core.beacon._pending = newest
    late.offer(late.blocks)
    assert late.height() == late.last


@pytest.mark.parametrize("harm", ["signature", "order", "hole", "nothing", "no proof"])
def test_a_forged_range_leaves_nothing_behind(harm: str) -> None:
    late = Late()
    good, (proof,) = late.blocks.blocks, late.blocks.finalization
    forged = Certificate(proof.instance, proof.view, proof.kind, proof.root, proof.participation, b"\x01" * 96)
    blocks = {
        "signature": Blocks(good, (forged,)), "order": Blocks(good[::-1], (proof,)), "hole": Blocks(good[:1] + good[2:], (proof,)),
        "nothing": Blocks((), (proof,)), "no proof": Blocks(good, ()),
    }[harm]  # fmt: skip
    effects = late.offer(blocks)
    blamed = [e.reason for e in effects if isinstance(e, fx.Penalize)]
    assert blamed
    assert all(reason.fault is Fault.PEER for reason in blamed)
    if harm == "signature":
        assert blamed == [ConsensusReason.BAD_CERTIFICATE]
    assert len(late.core.beacon.tree) == 0
    assert late.height() == 0

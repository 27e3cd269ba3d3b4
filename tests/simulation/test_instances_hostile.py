"""Instances that follow one another while somebody is behind, lies, or leads at the worst moment."""

from dataclasses import replace

import pytest

from consensus.simplex.events import ProposalReceived, WakeReceived
from node.core import effects as fx
from node.core.instances import EARLY_BYTES_MAX, EARLY_MESSAGES_MAX, EARLY_MESSAGES_PER_PEER_MAX
from node.core.records import certificate_key
from node.core.shard_chain import ShardChain
from node.simulator import World
from node.simulator.node import SimulatedNode
from p2p.messages import Blocks, BlocksByRange, ConsensusBatch
from p2p.topics import Topic, TopicKind
from primitives.headers import ShardHeader
from primitives.votes import EMPTY_SIGNATURE, Certificate, Instance, Proposal, Vote, VoteKind, Wake
from tests.simulation.test_instances import beacon_state, make_world

FOUR = frozenset({0, 1, 2, 3})


def in_instance(world: World, epoch: int) -> bool:
    return all(node.is_alive and all(c.instance.epoch >= epoch for c in node.core.chains) for node in world.nodes)


def test_views_count_anew_in_each_instance_whatever_view_the_base_has() -> None:
    world = make_world(6, second_epoch=FOUR)
    assert world.run_until(lambda: in_instance(world, 1), 600_000)
    chain = world.nodes[0].core.shards[0]
    base = chain.tree.head.info
    assert base.view > 5
    assert world.run_until(lambda: chain.tree.head.info.height > base.height, 20_000)
    assert chain.tree.head.info.view <= 3


def test_who_joins_late_passes_through_every_instance() -> None:
    world = make_world(6, second_epoch=FOUR, observers=[(0, 1)], observers_join_ms=120_000)
    assert world.run_until(lambda: world.now_ms > 119_000, 200_000)
    assert beacon_state(world.nodes[0]).epoch > 2
    observer = world.nodes[5]
    assert world.run_until(lambda: observer.is_alive, 5_000)
    assert not observer.core.has_caught_up
    heights = {chain.number: chain.tree.head.info.height for chain in world.nodes[0].core.chains}
    assert world.run_until(lambda: all(c.tree.head.info.height >= heights[c.number] for c in observer.core.chains), 60_000)
    assert observer.core.has_caught_up
    assert [chain.instance.epoch for chain in observer.core.chains] == [2, 2, 2]
    assert world.checks.violations == []


def test_a_first_block_on_a_beacon_block_from_before_the_opening_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, tried = ShardChain.construct, []

    def construct(chain: ShardChain, parent, build) -> None:  # type: ignore[no-untyped-def]
        root = chain.beacon.root_at(parent.outcome.reference_height)
        early = None if root is None else chain.beacon.reference_record(chain.number, root)
        if chain.context.local != (2,) or early is None or early.instance_epoch >= chain.instance.epoch:
            plain(chain, parent, build)
            return
        tried.append(build.view)
        with monkeypatch.context() as patch:
            patch.setattr(chain, "_newest_reference", lambda: early.reference)
            plain(chain, parent, build)

    monkeypatch.setattr(ShardChain, "construct", construct)
    for seed in (6, 7, 8, 9):
        world = make_world(seed, second_epoch=FOUR)
        assert world.run_until(lambda world=world: in_instance(world, 1), 600_000)
        heights = {shard: chain.tree.head.info.height for shard, chain in world.nodes[0].core.shards.items()}

        def has_grown(world: World = world, heights: dict[int, int] = heights) -> bool:
            return all(chain.tree.head.info.height > heights[shard] + 2 for shard, chain in world.nodes[0].core.shards.items())

        assert world.run_until(has_grown, 60_000)
    assert tried


def test_void_blocks_with_their_genuine_finalization_hold_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    void: dict[int, tuple[list[bytes], Certificate, int]] = {}
    truncate = SimulatedNode._truncate

    def remember(node: SimulatedNode, shard: int, root: bytes) -> None:
        executor = node.executors[shard]
        top = ShardHeader.decode(executor.latest.result.header).number
        stored = node.store.read(certificate_key(shard, top))
        if stored is not None and shard not in void:
            void[shard] = (list(executor.blocks(1, top)), Certificate.decode(stored), top)
        truncate(node, shard, root)

    monkeypatch.setattr(SimulatedNode, "_truncate", remember)
    for seed in range(12):
        void.clear()
        world = make_world(seed, second_epoch=FOUR, handover_blocks=1, observers=[(0, 1)], observers_join_ms=60_000)
        observer, serve, lies = world.nodes[5], world._serve, []

        def lie(  # type: ignore[no-untyped-def]
            asker, server, back, request_id, request, observer=observer, serve=serve, lies=lies
        ) -> None:
            if isinstance(request, BlocksByRange) and asker is observer and request.chain in void and not lies:
                blocks, proof, top = void[request.chain]
                if observer.core.shards[request.chain].instances.next and request.first_height <= top:
                    lies.append(request)
                    answer = Blocks(tuple(blocks[request.first_height - 1 :]), (proof,))
                    asker.later(back, asker.receive, fx.ResponseReceived(request_id, answer))
                    return
            serve(asker, server, back, request_id, request)

        monkeypatch.setattr(world, "_serve", lie)
        assert world.run_until(lambda observer=observer: observer.is_alive, 70_000)
        heights = {chain.number: chain.tree.head.info.height for chain in world.nodes[0].core.chains}

        def has_caught_up(observer: SimulatedNode = observer, heights: dict[int, int] = heights) -> bool:
            return all(c.tree.head.info.height >= heights[c.number] for c in observer.core.chains)

        assert world.run_until(has_caught_up, 60_000)
        if lies:
            return
    raise AssertionError("no observer asked for blocks that a forced close had left void")


def test_votes_of_an_ended_instance_are_answered_and_certificates_are_not() -> None:
    world = make_world(6, second_epoch=FOUR)
    assert world.run_until(lambda: in_instance(world, 1), 600_000)
    node = world.nodes[0]
    old = Instance(0, 0)
    vote = Vote(old, 3, VoteKind.NOTARIZE, b"\1" * 32, 1, EMPTY_SIGNATURE)
    certificate = Certificate(old, 3, VoteKind.NOTARIZE, b"\1" * 32, (True,) * 5, EMPTY_SIGNATURE)

    def told(batch: ConsensusBatch) -> list[fx.Tell]:
        topic = Topic(TopicKind.CONSENSUS, 0)
        effects = node.core.handle(fx.GossipReceived("node-4", topic, batch), node._clocks())
        return [effect for effect in effects if isinstance(effect, fx.Tell)]

    assert told(ConsensusBatch((certificate,), (), (), (), ())) == []
    (answer,) = told(ConsensusBatch((), (), (vote,), (), ()))
    assert (answer.peer, answer.message.certificate.instance) == ("node-4", old)
    assert told(ConsensusBatch((), (), (vote,), (), ())) == []  # once a delta


def test_what_is_held_for_later_is_bounded_and_only_of_instances_to_come() -> None:
    world = make_world(6, second_epoch=FOUR)
    assert world.run_until(lambda: all(node.is_alive for node in world.nodes), 5_000)
    chain = world.nodes[0].core.shards[0]
    coming, never = Instance(0, 1), Instance(0, 2**40)

    def wake(peer: str, instance: Instance) -> int:
        chain.receive(instance, WakeReceived(peer, Wake(instance, 1)))
        return len(chain.instances._early)

    assert wake("node-1", never) == 0
    assert [wake("node-1", coming) for _ in range(EARLY_MESSAGES_PER_PEER_MAX + 1)][-1] == EARLY_MESSAGES_PER_PEER_MAX
    for number in range(EARLY_MESSAGES_MAX):
        wake(f"stranger-{number}", coming)
    assert wake("node-2", coming) == EARLY_MESSAGES_MAX


def test_blocks_held_for_later_are_bounded_in_bytes() -> None:
    world = make_world(6, second_epoch=FOUR)
    assert world.run_until(lambda: all(node.is_alive for node in world.nodes), 5_000)
    chain, coming = world.nodes[0].core.shards[0], Instance(0, 1)
    parent = Certificate(coming, 0, VoteKind.BASE, b"\1" * 32, (), EMPTY_SIGNATURE)
    vote = Vote(coming, 1, VoteKind.NOTARIZE, b"\2" * 32, 1, EMPTY_SIGNATURE)
    half = Proposal(bytes(EARLY_BYTES_MAX // 2), parent, vote)
    for peer in ("node-1", "node-2", "node-3"):
        chain.receive(coming, ProposalReceived(peer, half))
    assert len(chain.instances._early) == 2
    chain.receive(coming, ProposalReceived("node-3", replace(half, block=b"")))
    assert len(chain.instances._early) == 3

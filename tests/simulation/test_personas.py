"""Validators that break the rules, below a third of the stake: each does what its name says, and the others go on."""

import pytest
from click.testing import CliRunner

from node.cli.simulate import simulate
from node.core import effects as fx
from node.simulator import World, personas, run
from node.simulator.personas import PERSONAS
from p2p.messages import ConsensusBatch
from primitives.blocks import ShardBlock
from primitives.errors import InvalidConfig
from primitives.headers import ShardHeader
from primitives.votes import VoteKind


@pytest.mark.parametrize("name", PERSONAS)
@pytest.mark.parametrize(("seed", "faults", "executors"), [(1, "none", "reference"), (2, "standard", "stand-in")])
def test_chains_go_on_and_nothing_is_broken(name: str, seed: int, faults: str, executors: str) -> None:
    report = run(seed, nodes=4, shards=2, views=12, faults=faults, personas={seed: name}, executors=executors)
    assert report.violations == []
    assert min(report.blocks.values()) >= 5


def heard_from(world: World, persona: int, limit_ms: int = 40_000) -> list[ConsensusBatch]:
    """What one persona says to node 0, and to others, on the chains' topics."""
    said = []
    plain = world.gossip

    def gossip(source: int, event: fx.GossipReceived, *rest: object) -> None:
        if source == persona and isinstance(event.message, ConsensusBatch):
            said.append(event.message)
        plain(source, event, *rest)  # type: ignore[arg-type]

    world.gossip = gossip  # type: ignore[method-assign, assignment]
    world.run_until(lambda: False, limit_ms)
    assert world.checks.violations == []
    return said


def world_of(name: str, seed: int = 5) -> World:
    world = World(seed, nodes=4, shards=1, faults="none", personas={3: name}, executors="stand-in")
    world.plan(views=15)
    return world


def test_an_equivocating_proposer_has_two_blocks_in_a_view_and_is_slashed() -> None:
    world = world_of("equivocating-proposer")
    roots: dict[object, set[bytes]] = {}
    for batch in heard_from(world, 3):
        for proposal in batch.proposals:
            roots.setdefault((proposal.vote.instance, proposal.vote.view), set()).add(proposal.vote.root)
    assert max(map(len, roots.values())) == 2
    assert {instance.chain for (instance, _), found in roots.items() if len(found) == 2} == {0, 1}  # type: ignore[misc, has-type]
    assert world.checks.conduct.guilty == {3}
    assert world.has_punished_all()


def test_a_double_voter_is_slashed_at_every_honest_node() -> None:
    world = world_of("double-voter")
    assert world.run_until(lambda: world.checks.conduct.guilty == {3}, 20_000)
    assert not world.has_punished_all()
    assert world.run_until(world.has_punished_all, 20_000)
    for node in world.honest:
        state = node.core.beacon.tree.head.outcome
        assert state is not None
        assert [bool(record.slashed_at) for record in state.validators] == [False, False, False, True]


def test_a_vote_withholder_is_in_few_certificates() -> None:
    world = world_of("vote-withholder")
    certificates = {c for batch in heard_from(world, 0) for c in batch.certificates if c.kind == VoteKind.FINALIZE}
    assert len(certificates) > 5
    assert sum(certificate.participation[3] for certificate in certificates) < len(certificates) / 2


def proposers(world: World) -> list[int]:
    """Of the final blocks of shard 0."""
    executor, found = world.honest[0].executors[0], []
    for data in executor.blocks(1, world.honest[0].core.shards[0].tree.head.info.height):
        found.append(ShardHeader.decode(ShardBlock.decode(data).header).extra().proposer)
    return found


@pytest.mark.parametrize("name", ["block-withholder", "invalid-root-proposer"])
def test_blocks_that_nobody_has_whole_or_whose_root_is_wrong_never_become_final(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(personas, "BODY_WITHHELD_SHARE", 1.0)
    world = world_of(name)
    heard_from(world, 3)
    finals = proposers(world)
    assert len(finals) > 5
    assert 3 not in finals


def test_an_honest_node_takes_no_part_in_what_a_persona_is_blamed_for() -> None:
    world = world_of("certificate-forger")
    blamed = []
    plain = world.checks.on_penalty
    world.checks.on_penalty = lambda node, peer, reason, now: (blamed.append((node, peer, reason.code)), plain(node, peer, reason, now))[1]  # type: ignore[method-assign]
    heard_from(world, 3)
    assert {peer for _, peer, _ in blamed} == {"node-3"}
    assert {code for _, _, code in blamed} >= {"bad_certificate", "bad_vote_signature"}


def test_a_third_of_the_stake_is_too_much() -> None:
    with pytest.raises(InvalidConfig, match="name at most 1"):
        World(1, nodes=4, personas={0: "lagger", 1: "lagger"})
    with pytest.raises(InvalidConfig, match="take one of 0 to 3"):
        World(1, nodes=4, personas={4: "lagger"})
    with pytest.raises(InvalidConfig, match="there is no persona 'liar'"):
        World(1, nodes=4, personas={0: "liar"})


def test_an_honest_validator_that_is_slashed_is_caught() -> None:
    world = world_of("double-voter")
    world.checks.personas = world.checks.conduct._personas = frozenset()
    world.run_until(lambda: False, 40_000)
    assert any("validator 3, which keeps the rules, is slashed" in violation for violation in world.checks.violations)


def test_the_command_line_names_personas() -> None:
    wanted = ["--seed", "3", "--nodes", "4", "--shards", "1", "--views", "6", "--persona", "double-voter@2"]
    done = CliRunner().invoke(simulate, wanted, standalone_mode=False)
    assert done.return_value == 0, done.output
    for wrong in ("double-voter", "double-voter@x", "@2"):
        failed = CliRunner().invoke(simulate, [*wanted[:-1], wrong], standalone_mode=False)
        assert isinstance(failed.exception, InvalidConfig)

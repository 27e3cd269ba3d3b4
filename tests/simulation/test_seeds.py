"""Many seeds: what each draws, and a record that a later run goes on from."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from consensus.beacon.state import BeaconState
from consensus.simplex.events import Build
from node.core.beacon_chain import EXAMINED_PER_TURN_MAX, BeaconChain
from node.core.tree import Held
from node.simulator import drawn, seeds
from node.simulator.personas import PERSONAS
from node.simulator.world import run


def test_a_seed_draws_the_same_every_time_and_seeds_draw_all_there_is() -> None:
    draws = [drawn.draw(seed, 7) for seed in range(500)]
    assert draws == [drawn.draw(seed, 7) for seed in range(500)]
    assert {name for draw in draws for name in draw.personas.values()} == set(PERSONAS)
    assert {len(draw.personas) for draw in draws} == {0, 1, 2}
    assert any(draw.second_epoch for draw in draws)
    assert sum(draw.is_real for draw in draws) == 2
    for draw in draws:
        committee = draw.second_epoch or frozenset(range(7))
        assert 3 * len(committee & set(draw.personas)) < len(committee)


@pytest.mark.parametrize("seed", range(1, 9))
def test_drawn_networks_hold(seed: int) -> None:
    report = drawn.run_drawn(seed, views=30)
    assert report.violations == []
    assert report.replay == f"shardnet simulate --drawn --seed {seed} --nodes 7 --shards 2 --views 30 --faults standard"


def test_who_has_caught_up_in_this_turn_may_lead_the_next_view(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seed 4840: a leader had checked as many blocks as a turn may, so that its own was put off, and the node ended."""
    construct = BeaconChain.construct

    def after_catching_up(chain: BeaconChain, parent: Held[BeaconState], build: Build) -> None:
        chain._examined = EXAMINED_PER_TURN_MAX
        construct(chain, parent, build)

    monkeypatch.setattr(BeaconChain, "construct", after_catching_up)
    report = run(1, 4, 1, 8, "none", executors="stand-in")
    assert report.violations == []
    assert report.blocks[1] >= 7


def call(*options: str, record: Path) -> tuple[int, str]:
    wanted = ["--nodes", "4", "--shards", "1", "--views", "4", "--faults", "none", "--jobs", "1", "--record", str(record), *options]
    done = CliRunner().invoke(seeds.main, wanted)
    return done.exit_code, done.output


def test_a_run_goes_on_where_the_last_one_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = tmp_path / "deep" / "seeds.txt"
    assert call("--seeds", "2", record=record)[0] == 0
    code, told = call("--seeds", "3", record=record)
    assert code == 0
    assert "1 of 3 seeds to go" in told
    ran = []
    plain = seeds.one
    monkeypatch.setattr(seeds, "one", lambda seed, **options: (ran.append(seed), plain(seed, **options))[1])
    assert call("--seeds", "3", record=record)[1].splitlines()[-1].split("digest ")[1] == told.splitlines()[-1].split("digest ")[1]
    assert ran == []
    code, told = call("--seeds", "3", "--shards", "2", record=record)
    assert code == 1
    assert "name another file, or remove it" in told


def test_a_seed_that_fails_says_how_to_run_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawn.World, "has_delivered_at", lambda world, node: world.checks.broken("something") or True)
    code, told = call("--seeds", "1", record=tmp_path / "seeds.txt")
    assert code == 1
    assert "seed 1 failed" in told
    assert "replay with: shardnet simulate --drawn --seed 1 --nodes 4 --shards 1 --views 4 --faults none" in told
    assert "0 seeds passed, 1 failed" in told

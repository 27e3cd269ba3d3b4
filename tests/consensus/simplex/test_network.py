"""Whole networks under delay, loss, cuts and crashes: agreement, no self-incrimination, and progress once it heals."""

import hashlib
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from consensus.evidence import contradicts
from consensus.signatures import BlsScheme
from consensus.simplex.events import EvidenceFound
from primitives.bls import derive_secret_key
from primitives.types import ZERO_ROOT, Root
from primitives.votes import Proposal, Vote, VoteKind
from tests.consensus.simplex import harness
from tests.consensus.simplex.harness import BASE, PARAMETERS, Network, make_block, vote_of

ROOT = Path(__file__).parents[3]


def turmoil(seed, heal=30_000):
    """A network with loss, one cut and crashes until `heal`."""
    chance = random.Random(seed)
    stakes = chance.choice([(1, 1, 1, 1), (1, 1, 1, 1, 1), (3, 2, 2, 1, 1), (5, 4, 4, 3)])
    net = Network(stakes, seed, work=chance.random() < 0.6, loss=chance.choice([0, 0.1, 0.3]), heal=heal,
                  boundary_height=chance.choice([None, None, 12]))
    names = [node.name for node in net.nodes]
    chance.shuffle(names)
    cut = chance.randint(1, len(names) - 1)
    begin = chance.randint(2000, 20_000)
    net.cuts.append((begin, begin + chance.randint(1000, 10_000), [set(names[:cut]), set(names[cut:])]))
    for _ in range(12):
        moment = chance.randint(500, heal - 5000)
        everyone = chance.random() < 0.25
        for node in net.nodes if everyone else [chance.choice(net.nodes)]:
            fall = moment + chance.randint(0, 50)
            net.at(fall, node.crash)
            net.at(fall + chance.choice([5, 300, 3000]), node.start)
    return net


@pytest.mark.parametrize("seed", range(60))
def test_agreement_and_progress_after_healing(seed):
    net = turmoil(seed).run(30_000)
    before = max(net.heights())
    net.run(90_000)
    assert all(node.alive for node in net.nodes)
    if net.boundary_height:
        assert net.heights() == [net.boundary_height] * len(net.nodes)
        assert all(node.engine.ended for node in net.nodes)
    else:
        assert min(net.heights()) >= before + 5


def test_every_node_crashing_at_once_again_and_again_stops_nothing():
    net = Network(seed=3)
    for moment in range(1000, 20_000, 1700):
        for node in net.nodes:
            net.at(moment + net.random.randint(0, 40), node.crash)
            net.at(moment + 60, node.start)
    net.run(40_000)
    assert min(net.heights()) > 20


def test_a_dead_validator_of_four_is_skipped():
    net = Network(seed=1)
    net.at(2000, net.nodes[3].crash)
    net.run(62_000)
    assert net.nodes[0].observed["simplex_nullify_votes_total", "silent"] > 5
    assert min(net.heights()[:3]) > 45


def test_a_third_of_the_stake_offline_stops_the_chain_and_its_return_starts_it_again():
    net = Network((2, 2, 1, 1), seed=2)
    net.at(3000, net.nodes[0].crash)
    height = max(net.run(10_000).heights())
    assert max(net.run(40_000).heights()) == height
    net.at(40_000, net.nodes[0].start)
    assert min(net.run(60_000).heights()) > height + 5


def test_quorum_counts_stake_and_not_heads():
    heavy = Network((10, 1, 1, 1), seed=4, start=False)
    heavy.at(0, heavy.nodes[0].start)
    heavy.run(60_000)
    assert heavy.heights()[0] > 5, "77 percent of the stake is one validator's"
    light = Network((10, 1, 1, 1), seed=4, start=False)
    for node in light.nodes[1:]:
        light.at(0, node.start)
    light.run(60_000)
    assert light.heights() == [0, 0, 0, 0], "three of four heads hold 23 percent"


def test_one_validator_needs_no_network_and_respects_the_pace():
    busy, idle = Network((1,)).run(20_500), Network((1,), work=False).run(20_500)
    assert busy.heights() == [20]
    assert idle.heights() == [4]


def test_an_idle_chain_is_cheap():
    net = Network(work=False).run(300_000)
    assert min(net.heights()) >= 55
    assert net.ticks <= 2 * max(net.heights())
    assert ("simplex_resends_total",) not in net.nodes[0].observed


def test_work_that_one_node_sees_wakes_the_leader():
    net = Network(work=False, seed=5).run(11_000)
    before = net.heights()[0]
    net.nodes[2].chain.work = True
    assert net.run(21_000).heights()[0] >= before + 5


def test_followers_and_nodes_with_several_validators():
    net = Network(placement=[(0, 1), (2,), (3,), ()], seed=6).run(30_000)
    assert min(net.heights()) > 20


def test_a_boundary_is_proposed_again_until_it_is_final():
    net = Network(seed=7, boundary_height=4)
    held = []

    def no_finalize(sender, receiver, message):
        last = max(net.infos.values(), key=lambda info: info.height, default=None)
        if last is not None and last.is_boundary and getattr(message, "kind", None) == 3 and net.now < 20_000:
            held.append(message)
            return False
        return True

    net.filter = no_finalize
    net.run(40_000)
    assert held
    assert sum(node.observed["simplex_reproposals_total",] for node in net.nodes) > 0
    assert net.heights() == [4] * 4
    assert max(info.height for info in net.infos.values()) == 4


def test_the_base_is_never_this_instances_boundary():
    net = Network(seed=7, base=replace(BASE, is_boundary=True)).run(10_000)
    assert min(net.heights()) >= 8
    assert sum(node.observed["simplex_reproposals_total",] for node in net.nodes) == 0


def test_a_lone_leader_that_nobody_hears_contradicts_nothing():
    net = Network(seed=8)
    net.filter = lambda sender, receiver, message: net.now > 20_000 or sender.name != "n0"
    net.run(60_000)
    assert min(net.heights()) > 20


@pytest.mark.parametrize("seed", range(12))
def test_a_validator_that_says_everything_divides_nobody(seed):
    """Validator 0 sends each half another block, and every vote it can think of beside its own."""
    net = Network((1, 1, 1, 1), seed, loss=0.1, heal=20_000)
    evidence = []

    def twisted(sender, receiver, message):
        if sender.name != "n0":
            return True
        rivals = []
        if isinstance(message, Proposal) and message.block:
            ours = net.infos[message.vote.root]
            below = BASE if ours.parent == BASE.root else net.infos[ours.parent]
            info, body = make_block(below, ours.view, 0, salt=b"rival")
            net.infos[info.root] = info
            rivals.append(Proposal(body, message.parent, vote_of(0, VoteKind.NOTARIZE, ours.view, info.root)))
        if isinstance(message, Vote):
            view, roots = message.view, [root for root in (message.root, Root(b"x" * 32)) if root != ZERO_ROOT]
            rivals = [vote_of(0, kind, view, root) for root in roots for kind in (VoteKind.NOTARIZE, VoteKind.FINALIZE)]
            rivals.append(vote_of(0, VoteKind.NULLIFY, view))
        for rival in rivals:
            if net.random.random() < 0.6:
                net.at(net.now + net.random.randint(10, 100), lambda rival=rival: net.deliver(sender, receiver, rival))
        return net.random.random() < 0.6

    net.filter = twisted
    trace = net.trace
    net.trace = lambda name, effect: evidence.append(effect) if isinstance(effect, EvidenceFound) else trace(name, effect)
    height = max(net.run(20_000).heights())
    net.run(60_000)
    assert min(net.heights()[1:]) >= height + 10
    assert evidence
    assert {found.evidence.first.validator for found in evidence} == {0}
    assert all(contradicts(found.evidence.first, found.evidence.second) for found in evidence)


def trace_of(seed):
    return turmoil(seed).run(20_000).log.hexdigest()


def test_one_seed_one_trace_whatever_the_hash_seed():
    script = "from tests.consensus.simplex.test_network import trace_of; print(trace_of(11), trace_of(12))"
    traces = {
        subprocess.run([sys.executable, "-c", script], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": value}, check=True,
                       capture_output=True, text=True).stdout
        for value in ("1", "2")
    }
    assert len(traces) == 1
    assert traces.pop().split() == [trace_of(11), trace_of(12)]


def test_with_real_keys(monkeypatch):
    keys = {i: derive_secret_key(hashlib.sha256(bytes([i])).digest()) for i in range(4)}
    monkeypatch.setattr(harness, "key_of", lambda index: keys[index].public_key)
    monkeypatch.setattr(Network, "scheme", lambda self, local: BlsScheme({i: keys[i] for i in local}))
    net = Network(seed=9, parameters=PARAMETERS).run(6000)
    assert min(net.heights()) >= 4
    assert not any(node.penalties for node in net.nodes)

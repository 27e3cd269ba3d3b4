"""A node tells when it is cut off and when a chain stands still, and nothing of the kind while all is well."""

from dataclasses import replace

import pytest

from node.core.effects import Now, PeerConnected, PeerDisconnected
from node.core.vigil import PEERLESS_MS_MAX, Vigil, still_ms_max
from primitives import bls
from primitives.genesis import GenesisValidator
from primitives.parameters import Parameters
from tests.node.support import make_core, make_genesis

START = 1_000
STILL = still_ms_max(Parameters())
OTHER = bls.derive_secret_key(b"\2" * 32)


def at(ms: int) -> Now:
    return Now(START + ms, 1_000_000 + ms)


def make(*, alone: bool):
    genesis = make_genesis()
    if not alone:
        other = GenesisValidator(
            public_key=OTHER.public_key, proof_of_possession=OTHER.prove_possession(), stake=32 * 10**18, fee_address=b"\xfd" * 20
        )
        genesis = genesis.model_copy(update={"validators": (*genesis.validators, other)})
    core = make_core(genesis=genesis)
    return core, Vigil(core, at(0))


def grow(chain) -> None:
    info = chain.tree.head.info
    chain.tree.head.info = replace(info, height=info.height + 1, root=bytes([info.height + 1]) * 32)


def test_a_node_that_needs_others_is_cut_off_once_it_was_without_them_for_long():
    core, vigil = make(alone=False)
    assert not vigil.is_cut_off(at(PEERLESS_MS_MAX - 1))
    assert vigil.problems(at(PEERLESS_MS_MAX - 1)) == []
    assert vigil.is_cut_off(at(PEERLESS_MS_MAX))
    assert vigil.problems(at(PEERLESS_MS_MAX)) == ["no peers: this node is cut off; its log tells why dials fail"]
    core.handle(PeerConnected("a"), at(PEERLESS_MS_MAX + 1))
    assert not vigil.is_cut_off(at(PEERLESS_MS_MAX + 1))
    core.handle(PeerDisconnected("a"), at(PEERLESS_MS_MAX + 2))
    vigil.look(at(PEERLESS_MS_MAX + 2))
    assert not vigil.is_cut_off(at(2 * PEERLESS_MS_MAX + 1))
    assert vigil.is_cut_off(at(2 * PEERLESS_MS_MAX + 2))


def test_a_node_whose_validators_decide_alone_needs_nobody():
    _, vigil = make(alone=True)
    assert not vigil.is_cut_off(at(10 * PEERLESS_MS_MAX))


def test_peers_of_another_genesis_are_none():
    core, vigil = make(alone=False)
    core.handle(PeerConnected("a"), at(0))
    core.hear_status("a", b"\7" * 32, ())
    core.hear_status("a", b"\7" * 32, ())
    told = [e for e in core.handle(PeerConnected("b"), at(1)) if getattr(e, "name", "") == "peers_of_other_networks"]
    assert [e.labels for e in told] == [{"peer": "a", "genesis_root": "07" * 32}]
    core.handle(PeerDisconnected("b"), at(2))
    vigil.look(at(2))
    assert vigil.problems(at(PEERLESS_MS_MAX + 2)) == [
        "no peers of this network: 1 connected with another genesis; compare genesis files, correct peers"
    ]
    core.handle(PeerDisconnected("a"), at(3))
    assert vigil.problems(at(PEERLESS_MS_MAX + 3)) == ["no peers: this node is cut off; its log tells why dials fail"]


def test_a_chain_that_finalizes_nothing_is_told_of_with_the_time_and_what_is_due():
    core, vigil = make(alone=True)
    assert vigil.problems(at(STILL - 1)) == []
    grow(core.beacon)
    vigil.look(at(STILL - 1))
    core.shards[1].pool.counts = lambda: (3, 0)
    assert vigil.problems(at(STILL + 500)) == [
        f"chain 0 has finalized nothing for {(STILL + 500) // 1000} s although idle blocks are due",
        f"chain 1 has finalized nothing for {(STILL + 500) // 1000} s although transactions wait",
    ]
    grow(core.shards[0])
    core.shards[1].halted = "its root differs"
    assert vigil.problems(at(STILL + 501)) == []


def test_the_idle_pace_is_no_alarm_however_slow_it_is():
    for idle_ms in (1_000, 5_000, 60_000):
        assert still_ms_max(Parameters(idle_block_time_ms=idle_ms)) > idle_ms + 10_000


@pytest.mark.parametrize("delta_ms", [100, 1_000])
def test_a_slow_network_is_given_more_time(delta_ms):
    assert (still_ms_max(Parameters(delta_ms=delta_ms)) - 5_000 - 8 * 500) == delta_ms * 3 * (3 + 3 * 2 + 2 * 4)

"""Peers that others told of: dialled until they are given up, without the standing of those of the configuration."""

import pytest
from libp2p.crypto.ed25519 import create_new_key_pair as create_ed25519_key_pair
from libp2p.crypto.rsa import create_new_key_pair as create_rsa_key_pair

from p2p.network import LEARNED_PEERS_MAX, PeerAddress
from tests.p2p.adapter.harness import Node, attacking, nodes_in, running

pytestmark = pytest.mark.network


async def test_a_learned_peer_is_connected_with_and_its_address_is_that_of_the_connection(tmp_path):
    one, two = nodes_in(tmp_path, 2)
    async with running(one, two):
        assert one.network.address_of(two.peer_id) is None
        assert one.network.learn(two.address)
        assert not one.network.learn(two.address)
        await one.until_connected(two)
        await two.until_connected(one)
        assert one.network.address_of(two.peer_id) == "127.0.0.1"
        assert two.network.address_of(one.peer_id) == "127.0.0.1"
        assert not one.network._guard._is_kept(one.network._connectivity.peers()[0])


async def test_one_that_is_given_up_is_dialled_no_more(tmp_path):
    one, two = nodes_in(tmp_path, 2)
    async with running(one, two):
        one.network.learn(two.address)
        await one.until_connected(two)
        await one.until(lambda: one.count("p2p_dials", result="ok") == 1)
        one.network.unlearn(two.peer_id)
        one.network.disconnect(two.peer_id)
        await one.until(lambda: two.peer_id not in one.network.peers())
        two.network.learn(one.address)
        await one.until_connected(two)
        await two.until(lambda: two.count("p2p_dials", result="ok") == 1)
        assert one.count("p2p_dials", result="ok") == 1


async def test_there_is_room_for_so_many_and_kept_ones_are_not_learned(tmp_path):
    one, two = nodes_in(tmp_path, 2)
    one.network.keep([two.address])
    assert not one.network.learn(two.address)
    assert not one.network.learn(PeerAddress("127.0.0.1", 1, one.peer_id))
    for number in range(LEARNED_PEERS_MAX):
        assert one.network.learn(PeerAddress("127.0.0.1", 1, f"peer{number}"))
    assert not one.network.learn(PeerAddress("127.0.0.1", 1, "one more"))
    assert one.count("p2p_limit_hits", limit="learned_peers") == 1


@pytest.mark.parametrize("make", [create_ed25519_key_pair, lambda: create_rsa_key_pair(2048)], ids=["ed25519", "rsa"])
async def test_a_peer_whose_key_is_of_another_kind_is_not_let_in_so_nobody_is_told_of_it(tmp_path, make):
    node = Node(tmp_path / "node.key")
    async with running(node), attacking(make()) as attacker:
        await attacker.connect(node)
        await node.until(lambda: node.count("p2p_peers_refused"))
        assert node.network.peers() == []
        assert node.network.address_of(attacker.peer_id) is None

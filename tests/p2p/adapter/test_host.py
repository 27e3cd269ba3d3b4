"""Two and four honest nodes: everything the interface promises."""

import pytest

from p2p.adapter.identity import identity_of
from p2p.network import GossipReceived, PayloadTooLarge, PeerConnected, PeerDisconnected, RequestFailed, RequestFailure
from tests.p2p.adapter.harness import TOPIC, keep_each_other, nodes_in, roomy_limit, running, subscribe

pytestmark = pytest.mark.network


async def test_gossip_reaches_every_node_once_with_the_deliverer_named(tmp_path):
    nodes = nodes_in(tmp_path, 4)
    subscribe(*nodes)
    async with running(*nodes):
        keep_each_other(*nodes)
        for node in nodes:
            await node.until_connected(*(other for other in nodes if other is not node))
        for node in nodes[1:]:
            await nodes[0].network._gossip.wait_for_subscription(identity_of(node.peer_id), TOPIC, timeout=15)
        sent = [b"%d" % number for number in range(50)]
        for payload in sent:
            nodes[0].network.publish(TOPIC, payload)
        for node in nodes[1:]:
            for payload in sent:
                await node.until_received(payload)
            assert sorted(node.payloads()) == sorted(sent)
            deliverers = {event.peer for event in node.received if isinstance(event, GossipReceived)}
            assert deliverers <= {other.peer_id for other in nodes} - {node.peer_id}
        assert nodes[0].payloads() == []


async def test_request_is_answered_by_the_handler_that_knows_who_asks(tmp_path):
    async def handler(peer, request):
        return peer.encode() + request

    asker, answerer = nodes_in(tmp_path, 2, handler=handler)
    async with running(asker, answerer):
        asker.network.keep([answerer.address])
        await asker.until_connected(answerer)
        big = b"x" * 500_000
        assert await asker.network.request(answerer.peer_id, big, 10) == asker.peer_id.encode() + big


async def test_request_to_a_stranger_fails_at_once(tmp_path):
    first, second = nodes_in(tmp_path, 2)
    async with running(first):
        with pytest.raises(RequestFailed) as failed:
            await first.network.request(second.peer_id, b"?", 10)
        assert failed.value.reason is RequestFailure.NOT_CONNECTED


async def test_peers_are_told_of_connection_and_disconnection(tmp_path):
    first, second = nodes_in(tmp_path, 2)
    async with running(first):
        async with running(second):
            first.network.keep([second.address])
            await first.until(lambda: PeerConnected(second.peer_id) in first.received)
            assert first.network.peers() == [second.peer_id]
        await first.until(lambda: PeerDisconnected(second.peer_id) in first.received)
        assert first.network.peers() == []


async def test_payload_over_the_limit_is_refused_by_the_publisher(tmp_path):
    (node,) = nodes_in(tmp_path, 1)
    subscribe(node, limit=roomy_limit(100))
    async with running(node):
        with pytest.raises(PayloadTooLarge):
            node.network.publish(TOPIC, b"x" * 101)
        with pytest.raises(PayloadTooLarge):
            node.network.publish("/another", b"x" * (256 * 1024 + 1))


async def test_disconnected_peer_that_is_kept_comes_back(tmp_path):
    first, second = nodes_in(tmp_path, 2)
    async with running(first, second):
        first.network.keep([second.address])
        await first.until_connected(second)
        second.network.disconnect(first.peer_id)
        await first.until(lambda: PeerDisconnected(second.peer_id) in first.received)
        await first.until_connected(second)


async def test_banned_peer_is_kept_out_until_the_ban_is_lifted(tmp_path):
    first, second = nodes_in(tmp_path, 2)
    async with running(first, second):
        second.network.keep([first.address])
        await first.until_connected(second)
        first.network.ban(second.peer_id, 3600)
        dials = second.count("p2p_dials", result="ok")
        await second.until(lambda: second.count("p2p_dials", result="ok") >= dials + 3)
        assert first.received == [PeerConnected(second.peer_id), PeerDisconnected(second.peer_id)]
        first.network.pardon(second.peer_id)
        await first.until_connected(second)


async def test_topic_joined_while_running_carries_messages_both_ways(tmp_path):
    first, second = nodes_in(tmp_path, 2)
    subscribe(first)
    async with running(first, second):
        keep_each_other(first, second)
        await first.until_connected(second)
        subscribe(second)
        first.network.publish(TOPIC, b"to the newcomer")
        await second.until_received(b"to the newcomer")
        second.network.publish(TOPIC, b"from the newcomer")
        await first.until_received(b"from the newcomer")

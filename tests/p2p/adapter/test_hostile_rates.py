"""What a peer, or many keys of one address, may send: the rest is dropped unread and held against whoever sent it."""

from contextlib import AsyncExitStack, suppress

import pytest
from libp2p.crypto.secp256k1 import create_new_key_pair
from libp2p.host.exceptions import StreamFailure
from libp2p.network.stream.exceptions import StreamError
from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2

from p2p import limits
from p2p.adapter import guard, host
from p2p.adapter.frames import frame_of
from p2p.adapter.identity import identity_of, peer_id_from
from p2p.adapter.requests import SYNC_PROTOCOL
from p2p.limits import MessageLimit, Rate
from p2p.network import GOSSIP_BYTES_MAX, STRANGERS_PER_ADDRESS_MAX, PeerDisconnected, RequestFailed, RequestFailure
from primitives.errors import EncodingReason, Fault, InvalidEncoding, PeerReason
from tests.p2p.adapter.harness import FAST, TOPIC, Node, attacking, keep_each_other, nodes_in, rpc, running, subscribe

pytestmark = pytest.mark.network

SLOW = Rate(0.001, 5)
TIGHT = MessageLimit("tight", 1000, 0, 0, SLOW, Rate(1e9, 1e9), "")


def seqno(number):
    return number.to_bytes(8, "big")


async def test_messages_past_the_rate_are_dropped_before_anything_is_verified(tmp_path):
    node = Node(tmp_path / "node.key")
    subscribe(node, limit=TIGHT)
    async with running(node), attacking() as attacker:
        await attacker.connect(node)
        stream = await attacker.open_pubsub(node)
        await stream.write(rpc(publish=[attacker.message(b"%d" % number, seqno=seqno(number)) for number in range(5)]))
        unsigned = [rpc_pb2.Message(data=b"junk", topicIDs=[TOPIC], from_id=attacker.host.get_id().to_bytes(), seqno=seqno(9))] * 20
        await stream.write(rpc(publish=unsigned))
        await node.until(lambda: node.count("p2p_messages", topic=TOPIC, result="over_rate") == 20)
        await node.until_received(b"4")
        assert node.payloads() == [b"0", b"1", b"2", b"3", b"4"]
        assert node.count("p2p_messages", topic=TOPIC, result="bad_signature") == 0
        assert node.count("p2p_limit_hits", limit="tight_rate") == 20
        assert node.blamed == [(attacker.peer_id, PeerReason.OVER_RATE)] * 20
        assert PeerReason.OVER_RATE.fault is Fault.PEER


async def test_bytes_count_as_messages_do(tmp_path):
    node = Node(tmp_path / "node.key")
    subscribe(node, limit=MessageLimit("tight", GOSSIP_BYTES_MAX, 0, 0, Rate(1e9, 1e9), Rate(1, 1000), ""))
    async with running(node), attacking() as attacker:
        await attacker.connect(node)
        stream = await attacker.open_pubsub(node)
        for number in range(3):
            await stream.write(rpc(publish=[attacker.message(b"%d" % number * 700, seqno=seqno(number))]))
        await node.until(lambda: node.count("p2p_limit_hits", limit="tight_rate") == 1)
        await node.until_received(b"1" * 700)
        assert [payload[:1] for payload in node.payloads()] == [b"0", b"1"]


async def test_ban_ends_the_reading_of_a_frame_full_of_messages(tmp_path):
    node = Node(tmp_path / "node.key")
    node.network._guard._report = lambda peer, reason: node.network.ban(peer, 60)
    subscribe(node, limit=TIGHT)
    async with running(node), attacking() as attacker:
        await attacker.connect(node)
        stream = await attacker.open_pubsub(node)
        with suppress(StreamError):
            await stream.write(rpc(publish=[attacker.message(b"%d" % number, seqno=seqno(number)) for number in range(1000)]))
        await node.until(lambda: PeerDisconnected(attacker.peer_id) in node.received)
        await node.until_received(b"4")
        assert len(node.payloads()) == 5
        assert node.count("p2p_limit_hits", limit="tight_rate") < 20


async def test_requests_past_the_rate_are_refused_without_asking_the_node(tmp_path):
    asked = []

    async def handler(peer, request):
        asked.append(request)
        return b"x" * 100

    limit = MessageLimit("question", 1000, 0, 0, Rate(0.001, 3), Rate(1e9, 1e9), "")
    asker, answerer = Node(tmp_path / "asker.key"), Node(tmp_path / "answerer.key", handler=handler, request_limit=limit)
    async with running(asker, answerer):
        asker.network.keep([answerer.address])
        await asker.until_connected(answerer)
        for _ in range(3):
            assert await asker.network.request(answerer.peer_id, b"?", 10) == b"x" * 100
        with pytest.raises(RequestFailed) as failed:
            await asker.network.request(answerer.peer_id, b"?", 10)
        assert failed.value.reason is RequestFailure.REFUSED
        assert len(asked) == 3
        assert answerer.blamed == [(asker.peer_id, PeerReason.OVER_RATE)]
        assert answerer.count("p2p_limit_hits", limit="question_rate") == 1


async def test_bytes_of_answers_are_the_askers(tmp_path):
    async def handler(peer, request):
        return b"x" * 10_000

    limit = MessageLimit("question", 1000, 0, 0, Rate(100, 100), Rate(0.001, 15_000), "")
    asker, answerer = Node(tmp_path / "asker.key"), Node(tmp_path / "answerer.key", handler=handler, request_limit=limit)
    async with running(asker, answerer):
        asker.network.keep([answerer.address])
        await asker.until_connected(answerer)
        assert len(await asker.network.request(answerer.peer_id, b"?", 10)) == 10_000
        assert len(await asker.network.request(answerer.peer_id, b"?", 10)) == 10_000
        with pytest.raises(RequestFailed):
            await asker.network.request(answerer.peer_id, b"?", 10)
        assert answerer.blamed


async def test_a_node_counts_the_answers_it_gets_and_stops_asking_before_it_is_refused(tmp_path):
    async def handler(peer, request):
        return b"x" * 10_000

    limit = MessageLimit("question", 1000, 0, 0, Rate(100, 100), Rate(0.001, 50_000), "")
    asker, answerer = nodes_in(tmp_path, 2, handler=handler, request_limit=limit)
    async with running(asker, answerer):
        asker.network.keep([answerer.address])
        await asker.until_connected(answerer)
        for _ in range(3):
            assert len(await asker.network.request(answerer.peer_id, b"?", 10)) == 10_000
        with pytest.raises(RequestFailed) as failed:
            await asker.network.request(answerer.peer_id, b"?", 10)
        assert failed.value.reason is RequestFailure.OVER_RATE
        assert answerer.blamed == []


async def test_request_that_is_too_large_or_none_is_held_against_the_asker(tmp_path):
    async def handler(peer, request):
        raise InvalidEncoding(EncodingReason.UNKNOWN_KIND, "none of ours")

    limit = MessageLimit("question", 10, 0, 0, Rate(100, 100), Rate(1e9, 1e9), "")
    asker, answerer = nodes_in(tmp_path, 2, handler=handler, request_limit=limit)
    async with running(asker, answerer):
        asker.network.keep([answerer.address])
        await asker.until_connected(answerer)
        for request in (b"x" * 12, b"?"):
            with pytest.raises(RequestFailed):
                await asker.network.request(answerer.peer_id, request, 10)
        assert answerer.blamed == [(asker.peer_id, EncodingReason.TOO_LARGE), (asker.peer_id, EncodingReason.UNKNOWN_KIND)]


async def test_malformed_frames_forged_and_oversized_messages_are_held_against_the_deliverer(tmp_path):
    node = Node(tmp_path / "node.key")
    subscribe(node, limit=MessageLimit("small", 10, 0, 0, Rate(100, 100), Rate(1e9, 1e9), ""))
    cases = (
        (b"\xff" * 64, PeerReason.MALFORMED_FRAME),
        (rpc(publish=[rpc_pb2.Message(data=b"a", topicIDs=[TOPIC], from_id=b"\xff" * 40, seqno=seqno(1))]), PeerReason.FORGED_MESSAGE),
    )
    async with running(node):
        for sent, reason in cases:
            async with attacking() as attacker:
                await attacker.connect(node)
                await (await attacker.open_pubsub(node)).write(sent)
                await node.until(lambda attacker=attacker, reason=reason: (attacker.peer_id, reason) in node.blamed)
                await node.until(lambda attacker=attacker: PeerDisconnected(attacker.peer_id) in node.received)
                assert reason.fault is Fault.PEER
        async with attacking() as attacker:
            await attacker.connect(node)
            await (await attacker.open_pubsub(node)).write(rpc(publish=[attacker.message(b"x" * 11)]))
            await node.until(lambda: (attacker.peer_id, EncodingReason.TOO_LARGE) in node.blamed)
            await (await attacker.open(node, SYNC_PROTOCOL)).write(b"\xff\xff\xff\x7f")
            await node.until(lambda: (attacker.peer_id, PeerReason.MALFORMED_FRAME) in node.blamed)


async def test_a_message_of_bad_form_is_held_against_the_deliverer_and_goes_no_further(tmp_path):
    def decoder(payload):
        raise InvalidEncoding(EncodingReason.MALFORMED, "bad")

    def by_hand(payload):
        return payload

    author, careless, strict = nodes_in(tmp_path, 3)
    subscribe(author, careless, decoder=by_hand)
    subscribe(strict, decoder=decoder)
    async with running(author, careless, strict):
        author.network.keep([careless.address])
        strict.network.keep([careless.address])
        await careless.until_meshed(author, strict)
        author.network.publish(TOPIC, b"junk")
        await strict.until(lambda: strict.blamed == [(careless.peer_id, EncodingReason.MALFORMED)])
        assert strict.payloads() == []


async def test_flood_of_empty_frames_is_cut_down(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "FRAME_LIMIT", MessageLimit("frames", 1000, 0, 0, SLOW, Rate(1e9, 1e9), ""))
    node = Node(tmp_path / "node.key")
    async with running(node), attacking() as attacker:
        await attacker.connect(node)
        await (await attacker.open_pubsub(node)).write(frame_of(b"") * 25)
        await node.until(lambda: node.count("p2p_limit_hits", limit="frames_rate") == 20)
        assert node.blamed == [(attacker.peer_id, PeerReason.OVER_RATE)] * 20


async def test_flood_of_foreign_topics_is_held_against_its_sender(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "FOREIGN_LIMIT", MessageLimit("foreign_topics", 0, 0, 0, SLOW, Rate(1e9, 1e9), ""))
    node = Node(tmp_path / "node.key")
    subscribe(node)
    async with running(node), attacking() as attacker:
        await attacker.connect(node)
        messages = [rpc_pb2.Message(data=b"x", topicIDs=["/nobody/listens"])] * 10
        await (await attacker.open_pubsub(node)).write(rpc(publish=messages))
        await node.until(lambda: node.count("p2p_limit_hits", limit="foreign_topics_rate") == 5)


async def test_flood_of_streams_is_reset(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "STREAM_LIMIT", MessageLimit("streams", 0, 0, 0, SLOW, Rate(1e9, 1e9), ""))
    node = Node(tmp_path / "node.key")
    async with running(node), attacking() as attacker:
        await attacker.connect(node)
        for _ in range(12):
            with suppress(StreamFailure, StreamError):
                await attacker.open(node, SYNC_PROTOCOL)
        await node.until(lambda: node.count("p2p_limit_hits", limit="streams_rate") >= 6)
        assert (attacker.peer_id, PeerReason.OVER_RATE) in node.blamed


async def test_a_node_asks_no_more_of_a_peer_than_that_takes_and_is_never_blamed_for_its_need(tmp_path):
    one, two = nodes_in(tmp_path, 2, request_limit=MessageLimit("tight", 1000, 0, 0, Rate(0.001, 20), Rate(1e9, 1e9), ""))
    async with running(one, two):
        one.network.keep([two.address])
        await one.until_connected(two)
        for _ in range(10):
            assert await one.network.request(two.peer_id, b"?", 5) == b"echo:?"
        for _ in range(30):
            with pytest.raises(RequestFailed) as failed:
                await one.network.request(two.peer_id, b"?", 5)
            assert failed.value.reason is RequestFailure.OVER_RATE
        assert one.count("p2p_limit_hits", limit="tight_ask_rate") == 30
        assert two.count("p2p_requests", side="answered", result="ok") == 10
        assert two.blamed == []


async def test_what_users_make_a_node_say_past_its_share_waits_and_is_sent_later_or_given_up(tmp_path):
    paced = MessageLimit("paced", 1000, 0, 0, Rate(8, 8), Rate(1e9, 1e9), "", is_paced=True)
    one, two = nodes_in(tmp_path, 2)
    subscribe(one, two, limit=paced)
    async with running(one, two):
        one.network.keep([two.address])
        await one.until_connected(two)
        await one.until_meshed(two)
        for number in range(6):
            one.network.publish(TOPIC, b"%d" % number)
        assert one.count("p2p_messages", topic=TOPIC, result="published") == 3
        assert one.count("p2p_limit_hits", limit="paced_own_rate") == 3
        await two.until_received(b"5")
        assert sorted(two.payloads()) == [b"0", b"1", b"2", b"3", b"4", b"5"]
        assert two.blamed == []


async def test_throwaway_authors_are_few_and_a_banned_author_is_not_heard_through_others(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "AUTHOR_LIMIT", MessageLimit("new_authors", 0, 0, 0, SLOW, Rate(1e9, 1e9), ""))
    node = Node(tmp_path / "node.key")
    subscribe(node)
    async with running(node), attacking() as attacker:
        await attacker.connect(node)
        stream = await attacker.open_pubsub(node)

        def signed(keys, payload, number=1):
            author = ID.from_pubkey(keys.public_key)
            message = rpc_pb2.Message(data=payload, topicIDs=[TOPIC], from_id=author.to_bytes(), seqno=seqno(number))
            message.signature = keys.private_key.sign(b"libp2p-pubsub:" + message.SerializeToString())
            return message

        authors = [create_new_key_pair() for _ in range(12)]
        await stream.write(rpc(publish=[signed(keys, b"%d" % number) for number, keys in enumerate(authors)]))
        await node.until(lambda: node.count("p2p_messages", topic=TOPIC, result="author_refused") == 7)
        await node.until_received(b"4")
        assert node.payloads() == [b"0", b"1", b"2", b"3", b"4"]
        assert node.count("p2p_limit_hits", limit="new_authors") == 7
        assert node.blamed == []
        node.network.ban(peer_id_from(ID.from_pubkey(authors[0].public_key)), 60)
        again = [signed(keys, b"again", 2) for keys in authors[:2]]
        await stream.write(rpc(publish=again))
        await node.until(lambda: node.count("p2p_messages", topic=TOPIC, result="author_refused") == 8)
        await node.until_received(b"again")
        assert node.payloads().count(b"again") == 1


async def test_strangers_of_one_address_are_few_and_configured_peers_are_none_of_them(tmp_path):
    node, friend = nodes_in(tmp_path, 2)
    async with running(node, friend), AsyncExitStack() as stack:
        for number in range(STRANGERS_PER_ADDRESS_MAX):
            stranger = await stack.enter_async_context(attacking())
            await stranger.connect(node)
            await node.until(lambda number=number: len(node.network.peers()) == number + 1)
        one_more = await stack.enter_async_context(attacking())
        await one_more.connect(node)
        await node.until(lambda: node.count("p2p_peers_refused") == 1)
        assert node.count("p2p_limit_hits", limit="strangers_per_address") == 1
        keep_each_other(node, friend)
        await node.until_connected(friend)
        node.network.disconnect(stranger.peer_id)
        await node.until(lambda: stranger.peer_id not in node.network.peers())
        another = await stack.enter_async_context(attacking())
        await another.connect(node)
        await node.until(lambda: another.peer_id in node.network.peers())


async def test_keys_of_one_address_share_what_they_may_send(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "ADDRESS_FACTOR", 2)
    node = Node(tmp_path / "node.key")
    subscribe(node, limit=TIGHT)
    async with running(node), AsyncExitStack() as stack:
        for _ in range(3):
            attacker = await stack.enter_async_context(attacking())
            await attacker.connect(node)
            stream = await attacker.open_pubsub(node)
            await stream.write(rpc(publish=[attacker.message(b"%d" % number, seqno=seqno(number)) for number in range(5)]))
        await node.until(lambda: node.count("p2p_messages", topic=TOPIC, result="over_rate") == 5)
        await node.until(lambda: len(node.payloads()) == 10)
        assert node.count("p2p_limit_hits", limit="tight_address_rate") == 5
        assert node.blamed == []


async def test_connections_of_one_address_are_refused_before_the_handshake_when_there_are_too_many(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "CONNECTION_LIMIT", MessageLimit("connections_per_address", 0, 0, 0, Rate(0.001, 1), Rate(1, 1), ""))
    node = Node(tmp_path / "node.key", settings=FAST)
    async with running(node), attacking() as first, attacking() as second:
        await first.connect(node)
        await node.until(lambda: node.network.peers() == [first.peer_id])
        with pytest.raises(Exception, match="unable to connect"):
            await second.connect(node)
        assert node.count("p2p_limit_hits", limit="connections_per_address") >= 1
        assert identity_of(second.peer_id) not in node.network._guard._addresses

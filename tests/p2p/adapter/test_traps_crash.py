"""Traps 1 to 4: what any peer could once end the whole node with."""

import pytest
import trio
from libp2p.custom_types import TProtocol
from libp2p.pubsub.pb import rpc_pb2

from p2p.adapter.frames import frame_of
from p2p.adapter.requests import SYNC_PROTOCOL
from p2p.network import PeerConnected, PeerDisconnected
from primitives.errors import EncodingReason, InvalidEncoding
from tests.p2p.adapter.harness import TOPIC, Node, attacking, hello, keep_each_other, nodes_in, rpc, running, subscribe

pytestmark = pytest.mark.network


def forged(**fields):
    """A message whose fields are whatever the attacker likes."""
    values = {"data": b"forged", "topicIDs": [TOPIC], "from_id": b"\x00\x25\x08\x02\x12\x21" + b"\x02" * 33, "seqno": b"\0" * 8}
    return rpc(publish=[rpc_pb2.Message(**{**values, **fields})])


GARBAGE = {
    "no varint": b"\xff" * 64,
    "endless length": b"\xff\xff\xff\xff\x7f" + b"x" * 64,
    "no protobuf": frame_of(b"\xde\xad\xbe\xef" * 16),
    "no signature": forged(),
    "name that is no key": forged(from_id=b"\xff" * 40, signature=b"s" * 70),
    "empty name": forged(from_id=b"", signature=b"s" * 70),
    "key on no curve": forged(from_id=b"\x00\x25\x08\x02\x12\x21" + b"\x05" * 33, signature=b"s" * 70),
    "malformed key beside": forged(key=b"\xff\xff\xff", signature=b"s" * 70),
    "signature that does not parse": forged(signature=b"\x30\xff\xff"),
    "short sequence number": forged(seqno=b"", signature=b"s" * 70),
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
async def test_trap_1_garbage_on_a_pubsub_stream_costs_only_the_one_who_sends_it(tmp_path, garbage):
    victim, friend = nodes_in(tmp_path, 2)
    subscribe(victim, friend)
    async with running(victim, friend), attacking() as attacker:
        keep_each_other(victim, friend)
        await attacker.connect(victim)
        stream = await attacker.open_pubsub(victim)
        await stream.write(garbage)
        await victim.until(lambda: PeerDisconnected(attacker.peer_id) in victim.received)
        friend.network.publish(TOPIC, b"still there?")
        await victim.until_received(b"still there?")
        victim.network.publish(TOPIC, b"still here")
        await friend.until_received(b"still here")
        assert b"forged" not in victim.payloads() + friend.payloads()


async def test_trap_1_topics_that_are_not_text_are_passed_over(tmp_path):
    node = Node(tmp_path / "node.key")
    subscribe(node)
    async with running(node), attacking() as attacker:
        await attacker.connect(node)
        stream = await attacker.open_pubsub(node)
        await stream.write(frame_of(b"\x12\x06\x22\x04\xff\xfe\xfd\xfc"))
        await stream.write(frame_of(b"\x0a\x08\x08\x01\x12\x04\xff\xfe\xfd\xfc"))
        await stream.write(rpc(publish=[attacker.message(b"text")]))
        await node.until_received(b"text")
        assert node.network.peers() == [attacker.peer_id]


async def test_trap_1_message_in_another_nodes_name_is_refused_and_does_not_make_us_deaf_to_it(tmp_path):
    victim, friend = nodes_in(tmp_path, 2)
    subscribe(victim, friend)
    async with running(victim, friend), attacking() as attacker, attacking() as author:
        keep_each_other(victim, friend)
        await victim.until_meshed(friend)
        genuine = author.message(b"genuine")
        altered = rpc_pb2.Message()
        altered.CopyFrom(genuine)
        altered.data = b"altered"
        await attacker.connect(victim)
        await (await attacker.open_pubsub(victim)).write(rpc(publish=[altered]))
        await victim.until(lambda: victim.count("p2p_messages", topic=TOPIC, result="bad_signature") == 1)
        await author.connect(victim)
        await (await author.open_pubsub(victim)).write(rpc(publish=[genuine]))
        await friend.until_received(b"genuine")
        assert b"altered" not in victim.payloads()


async def test_trap_2_failing_request_handler_costs_only_the_one_stream(tmp_path):
    async def handler(peer, request):
        if request == b"fail":
            raise KeyError("a bug in the node")
        return b"fine"

    asker, victim = nodes_in(tmp_path, 2, handler=handler)
    async with running(asker, victim):
        asker.network.keep([victim.address])
        await asker.until_connected(victim)
        with pytest.raises(Exception, match="refused"):
            await asker.network.request(victim.peer_id, b"fail", 10)
        assert await asker.network.request(victim.peer_id, b"again", 10) == b"fine"
        await victim.until(lambda: victim.count("p2p_requests", side="answered", result="failed") == 1)


NEGOTIATIONS = {
    "no length": b"\xff" * 32,
    "length and nothing": b"\x20",
    "not text": b"\x04\xff\xfe\xfd\n",
    "line without end": b"\x04abcd",
    "unknown protocol": b"\x13/multistream/1.0.0\n\x05/xyz\n",
}


@pytest.mark.parametrize("opening", NEGOTIATIONS.values(), ids=NEGOTIATIONS.keys())
async def test_trap_2_garbage_in_the_negotiation_of_a_stream_ends_only_the_stream(tmp_path, opening):
    asker, victim = nodes_in(tmp_path, 2)
    async with running(asker, victim), attacking() as attacker:
        asker.network.keep([victim.address])
        await attacker.connect(victim)
        await victim.until(lambda: PeerConnected(attacker.peer_id) in victim.received)
        (connection,) = attacker.host.get_network().get_connections()
        stream = await connection.new_stream()
        await stream.write(opening)
        await stream.close_write()
        await asker.until_connected(victim)
        assert await asker.network.request(victim.peer_id, b"?", 10) == b"echo:?"


async def test_trap_2_frame_over_the_limit_and_foreign_protocol_end_only_the_stream(tmp_path):
    asker, victim = nodes_in(tmp_path, 2)
    async with running(asker, victim), attacking() as attacker:
        asker.network.keep([victim.address])
        await attacker.connect(victim)
        stream = await attacker.open(victim, SYNC_PROTOCOL)
        await stream.write(b"\xff\xff\xff\x7f" + b"x" * 100)
        await victim.until(lambda: victim.count("p2p_requests", side="answered", result="malformed") == 1)
        with pytest.raises(Exception, match="failed to open a stream"):
            await attacker.open(victim, TProtocol("/ipfs/id/1.0.0"))
        await asker.until_connected(victim)
        assert await asker.network.request(victim.peer_id, b"?", 10) == b"echo:?"


async def test_trap_3_failing_decoder_drops_the_message_and_nothing_else(tmp_path):
    def decoder(payload):
        if payload == b"poison":
            raise ZeroDivisionError("a bug in the decoder")
        if payload == b"bad":
            raise InvalidEncoding(EncodingReason.MALFORMED, "bad")
        return payload

    victim, sender = nodes_in(tmp_path, 2)
    subscribe(victim, decoder=decoder)
    subscribe(sender)
    async with running(victim, sender):
        keep_each_other(victim, sender)
        await sender.until_meshed(victim)
        for payload in (b"poison", b"bad", b"good"):
            sender.network.publish(TOPIC, payload)
        await victim.until_received(b"good")
        assert victim.payloads() == [b"good"]
        assert victim.count("p2p_messages", topic=TOPIC, result="decoder_failed") == 1
        assert victim.count("p2p_messages", topic=TOPIC, result="bad_form") == 1
        assert victim.blamed == [(sender.peer_id, EncodingReason.MALFORMED)]
        assert PeerDisconnected(sender.peer_id) not in victim.received


async def test_trap_4_late_joiner_finds_whole_frames_while_large_messages_flow(tmp_path):
    sender, steady, late = nodes_in(tmp_path, 3)
    subscribe(sender, steady, late)
    large = 200 * 1024
    async with running(sender, steady):
        keep_each_other(sender, steady)
        await sender.until_meshed(steady)
        async with running(late):
            late.network.keep([sender.address])
            for number in range(40):
                sender.network.publish(TOPIC, number.to_bytes(2, "big") * (large // 2))
                await trio.lowlevel.checkpoint()
            await sender.until_meshed(late)
            sender.network.publish(TOPIC, b"the last")
            await late.until_received(b"the last")
            await steady.until_received(b"the last")
            for node in (sender, steady, late):
                assert node.count("p2p_messages", topic="", result="malformed") == 0
                assert not any(isinstance(event, PeerDisconnected) for event in node.received)
            assert len(steady.payloads()) == 41


async def test_trap_4_hello_comes_before_anything_else_on_a_new_stream(tmp_path):
    node = Node(tmp_path / "node.key")
    subscribe(node)
    async with running(node), attacking() as attacker:
        frames, received = trio.open_memory_channel(100)

        async def keep_frames(stream):
            while chunk := await stream.read(65536):
                await frames.send(chunk)

        attacker.host.set_stream_handler(TProtocol("/meshsub/1.2.0"), keep_frames)
        await attacker.connect(node)
        stream = await attacker.open_pubsub(node)
        await stream.write(hello())
        with trio.fail_after(15):
            first = await received.receive()
        assert first.startswith(hello())

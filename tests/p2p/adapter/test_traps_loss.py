"""Traps 5 to 11: what was once lost without a word, or kept for ever."""

import pytest
import trio
from libp2p.custom_types import TProtocol
from libp2p.pubsub.pb import rpc_pb2

from p2p.adapter.frames import FrameReader
from p2p.adapter.router import CACHE_BYTES_MAX, SEEN_MESSAGES_MAX, SeenMessages
from p2p.network import GOSSIP_BYTES_MAX, OUTBOUND_FRAMES_MAX, WAITING_MESSAGES_MAX, NetworkSettings
from tests.p2p.adapter.harness import FAST, TOPIC, Node, attacking, hello, keep_each_other, nodes_in, rpc, running, subscribe

pytestmark = pytest.mark.network


async def test_traps_5_and_7_burst_of_a_thousand_messages_arrives_whole(tmp_path):
    sender, reader = nodes_in(tmp_path, 2)
    subscribe(sender, reader)
    async with running(sender, reader):
        keep_each_other(sender, reader)
        await sender.until_meshed(reader)
        sent = [number.to_bytes(4, "big") for number in range(1000)]
        for payload in sent:
            sender.network.publish(TOPIC, payload)
        await reader.until(lambda: len(reader.payloads()) == len(sent))
        assert reader.payloads() == sent


async def test_trap_6_messages_of_a_restarted_node_are_not_taken_for_old_ones(tmp_path):
    reader = Node(tmp_path / "reader.key")
    before = Node(tmp_path / "sender.key")
    subscribe(reader, before)
    async with running(reader):
        async with running(before):
            keep_each_other(reader, before)
            await before.until_meshed(reader)
            for number in range(50):
                before.network.publish(TOPIC, b"before %d" % number)
            await reader.until(lambda: len(reader.payloads()) == 50)
        after = Node(tmp_path / "sender.key")
        assert after.peer_id == before.peer_id
        subscribe(after)
        async with running(after):
            after.network.keep([reader.address])
            after.network.publish(TOPIC, b"after")
            await reader.until_received(b"after")
            assert reader.count("p2p_messages", topic=TOPIC, result="duplicate") == 0


async def test_trap_7_largest_message_passes_and_a_larger_one_is_counted(tmp_path):
    node = Node(tmp_path / "node.key")
    subscribe(node)
    async with running(node), attacking() as attacker:
        await attacker.connect(node)
        stream = await attacker.open_pubsub(node)
        largest = b"x" * GOSSIP_BYTES_MAX
        await stream.write(rpc(publish=[attacker.message(largest + b"x", seqno=b"1" * 8)]))
        await stream.write(rpc(publish=[attacker.message(largest, seqno=b"2" * 8)]))
        await node.until_received(largest)
        assert node.payloads() == [largest]
        assert node.count("p2p_messages", topic=TOPIC, result="too_large") == 1


async def test_trap_7_drop_from_a_full_queue_is_counted(tmp_path):
    sender, reader = nodes_in(tmp_path, 2)
    subscribe(sender, reader)
    async with running(sender, reader):
        keep_each_other(sender, reader)
        await sender.until_meshed(reader)
        for number in range(OUTBOUND_FRAMES_MAX + 10):
            sender.network.publish(TOPIC, number.to_bytes(4, "big"))
        assert sender.count("p2p_limit_hits", limit="outbound_messages") == 10
        await reader.until(lambda: len(reader.payloads()) >= OUTBOUND_FRAMES_MAX)


async def test_trap_8_missed_message_is_announced_by_the_heartbeat_and_sent_once_on_demand(tmp_path):
    node = Node(tmp_path / "node.key")
    subscribe(node)
    async with running(node), attacking() as attacker:
        frames, received = trio.open_memory_channel(1000)

        async def read(stream):
            reader = FrameReader(stream, 1 << 20)
            while True:
                await frames.send(rpc_pb2.RPC.FromString(await reader.read_frame()))

        async def next_with(wanted):
            with trio.fail_after(15):
                while not wanted(packet := await received.receive()):
                    continue
            return packet

        attacker.host.set_stream_handler(TProtocol("/meshsub/1.2.0"), read)
        await attacker.connect(node)
        stream = await attacker.open_pubsub(node)
        await stream.write(hello())
        await next_with(lambda packet: packet.control.graft)
        await stream.write(rpc(control=rpc_pb2.ControlMessage(prune=[rpc_pb2.ControlPrune(topicID=TOPIC, backoff=1 << 60)])))
        await stream.write(rpc(publish=[attacker.message(b"pruned")]))
        await node.until_received(b"pruned")
        assert not node.network._gossip.router.mesh[TOPIC]
        # Back-off keeps the attacker out of the mesh, and out of the announcements too, until it has run out.
        node.network._gossip.router.back_off.clear()
        node.network._gossip.router.degree_low = 0
        node.network._gossip._send(TOPIC, b"missed")
        packet = await next_with(lambda packet: packet.control.ihave)
        message_id = packet.control.ihave[0].messageIDs[-1]
        await stream.write(rpc(control=rpc_pb2.ControlMessage(iwant=[rpc_pb2.ControlIWant(messageIDs=[message_id] * 1000)])))
        answer = await next_with(lambda packet: packet.publish)
        assert [message.data for message in answer.publish] == [b"missed"]
        assert received.statistics().current_buffer_used == 0


def test_trap_8_heartbeat_beats_every_second():
    assert NetworkSettings().heartbeat_seconds == 1


async def test_trap_9_message_published_before_anybody_is_there_arrives(tmp_path):
    early, late = nodes_in(tmp_path, 2)
    subscribe(early, late)
    async with running(early):
        early.network.keep([late.address])
        early.network.publish(TOPIC, b"too early")
        assert early.count("p2p_messages", topic=TOPIC, result="published") == 0
        async with running(late):
            late.network.keep([early.address])
            await late.until_received(b"too early")
            assert early.count("p2p_messages", topic=TOPIC, result="published") == 1


async def test_trap_9_what_waits_is_bounded_in_number_and_time_and_counted(tmp_path):
    settings = NetworkSettings(ping_interval_seconds=0.05, waiting_seconds_max=0.05)
    node, nobody = nodes_in(tmp_path, 2, settings=settings)
    subscribe(node)
    async with running(node):
        node.network.keep([nobody.address])
        for number in range(WAITING_MESSAGES_MAX + 3):
            node.network.publish(TOPIC, b"%d" % number)
        assert node.count("p2p_limit_hits", limit="waiting_messages") == 3
        await node.until(lambda: node.count("p2p_messages", topic=TOPIC, result="dropped") == WAITING_MESSAGES_MAX + 3)
        assert not node.network._gossip._waiting


async def test_traps_10_and_11_nothing_piles_up_for_messages_sent_and_received(tmp_path):
    sender, reader, outsider = nodes_in(tmp_path, 3)
    subscribe(sender, reader)
    async with running(sender, reader, outsider):
        keep_each_other(sender, reader, outsider)
        await sender.until_connected(reader, outsider)
        await sender.until_meshed(reader)
        for number in range(200):
            sender.network.publish(TOPIC, b"%d" % number)
        await reader.until(lambda: len(reader.payloads()) == 200)
        for node in (sender, reader):
            router = node.network._gossip.router
            assert not router._pending_messages
            assert not router.equivocation_detection
            assert not router.recent_message_deliveries
            assert not node.network._gossip.validation_cache.cache


def test_trap_11_seen_messages_are_bounded():
    seen = SeenMessages()
    assert seen.add(b"first")
    assert not seen.add(b"first")
    for number in range(SEEN_MESSAGES_MAX):
        seen.add(number.to_bytes(4, "big"))
    assert not seen.has(b"first")
    assert seen.has((SEEN_MESSAGES_MAX - 1).to_bytes(4, "big"))


async def test_trap_11_cached_messages_are_bounded_in_bytes(tmp_path):
    node = Node(tmp_path / "node.key", settings=FAST)
    subscribe(node)
    async with running(node):
        cache = node.network._gossip.router.mcache
        for number in range(CACHE_BYTES_MAX // GOSSIP_BYTES_MAX + 5):
            cache.put(rpc_pb2.Message(data=b"x" * GOSSIP_BYTES_MAX, topicIDs=[TOPIC], from_id=b"a", seqno=number.to_bytes(8, "big")))
        assert sum(len(message.data) for message in cache.msgs.values()) == CACHE_BYTES_MAX
        assert node.count("p2p_limit_hits", limit="gossip_cache_bytes") == 5

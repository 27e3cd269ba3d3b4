"""Traps 12 to 20: peers that stop, addresses that lie, and shutting down."""

import logging
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import trio
from libp2p import new_host
from libp2p.crypto.secp256k1 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair
from libp2p.custom_types import TProtocol
from libp2p.host.exceptions import StreamFailure
from libp2p.network.stream.exceptions import StreamError
from libp2p.peer.peerinfo import PeerInfo
from libp2p.security.insecure.transport import PLAINTEXT_PROTOCOL_ID, InsecureTransport
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE_PROTOCOL
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.stream_muxer.mplex.mplex import MPLEX_PROTOCOL_ID, Mplex
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX_PROTOCOL
from libp2p.stream_muxer.yamux.yamux import Yamux
from multiaddr import Multiaddr

from p2p.adapter.frames import FrameReader, frame_of
from p2p.adapter.identity import identity_of
from p2p.adapter.requests import SYNC_PROTOCOL
from p2p.network import (
    GOSSIP_BYTES_MAX,
    REQUESTS_PER_PEER_MAX,
    NetworkSettings,
    PeerAddress,
    PeerConnected,
    PeerDisconnected,
    PortInUse,
    RequestFailed,
    RequestFailure,
)
from primitives.errors import EncodingReason, InvalidEncoding
from tests.p2p.adapter.harness import FAST, TOPIC, Node, attacking, hello, keep_each_other, nodes_in, rpc, running, subscribe

pytestmark = pytest.mark.network


async def test_trap_12_peer_that_stops_reading_slows_nobody_and_is_served_again_when_it_reads(tmp_path):
    sender, reader = nodes_in(tmp_path, 2)
    subscribe(sender, reader)
    async with running(sender, reader), attacking() as attacker:
        reading = trio.Event()
        frames, received = trio.open_memory_channel(10_000)

        async def handler(stream):
            await reading.wait()
            while chunk := await stream.read(65536):
                await frames.send(chunk)

        attacker.host.set_stream_handler(TProtocol("/meshsub/1.2.0"), handler)
        keep_each_other(sender, reader)
        await attacker.connect(sender)
        await (await attacker.open_pubsub(sender)).write(hello())
        await sender.until(lambda: len(sender.network._gossip.router.mesh[TOPIC]) == 2)
        for number in range(30):
            sender.network.publish(TOPIC, number.to_bytes(2, "big") * 50_000)
            await reader.until(lambda number=number: len(reader.payloads()) == number + 1)
        await sender.until(lambda: sender.count("p2p_streams_lost") == 1)
        reading.set()
        with trio.fail_after(15):
            await received.receive()
        assert PeerDisconnected(attacker.peer_id) not in sender.received


STOPPABLE = """
import sys
from contextlib import suppress
from pathlib import Path
import trio
from p2p.adapter.host import Network

async def handler(peer, request):
    return request

async def main():
    network = Network(Path(sys.argv[1]), "127.0.0.1", 0, handler, lambda name, labels, value: None)
    async with trio.open_nursery() as nursery:
        await nursery.start(network.run)
        print(network.port, network.peer_id, flush=True)

trio.run(main)
"""


def start_stoppable(key_path):
    return subprocess.Popen(
        [sys.executable, "-c", STOPPABLE, str(key_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )


async def test_traps_13_and_18_frozen_process_is_pinged_disconnected_and_prints_nothing(tmp_path):
    settings = NetworkSettings(ping_interval_seconds=0.2, ping_timeout_seconds=0.5, redial_seconds_max=0.5)
    node = Node(tmp_path / "node.key", settings=settings)
    child = await trio.to_thread.run_sync(start_stoppable, tmp_path / "child.key")
    try:
        port, peer_id = (await trio.to_thread.run_sync(child.stdout.readline)).split()
        async with running(node), attacking() as attacker:
            node.network.keep([PeerAddress("localhost", int(port), peer_id)])
            await node.until(lambda: PeerConnected(peer_id) in node.received)
            await node.until(lambda: node.count("p2p_requests", side="asked", result="ok") >= 2)
            child.send_signal(signal.SIGSTOP)
            await node.until(lambda: PeerDisconnected(peer_id) in node.received)
            assert node.count("p2p_peers_silent") == 1
            child.send_signal(signal.SIGCONT)
            await node.until(lambda: node.received.count(PeerConnected(peer_id)) == 2)
            await attacker.connect(Stranger(int(port), peer_id))
            await (await attacker.open_pubsub(Stranger(int(port), peer_id))).write(b"\xff" * 100)
            assert await node.network.request(peer_id, b"still there", 10) == b"still there"
    finally:
        child.kill()
        _, errors = child.communicate()
    assert errors == ""


class Stranger:
    """Enough of a node for an attacker to connect to it."""

    def __init__(self, port, peer_id):
        self.network = self
        self.port, self.peer_id = port, peer_id


async def test_trap_14_peer_that_comes_up_late_on_its_address_is_found(tmp_path):
    keeper, late = nodes_in(tmp_path, 2)
    async with running(late):
        address = late.address
    async with running(keeper):
        keeper.network.keep([address])
        await keeper.until(lambda: keeper.count("p2p_dials", result="failed") >= 2)
        again = Node(tmp_path / "node1.key", port=address.port)
        async with running(again):
            await keeper.until_connected(again)


async def test_place_of_a_gone_peer_is_free_again(tmp_path):
    node = Node(tmp_path / "node.key")
    async with running(node):
        node.network._libp2p.get_network()._inbound_limiter.total_tokens = 2
        for _ in range(5):
            async with attacking() as peer:
                await peer.connect(node)
                await node.until(lambda peer=peer: PeerConnected(peer.peer_id) in node.received)
                node.network.disconnect(peer.peer_id)
                await node.until(lambda peer=peer: PeerDisconnected(peer.peer_id) in node.received)


async def test_trap_15_second_node_on_a_port_is_refused_with_a_sentence(tmp_path):
    first, second = nodes_in(tmp_path, 2)
    async with running(first):
        second.network.port = first.network.port
        with pytest.raises(PortInUse, match=f"port {first.network.port} on 127.0.0.1 is in use"):
            await second.network.run()


async def test_trap_16_own_address_is_not_dialled_and_own_key_is_no_peer(tmp_path):
    node, other = nodes_in(tmp_path, 2)
    twin = Node(tmp_path / "node0.key")
    async with running(node, other, twin):
        node.network.keep([node.address, PeerAddress("127.0.0.1", twin.network.port, node.peer_id)])
        node.network.keep([PeerAddress("127.0.0.1", node.network.port, other.peer_id)])
        await node.until(lambda: node.count("p2p_dials", result="failed") >= 2)
        async with attacking() as attacker:
            await attacker.connect(node)
            await node.until(lambda: PeerConnected(attacker.peer_id) in node.received)
        assert node.network.peers() in ([], [attacker.peer_id])
        assert twin.network.peers() == []
        assert not any(event == PeerConnected(node.peer_id) for event in node.received + twin.received)


async def test_trap_16_connection_under_our_own_key_is_cut(tmp_path):
    node = Node(tmp_path / "node.key")
    async with running(node), attacking() as thief:
        node.network._key_pair = thief.key_pair
        await thief.connect(node)
        await node.until(lambda: node.count("p2p_peers_refused") == 1)
        assert node.network.peers() == []
        assert node.received == []


async def test_trap_17_shutdown_under_load_is_clean(tmp_path):
    nodes = nodes_in(tmp_path, 3)
    subscribe(*nodes)

    async def publish_for_ever(node):
        while True:
            node.network.publish(TOPIC, trio.current_time().hex().encode() * 1000)
            await trio.lowlevel.checkpoint()

    async def ask_for_ever(node, peer):
        while True:
            try:
                await node.network.request(peer.peer_id, b"?", 5)
            except RequestFailed:
                await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        async with running(*nodes):
            keep_each_other(*nodes)
            for node in nodes:
                await node.until_connected(*(other for other in nodes if other is not node))
            for node in nodes:
                nursery.start_soon(publish_for_ever, node)
                nursery.start_soon(ask_for_ever, node, nodes[0] if node is not nodes[0] else nodes[1])
            await nodes[0].until(lambda: len(nodes[0].payloads()) >= 50)
            await nodes[0].until(lambda: nodes[0].count("p2p_requests", side="answered", result="ok") >= 5)
        nursery.cancel_scope.cancel()
    again = Node(tmp_path / "node0.key", port=nodes[0].network.port)
    async with running(again):
        assert again.network.peers() == []


async def test_trap_19_refusal_of_a_large_message_is_told_in_few_words(tmp_path, caplog):
    def decoder(payload):
        raise InvalidEncoding(EncodingReason.MALFORMED, "no")

    caplog.set_level(logging.DEBUG)
    node = Node(tmp_path / "node.key")
    subscribe(node, decoder=decoder)
    async with running(node), attacking() as attacker:
        await attacker.connect(node)
        stream = await attacker.open_pubsub(node)
        for number, size in enumerate((GOSSIP_BYTES_MAX, GOSSIP_BYTES_MAX + 1000)):
            await stream.write(rpc(publish=[attacker.message(b"x" * size, seqno=bytes(7) + bytes([number]))]))
        await node.until(lambda: len(node.blamed) == 2)
        assert [reason for _, reason in node.blamed] == [EncodingReason.MALFORMED, EncodingReason.TOO_LARGE]
    assert max(len(record.getMessage()) for record in caplog.records if record.name.startswith("p2p")) < 1000


@pytest.mark.parametrize("weakness", ["plaintext", "mplex"])
async def test_neither_plaintext_nor_mplex_is_spoken(tmp_path, weakness):
    node = Node(tmp_path / "node.key")
    key_pair = create_new_key_pair()
    muxers = {TProtocol(MPLEX_PROTOCOL_ID): Mplex} if weakness == "mplex" else {TProtocol(YAMUX_PROTOCOL): Yamux}
    noise = NoiseTransport(key_pair, noise_privkey=create_noise_key_pair().private_key)
    security = {PLAINTEXT_PROTOCOL_ID: InsecureTransport(key_pair)} if weakness == "plaintext" else {NOISE_PROTOCOL: noise}
    stranger = new_host(key_pair=key_pair, sec_opt=security, muxer_opt=muxers)
    async with running(node), stranger.run([]):
        with pytest.raises(Exception, match="unable to connect"):
            await stranger.connect(PeerInfo(identity_of(node.peer_id), [Multiaddr(f"/ip4/127.0.0.1/tcp/{node.network.port}")]))
        assert node.network.peers() == []


async def test_trap_20_three_hundred_unanswered_requests_leave_room_for_the_next(tmp_path):
    node = Node(tmp_path / "node.key", settings=NetworkSettings(ping_interval_seconds=60))
    answering = trio.Event()
    heard = 0

    async def handler(stream):
        nonlocal heard
        with suppress(StreamError):
            await FrameReader(stream, 1000).read_frame()
            heard += 1
            node.changed()
            if not answering.is_set():
                # Until the asker gives up; a stock host holds a place for each stream of its own.
                await stream.read(1)
            await stream.write(frame_of(b"at last"))
            await stream.close()

    async with running(node), attacking() as attacker:
        attacker.host.set_stream_handler(SYNC_PROTOCOL, handler)
        await attacker.connect(node)
        await node.until(lambda: node.network.peers() == [attacker.peer_id])
        for asked in range(REQUESTS_PER_PEER_MAX, 300 + REQUESTS_PER_PEER_MAX, REQUESTS_PER_PEER_MAX):
            # Given up, as at a time-out, once all are heard: a stock host ends the connection over a stream reset before that.
            async with trio.open_nursery() as nursery:
                for _ in range(REQUESTS_PER_PEER_MAX):
                    nursery.start_soon(node.network.request, attacker.peer_id, b"?", 60)
                await node.until(lambda: heard == asked)  # noqa: B023
                nursery.cancel_scope.cancel()
        (connection,) = node.network._libp2p.get_network().get_connections()
        muxed = connection.muxed_conn
        assert muxed.stream_backlog_semaphore.value >= 256 - 2
        answering.set()
        assert await node.network.request(attacker.peer_id, b"?", 10) == b"at last"


async def test_trap_20_peer_that_opens_streams_and_says_nothing_is_bounded_and_cleared(tmp_path):
    settings = NetworkSettings(answer_timeout_seconds=3.0)
    node, friend = nodes_in(tmp_path, 2, settings=settings)
    async with running(node, friend), attacking() as attacker:
        friend.network.keep([node.address])
        await friend.until_connected(node)
        await attacker.connect(node)
        streams = [await attacker.open(node, SYNC_PROTOCOL) for _ in range(REQUESTS_PER_PEER_MAX)]
        with suppress(StreamFailure):
            # Reset, perhaps before the negotiation of the stream is over.
            await attacker.open(node, SYNC_PROTOCOL)
        await node.until(lambda: node.count("p2p_limit_hits", limit="requests_per_peer") == 1)
        assert await friend.network.request(node.peer_id, b"?", 10) == b"echo:?"
        await node.until(lambda: node.count("p2p_requests", side="answered", result="timeout") == REQUESTS_PER_PEER_MAX)
        for stream in streams:
            with pytest.raises(StreamError), trio.fail_after(15):
                await stream.read(1)
        assert identity_of(attacker.peer_id) not in node.network._streams


async def test_slow_handler_is_given_up_and_its_client_told(tmp_path):
    async def handler(peer, request):
        await trio.sleep_forever()

    asker, answerer = nodes_in(tmp_path, 2, handler=handler, settings=NetworkSettings(answer_timeout_seconds=0.2))
    async with running(asker, answerer):
        asker.network.keep([answerer.address])
        await asker.until_connected(answerer)
        with pytest.raises(RequestFailed) as failed:
            await asker.network.request(answerer.peer_id, b"?", 20)
        assert failed.value.reason is RequestFailure.REFUSED


async def test_no_more_streams_of_a_peer_than_the_limit_are_held(tmp_path):
    node = Node(tmp_path / "node.key", settings=FAST)
    async with running(node), attacking() as attacker:
        await attacker.connect(node)
        await node.until(lambda: node.network.peers() == [attacker.peer_id])
        (connection,) = attacker.host.get_network().get_connections()
        for _ in range(70):
            await connection.new_stream()
        await node.until(lambda: node.count("p2p_limit_hits", limit="inbound_streams") >= 6)
        assert max(node.network._streams.values()) <= 64

"""What a message says is answered for by whoever wrote it, not by those who passed it on."""

from p2p.network import GossipReceived
from tests.p2p.adapter.harness import TOPIC, nodes_in, running, subscribe


async def test_a_relayed_message_names_its_author(tmp_path):
    author, relay, reader = nodes_in(tmp_path, 3)
    subscribe(author, relay, reader)
    async with running(author, relay, reader):
        author.network.keep([relay.address])
        reader.network.keep([relay.address])
        await relay.until_meshed(author, reader)
        author.network.publish(TOPIC, b"junk")
        await reader.until_received(b"junk")
        assert author.peer_id not in reader.network.peers()
        assert [event.peer for event in reader.received if isinstance(event, GossipReceived)] == [author.peer_id]
        reader.network.ban(author.peer_id, 1.0)
        reader.network.disconnect(author.peer_id)
        await reader.until_connected(relay)

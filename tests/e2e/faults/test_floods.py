"""A flood of each kind of message: finality goes on, memory stays, and the flooder ends outside.

All floods hit one node of one network, from a fresh key each; the last test looks at what they left behind.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from libp2p.crypto.secp256k1 import create_new_key_pair
from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2

from p2p.adapter.frames import frame_of
from p2p.limits import GOSSIP_LIMITS, REQUEST_LIMITS
from p2p.messages import (
    BlocksByRange,
    BlocksByRoot,
    BundleByNonce,
    CertificatesByView,
    ConsensusBatch,
    Finality,
    Peers,
    RpcCall,
    Status,
    TransactionBatch,
    encode_request,
)
from p2p.topics import TopicKind
from primitives.receipts import Bundle, CrossShardReceipt
from primitives.votes import EMPTY_SIGNATURE, Certificate, Instance, Vote, VoteKind
from tests.e2e.flooder import Flood, Target, gossip, never_read, raw, requests, run, silent_streams, write_messages
from tests.e2e.harness import Cluster, make_options, running, wait_for
from tests.p2p.adapter.harness import Attacker
from tests.p2p.adapter.test_traps_crash import forged

MESSAGES_MAX = 1_000_000
BLOCKS_DURING_A_FLOOD = 2
REFUSED_MIN = 20
MEMORY_GROWTH_MAX_BYTES = 96 * 1024 * 1024
"""Of the flooded node's process, from before the first flood to after the last."""
RECEIPT = CrossShardReceipt(1, 0, 10**6, 0, b"\1" * 20, b"\2" * 20, 5, 0, 0, b"\0" * 20, b"")
PAYLOADS = {
    TopicKind.CONSENSUS: ConsensusBatch((), (), (), (), ()).encode(),
    TopicKind.TRANSACTIONS: TransactionBatch(()).encode(),
    TopicKind.RECEIPTS: Bundle(1, 0, 10**6, b"\0" * 32, (RECEIPT,)).encode(),
}

LARGEST = TransactionBatch((b"\x02" * 100_000, b"\x02" * 100_000)).encode()


def payload_of(kind: type, target: Target) -> bytes:
    """An honest question, asked too often."""
    questions = {
        Status: Status(target.cluster.genesis.root, ()),
        BlocksByRange: BlocksByRange(0, 1, 64),
        BlocksByRoot: BlocksByRoot(0, (b"\1" * 32,) * 16),
        CertificatesByView: CertificatesByView(Instance(0, 0), 1, 10**6),
        BundleByNonce: BundleByNonce(0, 1, 0, 1),
        Peers: Peers(0),
        Finality: Finality(Certificate(Instance(0, 0), 1, VoteKind.FINALIZE, b"\1" * 32, (True,), EMPTY_SIGNATURE)),
        RpcCall: RpcCall(0, b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}'),
    }
    return encode_request(questions[kind])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("floods") / "network", make_options()) as cluster:
        cluster.wait_growth(0, 2)
        yield cluster


@pytest.fixture(scope="module")
def target(cluster: Cluster) -> Target:
    return Target.of(cluster, 0)


@pytest.fixture(scope="module")
def memory_before(cluster: Cluster) -> int:
    return resident_bytes(cluster)


@pytest.fixture(scope="module", autouse=True)
def deaf_peer(target: Target, memory_before: int) -> threading.Thread:
    """One that never reads, beside all the floods."""
    thread = threading.Thread(target=run, args=(never_read, target, lambda: False, 300.0), daemon=True)
    thread.start()
    return thread


@pytest.fixture(autouse=True)
def _logs_with_a_failure(cluster: Cluster) -> Iterator[None]:
    yield
    print(cluster.logs())
    cluster.require_alive()


def resident_bytes(cluster: Cluster) -> int:
    pages = int(Path(f"/proc/{cluster.processes[0].pid}/statm").read_text().split()[1])
    return pages * 4096


def total(cluster: Cluster, name: str, node: int = 0, **labels: str) -> float:
    wanted = set(labels.items())
    return sum(value for (found, has), value in cluster.scrape(node).items() if found == name and wanted <= set(has))


def hits(cluster: Cluster, *limits: str) -> float:
    return sum(total(cluster, "shardnet_limit_hits_total", limit=limit) for limit in limits)


def require_banned(cluster: Cluster, target: Target, flood: Flood, *limits: str, then: Flood | None = None) -> int:
    """Runs a flood, and another where this machine is too slow for the first, until the sender is banned while the chains go on.

    How many messages it got out. One of `limits` was met.
    """
    heights = [chain.finalized.number for chain in cluster.chains(0)]
    banned, before = total(cluster, "shardnet_peers_banned_total"), hits(cluster, *limits)

    def is_over() -> bool:
        return total(cluster, "shardnet_peers_banned_total") > banned

    sent = run(flood, target, is_over)
    if then is not None and not is_over():
        sent = run(then, target, is_over)
    assert sent > 0
    assert is_over()
    assert not limits or hits(cluster, *limits) > before
    for node in (0, 1):
        cluster.wait_growth(node, BLOCKS_DURING_A_FLOOD, heights)
    return sent


@pytest.mark.parametrize("kind", TopicKind)
def test_a_million_gossip_messages(cluster: Cluster, target: Target, kind: TopicKind) -> None:
    limit = f"{GOSSIP_LIMITS[kind].name}_rate"
    # a machine that hears less than a thousand a second hears more bytes a second than are allowed
    largest = gossip(kind, LARGEST, 500, distinct=60) if kind is TopicKind.TRANSACTIONS else None
    sent = require_banned(cluster, target, gossip(kind, PAYLOADS[kind], MESSAGES_MAX), limit, then=largest)
    assert sent < MESSAGES_MAX


@pytest.mark.parametrize("kind", [kind for kind, limit in REQUEST_LIMITS.items() if limit.is_blamed])
def test_a_flood_of_requests(cluster: Cluster, target: Target, kind: type) -> None:
    payload, limit = payload_of(kind, target), f"{REQUEST_LIMITS[kind].name}_rate"
    require_banned(cluster, target, requests(payload, 5000), limit, "inbound_streams", then=silent_streams)


@pytest.mark.parametrize("kind", [kind for kind, limit in REQUEST_LIMITS.items() if not limit.is_blamed])
def test_a_flood_of_what_is_not_the_peers_own_doing_is_refused(cluster: Cluster, target: Target, kind: type) -> None:
    heights = [chain.finalized.number for chain in cluster.chains(0)]
    payload, limits = payload_of(kind, target), (f"{REQUEST_LIMITS[kind].name}_rate", "inbound_streams")
    before = hits(cluster, *limits)
    for flood in (requests(payload, 600), silent_streams):
        run(flood, target, lambda: hits(cluster, *limits) >= before + REFUSED_MIN)
    assert hits(cluster, *limits) >= before + REFUSED_MIN
    for node in (0, 1):
        cluster.wait_growth(node, BLOCKS_DURING_A_FLOOD, heights)


def test_a_flood_of_requests_that_are_none(cluster: Cluster, target: Target) -> None:
    require_banned(cluster, target, requests(b"\xff" * 8, 5000))
    assert total(cluster, "shardnet_peer_penalties_total", reason="unknown_kind") > 0


def test_messages_of_the_largest_size(cluster: Cluster, target: Target) -> None:
    require_banned(cluster, target, gossip(TopicKind.TRANSACTIONS, LARGEST, 500, distinct=60))


@pytest.mark.parametrize("content", [b"\xff" * 64, frame_of(b"\xde\xad\xbe\xef" * 16), frame_of(b"x" * 4 * 1024 * 1024)[:100_000]],
                         ids=["no length", "no protobuf", "4 MiB"])
def test_garbage_and_a_message_of_4_mib(cluster: Cluster, target: Target, content: bytes) -> None:
    require_banned(cluster, target, raw(content))


def test_malformed_key(cluster: Cluster, target: Target) -> None:
    topic = target.topic(TopicKind.CONSENSUS)
    require_banned(cluster, target, raw(forged(topicIDs=[topic], from_id=b"\xff" * 40, signature=b"s" * 70)))


def test_forged_votes_of_throwaway_authors(cluster: Cluster, target: Target) -> None:
    view = int(total(cluster, "shardnet_view", chain="0")) + 20

    async def flood(attacker: Attacker, target: Target) -> int:
        messages = []
        for number in range(600):
            keys = create_new_key_pair()
            votes = tuple(
                Vote(Instance(0, 0), view, VoteKind.NOTARIZE, number.to_bytes(32, "big"), 0, b"\xc0" + number.to_bytes(95, "big"))
                for number in range(number * 8, number * 8 + 8)
            )
            message = rpc_pb2.Message(
                data=ConsensusBatch((), (), votes, (), ()).encode(), topicIDs=[target.topic(TopicKind.CONSENSUS)],
                from_id=ID.from_pubkey(keys.public_key).to_bytes(), seqno=b"\0" * 8,
            )
            message.signature = keys.private_key.sign(b"libp2p-pubsub:" + message.SerializeToString())
            messages.append(message)
        return await write_messages(attacker, target, messages, 6_000)

    require_banned(cluster, target, flood, "new_authors")


def test_memory_is_what_it_was_and_the_peer_that_never_read_is_gone(
    cluster: Cluster, deaf_peer: threading.Thread, memory_before: int
) -> None:
    wait_for("end of the deaf peer", lambda: total(cluster, "shardnet_peers_silent_total") >= 1)
    wait_for("honest peers alone", lambda: total(cluster, "shardnet_peers") == cluster.options.nodes - 1)
    for node in range(1, cluster.options.nodes):
        # What the flooded node passed on was not held against it.
        assert total(cluster, "shardnet_peer_penalties_total", node, reason="over_rate") == 0
        assert total(cluster, "shardnet_peers", node) == cluster.options.nodes - 1
    growth = resident_bytes(cluster) - memory_before
    print(f"memory grew by {growth / 2**20:.1f} MiB")
    assert growth < MEMORY_GROWTH_MAX_BYTES

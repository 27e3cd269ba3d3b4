"""A peer that takes part in gossip only to hear: it keeps every vote on the wire."""

from __future__ import annotations

import functools
import itertools
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import trio

from p2p.adapter.host import Network
from p2p.adapter.identity import load_or_create_identity
from p2p.limits import GOSSIP_LIMITS
from p2p.messages import ConsensusBatch, decode_gossip
from p2p.network import GossipReceived, PeerAddress, PeerId
from p2p.topics import TopicKind, topics_of
from primitives import bls
from primitives.votes import Vote, VoteKind, vote_signing_root
from tests.e2e.harness import Cluster

STOP_SECONDS_MAX = 15.0


class Observer:
    """What it heard, by instance, validator and view."""

    def __init__(self, cluster: Cluster, identity: Path) -> None:
        self.peer_id = load_or_create_identity(identity)
        self._identity = identity
        self._genesis = cluster.genesis
        nodes = range(cluster.options.nodes)
        peers = [load_or_create_identity(cluster.layout.node(node) / "node.key") for node in nodes]
        self._addresses = [PeerAddress("127.0.0.1", cluster.options.p2p_port + node, PeerId(str(peers[node]))) for node in nodes]
        self._votes: dict[tuple[int, int, int, int], set[Vote]] = defaultdict(set)
        self._lock = threading.Lock()
        self._token: trio.lowlevel.TrioToken | None = None
        self._scope = trio.CancelScope()
        self._thread = threading.Thread(target=trio.run, args=(self._run,), daemon=True)
        self.is_listening = threading.Event()

    def start(self) -> None:
        self._thread.start()
        assert self.is_listening.wait(STOP_SECONDS_MAX)

    def stop(self) -> None:
        assert self._token is not None
        self._token.run_sync_soon(self._scope.cancel)
        self._thread.join(STOP_SECONDS_MAX)
        assert not self._thread.is_alive()

    async def _run(self) -> None:
        self._token = trio.lowlevel.current_trio_token()

        async def answer(peer: PeerId, payload: bytes) -> bytes:
            return b""

        def ignore(name: str, labels: Mapping[str, str], value: float) -> None:
            return

        network = Network(self._identity, "127.0.0.1", 0, answer, ignore)
        topics = [t for t in topics_of(self._genesis.parameters.shard_count) if t.kind is TopicKind.CONSENSUS]
        for topic in topics:
            network.subscribe(topic.name(self._genesis.root), GOSSIP_LIMITS[topic.kind], functools.partial(decode_gossip, topic.kind))
        network.keep(self._addresses)
        with self._scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(network.run)
                self.is_listening.set()
                async for event in network.events:
                    if isinstance(event, GossipReceived):
                        self.hear(event.message)

    def hear(self, batch: object) -> None:
        assert isinstance(batch, ConsensusBatch)
        with self._lock:
            for vote in (*batch.votes, *(proposal.vote for proposal in batch.proposals)):
                self._votes[vote.instance.chain, vote.instance.epoch, vote.validator, vote.view].add(vote)

    def newest_view(self, chain: int, validator: int) -> int:
        """Of a validator's votes; 0 when it was not heard."""
        with self._lock:
            return max((view for c, _, v, view in self._votes if (c, v) == (chain, validator)), default=0)

    def newest_views(self, validator: int) -> list[int]:
        """On each chain."""
        return [self.newest_view(chain, validator) for chain in range(self._genesis.parameters.shard_count + 1)]

    def equivocations(self) -> list[tuple[Vote, Vote]]:
        """Pairs that are evidence (PROTOCOL 2): contradicting, and each signature holds."""
        with self._lock:
            heard = [set(votes) for votes in self._votes.values()]
        pairs = (pair for votes in heard for pair in itertools.combinations(sorted(votes, key=lambda v: (v.kind, v.root)), 2))
        return [(a, b) for a, b in pairs if _contradict(a, b) and self._holds(a) and self._holds(b)]

    def _holds(self, vote: Vote) -> bool:
        fork_version = self._genesis.parameters.fork_version
        message = vote_signing_root(fork_version, self._genesis.root, vote.instance, vote.view, vote.kind, vote.root)
        return bls.verify(self._genesis.validators[vote.validator].public_key, message, vote.signature)


def _contradict(a: Vote, b: Vote) -> bool:
    if a.kind == b.kind:
        return a.root != b.root and a.kind in (VoteKind.NOTARIZE, VoteKind.FINALIZE)
    return {a.kind, b.kind} == {VoteKind.NULLIFY, VoteKind.FINALIZE}


@contextmanager
def observing(cluster: Cluster, folder: Path) -> Iterator[Observer]:
    observer = Observer(cluster, folder / "observer.key")
    observer.start()
    try:
        yield observer
    finally:
        observer.stop()

"""The simulated world: one heap of events keyed by time and counter, one seed, and a network that loses and delays."""

from __future__ import annotations

import functools
import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from node.core import effects as fx
from node.simulator.checks import Checks
from node.simulator.node import SimulatedNode
from node.simulator.workload import genesis_accounts, make_users, transfer
from p2p.messages import Request
from primitives.genesis import Genesis, GenesisValidator
from primitives.hashing import sha256
from primitives.headers import ShardHeader
from primitives.parameters import Parameters

USERS = 24
REQUEST_TIMEOUT_MS = 1500
TIME_PER_VIEW_MAX_MS = 60_000
"""Simulated time a beacon view may take on average before the run counts as stuck."""
SETTLE_MAX_MS = 240_000
"""Simulated time after the faults have ended in which everything must have arrived."""


@dataclass(frozen=True, slots=True)
class Faults:
    """A profile of what goes wrong, until two thirds of the views are done."""

    loss: float
    """Share of messages lost."""
    delay_ms: tuple[int, int]
    slow: float
    """Share of messages ten times slower."""
    crashes: int


FAULTS = {
    "none": Faults(0.0, (2, 10), 0.0, 0),
    "light": Faults(0.01, (5, 60), 0.0, 0),
    "standard": Faults(0.05, (10, 120), 0.02, 1),
    "heavy": Faults(0.15, (10, 200), 0.05, 4),
}


@dataclass(frozen=True, slots=True)
class SimulationReport:
    """How a run went."""

    seed: int
    digest: str
    """Hash over every node's final block hashes and state roots."""
    blocks: dict[int, int]
    """Final blocks by chain number."""
    violations: list[str]
    simulated_seconds: float


class World:
    """A network of `nodes` validators, a node each."""

    def __init__(self, seed: int, nodes: int = 7, shards: int = 2, faults: str = "standard") -> None:
        self.seed, self.faults = seed, FAULTS[faults]
        self.rng = random.Random(seed)
        self.now_ms = 0
        self._heap: list[tuple[int, int, Callable[[], Any]]] = []
        self._count = 0
        self.checks = Checks()
        self.is_healed = False
        self.users = make_users(seed, USERS)
        names = [sha256(b"shardnet.simulated-validator" + seed.to_bytes(8, "big") + i.to_bytes(4, "big")) for i in range(nodes)]
        keys = [name + name[:16] for name in names]
        self.secrets = {key: sha256(b"secret" + key) for key in keys}
        validators = tuple(
            GenesisValidator(public_key=key, proof_of_possession=b"\0" * 96, stake=32 * 10**18, fee_address=name[:20])
            for key, name in zip(keys, names, strict=True)
        )
        self.genesis = Genesis(
            parameters=Parameters(shard_count=shards), timestamp=1_700_000_000, seed=sha256(b"seed" + seed.to_bytes(8, "big")),
            validators=validators, accounts=genesis_accounts(self.users),
        )
        self.nodes = [SimulatedNode(self, index) for index in range(nodes)]
        self.sent: list[tuple[int, bytes, int]] = []
        """(destination shard, receiver, wei) of every transfer a user sent."""
        for node in self.nodes:
            self.at(self.rng.randint(0, 300), functools.partial(self.start, node))

    # -- time

    def at(self, time_ms: int, action: Callable[[], Any]) -> None:
        """Does something at a moment."""
        self._count += 1
        heapq.heappush(self._heap, (max(time_ms, self.now_ms), self._count, action))

    def run_until(self, done: Callable[[], bool], limit_ms: int) -> bool:
        """Runs events until `done`; False if simulated time runs out, or something was violated."""
        end = self.now_ms + limit_ms
        while not done():
            if not self._heap or self._heap[0][0] > end or self.checks.violations:
                return False
            self.now_ms, _, action = heapq.heappop(self._heap)
            action()
        return True

    # -- network

    def _delay(self) -> int | None:
        """Time of one message; None when it is lost."""
        if self.is_healed:
            return self.rng.randint(2, 40)
        if self.rng.random() < self.faults.loss:
            return None
        delay = self.rng.randint(*self.faults.delay_ms)
        return delay * 10 if self.rng.random() < self.faults.slow else delay

    def gossip(self, source: int, event: fx.GossipReceived) -> None:
        """To every other node, each copy with its own fate."""
        for node in self.nodes:
            if node.index != source and (delay := self._delay()) is not None:
                self.at(self.now_ms + delay, functools.partial(node.receive, event))

    def ask(self, source: int, target: int, request_id: int, request: Request) -> None:
        """A request and its answer, or a time-out."""
        asker, server = self.nodes[source], self.nodes[target]
        there, back = self._delay(), self._delay()
        if there is None or back is None or not server.is_alive:
            asker.later(REQUEST_TIMEOUT_MS, asker.receive, fx.ResponseReceived(request_id, None))
            return
        asker.later(there, self._serve, asker, server, back, request_id, request)

    def _serve(self, asker: SimulatedNode, server: SimulatedNode, back: int, request_id: int, request: Request) -> None:
        response = server.answer(request) if server.is_alive else None
        asker.later(back, asker.receive, fx.ResponseReceived(request_id, response))

    # -- faults and users

    def start(self, node: SimulatedNode) -> None:
        """Starts a node, for the first time or after a crash, and connects it."""
        node.start()
        self.checks.after_restart(node.index, node.core)
        for other in self.nodes:
            if other is not node and other.is_alive:
                other.receive(fx.PeerConnected(node.name))
                node.receive(fx.PeerConnected(other.name))

    def crash(self, node: SimulatedNode, down_ms: int) -> None:
        """Ends a node as kill -9 does; it comes back later."""
        if not node.is_alive:
            return
        node.crash()
        for other in self.nodes:
            if other.is_alive:
                other.receive(fx.PeerDisconnected(node.name))
        self.at(self.now_ms + down_ms, lambda: self.start(node))

    def plan(self, views: int) -> None:
        """Spreads users' transfers and crashes over the time the views will take."""
        shards, span_ms = self.genesis.parameters.shard_count, views * 1500
        for user in self.users:
            shard, to_shard = self.rng.randrange(shards), self.rng.randrange(shards)
            to, value = self.rng.randbytes(20), self.rng.randint(1, 10**18)
            raw = transfer(user, self.genesis.parameters, shard, to_shard, to, value)
            self.sent.append((to_shard, to, value))
            self._submit_until_final(shard, user.address, raw, self.rng.randint(3000, span_ms))
        for _ in range(self.faults.crashes):
            node = self.nodes[self.rng.randrange(len(self.nodes))]
            down_ms = self.rng.randint(2000, 15_000)
            self.at(self.rng.randint(4000, span_ms), functools.partial(self.crash, node, down_ms))

    def _submit_until_final(self, shard: int, sender: bytes, raw: bytes, when_ms: int) -> None:
        """A wallet that sends again, to another node, until its transaction is in a final block."""

        def attempt() -> None:
            alive = [node for node in self.nodes if node.is_alive]
            if alive:
                node = alive[self.rng.randrange(len(alive))]
                if node.core.shards[shard].tree.head.outcome is not None and not self._is_spent(node, shard, sender):
                    node.submit(shard, raw, is_local=True)
                    self.at(self.now_ms + 20_000, attempt)

        self.at(when_ms, attempt)

    @staticmethod
    def _is_spent(node: SimulatedNode, shard: int, sender: bytes) -> bool:
        executor = node.executors[shard]
        header = executor.engine.account(_state_root(executor), sender)
        return header.nonce > 0

    def has_delivered_all(self) -> bool:
        """Whether every node lives and its state holds every transfer that was sent."""
        return all(
            node.is_alive and node.executors[shard].engine.account(_state_root(node.executors[shard]), to).balance == value
            for node in self.nodes
            for shard, to, value in self.sent
        )


def _state_root(executor: Any) -> bytes:
    return ShardHeader.decode(executor.latest.result.header).state_root


def run(seed: int, nodes: int = 7, shards: int = 2, views: int = 40, faults: str = "standard") -> SimulationReport:
    """Simulates a network until its beacon chain is past `views` views and everything sent has arrived."""
    world = World(seed, nodes, shards, faults)
    world.plan(views)
    violations = world.checks.violations

    def past(view: int) -> bool:
        return all(node.is_alive and node.core.beacon.engine.view >= view for node in world.nodes)

    limit_ms = views * TIME_PER_VIEW_MAX_MS
    if not world.run_until(lambda: past(max(1, views * 2 // 3)), limit_ms) and not violations:
        violations.append(f"the beacon chain did not pass {views * 2 // 3} views in {limit_ms / 1000:.0f} s")
    world.is_healed = True
    if not violations and not world.run_until(lambda: past(views), limit_ms):
        violations.append(f"the beacon chain did not pass {views} views after the faults had ended")
    heads = {chain.number: chain.tree.head.info.height for chain in world.nodes[0].core.chains}

    def settled() -> bool:
        grown = all(c.tree.head.info.height > heads[c.number] for node in world.nodes if node.is_alive for c in node.core.chains)
        return grown and world.has_delivered_all()

    if not violations and not world.run_until(settled, SETTLE_MAX_MS):
        violations.append(f"not everything sent had arrived {SETTLE_MAX_MS / 1000:.0f} s after the faults had ended")
    blocks: dict[int, int] = {}
    for chain, height in world.checks.blocks:
        blocks[chain] = max(blocks.get(chain, 0), height)
    digest = world.checks.digest([(node.core, node.store, node.executors) for node in world.nodes])
    return SimulationReport(seed, digest, dict(sorted(blocks.items())), list(violations), world.now_ms / 1000)

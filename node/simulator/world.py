"""The simulated world: one heap of events keyed by time and counter, one seed, and a network that loses and delays."""

from __future__ import annotations

import functools
import heapq
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from consensus.beacon.genesis import build_genesis_state
from consensus.beacon.state import BeaconState
from consensus.beacon.transition import process_block
from node.core import effects as fx
from node.core.context import Transition
from node.hosting import genesis_of_shards
from node.simulator.checks import Checks
from node.simulator.checks.agreement import digest
from node.simulator.executors import Disk, ReferenceDisk, StandInDisk, Work
from node.simulator.faults import FAULTS, Weather
from node.simulator.node import SimulatedNode
from node.simulator.personas import PERSONAS, check_personas
from node.simulator.signatures import SIGNATURES, Keys
from node.simulator.transitions import Transitions
from node.simulator.workload import Arrival, draw, genesis_accounts, make_users
from p2p.messages import Request
from primitives.blocks import BeaconBlock
from primitives.genesis import Genesis, GenesisValidator
from primitives.hashing import sha256
from primitives.parameters import Parameters
from shard.transactions import Transaction, decode_transaction, recover_sender

USERS = 24
REQUEST_TIMEOUT_MS = 1500
VIEW_MS = 1500
"""That a view takes about, for spreading over a run what happens in it."""
FAULTS_FROM_MS = 4000
"""From when on nodes end and links fail; a run of few views has them then."""
SEND_AGAIN_MS = 20_000
"""Time after which a simulated wallet sends what is not final yet once more."""
TIME_PER_VIEW_MAX_MS = 60_000
"""Simulated time a beacon view may take on average before the run counts as stuck."""
SETTLE_MAX_MS = 240_000
"""Simulated time after the faults have ended in which everything must have arrived."""


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
    replay: str
    """The command that runs it again."""


class World:
    """A network of `nodes` validators, a node each, and of nodes that only follow."""

    def __init__(
        self,
        seed: int,
        nodes: int = 7,
        shards: int = 2,
        faults: str = "standard",
        signatures: str = "fast",
        executors: str = "reference",
        parameters: Parameters | None = None,
        second_epoch: frozenset[int] | None = None,
        observers: Sequence[Collection[int]] = (),
        observers_join_ms: int = 0,
        personas: Mapping[int, str] | None = None,
    ) -> None:
        """A world whose nodes are about to start.

        Args:
            seed: all chance comes from it.
            nodes: validators.
            shards: shard chains.
            faults: a profile of `FAULTS`.
            signatures: of `SIGNATURES`.
            executors: of `EXECUTORS`: the reference EVM, the fast one, the one at nodes of even and the other of odd number, or a stand-in.
            parameters: other than the defaults, of `shards` shards.
            observers: nodes without a validator: the shards that each hosts.
            observers_join_ms: when they start, with nothing but genesis.
            second_epoch: the validators of epoch 1, if not all; epoch 2 is everybody's again.
            personas: by node, how its validator breaks the rules: of `PERSONAS`, less than a third of the validators.

        Raises:
            InvalidConfig: no such persona or node, or too many.
        """
        self.personas = dict(sorted((personas or {}).items()))
        check_personas(self.personas, nodes)
        self.seed = seed
        self._second_epoch = second_epoch
        self.rng = random.Random(seed)
        self.weather = Weather(FAULTS[faults], self.rng)
        self.now_ms = 0
        self._heap: list[tuple[int, int, Callable[[], Any]]] = []
        self._count = 0
        self.checks = Checks(frozenset(self.personas))
        self.users = make_users(seed, USERS)
        seeds = [sha256(b"shardnet.simulated-validator" + seed.to_bytes(8, "big") + i.to_bytes(4, "big")) for i in range(nodes)]
        self.keys: Keys = SIGNATURES[signatures](seeds)
        self.genesis = Genesis(
            parameters=parameters or Parameters(shard_count=shards), timestamp=1_700_000_000,
            seed=sha256(b"seed" + seed.to_bytes(8, "big")),
            validators=tuple(self._validator(index, seeds[index][:20]) for index in range(nodes)),
            accounts=genesis_accounts(self.users),
        )
        self.is_light, self._executors = executors == "stand-in", executors
        """Stand-ins run: messages are handed over as they are, not by the wire."""
        self.transition: Transition = Transitions() if self.is_light else process_block
        self._work = Work(self.genesis) if self.is_light else None
        self._transactions: dict[bytes, tuple[Transaction, bytes]] = {}
        everything = range(self.genesis.parameters.shard_count)
        self.nodes = [SimulatedNode(self, index, everything, is_validator=True) for index in range(nodes)]
        self.nodes += [SimulatedNode(self, nodes + i, hosted, is_validator=False) for i, hosted in enumerate(observers)]
        for index, name in self.personas.items():
            self.nodes[index].persona = PERSONAS[name](self.nodes[index])
        self.honest = [node for node in self.nodes if node.persona is None]
        """The nodes that keep the rules."""
        self.sent: list[Arrival] = []
        """What everything that users sent has to lead to."""
        for node in self.nodes:
            begin_ms = observers_join_ms if node.index >= nodes else 0
            self.at(begin_ms + self.rng.randint(0, 300), functools.partial(self.start, node))

    def new_disk(self, shard: int, node: int = 0) -> Disk:
        """An empty disk for a shard of a node."""
        if self._work is not None:
            return StandInDisk(self._work, shard)
        return ReferenceDisk(self.genesis, shard, ("reference", "fast")[node % 2] if self._executors == "both" else self._executors)

    def transaction(self, raw: bytes) -> tuple[Transaction, bytes]:
        """A user's transaction and its sender, worked out once for all nodes."""
        if raw not in self._transactions:
            decoded = decode_transaction(raw)
            self._transactions[raw] = decoded, bytes(recover_sender(decoded))
        return self._transactions[raw]

    @functools.cached_property
    def beacon_genesis(self) -> tuple[BeaconBlock, BeaconState]:
        """Block 0 of the beacon chain and its state, with the epoch 1 this world was told of."""
        heads = {shard: self.new_disk(shard).open().head() for shard in range(self.genesis.parameters.shard_count)}
        block, state = build_genesis_state(self.genesis, genesis_of_shards(self.genesis, heads))
        if self._second_epoch is None:
            return block, state
        first, second = state.epoch_sets
        members = tuple(member for member in second.members if member.index in self._second_epoch)
        second = replace(second, members=members, runs=(1,) * len(second.runs))
        state = replace(state, epoch_sets=(first, second))
        return replace(block, state_root=state.hash_tree_root()), state

    def _validator(self, index: int, fee_address: bytes) -> GenesisValidator:
        public_key, proof = self.keys.public(index)
        return GenesisValidator(public_key=public_key, proof_of_possession=proof, stake=32 * 10**18, fee_address=fee_address)

    # -- time

    def at(self, time_ms: int, action: Callable[[], Any]) -> None:
        """Does something at a moment."""
        self._count += 1
        heapq.heappush(self._heap, (max(time_ms, self.now_ms), self._count, action))

    def run_until(self, done: Callable[[], bool], limit_ms: int) -> bool:
        """Runs events until `done`; False if simulated time runs out, or something was violated."""
        heap, violations, end = self._heap, self.checks.violations, self.now_ms + limit_ms
        while not done():
            if not heap or heap[0][0] > end or violations:
                return False
            self.now_ms, _, action = heapq.heappop(heap)
            action()
        return True

    def run_until_each(self, done: Callable[[SimulatedNode], bool], limit_ms: int) -> bool:
        """As `run_until`, until `done` holds at every honest node at once."""
        honest = self.honest
        last = honest[0]
        """Not done when looked at last: as long as it is not, the others need no look."""

        def all_done() -> bool:
            nonlocal last
            if not done(last):
                return False
            for node in honest:
                if not done(node):
                    last = node
                    return False
            return True

        return self.run_until(all_done, limit_ms)

    def run_until_finalized(self, height: int, limit_ms: int = SETTLE_MAX_MS) -> bool:
        """Runs until every chain of every node has a final block of `height`; False if it does not come to that in time."""

        def reached(node: SimulatedNode) -> bool:
            return node.is_alive and all(c.tree.head.info.height >= height for c in node.core.chains)

        return self.run_until_each(reached, limit_ms)

    # -- network

    def gossip(self, source: int, event: fx.GossipReceived, targets: Collection[int] | None = None, extra_ms: int = 0) -> None:
        """To every other node, or to some, each copy with its own fate."""
        for node in self.nodes:
            if node.index != source and (targets is None or node.index in targets):
                lag_ms = extra_ms if node.persona is None else extra_ms + node.persona.lag_ms()
                for delay in self.weather.delays(source, node.index):
                    self.at(self.now_ms + delay + lag_ms, functools.partial(node.hear, event))

    def ask(self, source: int, target: int, request_id: int, request: Request) -> None:
        """A request and its answer, or a time-out."""
        asker, server = self.nodes[source], self.nodes[target]
        there, back = self.weather.delay(source, target), self.weather.delay(target, source)
        if there is None or back is None or there + back >= REQUEST_TIMEOUT_MS or not server.is_alive:
            asker.later(REQUEST_TIMEOUT_MS, asker.receive, fx.ResponseReceived(request_id, None))
            return
        asker.later(there, self._serve, asker, server, back, request_id, request)

    def _serve(self, asker: SimulatedNode, server: SimulatedNode, back: int, request_id: int, request: Request) -> None:
        response = server.answer(asker.name, request) if server.is_alive else None
        asker.later(back, asker.hear, fx.ResponseReceived(request_id, response))

    # -- faults and users

    def start(self, node: SimulatedNode) -> None:
        """Starts a node, for the first time or after a crash, and connects it."""
        node.start()
        self.checks.after_restart(node, self.now_ms)
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

    def heal(self) -> None:
        """Ends all faults but those of the personas."""
        self.weather.heal()
        for node in self.nodes:
            node.pardon()
        self.checks.heal(self.nodes)

    def split(self, island: frozenset[int], duration_ms: int) -> None:
        """Cuts some nodes off from the others for a while."""
        if not self.weather.is_healed:
            self.weather.island = island
            self.at(self.now_ms + duration_ms, functools.partial(self._join, island))

    def _join(self, island: frozenset[int]) -> None:
        if self.weather.island == island:
            self.weather.island = frozenset()

    def plan(self, views: int) -> None:
        """Spreads users' transfers and calls, crashes and partitions over the time the views will take."""
        span_ms = max(views * VIEW_MS, FAULTS_FROM_MS)
        for user in self.users:
            shard, raw, arrival = draw(self.rng, user, self.genesis.parameters)
            self.sent.append(arrival)
            self._submit_until_final(shard, user.address, raw, self.rng.randint(3000, span_ms))
        self._plan_faults(span_ms)

    def _plan_faults(self, span_ms: int) -> None:
        rng, faults, weather, count = self.rng, self.weather.faults, self.weather, len(self.nodes)
        for node in self.nodes:
            node.skew_ms = rng.randint(-faults.skew_ms, faults.skew_ms)
        for number in range(faults.crashes):
            node, down_ms = self.nodes[rng.randrange(count)], rng.randint(*faults.down_ms)
            if number % 2:
                ends = functools.partial(node.doom, rng.choice((None, *range(6))), down_ms)
            else:
                ends = functools.partial(self.crash, node, down_ms)
            self.at(rng.randint(FAULTS_FROM_MS, span_ms), functools.partial(self._while_stormy, ends))
        for _ in range(faults.partitions):
            island = frozenset(rng.sample(range(count), count // 2))
            self.at(rng.randint(FAULTS_FROM_MS, span_ms), functools.partial(self.split, island, rng.randint(2000, 15_000)))
        for links, wanted in ((weather.cut, faults.cuts), (weather.slowed, faults.slow_links)):
            for _ in range(wanted):
                source, target = rng.sample(range(count), 2) if count > 1 else (0, 0)
                start_ms = rng.randint(FAULTS_FROM_MS, span_ms)
                self.at(start_ms, functools.partial(self._while_stormy, functools.partial(links.add, (source, target))))
                self.at(start_ms + rng.randint(2000, 20_000), functools.partial(links.discard, (source, target)))

    def _while_stormy(self, action: Callable[[], Any]) -> None:
        if not self.weather.is_healed:
            action()

    def _submit_until_final(self, shard: int, sender: bytes, raw: bytes, when_ms: int) -> None:
        """A wallet that sends again, to another node, until its transaction is in a final block."""

        def attempt() -> None:
            alive = [node for node in self.nodes if node.is_alive and shard in node.executors]
            if alive:
                node = alive[self.rng.randrange(len(alive))]
                if self._is_spent(node, shard, sender):
                    return
                node.submit(shard, raw, is_local=True)
            self.at(self.now_ms + SEND_AGAIN_MS, attempt)

        self.at(when_ms, attempt)

    @staticmethod
    def _is_spent(node: SimulatedNode, shard: int, sender: bytes) -> bool:
        return node.executors[shard].account(sender)[0] > 0

    def has_delivered_all(self) -> bool:
        """Whether every honest node lives and its state holds what was sent, refunds of failed calls included."""
        return all(map(self.has_delivered_at, self.honest))

    def has_delivered_at(self, node: SimulatedNode) -> bool:
        """Whether a node lives and its state holds what was sent."""
        return node.is_alive and all(
            arrival.least <= node.executors[arrival.shard].account(arrival.account)[1] <= arrival.most
            for arrival in self.sent
            if arrival.shard in node.disks
        )

    def has_punished_all(self) -> bool:
        """Whether every validator that contradicted itself before an honest node is slashed at every honest node."""
        return all(map(self.has_punished_at, self.honest))

    def has_punished_at(self, node: SimulatedNode) -> bool:
        """Whether a node lives and has slashed every validator that contradicted itself before an honest node."""
        return node.is_alive and not self.checks.conduct.unpunished(node)


def run(
    seed: int,
    nodes: int = 7,
    shards: int = 2,
    views: int = 40,
    faults: str = "standard",
    signatures: str = "fast",
    personas: Mapping[int, str] | None = None,
    executors: str = "reference",
) -> SimulationReport:
    """Simulates a network until its beacon chain is past `views` views and everything sent has arrived.

    Args:
        seed: all chance comes from it.
        nodes: nodes, a validator each.
        shards: shard chains.
        views: of the beacon chain; two thirds of them with faults.
        faults: none, light, standard (loss, delay, a crash) or heavy.
        signatures: fast (a stand-in) or bls.
        personas: by node, how its validator breaks the rules.
        executors: reference (the reference EVM) or stand-in.

    Raises:
        InvalidConfig: no such persona or node, or too many.
        AssertionError: a node met a bug; its notes tell how to run this again.
    """
    replay = f"shardnet simulate --seed {seed} --nodes {nodes} --shards {shards} --views {views} --faults {faults}"
    replay += f" --signatures {signatures} --executors {executors}"
    replay += "".join(f" --persona {name}@{index}" for index, name in sorted((personas or {}).items()))
    world = World(seed, nodes, shards, faults, signatures, executors, personas=personas)
    world.plan(views)
    return play(world, views, replay)


def play(world: World, views: int, replay: str) -> SimulationReport:
    """Runs a world with faults for two thirds of the views, heals it, and waits until everything sent has arrived.

    Args:
        world: planned.
        views: of the beacon chain.
        replay: the command that runs it again.

    Raises:
        AssertionError: a node met a bug; its notes tell how to run this again.
    """
    violations = world.checks.violations
    try:
        if (stuck := _play(world, views)) and not violations:
            violations.append(stuck)
        found = digest(world.honest)
    except AssertionError as error:
        error.add_note(f"replay with: {replay}")
        raise
    blocks: dict[int, int] = {}
    for chain, height in sorted(world.checks.blocks):
        blocks[chain] = height
    return SimulationReport(world.seed, found, blocks, list(violations), world.now_ms / 1000, replay)


def _play(world: World, views: int) -> str:
    """Faults, healing, and the rest; says what did not come in time."""

    def past(view: int) -> Callable[[SimulatedNode], bool]:
        return lambda node: node.is_alive and node.core.beacon.engine.view >= view

    limit_ms, stormy = views * TIME_PER_VIEW_MAX_MS, max(1, views * 2 // 3)
    if not world.run_until_each(past(stormy), limit_ms):
        return f"the beacon chain did not pass {stormy} views in {limit_ms / 1000:.0f} s"
    world.heal()
    if not world.run_until_each(past(views), limit_ms):
        return f"the beacon chain did not pass {views} views after the faults had ended"
    heads = {chain.number: chain.tree.head.info.height for chain in world.honest[0].core.chains}

    def settled(node: SimulatedNode) -> bool:
        grown = node.is_alive and all(c.tree.head.info.height > heads[c.number] for c in node.core.chains)
        return grown and world.has_delivered_at(node) and world.has_punished_at(node)

    if not world.run_until_each(settled, SETTLE_MAX_MS):
        when = f"{SETTLE_MAX_MS / 1000:.0f} s after the faults had ended"
        if not world.has_delivered_all():
            return f"not everything sent had arrived {when}"
        if not world.has_punished_all():
            return f"validators that contradicted themselves were not slashed {when}"
        return f"some chain had not grown {when}"
    return ""

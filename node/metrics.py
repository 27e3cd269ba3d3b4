"""Metrics of one node: a registry of its own, so that many nodes can live in one process (docs/metrics.md lists them).

Counters and histograms are fed by `Observe`; what is a state of the core is read off it at each scrape.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from consensus.beacon.supply import imbalance
from node.core.core import Core
from node.core.passages import STEPS
from node.flights import Flights
from node.logs import log_observation
from node.usage import UsageCollector
from p2p.topics import topics_of

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


@dataclass(frozen=True, slots=True)
class CounterField:
    """A counter: the observation that feeds it, and its labels among the observation's."""

    observation: str
    name: str
    help: str
    labels: tuple[str, ...] = ()


COUNTERS = (
    CounterField("simplex_views_total", "shardnet_views", "Views that ended, by outcome.", ("chain", "outcome")),
    CounterField("simplex_nullify_votes_total", "shardnet_nullify_votes", "Own nullify votes, by cause.", ("chain", "cause")),
    CounterField("simplex_rejected_total", "shardnet_consensus_messages_rejected", "Consensus messages refused.", ("chain", "reason")),
    CounterField("simplex_resends_total", "shardnet_consensus_resends", "Times own votes were sent again.", ("chain",)),
    CounterField("simplex_reproposals_total", "shardnet_reproposals", "Boundary blocks proposed again.", ("chain",)),
    CounterField("simplex_failed_builds_total", "shardnet_proposals_failed", "Turns to propose that gave no block.", ("chain",)),
    CounterField("simplex_evidence_total", "shardnet_evidence", "Pairs of votes found that no honest validator casts.", ("chain",)),
    CounterField("equivocations", "shardnet_equivocations", "Contradictions found, by validator.", ("chain", "validator")),
    CounterField("blocks_rejected", "shardnet_blocks_rejected", "Blocks found invalid.", ("chain", "reason")),
    CounterField("blocks_refused", "shardnet_blocks_refused", "Valid blocks not voted for.", ("chain", "reason")),
    CounterField("blocks_waiting_for_reference", "shardnet_blocks_waiting_for_reference",
                 "Blocks whose beacon block was not final here yet.", ("chain",)),
    CounterField("instances_entered", "shardnet_instances_entered", "Times a chain went on with another committee.", ("chain",)),
    CounterField("blocks_undone", "shardnet_blocks_undone", "Blocks that were final by their shard and became void by a forced close.",
                 ("chain",)),
    CounterField("crosslinks_refused", "shardnet_crosslinks_refused", "Crosslinks left out of a proposal.", ("chain", "reason")),
    CounterField("programs_forgotten", "shardnet_programs_forgotten",
                 "Contracts whose translations an engine forgot as there were too many.", ("shard",)),
    CounterField("chain_halted", "shardnet_chains_halted", "Chains that cannot go on here.", ("chain",)),
    CounterField("builds_failed", "shardnet_builds_failed", "Blocks an executor did not build.", ("shard", "error")),
    CounterField("executions_withdrawn", "shardnet_executions_withdrawn",
                 "Executions of blocks ended because the view was over without a certificate.", ("shard",)),
    CounterField("penalties", "shardnet_peer_penalties", "Rejections held against somebody.", ("reason", "fault")),
    CounterField("peers_dropped", "shardnet_peers_dropped", "Peers disconnected for what they did, by the last reason.", ("reason",)),
    CounterField("peers_banned", "shardnet_peers_banned", "Peers kept out for what they did, by the last reason.", ("reason",)),
    CounterField("requests_failed", "shardnet_requests_failed", "Requests to peers without an answer.", ("reason",)),
    CounterField("p2p_messages", "shardnet_messages", "Gossip messages, by kind and chain of the topic.", ("topic", "result")),
    CounterField("p2p_requests", "shardnet_requests", "Requests asked and answered.", ("side", "result")),
    CounterField("p2p_dials", "shardnet_dials", "Dials of peers.", ("result",)),
    CounterField("p2p_streams_lost", "shardnet_streams_lost", "Gossip streams that ended.", ()),
    CounterField("p2p_streams_failed", "shardnet_streams_failed", "Streams ended by an error.", ()),
    CounterField("p2p_peers_silent", "shardnet_peers_silent", "Peers disconnected because they did not answer.", ()),
    CounterField("p2p_peers_refused", "shardnet_peers_refused",
                 "Connections refused: banned, no node's key, or one too many of an address.", ()),
    CounterField("peers_of_other_networks", "shardnet_peers_of_other_networks", "Connected peers that told another genesis.", ()),
    CounterField("rpc_forwarded", "shardnet_rpc_forwarded",
                 "JSON-RPC requests passed on to peers, by what came of each.", ("result",)),
    CounterField("unsound", "shardnet_unsound", "Times that what this node holds did not add up; from the first on it casts no vote.", ()),
    CounterField("bundles_altered", "shardnet_bundles_altered", "Pages of receipts that met a fault on purpose, by where.",
                 ("channel", "fault", "way")),
    CounterField("went_back", "shardnet_reverts", "Times a developer went back to a snapshot."),
    CounterField("limit_hits", "shardnet_limit_hits", "Times a named limit was met.", ("limit",)),
)
VIEW_OUTCOMES = ("notarized", "nullified", "finalized")
LIMIT_OBSERVATIONS = ("simplex_limit_hits_total", "p2p_limit_hits")
"""Limits of other components that count under the same metric."""
STATES = frozenset({"simplex_view", "p2p_peers"})
"""Observations of a state, which the collector reads off the core itself."""


class NodeMetrics:
    """Takes observations, renders a scrape."""

    def __init__(self, core: Core) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.peers: Callable[[], int] = lambda: 0
        """Connected peers; set once the network is there."""
        topics = topics_of(core.context.parameters.shard_count)
        self._topics = {topic.name(core.context.genesis.root): f"{topic.kind}/{topic.chain}" for topic in topics}
        self._counters = {
            field.observation: (field, Counter(field.name, field.help, field.labels, registry=self.registry)) for field in COUNTERS
        }
        self._finality = Histogram(
            "shardnet_finality_seconds", "From holding a block to holding it final.", ("chain",), buckets=_SECONDS, registry=self.registry
        )
        self._steps = Histogram(
            "shardnet_message_step_seconds", "A message between shards: from the step before to this one, seen here.", ("step",),
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        for step in STEPS:
            self._steps.labels(step)
        self._execution = Histogram(
            "shardnet_block_execution_seconds", "Building or executing a block.", ("shard",), buckets=_SECONDS, registry=self.registry
        )
        self._transactions = Counter("shardnet_transactions", "User transactions in final blocks.", ("shard",), registry=self.registry)
        self._calls = Counter("shardnet_rpc_requests", "JSON-RPC calls, by method and outcome (ok, error code or peer_error).",
                              ("method", "outcome"), registry=self.registry)
        self._connections = 0
        self._core, self.flights, self.usage = core, Flights(), UsageCollector()
        for shard in core.shards:
            self._transactions.labels(str(shard))
            self._execution.labels(str(shard))
        for chain in core.chains:
            self._finality.labels(str(chain.number))
            for outcome in VIEW_OUTCOMES:
                self._counters["simplex_views_total"][1].labels(str(chain.number), outcome)
        self.registry.register(_CoreCollector(core, self))
        self.registry.register(self.usage)
        ProcessCollector(registry=self.registry)

    @property
    def open_connections(self) -> int:
        """Open JSON-RPC connections."""
        return self._connections

    def observe(self, name: str, labels: Mapping[str, str], value: float) -> None:
        """Takes one observation of the core, the network or the loop."""
        log_observation(name, labels)
        if name in self._counters:
            field, counter = self._counters[name]
            values = {label: self._topics.get(labels[label], labels[label]) for label in field.labels}
            (counter.labels(**values) if values else counter).inc(value)
        elif name in LIMIT_OBSERVATIONS:
            self.limit_hit(labels["limit"])
        elif name == "finality_seconds":
            self._finality.labels(labels["chain"]).observe(value)
            if labels["chain"] == str(self._core.beacon.number):
                self.note_flights()
        elif name == "message_step_seconds":
            histogram = self._steps.labels(labels["step"])
            for _ in range(int(labels["count"])):
                histogram.observe(value)
        elif name == "block_execution_seconds":
            self._execution.labels(labels["shard"]).observe(value)
        elif name == "block_final":
            self._transactions.labels(labels["chain"]).inc(int(labels["transactions"]))
        else:
            assert name in STATES, f"observation {name} has no metric"

    def note_flights(self) -> None:
        """Looks at what the newest final beacon block records of receipts."""
        state = self._core.beacon.tree.head.outcome
        assert state is not None
        self.flights.note(state)

    def request(self, method: str, outcome: str) -> None:
        """See `node.rpc.backend.RpcObserver`."""
        self._calls.labels(method, outcome).inc()

    def limit_hit(self, limit: str) -> None:
        """See `node.rpc.backend.RpcObserver`."""
        self._counters["limit_hits"][1].labels(limit).inc()

    def connections(self, open_now: int) -> None:
        """See `node.rpc.backend.RpcObserver`."""
        self._connections = open_now

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self.registry)


class _CoreCollector(Collector):
    """Gauges read off the core at each scrape."""

    def __init__(self, core: Core, metrics: NodeMetrics) -> None:
        self._core, self._metrics = core, metrics

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Heads, pools, receipts in flight, supply, peers."""
        core, state = self._core, self._core.beacon.tree.head.outcome
        assert state is not None
        self._metrics.note_flights()
        heads = GaugeMetricFamily("shardnet_head_height", "Height of a chain's head, by tag.", labels=("chain", "tag"))
        views = GaugeMetricFamily("shardnet_view", "View the agreement is in.", labels=("chain",))
        pools = GaugeMetricFamily("shardnet_pool_transactions", "Transactions in the pool, by state.", labels=("shard", "state"))
        for chain in core.chains:
            name, height = str(chain.number), chain.tree.head.info.height
            finalized = height if chain is core.beacon else min(height, state.shards[chain.number].height)
            for tag, value in (("latest", height), ("safe", height), ("finalized", finalized)):
                heads.add_metric((name, tag), value)
            views.add_metric((name,), chain.engine.view)
        for shard, followed in core.shards.items():
            for label, count in zip(("pending", "queued"), followed.pool.counts(), strict=True):
                pools.add_metric((str(shard), label), count)
        flights = GaugeMetricFamily(
            "shardnet_receipts_in_flight", "Receipts recorded as sent and not as taken in.", labels=("source", "destination")
        )
        oldest = GaugeMetricFamily(
            "shardnet_oldest_undelivered_receipt_seconds", "Age of the oldest of them, by the time of the beacon block that recorded it.",
            labels=("source", "destination"),
        )  # fmt: skip
        closed = GaugeMetricFamily(
            "shardnet_channel_closed", "1 while Outbox takes nothing new for a full channel, 0 while it is open.",
            labels=("source", "destination"),
        )  # fmt: skip
        now, missing = time.time(), {(m.source, m.destination): m.for_ms for m in core.missing_bundles(time.monotonic_ns() // 1_000_000)}
        lacking = GaugeMetricFamily(
            "shardnet_bundle_missing_seconds", "How long receipts recorded as sent to a shard here have been lacking; 0 while none are.",
            labels=("source", "destination"),
        )  # fmt: skip
        for destination, followed in core.shards.items():
            for source in followed.inbound.channels:
                lacking.add_metric((str(source), str(destination)), missing.get((source, destination), 0) / 1000)
        for source, destination in permutations(range(state.beacon + 1), 2):
            sent, taken = state.recorded_out(source, destination).count, state.recorded_in(source, destination).count
            names = (str(source), str(destination))
            flights.add_metric(names, sent - taken)
            if state.beacon not in (source, destination):
                closed.add_metric(names, state.shards[source].closed[destination])
            oldest.add_metric(names, self._metrics.flights.oldest_seconds(source, destination, now))
        yield from (heads, views, pools, flights, oldest, closed, lacking)
        yield GaugeMetricFamily("shardnet_supply_imbalance_wei", "What exists less what should, in wei.", value=imbalance(state))
        yield GaugeMetricFamily("shardnet_peers", "Connected peers.", value=self._metrics.peers())
        yield GaugeMetricFamily("shardnet_rpc_connections", "Open JSON-RPC connections.", value=self._metrics.open_connections)

"""Throughput by shards and by the share of transfers that cross them, each counted once, and what limits it.

A local transfer counts when it is in a block, one to another shard when it is credited there.
"""

from __future__ import annotations

import os
import random
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from benchmarks.cluster import BLOCK_SECONDS, NODES, OUTBOX, Cluster
from benchmarks.statistics import Figure, percentile
from node.cluster.accounts import TEST_ACCOUNTS
from node.simulator.workload import User, sign
from primitives.parameters import Parameters
from shard.contracts import OUTBOX_CONTRACT
from shard.inbound import CREDIT_GAS

SHARDS = (1, 2, 4)
UNIFORM = "uniform"
SHARES = ("0", "10", "50", UNIFORM)
"""Percent of the transfers that go to another shard; uniform: to any shard, the own one among them."""
SECONDS = 20.0
RAMP_SECONDS = 5.0
"""Before counting begins: by then credits come steadily."""
BATCH = 50
WAITING_MAX = 1_000
"""Transactions of a shard that are sent and in no block yet, at most."""
SIGNED_PER_SECOND = 700
"""Transfers a second that are signed for each shard beforehand: more than a shard has ever taken in here."""
LOCAL_GAS, CROSS_GAS = 21_000, 150_000
RECEIPT_TYPE = "0x7d"
SETTLE_SECONDS = 20.0
"""After the last paced transfer: until then all credits have to be there."""
DRAIN_SECONDS_MAX = 240.0
"""For what was still waiting when a part of the matrix had been measured."""
CAPACITY_PERCENT_LEAST, PACED_PERCENT = 40, 70


@dataclass(frozen=True, slots=True)
class Transfer:
    """One of a plan; `value` is its own, so that its credit is known by it."""

    source: int
    destination: int
    value: int


def plan(shards: int, share: str, count: int, rng: random.Random) -> list[Transfer]:
    """`count` transfers of each shard, in the order they are sent; of every 100 of a shard exactly `share` cross, spread evenly."""
    transfers: list[Transfer] = []
    for number in range(count):
        for source in range(shards):
            if share == UNIFORM:
                destination = rng.randrange(shards)
            elif (number + 1) * int(share) // 100 > number * int(share) // 100:
                destination = (source + 1 + rng.randrange(shards - 1)) % shards
            else:
                destination = source
            transfers.append(Transfer(source, destination, 1_000 + len(transfers)))
    return transfers


def cells(shards: Iterable[int], shares: Iterable[str]) -> list[tuple[int, str]]:
    """The parts of the matrix that say something: on one shard nothing can cross."""
    return [(number, share) for number in shards for share in shares if number > 1 or share == "0"]


@dataclass(frozen=True, slots=True)
class Block:
    """What is read of a shard's block."""

    shard: int
    seen: float
    """When, by the monotonic clock."""
    gas_used: int
    users: tuple[tuple[int, bool], ...]
    """(value, whether it calls Outbox) of each user transaction."""
    credits: tuple[int, ...]
    """Value of each."""


def counted(blocks: Sequence[Block], begin: float, end: float) -> int:
    """Transfers that came to their end between two moments."""
    return sum(len(b.credits) + sum(not crosses for _, crosses in b.users) for b in blocks if begin <= b.seen < end)


def crossing_times(blocks: Sequence[Block]) -> list[float]:
    """Seconds from the block that includes a transfer to another shard to the one that credits it; of those that have both."""
    included = {value: block.seen for block in blocks for value, crosses in block.users if crosses}
    return [block.seen - included[value] for block in blocks for value in block.credits if value in included]


@dataclass(frozen=True, slots=True)
class Costs:
    """Of all nodes between two moments, in seconds unless said otherwise; `executing` and `executions` are of the busiest shard."""

    seconds: float
    executors: float
    """Processor time."""
    nodes: float
    busy: float
    """Processor time of the whole machine, other work included."""
    executing: float
    executions: float
    """Blocks built or executed."""
    views_lost: float
    """Part of all chains' views that ended without a block: a proposal or votes came too late."""


def uses(blocks: Sequence[Block], costs: Costs, parameters: Parameters, cores: int) -> dict[str, float]:
    """How much of each limit was used, 1 being all of it: of the busiest shard where a limit is a shard's."""
    found = {
        "gas limit": max((b.gas_used for b in blocks), default=0) / parameters.gas_limit,
        "inbound share": max((len(b.credits) for b in blocks), default=0) * CREDIT_GAS / parameters.inbound_gas_max,
        "receipts cap": max((sum(c for _, c in b.users) for b in blocks), default=0) / parameters.receipts_per_block_max,
        "builder time": costs.executing / costs.executions * 1000 / parameters.build_budget_ms if costs.executions else 0.0,
    }
    whose = "executor time" if costs.executors >= costs.nodes else "node time"
    found[f"processor, most of it {whose}"] = costs.busy / costs.seconds / cores
    return found


def bottleneck(found: dict[str, float]) -> tuple[str, float]:
    """The limit of which most was used, and how much."""
    return max(found.items(), key=lambda item: item[1])


def _busy_seconds() -> float:
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class _Moment:
    at: float
    busy: float
    scrapes: list[dict[tuple[str, str], float]]

    @classmethod
    def now(cls, cluster: Cluster) -> _Moment:
        return cls(time.monotonic(), _busy_seconds(), [cluster.metrics(node) for node in range(NODES)])

    def sum(self, name: str, shard: str | None = None) -> float:
        return sum(value for scrape in self.scrapes for (found, of), value in scrape.items() if found == name and shard in (None, of))


def _costs(before: _Moment, after: _Moment, shards: int) -> Costs:
    def grown(name: str, shard: str | None = None) -> float:
        return after.sum(name, shard) - before.sum(name, shard)

    execution = "shardnet_block_execution_seconds"
    lost, notarized = (grown("shardnet_views_total", outcome) for outcome in ("nullified", "notarized"))
    busiest = max(map(str, range(shards)), key=lambda shard: grown(execution + "_sum", shard))
    return Costs(
        after.at - before.at, grown("shardnet_executor_cpu_seconds_total"), grown("process_cpu_seconds_total"),
        after.busy - before.busy, grown(execution + "_sum", busiest), grown(execution + "_count", busiest),
        lost / (lost + notarized) if lost else 0.0,
    )  # fmt: skip


@dataclass(slots=True)
class _Load:
    """Sends a plan, a thread and a connection a shard, and watches the blocks of every shard."""

    cluster: Cluster
    transfers: list[Transfer]
    rate: float | None = None
    """Of all shards together, a second; None: as fast as `WAITING_MAX` lets it."""
    blocks: list[Block] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _sent: list[int] = field(default_factory=list)
    _mined: list[int] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Signs everything, then begins."""
        shards = self.cluster.shards
        self._sent, self._mined = [0] * shards, [0] * shards
        signed = [self._signed(shard) for shard in range(shards)]
        heads = [int(self.cluster.rpc(shard)("eth_blockNumber"), 16) for shard in range(shards)]
        self._threads = [threading.Thread(target=self._send, args=(shard, signed[shard])) for shard in range(shards)]
        self._threads += [threading.Thread(target=self._watch, args=(shard, heads[shard])) for shard in range(shards)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends sending and watching; raises what went wrong."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        assert not self.errors, self.errors[0]

    def _signed(self, shard: int) -> list[str]:
        rpc, parameters = self.cluster.rpc(shard), Parameters(shard_count=self.cluster.shards)
        users = [User(bytes.fromhex(account.key[2:]), bytes.fromhex(account.address[2:])) for account in TEST_ACCOUNTS]
        nonces = [int(rpc("eth_getTransactionCount", account.address, "pending"), 16) for account in TEST_ACCOUNTS]
        signed = []
        for number, transfer in enumerate(transfer for transfer in self.transfers if transfer.source == shard):
            of, to = number % len(users), users[(7 * number + 3) % len(users)].address
            crosses = transfer.destination != shard
            call = OUTBOX_CONTRACT.encode_call("transfer", transfer.destination, to) if crosses else b""
            raw = sign(users[of], parameters, shard, OUTBOX if crosses else to, transfer.value, call, nonces[of],
                       CROSS_GAS if crosses else LOCAL_GAS)
            nonces[of] += 1
            signed.append("0x" + raw.hex())
        return signed

    def _send(self, shard: int, signed: list[str]) -> None:
        rpc, began, batch = self.cluster.rpc(shard, shard % NODES), time.monotonic(), BATCH if self.rate is None else 5
        try:
            for first in range(0, len(signed), batch):
                due = began if self.rate is None else began + first * self.cluster.shards / self.rate
                while time.monotonic() < due or self._sent[shard] - self._mined[shard] > WAITING_MAX:
                    if self._stop.wait(0.01):
                        return
                if self._stop.is_set():
                    return
                rpc.batch([("eth_sendRawTransaction", [raw]) for raw in signed[first : first + batch]])
                self._sent[shard] += len(signed[first : first + batch])
        except Exception as error:  # told by stop(), in the thread that measures
            self.errors.append(f"sending to shard {shard}: {error!r}")

    def _watch(self, shard: int, head: int) -> None:
        rpc = self.cluster.rpc(shard)
        try:
            while not self._stop.wait(0.05):
                while int(rpc("eth_blockNumber"), 16) > head:
                    head += 1
                    block = read_block(shard, rpc("eth_getBlockByNumber", hex(head), True), time.monotonic())
                    self._mined[shard] += len(block.users)
                    self.blocks.append(block)
        except Exception as error:  # told by stop(), in the thread that measures
            self.errors.append(f"watching shard {shard}: {error!r}")


def read_block(shard: int, block: dict[str, Any], seen: float) -> Block:
    """What counts of a block as `eth_getBlockByNumber` tells it with its transactions."""
    outbox = "0x" + bytes(OUTBOX).hex()
    users = tuple((int(t["value"], 16), t["to"] == outbox) for t in block["transactions"] if t["type"] != RECEIPT_TYPE)
    credited = tuple(int(t["value"], 16) for t in block["transactions"] if t["type"] == RECEIPT_TYPE)
    return Block(shard, seen, int(block["gasUsed"], 16), users, credited)


def _throughput(cluster: Cluster, share: str, seconds: float) -> tuple[float, str]:
    """Transfers a second, and what limits them in words."""
    count = int((seconds + RAMP_SECONDS) * SIGNED_PER_SECOND)
    load = _Load(cluster, plan(cluster.shards, share, count, random.Random(5)))
    load.start()
    try:
        time.sleep(RAMP_SECONDS)
        before = _Moment.now(cluster)
        time.sleep(seconds)
        after = _Moment.now(cluster)
    finally:
        load.stop()
    inside = [block for block in load.blocks if before.at <= block.seen < after.at]
    costs, parameters = _costs(before, after, cluster.shards), Parameters(shard_count=cluster.shards)
    name, used = bottleneck(uses(inside, costs, parameters, os.cpu_count() or 1))
    rate = counted(load.blocks, before.at, after.at) / (after.at - before.at)
    return rate, f"{name} {used * 100:.0f} %; views lost: {costs.views_lost * 100:.0f} %"


def _drain(cluster: Cluster) -> None:
    """Until every pool is empty and nothing is in flight."""
    rpc = cluster.rpc(0)

    def is_empty() -> bool:
        entries = rpc("shard_getNetwork")["shards"]
        return not rpc("shard_getSupply")["inFlight"] and all(int(entry["pool"]["pending"], 16) == 0 for entry in entries)

    rpc.wait(is_empty, DRAIN_SECONDS_MAX)


def _paced(cluster: Cluster, rate: float, seconds: float) -> list[Figure]:
    """Crossings while so many transfers a second are sent, half of them to another shard."""
    load = _Load(cluster, plan(cluster.shards, "50", int(rate * seconds / cluster.shards), random.Random(6)), rate)
    load.start()
    try:
        time.sleep(seconds)
        wanted, end = sum(t.source != t.destination for t in load.transfers), time.monotonic() + SETTLE_SECONDS
        while len(crossing_times(list(load.blocks))) < wanted and time.monotonic() < end:
            time.sleep(0.2)
    finally:
        load.stop()
    times = [taken / BLOCK_SECONDS for taken in crossing_times(load.blocks)]
    assert times, "no transfer arrived"
    told = f"inclusion to credit at {PACED_PERCENT} % of that, {rate:.0f}/s ({len(times)} of {wanted} arrived)"
    return [
        Figure("cross-shard", f"{told}, p50", percentile(times, 0.5), "block times", 3.0),
        Figure("cross-shard", f"{told}, p95", percentile(times, 0.95), "block times", 5.0),
    ]


def measure_matrix(shards: Sequence[int], shares: Sequence[str], seconds: float) -> list[Figure]:
    """The matrix, a network for each number of shards; and on two shards what half of the traffic crossing costs."""
    figures, rates = [], {}
    for number in dict.fromkeys(shards):
        with tempfile.TemporaryDirectory(prefix="shardnet-bench-") as folder:
            cluster = Cluster.make(Path(folder), number)
            with cluster.running():
                for _, share in cells([number], shares):
                    rate, limit = _throughput(cluster, share, seconds)
                    rates[number, share] = rate
                    crossing = "any shard" if share == UNIFORM else f"{share} % crossing"
                    figures.append(Figure("cross-shard", f"{number} shards, {crossing}; most used: {limit}", rate, "1/s"))
                    click.echo(f"  {figures[-1].name}: {rate:.1f}/s", err=True)
                    _drain(cluster)
                if (2, "50") in rates and number == 2:
                    figures += _paced(cluster, rates[2, "50"] * PACED_PERCENT / 100, seconds)
    if {(2, "0"), (2, "50")} <= rates.keys():
        ratio = rates[2, "50"] / rates[2, "0"] * 100
        figures.append(Figure("cross-shard", "2 shards: half crossing, of local alone", ratio, "%", CAPACITY_PERCENT_LEAST, at_least=True))
    return figures

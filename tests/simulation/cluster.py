"""A simulated network in a few words: `Cluster(nodes=4, shards=2).partition(0, 1).run(seconds=20).heal().run_until_finalized(5)`.

Every step asserts that nothing was broken on the way, and returns the cluster. What it is made of is `cluster.world`.
"""

from __future__ import annotations

from typing import Any, Self

from consensus.beacon.state import BeaconState
from node.simulator.node import SimulatedNode
from node.simulator.world import World


class Cluster:
    """A world that is told what to do, step by step."""

    def __init__(self, nodes: int = 4, shards: int = 2, *, seed: int = 1, faults: str = "none", **options: Any) -> None:
        options.setdefault("executors", "stand-in")
        self.world = World(seed, nodes, shards, faults, **options)
        self._until(lambda: all(node.is_alive for node in self.world.nodes), 1_000_000, "start")

    # -- what happens

    def with_users(self, views: int = 10) -> Self:
        """Users send transfers and calls, and the profile's crashes and partitions are planned, over the time of so many views."""
        self.world.plan(views)
        return self

    def partition(self, *island: int) -> Self:
        """Cuts some nodes off from the others, both ways."""
        self.world.weather.island = frozenset(island)
        return self

    def cut(self, source: int, target: int) -> Self:
        """Nothing gets from one node to another any more; the way back stays open."""
        self.world.weather.cut.add((source, target))
        return self

    def slow(self, source: int, target: int) -> Self:
        """What one node sends to another takes ten times as long."""
        self.world.weather.slowed.add((source, target))
        return self

    def skew(self, node: int, ahead_ms: int) -> Self:
        """Sets a node's wall clock wrong."""
        self.world.nodes[node].skew_ms = ahead_ms
        return self

    def crash(self, node: int, *, down_seconds: float = 2.0) -> Self:
        """Ends a node as kill -9 does; what it had not synced is lost."""
        self.world.crash(self.world.nodes[node], int(down_seconds * 1000))
        return self

    def crash_in_a_turn(self, node: int, *, effects_kept: int | None, down_seconds: float = 2.0) -> Self:
        """Ends a node in its next turn that writes: before that is synced (None), or after so many of the turn's effects."""
        self.world.nodes[node].doom(effects_kept, int(down_seconds * 1000))
        return self

    def heal(self) -> Self:
        """Ends all faults but those of personas."""
        self.world.heal()
        return self

    # -- how long

    def run(self, *, seconds: float) -> Self:
        """Lets simulated time pass."""
        self.world.run_until(lambda: False, int(seconds * 1000))
        return self.check()

    def run_until_finalized(self, height: int, *, within_seconds: float = 240) -> Self:
        """Until every chain of every honest node has a final block of a height."""
        assert self.world.run_until_finalized(height, int(within_seconds * 1000)), self._why(f"height {height} everywhere")
        return self.check()

    def run_until_grown(self, blocks: int = 1, *, within_seconds: float = 240) -> Self:
        """Until every chain of every honest node has so many more final blocks than any has now."""
        return self.run_until_finalized(max((height for _, height in self.world.checks.blocks), default=0) + blocks,
                                        within_seconds=within_seconds)

    def run_until_delivered(self, *, within_seconds: float = 240) -> Self:
        """Until all that users sent has arrived, with the refunds of failed calls."""
        return self._until(self.world.has_delivered_all, within_seconds, "everything delivered")

    def run_until_slashed(self, *, within_seconds: float = 60) -> Self:
        """Until somebody has contradicted itself, and is slashed at every honest node."""
        conduct = self.world.checks.conduct
        return self._until(lambda: bool(conduct.guilty) and self.world.has_punished_all(), within_seconds, "somebody slashed")

    # -- what came of it

    def check(self) -> Self:
        """Nothing is broken."""
        assert self.world.checks.violations == [], f"seed {self.world.seed}"
        return self

    def height(self, chain: int) -> int:
        """The highest final block of a chain."""
        return max((height for number, height in self.world.checks.blocks if number == chain), default=0)

    def state(self, node: int = 0) -> BeaconState:
        """The beacon chain's final state at a node."""
        state = self.node(node).core.beacon.tree.head.outcome
        assert state is not None
        return state

    def node(self, index: int) -> SimulatedNode:
        """One of its nodes."""
        return self.world.nodes[index]

    def _until(self, done: Any, seconds: float, what: str) -> Self:
        assert self.world.run_until(done, int(seconds * 1000)), self._why(what)
        return self.check()

    def _why(self, what: str) -> str:
        return f"seed {self.world.seed}: not {what} at {self.world.now_ms / 1000:.1f} s; {self.world.checks.violations}"

"""Whether a node's chains go on and somebody is connected: what health and readiness say beyond what the chains say of themselves."""

from __future__ import annotations

from consensus.simplex.pacing import ADVANCE_TIMER_DELTAS, delta_ms
from node.core.core import Core
from node.core.effects import Now
from node.core.shard_chain import ShardChain
from primitives.parameters import Parameters

STILL_VIEWS = 8
"""Views in a row that may end without a block: with less than a third of the leaders away, more of them are one in thousands."""
PEERLESS_MS_MAX = 10_000
"""How long a node that needs others may be without a peer: a dial and its handshake take as long at worst."""


def still_ms_max(parameters: Parameters) -> int:
    """How long a chain may finalize nothing, in ms: the idle pace, and `STILL_VIEWS` that time out (PROTOCOL 2, Pacing)."""
    views = (ADVANCE_TIMER_DELTAS * delta_ms(parameters, ended) + parameters.execution_budget_ms for ended in range(STILL_VIEWS))
    return parameters.idle_block_time_ms + sum(views)


class Vigil:
    """Remembers since when nothing has happened; looks after each turn."""

    def __init__(self, core: Core, now: Now) -> None:
        """Counts from `now` on: a start is not held against a node."""
        self._core = core
        self._heads: dict[int, tuple[bytes, int]] = {}
        self._peerless_since_ms: int | None = None
        self.look(now)

    def look(self, now: Now) -> None:
        """Notes which heads have moved, and whether somebody is connected."""
        for chain in self._core.chains:
            root = chain.tree.head.info.root
            if chain.number not in self._heads or self._heads[chain.number][0] != root:
                self._heads[chain.number] = (root, now.monotonic_ms)
        if self._core.context.fetcher.peers or self._decides_alone():
            self._peerless_since_ms = None
        elif self._peerless_since_ms is None:
            self._peerless_since_ms = now.monotonic_ms

    def is_cut_off(self, now: Now) -> bool:
        """Whether it needs others and has been without any for `PEERLESS_MS_MAX`."""
        self.look(now)
        return self._peerless_since_ms is not None and now.monotonic_ms - self._peerless_since_ms >= PEERLESS_MS_MAX

    def problems(self, now: Now) -> list[str]:
        """A sentence for each thing that is wrong; none while all is well."""
        found = [self._lack_of_peers()] if self.is_cut_off(now) else []
        limit_ms = still_ms_max(self._core.context.parameters)
        for chain in self._core.chains:
            still_ms = now.monotonic_ms - self._heads[chain.number][1]
            # one that is behind is busy with what the others have, and makes the node not ready
            if still_ms < limit_ms or chain.halted or chain.is_behind:
                continue
            has_work = isinstance(chain, ShardChain) and chain.pool.counts()[0] > 0
            why = "transactions wait" if has_work else "idle blocks are due"
            found.append(f"chain {chain.number} has finalized nothing for {still_ms // 1000} s although {why}")
        return found

    def _lack_of_peers(self) -> str:
        strangers = len(self._core.context.fetcher.strangers)
        if strangers:
            return f"no peers of this network: {strangers} connected with another genesis; compare genesis files, correct peers"
        return "no peers: this node is cut off; its log tells why dials fail"

    def _decides_alone(self) -> bool:
        """Whether the validators of this node are a quorum by themselves."""
        committee = self._core.beacon.committee
        own = [position for index in self._core.context.local if (position := committee.position(index)) is not None]
        return committee.has_quorum(own)

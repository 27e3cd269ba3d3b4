"""Progress: once the network is whole finality comes within a number of views, and no book outgrows its limit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from consensus.simplex import limits
from node.core import blocks, channels, fetch, instances, ranges, tree
from primitives.votes import Instance

if TYPE_CHECKING:
    from node.core.chain import Chain
    from node.simulator.node import SimulatedNode

VIEWS_WITHOUT_FINALITY_MAX = 24
"""Views that may pass, once the network is whole, between one finalization a node holds and the next."""
BOOKS_EVERY_TURNS = 16
"""The books of a node are measured once in so many turns."""


class Progress:
    """How far nodes get, and how much they keep."""

    def __init__(self, broken: Callable[[str], None]) -> None:
        self._broken = broken
        self._from: dict[Instance, int] | None = None
        """By instance: the view it had come to when the faults ended; None before that."""
        self._turns = 0

    def heal(self, nodes: Iterable[SimulatedNode]) -> None:
        """The faults have ended."""
        self._from = {}
        for node in nodes:
            for chain in node.core.chains if node.is_alive else ():
                self._from[chain.instance] = max(self._from.get(chain.instance, 0), chain.engine.view)

    def after_turn(self, node: SimulatedNode) -> None:
        """A turn has ended at a node."""
        self._turns += 1
        if self._from is not None:
            for chain in node.core.chains:
                view, newest = chain.engine.view, chain.engine.newest_finalization
                finalized = 0 if newest is None else newest.view
                if view <= finalized + VIEWS_WITHOUT_FINALITY_MAX:
                    continue
                if view > self._from.get(chain.instance, 0) + VIEWS_WITHOUT_FINALITY_MAX:
                    self._broken(f"nothing became final on chain {chain.number} in {VIEWS_WITHOUT_FINALITY_MAX} views of a whole network")
        if self._turns % BOOKS_EVERY_TURNS == 0:
            self.measure(node)

    def measure(self, node: SimulatedNode) -> None:
        """Compares the books of a node with their limits."""
        fetcher = node.core.context.fetcher
        found = [
            ("requests in flight", len(fetcher._in_flight), fetch.IN_FLIGHT_MAX),
            ("needs remembered", len(fetcher._last_ms), fetch.NEEDS_REMEMBERED_MAX),
            ("pieces of evidence", len(node.core.beacon.evidence._held), len(node.world.genesis.validators)),
        ]
        for chain in node.core.chains:
            found += _books(chain)
        for shard in node.core.shards.values():
            for channel in shard.inbound.channels.values():
                found += [
                    ("pages kept for later", len(channel._pending), channels.PENDING_BUNDLES_MAX),
                    ("ends of channels", len(channel._checkpoints), channels.CHECKPOINTS_MAX),
                ]
        for name, size, limit in found:
            if size > limit:
                self._broken(f"node {node.index} keeps {size} {name}, at most {limit} are allowed")


def _books(chain: Chain[object]) -> list[tuple[str, int, int]]:
    state = chain.engine._state
    members = len(state.committee.members)
    views = limits.VIEWS_AHEAD_MAX + limits.VOTE_VIEWS_BEHIND_MAX + 2
    return [
        ("votes", len(state.votes), members * (2 * limits.ROOTS_PER_VOTER_MAX + 1) * views),
        ("views with votes", len(state.votes._votes), views),
        ("views with proposals", len(state.proposals._entries), limits.VIEWS_AHEAD_MAX + 2),
        ("bytes of proposals", state.proposals._bytes, limits.PROPOSAL_BYTES_HELD_MAX),
        ("wakes", len(state.woken), limits.VIEWS_AHEAD_MAX + 2),
        ("answered peers", len(state._answered), limits.ANSWERED_PEERS_MAX),
        ("requests remembered", len(state._wanted), limits.WANTED_MAX),
        ("certificates", len(state.certificates.notarized) + len(state.certificates.nullified), limits.CERTIFIED_VIEWS_MAX),
        ("open checks", len(chain._checks), blocks.CHECKS_WAITING_MAX),
        ("wanted blocks", len(chain._wanted), blocks.WANTED_MAX),
        ("blocks", len(chain.tree._blocks), tree.BLOCKS_HELD_MAX),
        ("early messages", len(chain.instances._early), instances.EARLY_MESSAGES_MAX),
        ("ranges", len(chain._ranges._held), ranges.RANGES_HELD_MAX),
    ]

"""What JSON-RPC reads of the beacon chain: final blocks of the node's store, and the state after the newest."""

from __future__ import annotations

from collections.abc import Callable

from consensus.beacon.committees import committee_in, current_set, epoch_set
from consensus.beacon.state import BeaconState
from node.core.beacon_chain import BeaconChain
from node.core.records import beacon_block_key, beacon_root_key
from node.rpc.beacon_backend import BeaconBlockView, CommitteesView, CommitteeView, ValidatorView
from primitives.blocks import BeaconBlock
from shard.views import BlockSelector

BLOCKS_CACHED_MAX = 128
"""Decoded blocks that are kept."""


class BeaconReads:
    """The beacon chain, as `node.rpc.beacon_backend.BeaconBackend` asks for it."""

    def __init__(self, chain: BeaconChain, read: Callable[[bytes], bytes | None]) -> None:
        """`read` looks a record up in the node's store."""
        self._chain, self._read = chain, read
        self._cached: dict[int, BeaconBlockView] = {}
        """By height, in the order first asked for; a final block never changes."""

    def _state(self) -> BeaconState:
        state = self._chain.tree.head.outcome
        assert state is not None, "the final head is executed"
        return state

    def block(self, selector: BlockSelector) -> BeaconBlockView | None:
        """See `BeaconBackend`."""
        if isinstance(selector, bytes):
            height = self._read(beacon_root_key(self._chain.number, selector))
            if height is None:
                return None
            selector = int.from_bytes(height, "big")
        elif isinstance(selector, str):
            selector = 0 if selector == "earliest" else self._chain.tree.head.info.height
        view = self._cached.get(selector)
        if view is None:
            stored = self._read(beacon_block_key(self._chain.number, selector))
            if stored is None:
                return None
            block = BeaconBlock.decode(stored)
            view = BeaconBlockView(block.hash_tree_root(), block, len(stored))
            if len(self._cached) >= BLOCKS_CACHED_MAX:
                del self._cached[next(iter(self._cached))]
            self._cached[selector] = view
        return view

    def validators(self) -> tuple[ValidatorView, ...]:
        """See `BeaconBackend`."""
        state = self._state()
        active = {member.index for member in current_set(state).members}
        return tuple(
            ValidatorView(
                public_key=v.public_key, stake=v.stake, fee_address=v.fee_address, is_active=index in active,
                votes_due=state.votes_due[index], votes_seen=state.votes_seen[index], slashed_at=v.slashed_at,
            )
            for index, v in enumerate(state.validators)
        )

    def epochs_known(self) -> tuple[int, ...]:
        """See `BeaconBackend`."""
        return tuple(held.epoch for held in self._state().epoch_sets)

    def committees(self, epoch: int | None) -> CommitteesView | None:
        """See `BeaconBackend`."""
        state = self._state()
        if epoch is not None and epoch not in self.epochs_known():
            return None
        members = current_set(state) if epoch is None else epoch_set(state, epoch)
        committees = tuple(
            CommitteeView(run, tuple((member.index, member.stake) for member in committee_in(members, chain).members))
            for chain, run in enumerate(members.runs)
        )
        return CommitteesView(members.epoch, members.seed, committees)

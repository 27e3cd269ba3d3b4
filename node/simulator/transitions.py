"""Beacon blocks worked out once for all nodes of a world: the transition is pure, so every honest node comes to the same."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from consensus.beacon import transition
from consensus.beacon.state import BeaconState
from primitives.blocks import BeaconBlock
from primitives.errors import InvalidBlock
from primitives.types import Root

TRANSITIONS_MAX = 256
"""Blocks remembered; the oldest goes first and is worked out again if need be."""


class Transitions:
    """The transition as it is, by the roots of the state and of the block, whose signatures all nodes check alike."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[bytes, bytes], BeaconState | InvalidBlock] = OrderedDict()

    def __call__(self, state: BeaconState, block: BeaconBlock, *, parent_root: Root, **network: Any) -> BeaconState:
        """See `consensus.beacon.transition.process_block`; a node that has another state or another block gets its own answer.

        Raises:
            InvalidBlock: the first rule that is broken.
        """
        key = state.hash_tree_root() + parent_root, block.hash_tree_root()
        known = self._known.get(key)
        if known is None:
            try:
                known = transition.process_block(state, block, parent_root=parent_root, **network)
            except InvalidBlock as error:
                known = error
            self._known[key] = known
            if len(self._known) > TRANSITIONS_MAX:
                self._known.popitem(last=False)
        if isinstance(known, InvalidBlock):
            raise InvalidBlock(known.reason, known.message)
        return known

"""Which methods answer at which kind of address."""

from __future__ import annotations

from node.rpc.methods import blocks, dev, execution, general, network, state
from node.rpc.methods.context import Method

EVERYWHERE: dict[str, Method] = general.METHODS | network.METHODS | dev.METHODS
"""At every address, the beacon chain's too."""
SHARD: dict[str, Method] = EVERYWHERE | state.METHODS | blocks.METHODS | execution.METHODS
"""At the address of a shard."""

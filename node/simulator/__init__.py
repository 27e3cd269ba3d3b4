"""A whole network in one process on simulated time: the second driver of `node.core` (design page ARCHITECTURE, Pure core).

- `world`: the heap of events, the network, and what happens when; `faults`: what goes wrong
- `node`: one simulated node: core, store, executors, crash and restart
- `storage`: databases that lose what was not synced
- `signatures`: keys, real or a deterministic stand-in; `workload`: what users send
- `checks`: what must hold after every event
"""

from node.simulator.faults import FAULTS
from node.simulator.signatures import SIGNATURES
from node.simulator.world import SimulationReport, World, run

__all__ = ["FAULTS", "SIGNATURES", "SimulationReport", "World", "run"]

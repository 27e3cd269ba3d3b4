"""A whole network in one process on simulated time: the second driver of `node.core` (design page ARCHITECTURE, Pure core).

- `world`: the heap of events, the network, and what happens when
- `node`: one simulated node: core, store, executors, crash and restart
- `storage`: databases that lose what was not synced
- `signatures`: a deterministic stand-in for BLS; `workload`: what users send
- `checks`: what must hold after every event
"""

from node.simulator.world import FAULTS, SimulationReport, World, run

__all__ = ["FAULTS", "SimulationReport", "World", "run"]

"""How fast a simulated network runs, with every check on: views of all its chains a processor second."""

from __future__ import annotations

import time

from benchmarks.statistics import Figure
from node.simulator.world import World
from primitives.parameters import Parameters

NAME = "simulation"
VALIDATORS = 7
WARM_UP_MS, MEASURED_MS = 5_000, 60_000
"""Simulated."""
TARGET_VIEWS_PER_SECOND = 250.0
STAND_INS, REAL = ("fast", "stand-in"), ("bls", "reference")
"""Signatures and executors."""


def measure_simulation() -> list[Figure]:
    """Views a processor second of seven validators on one shard and the beacon chain, a block a second."""
    figures = []
    for parts, what in ((STAND_INS, "stand-ins"), (REAL, "real signatures, reference engine")):
        for faults in ("none", "standard"):
            target = TARGET_VIEWS_PER_SECOND if parts is STAND_INS and faults == "none" else None
            figures.append(Figure(NAME, f"{what}, faults {faults}", views_per_second(*parts, faults), "views/s", target, at_least=True))
    return figures


def views_per_second(signatures: str, executors: str, faults: str) -> float:
    """Views of both chains that pass, by the processor time that takes."""
    parameters = Parameters(shard_count=1, idle_block_time_ms=Parameters(shard_count=1).block_time_ms)
    world = World(1, VALIDATORS, 1, faults, signatures, executors, parameters=parameters)

    def views() -> int:
        return max(sum(chain.engine.view for chain in node.core.chains) for node in world.nodes if node.is_alive)

    world.run_until(lambda: world.now_ms > WARM_UP_MS, 2 * WARM_UP_MS)
    before, started = views(), time.process_time()
    world.run_until(lambda: world.now_ms > WARM_UP_MS + MEASURED_MS, 2 * MEASURED_MS)
    seconds = time.process_time() - started
    assert world.checks.violations == [], world.checks.violations
    return (views() - before) / seconds

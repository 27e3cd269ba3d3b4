"""Networks drawn from their seed: who breaks the rules, how long epochs are, whose committee changes, and what is a stand-in."""

from __future__ import annotations

import random
from dataclasses import dataclass

from node.simulator.personas import draw_personas
from node.simulator.world import SimulationReport, World, play
from primitives.parameters import Parameters

REAL_EVERY_SEEDS = 250
"""One seed in so many runs on real signatures and the reference EVM."""
EPOCHS = (60, 60, 12, 8)
"""Beacon heights of an epoch; the short ones are passed within a run."""
CHANGES_SHARE = 0.5
"""Of networks with short epochs: those whose committee changes for epoch 1."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a seed draws."""

    personas: dict[int, str]
    epoch_length: int
    second_epoch: frozenset[int] | None
    is_real: bool

    def __str__(self) -> str:
        parts = [f"{name}@{node}" for node, name in self.personas.items()]
        parts.append(f"epochs of {self.epoch_length}" + (f" with {sorted(self.second_epoch)} in epoch 1" if self.second_epoch else ""))
        return ", ".join([*parts, "real signatures and EVM" if self.is_real else "stand-ins"])


def draw(seed: int, nodes: int) -> Drawn:
    """What a seed draws for so many validators."""
    rng = random.Random(f"drawn {seed}")
    personas = draw_personas(rng, nodes)
    epoch_length, second = rng.choice(EPOCHS), None
    if epoch_length < max(EPOCHS) and nodes >= 5 and rng.random() < CHANGES_SHARE:
        leaving = rng.choice([node for node in range(nodes) if node not in personas])
        if 3 * len(personas) < nodes - 1:
            second = frozenset(range(nodes)) - {leaving}
    return Drawn(personas, epoch_length, second, is_real=seed % REAL_EVERY_SEEDS == 0)


def run_drawn(seed: int, nodes: int = 7, shards: int = 2, views: int = 60, faults: str = "standard") -> SimulationReport:
    """As `run`, of the network that a seed draws.

    Raises:
        AssertionError: a node met a bug; its notes tell how to run this again.
    """
    drawn = draw(seed, nodes)
    world = World(
        seed, nodes, shards, faults, "bls" if drawn.is_real else "fast", "reference" if drawn.is_real else "stand-in",
        parameters=Parameters(shard_count=shards, epoch_length=drawn.epoch_length), second_epoch=drawn.second_epoch,
        personas=drawn.personas,
    )  # fmt: skip
    world.plan(views)
    replay = f"shardnet simulate --drawn --seed {seed} --nodes {nodes} --shards {shards} --views {views} --faults {faults}"
    return play(world, views, replay)

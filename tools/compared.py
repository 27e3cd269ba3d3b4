"""Runs that must come to the same on the sources and on the compiled copy: `python compared.py FOLDER SUFFIX`, with FOLDER to import from.

Seeds, one of them on real signatures and the reference EVM; every persona; and networks in which something is wrong, which the checkers
have to notice. Prints what each came to, and the processor seconds of three of them, as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator

import consensus.committee
import node.core.core
from node.simulator import world as worlds
from node.simulator.drawn import REAL_EVERY_SEEDS, run_drawn
from node.simulator.personas import PERSONAS
from node.simulator.world import SimulationReport, World, play, run

_TIMED_SEEDS = range(1, 4)
_TIMED_VIEWS, _VIEWS, _REAL_VIEWS = 30, 10, 4


def wrong_conduct() -> SimulationReport:
    """A validator that is taken for honest proposes two blocks in a view."""
    world = World(1, 4, 1, "none", "fast", "stand-in")
    world.nodes[2].persona = PERSONAS["equivocating-proposer"](world.nodes[2])
    world.plan(_VIEWS)
    return play(world, _VIEWS, "")


def wrong_block() -> SimulationReport:
    """Another block is on record for a height that no node has come to."""
    world = World(2, 4, 1, "none", "fast", "stand-in")
    world.plan(_VIEWS)
    world.checks.agreement.blocks[0, 3] = bytes(32)
    return play(world, _VIEWS, "")


def _others() -> Iterator[SimulationReport]:
    yield run_drawn(REAL_EVERY_SEEDS, 4, 1, _REAL_VIEWS)
    for name in PERSONAS:
        yield run(5, 4, 1, _VIEWS, "heavy", personas={3: name}, executors="stand-in")
    for broken in (wrong_conduct(), wrong_block()):
        assert broken.violations, "something is wrong, and no checker has noticed"
        yield broken


def _told(report: SimulationReport) -> list[object]:
    return [report.replay, report.digest, report.blocks, report.violations, report.simulated_seconds]


def main(folder: str, suffix: str) -> None:
    """Runs them on the modules in a folder, whose names end so."""
    for module in (consensus.committee, node.core.core, worlds):
        assert module.__file__ is not None
        assert module.__file__.startswith(folder), module.__file__
        assert module.__file__.endswith(suffix), module.__file__
    run_drawn(9, 4, 1, 4, "none")  # what is made once a process
    started = time.process_time()
    timed = [run_drawn(seed, views=_TIMED_VIEWS) for seed in _TIMED_SEEDS]
    seconds = time.process_time() - started
    print(json.dumps({"seconds": seconds, "runs": [_told(report) for report in (*timed, *_others())]}))


if __name__ == "__main__":
    main(*sys.argv[1:])

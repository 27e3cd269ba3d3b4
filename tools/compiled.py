"""Compiles the rules and the simulator with mypyc into build/compiled: `make compiled` (docs/decisions/0019-compiled-rules.md).

What is compiled is a copy of the sources. Afterwards a few seeds run on both, and must have the same digests.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "build" / "compiled"
PACKAGES = ("primitives", "consensus", "shard", "p2p", "node", "benchmarks", "typings")
COMPILED = ("primitives/*.py", "consensus/**/*.py", "node/core/*.py", "node/simulator/**/*.py")
INTERPRETED = frozenset({"primitives/ssz.py", "node/core/tree.py", "node/simulator/seeds.py"})
"""A base class that makes codecs as it is subclassed and a generic dataclass, which mypyc does not take, and what `python -m` runs."""
_BUILD = """
import sys
from mypyc.build import mypycify
from setuptools import setup
setup(name="compiled", packages=[], ext_modules=mypycify([*sys.argv.pop().split(), "--config-file", "pyproject.toml"], opt_level="2"))
"""
_SEEDS = """
import time
from node.simulator.drawn import run_drawn
run_drawn(9, 4, 1, 4, "none")
started = time.process_time()
print(*[run_drawn(seed, views=30).digest for seed in range(1, 4)], time.process_time() - started)
"""
"""The first is for what is made once a process."""


def without_slots(source: str) -> str:
    """The source with dataclasses that declare no slots: a compiled class has them anyway, and mypyc takes no `slots=True`."""
    return re.sub(r"@dataclass\(([^)]*)\)", _undeclared, source)


def _undeclared(decorator: re.Match[str]) -> str:
    options = [option for option in decorator[1].split(", ") if option != "slots=True"]
    return f"@dataclass({', '.join(options)})" if options else "@dataclass"


def is_compiled(path: str, source: str) -> bool:
    """Whether mypyc takes a module: not one with SSZ containers or pydantic models, whose classes are made by their base classes."""
    return bool(source.strip()) and path not in INTERPRETED and "(Container)" not in source and "pydantic" not in source


def _modules() -> Iterator[str]:
    for pattern in COMPILED:
        for path in sorted(TARGET.glob(pattern)):
            source = path.read_text()
            if is_compiled(name := str(path.relative_to(TARGET)), source):
                path.write_text(without_slots(source))
                yield name


def _seeds(folder: Path) -> tuple[list[str], float]:
    """Digests of some seeds, run on the sources in a folder, and the processor seconds they took."""
    done = subprocess.run([sys.executable, "-c", _SEEDS], cwd=folder, check=True, capture_output=True, text=True)
    *digests, seconds = done.stdout.split()
    return digests, float(seconds)


@click.command()
def main() -> None:
    """Compile the rules and the simulator, and compare some seeds."""
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, TARGET / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", TARGET)
    modules = list(_modules())
    click.echo(f"compiling {len(modules)} modules, which takes some minutes ...")
    with (TARGET / "build.log").open("w") as log:
        command = [sys.executable, "-c", _BUILD, "build_ext", "--inplace", " ".join(modules)]
        if subprocess.run(command, cwd=TARGET, stdout=log, stderr=subprocess.STDOUT, check=False).returncode:
            raise click.ClickException(f"mypyc refused something: see {TARGET / 'build.log'}")
    (plain, slow), (compiled, quick) = _seeds(ROOT), _seeds(TARGET)
    if plain != compiled:
        raise click.ClickException(f"the compiled rules are not the rules: seeds 1 to 3 gave {compiled}, not {plain}")
    (TARGET / "done").touch()
    click.echo(f"seeds 1 to 3 have the same digests; seconds: {slow:.1f} as they are, {quick:.1f} compiled ({slow / quick:.2f} x)")


if __name__ == "__main__":
    main()

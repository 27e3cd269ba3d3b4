"""Compiles the rules and the simulator with mypyc into build/compiled: `make compiled` (docs/decisions/0019-compiled-rules.md).

What is compiled is a copy of the sources. Afterwards some networks run on both, and must come to the same. Where a copy of these very
sources is there already, nothing is done.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from tools.compilable import compilable

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "build" / "compiled"
PACKAGES = ("primitives", "consensus", "shard", "p2p", "node", "benchmarks", "typings")
OTHER_FILES = (
    "pyproject.toml",
    "requirements.lock",
    "requirements-dev.lock",
    "tools/compiled.py",
    "tools/compilable.py",
    "tools/compared.py",
)
STAMP = "sources"
"""A file in the folder: the hash of what it was made from."""
COMPILED = ("primitives/*.py", "consensus/**/*.py", "p2p/messages.py", "p2p/topics.py", "node/core/*.py", "node/simulator/**/*.py")
INTERPRETED = frozenset({"primitives/sedes.py", "node/simulator/seeds.py"})
"""Classes whose bases are a library's, which a compiled class cannot have, and what `python -m` runs."""
_BUILD = """
import sys
from mypyc.build import mypycify
from setuptools import setup
setup(name="compiled", packages=[], ext_modules=mypycify([*sys.argv.pop().split(), "--config-file", "pyproject.toml"], opt_level="2"))
"""


def is_compiled(path: str, source: str) -> bool:
    """Whether mypyc takes a module: not one with pydantic models, which are made by their base class."""
    return bool(source.strip()) and path not in INTERPRETED and "pydantic" not in source


def _modules(folder: Path) -> Iterator[str]:
    for pattern in COMPILED:
        for path in sorted(folder.glob(pattern)):
            source = path.read_text()
            if is_compiled(name := str(path.relative_to(folder)), source):
                path.write_text(compilable(source))
                yield name


def stamp(root: Path) -> str:
    """A hash over all that a copy is made from."""
    found = hashlib.sha256(sys.version.encode())
    in_packages = [path for package in PACKAGES for path in sorted((root / package).rglob("*"))]
    for path in (*in_packages, *(root / name for name in OTHER_FILES)):
        if path.is_dir() or "__pycache__" in path.parts:
            continue
        found.update(str(path.relative_to(root)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def _runs(folder: Path, suffix: str) -> tuple[list[Any], float]:
    """What the runs of tools/compared.py came to on the modules in a folder, and the processor seconds of some of them."""
    command = [sys.executable, str(ROOT / "tools" / "compared.py"), str(folder), suffix]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    told = json.loads(done.stdout)
    return told["runs"], told["seconds"]


def _build(folder: Path) -> None:
    """Fills an empty folder with a copy of the sources, and compiles it."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    modules = list(_modules(folder))
    click.echo(f"compiling {len(modules)} modules, which takes some minutes ...")
    with (folder / "build.log").open("w") as log:
        command = [sys.executable, "-c", _BUILD, "build_ext", "--inplace", " ".join(modules)]
        if subprocess.run(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, check=False).returncode:
            raise click.ClickException(f"the build failed: {log.name} says why")


@click.command()
def main() -> None:
    """Compile the rules and the simulator, and compare some runs."""
    made_from, new = stamp(ROOT), TARGET.with_suffix(".new")
    if (TARGET / STAMP).exists() and (TARGET / STAMP).read_text() == made_from:
        click.echo(f"{TARGET} is of these sources")
        return
    if new.exists():
        shutil.rmtree(new)
    new.mkdir(parents=True)
    _build(new)
    (plain, slow), (compiled, quick) = _runs(ROOT, ".py"), _runs(new, ".so")
    for one, other in zip(plain, compiled, strict=True):
        if one != other:
            raise click.ClickException(f"the compiled rules are not the rules: {other}, not {one}")
    (new / STAMP).write_text(made_from)
    if TARGET.exists():
        shutil.rmtree(TARGET)
    new.rename(TARGET)
    click.echo(
        f"{len(plain)} runs came to the same; seconds for three: {slow:.1f} as they are, {quick:.1f} compiled ({slow / quick:.2f} x)"
    )


if __name__ == "__main__":
    main()

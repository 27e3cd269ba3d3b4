"""`shardnet bench`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from node.cli.options import as_json
from primitives.errors import UserError


@click.command(epilog="Example: shardnet bench latency", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("name", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@as_json
def bench(name: str | None, arguments: tuple[str, ...], as_json: bool) -> NoReturn:
    """Run the benchmark NAME, or name those there are; what follows is passed on to it."""
    tree = Path(__file__).parent.parent.parent
    if not (tree / "benchmarks" / "__main__.py").exists():
        raise UserError("the benchmarks are not installed with the daemon: use shardnet bench of a source tree")
    words = [*([name] if name is not None else ["--help"]), *arguments, *(["--json"] if as_json else [])]
    path = os.pathsep.join(filter(None, [str(tree), os.environ.get("PYTHONPATH")]))
    # in place of this process, so that a signal reaches what has a network to stop
    os.execve(sys.executable, [sys.executable, "-m", "benchmarks", *words], {**os.environ, "PYTHONPATH": path})

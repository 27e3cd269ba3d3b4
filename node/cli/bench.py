"""`shardnet bench`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from node.cli.options import as_json
from primitives.errors import UserError


@click.command(epilog="Example: shardnet bench latency", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("name", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@as_json
def bench(name: str | None, arguments: tuple[str, ...], as_json: bool) -> int:
    """Run the benchmark NAME, or name those there are; what follows is passed on to it."""
    tree = Path(__file__).parent.parent.parent
    if not (tree / "benchmarks" / "__main__.py").exists():
        raise UserError("the benchmarks are not installed with the daemon: use shardnet bench of a source tree")
    words = [*([name] if name is not None else ["--help"]), *arguments, *(["--json"] if as_json else [])]
    return subprocess.run([sys.executable, "-m", "benchmarks", *words], cwd=tree, check=False).returncode

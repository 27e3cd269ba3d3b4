"""Runs benchmarks, prints a table, writes JSON."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from benchmarks.cluster import Cluster
from benchmarks.measures import MEASURES
from benchmarks.statistics import Figure


def _show(figures: list[Figure]) -> None:
    table = Table(title="4 nodes, 2 shards, block time 1 s")
    for column in ("benchmark", "figure", "measured", "target", ""):
        table.add_column(column)
    for figure in figures:
        target = "" if figure.target is None else f"<= {figure.target:g}"
        mark = {None: "", True: "reached", False: "missed"}[figure.is_reached]
        table.add_row(figure.benchmark, figure.name, f"{figure.value:.2f} {figure.unit}", target, mark)
    Console().print(table)


@click.command(epilog="Example: python -m benchmarks latency cross-shard --json figures.json")
@click.argument("names", nargs=-1, type=click.Choice(list(MEASURES)))
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures there too.")
def main(names: tuple[str, ...], json_path: Path | None) -> None:
    """Measure a local network; all benchmarks when none is named. Figures are facts about this machine and moment."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="shardnet-bench-") as folder:
        cluster = Cluster.make(Path(folder))
        cluster.up()
        try:
            for name in names or MEASURES:
                click.echo(f"measuring {name} ...", err=True)
                found = MEASURES[name](cluster)
                figures += found
                for figure in found:
                    click.echo(f"  {figure.name}: {figure.value:.2f} {figure.unit}", err=True)
        finally:
            cluster.down()
    _show(figures)
    text = json.dumps([figure.as_json() for figure in figures], indent=2)
    click.echo(text)
    if json_path is not None:
        json_path.write_text(text + "\n")


if __name__ == "__main__":
    main()

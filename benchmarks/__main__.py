"""Runs benchmarks, prints a table, writes JSON."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from benchmarks.cluster import Cluster
from benchmarks.cross_shard import SECONDS, SHARDS, SHARES, measure_matrix
from benchmarks.engines import measure_engines
from benchmarks.inbound_worst import measure_inbound_worst
from benchmarks.logs import measure_logs
from benchmarks.measures import MEASURES
from benchmarks.partition import measure_partition
from benchmarks.simulation import measure_simulation
from benchmarks.statistics import Figure
from benchmarks.tracing import measure_tracing
from node.cli.main import run_to_end

WITHOUT_NETWORK: dict[str, Callable[[], list[Figure]]] = {
    "engines": measure_engines, "inbound-worst": measure_inbound_worst, "logs": measure_logs, "partition": measure_partition,
    "simulation": measure_simulation, "tracing": measure_tracing,
}  # fmt: skip
"""What needs no network, or makes its own."""
MATRIX = "cross-shard"
"""The one with options."""
NAMES = (*WITHOUT_NETWORK, *MEASURES, MATRIX)


def _show(figures: list[Figure]) -> None:
    has_network = any(figure.benchmark in MEASURES for figure in figures)
    table = Table(title="4 nodes, 2 shards, block time 1 s" if has_network else None)
    for column in ("benchmark", "figure", "measured", "target", ""):
        table.add_column(column)
    for figure in figures:
        target = "" if figure.target is None else f"{'>=' if figure.at_least else '<='} {figure.target:g}"
        mark = {None: "", True: "reached", False: "missed"}[figure.is_reached]
        table.add_row(figure.benchmark, figure.name, f"{figure.value:.2f} {figure.unit}", target, mark)
    Console().print(table)


def _measured(name: str, measure: Callable[[], list[Figure]]) -> list[Figure]:
    click.echo(f"measuring {name} ...", err=True)
    figures = measure()
    for figure in figures:
        click.echo(f"  {figure.name}: {figure.value:.2f} {figure.unit}", err=True)
    return figures


def _of_network(names: Sequence[str]) -> list[Figure]:
    if not names:
        return []
    with tempfile.TemporaryDirectory(prefix="shardnet-bench-") as folder:
        cluster = Cluster.make(Path(folder))
        with cluster.running():
            return [figure for name in names for figure in _measured(name, partial(MEASURES[name], cluster))]


@click.command(
    help=f"""Measure a local network; all benchmarks when NAME is left out. Figures are facts about this machine and moment.

    NAME: {', '.join(NAMES)}.""",
    epilog="Example: shardnet bench latency crossing --out figures.json   (or: shardnet bench cross-shard --shards 2 --share 50)",
)
@click.argument("names", nargs=-1, metavar="[NAME]...", type=click.Choice(NAMES))
@click.option("--shards", multiple=True, type=click.Choice(SHARDS), help="Of cross-shard: only so many shards; may be repeated.")
@click.option("--share", multiple=True, type=click.Choice(SHARES), help="Of cross-shard: only this share crosses; may be repeated.")
@click.option("--seconds", type=click.FloatRange(5, 600), default=SECONDS, show_default=True, help="Of cross-shard: counted, a cell.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures there too, in JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def main(
    names: tuple[str, ...], shards: tuple[int, ...], share: tuple[str, ...], seconds: float, out: Path | None, as_json: bool
) -> None:
    """Measures and prints."""
    wanted = names or NAMES
    figures = [figure for name in wanted if name in WITHOUT_NETWORK for figure in _measured(name, WITHOUT_NETWORK[name])]
    figures += _of_network([name for name in wanted if name in MEASURES])
    if MATRIX in wanted:
        figures += _measured(MATRIX, lambda: measure_matrix(shards or SHARDS, share or SHARES, seconds))
    text = json.dumps([figure.as_json() for figure in figures], indent=2)
    if as_json:
        click.echo(text)
    else:
        _show(figures)
    if out is not None:
        out.write_text(text + "\n")


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGHUP):
        # as Ctrl-C: the network that is measured is stopped before the end
        signal.signal(number, signal.default_int_handler)
    run_to_end(main, "shardnet bench", sys.argv[1:])

"""`shardnet genesis`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from node.cli.options import as_json, given_options, network_options, print_json
from node.cli.warnings import warn_of_reach
from node.cluster.command import node_command
from node.cluster.layout import Layout, new_options


@click.command(epilog="Example: shardnet genesis --out network --nodes 4 --hosts node-0,node-1,node-2,node-3 --listen-host 0.0.0.0")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write to; it must hold no genesis.")
@network_options
@click.option("--hosts", metavar="A,B,...", help="Where the nodes find each other, one name or address a node.")
@click.option("--listen-host", show_default="127.0.0.1", help="Address that each node listens on.")
@as_json
def genesis(out: Path, hosts: str | None, as_json: bool, **values: Any) -> None:
    """Write a genesis file, and for each node its configuration, identity and validator keys."""
    from node.cluster.files import write_network

    options = new_options(given_options(values))
    warn_of_reach(options)
    names = None if hosts is None else [name.strip() for name in hosts.split(",")]
    written = write_network(out, options, names)
    layout = Layout(out)
    configs = [layout.config(index) for index in range(options.nodes)]
    if as_json:
        written_to = [str(path) for path in configs]
        print_json({"genesis": str(layout.genesis), "genesis_root": "0x" + written.root.hex(), "configurations": written_to})
        return
    click.echo(f"genesis 0x{written.root.hex()} in {layout.genesis}")
    for config in configs:
        click.echo(f"start with: {node_command(config)}")

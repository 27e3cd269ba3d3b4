"""`shardnet up`."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from node.cli.display import TableDisplay, choose_display, describe, print_addresses
from node.cli.options import as_json, data_dir, given_options, network_options, print_json
from node.cli.warnings import warn_of_reach
from node.cluster.command import own_command
from node.cluster.configs import settle_configs
from node.cluster.layout import Layout, Options, merge_options, new_options, read_options, renew_options
from node.cluster.personas import PERSONA_NAMES, parse_personas
from node.cluster.processes import require_free_ports
from node.cluster.supervisor import Supervisor, hold_folder, start_detached
from primitives.errors import StartupRefused


@click.command(epilog='Example: shardnet up --nodes 4 --shards 2   (or: make up ARGS="--nodes 1")')
@network_options
@data_dir
@click.option("--host", "listen_host", show_default="127.0.0.1", help="Address that every port is opened on.")
@click.option("--engine", type=click.Choice(["reference", "fast"]), help="What executes blocks, to the same outcome.  [default: fast]")
@click.option("--log-format", type=click.Choice(["text", "json"]), help="How the nodes log.  [default: text]")
@click.option(
    "--persona", "personas", multiple=True, metavar="NAME@NODE",
    help=f"Have a node break the rules: {', '.join(PERSONA_NAMES)}; again for more.",
)
@click.option("--fresh", is_flag=True, help="Start from a new genesis; the folder's chains are deleted, its options stay.")
@click.option("--yes", is_flag=True, help="Do not ask before deleting.")
@click.option("--detach", is_flag=True, help="Return once the network is ready; shardnet down stops it.")
@as_json
def up(
    data_dir: Path, engine: str | None, log_format: str | None, personas: tuple[str, ...], fresh: bool, yes: bool, detach: bool,
    as_json: bool, **values: Any,
) -> None:  # fmt: skip
    """Start a local network, one process a node; the same folder again goes on with its chains."""
    if log_format is not None:
        # every process below this one inherits it, as the engine, a detached supervisor's too
        os.environ["SHARDNET_LOG_FORMAT"] = log_format
    if engine is not None:
        os.environ["SHARDNET_ENGINE"] = engine
    layout, given = Layout(data_dir), given_options(values)
    new_options(given).check()
    with hold_folder(layout):
        stored = None if fresh else read_options(layout)
        options = renew_options(layout, given) if stored is None else merge_options(stored, given)
        options.check()
        misbehaving = parse_personas(personas, options.nodes)
        require_free_ports(options)
        if fresh:
            _clear(layout, yes)
        _write(layout, options, stored)
        settle_configs(layout, options, misbehaving, log_format)
        warn_of_reach(options)
        if not as_json:
            click.echo(f"starting {_count(options.nodes, 'node')} with {_count(options.shards, 'shard')} in {layout.folder}")
            for node, name in sorted(misbehaving.items()):
                click.echo(f"node {node} breaks the rules: {name}")
        if not detach:
            _run(layout, options, as_json)
            return
    # The detached supervisor takes the folder over.
    seconds = start_detached(layout)
    if as_json:
        print_json({"event": "ready", "seconds": round(seconds, 2)} | describe(layout, options))
    else:
        print_addresses(layout, options)
        click.echo(f"ready after {seconds:.1f} s; {own_command('down', data_dir)} stops the network")


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def _run(layout: Layout, options: Options, as_json: bool) -> None:
    display = choose_display(layout, options, as_json)
    try:
        Supervisor(layout, options, display).run()
    finally:
        if isinstance(display, TableDisplay):
            display.close()
    if not as_json:
        click.echo("stopped; the same command goes on with the chains")


def _write(layout: Layout, options: Options, stored: Options | None) -> None:
    """Writes the files of a network that is new, or moves to other ports."""
    if options == stored:
        return
    from node.cluster.files import move_network, write_network

    if stored is None:
        write_network(layout.folder, options)
    else:
        move_network(layout, options)


def _clear(layout: Layout, yes: bool) -> None:
    """Deletes what belongs to a network, and nothing else that may be in the folder."""
    found = [path for path in (layout.genesis, layout.network, layout.state, layout.supervisor_log) if path.exists()]
    folders = [path for path in layout.folder.glob("node-*") if path.is_dir()]
    if not found and not folders:
        return
    if not yes:
        if not sys.stdin.isatty():
            raise StartupRefused(f"--fresh would delete the chains in {layout.folder}: add --yes to say that this is meant")
        click.confirm(f"Delete the chains and keys in {layout.folder}?", abort=True)
    for folder in folders:
        shutil.rmtree(folder)
    for path in found:
        path.unlink()

"""`shardnet node`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from node.cli.options import as_json


@click.command(epilog="Example: shardnet node --config .shardnet/node-2/node.toml")
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), required=True, help="TOML file; `shardnet genesis` writes one.")
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Instead of the file's data_dir.")
@click.option("--listen-host", help="Instead of the file's listen_host.")
@click.option("--rpc-port", type=int, help="Instead of the file's rpc_port.")
@click.option("--p2p-port", type=int, help="Instead of the file's p2p_port.")
@click.option("--metrics-port", type=int, help="Instead of the file's metrics_port.")
@click.option("--executor", help="Instead of the file's executor: process or inline.")
@click.option("--log-level", help="Instead of the file's log_level: debug, info, warning or error.")
@click.option("--log-format", help="Instead of the file's log_format: text or json.")
@as_json
def node(config: Path, as_json: bool, **flags: object) -> None:
    """Run one node in the foreground until SIGTERM or SIGINT; --json logs in JSON."""
    from node.config import load_config

    if as_json:
        flags["log_format"] = "json"
    settings = load_config(config, os.environ, flags)
    from node.daemon import run

    run(settings)

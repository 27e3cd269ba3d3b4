"""`shardnet node`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from node.cli.options import as_json


@click.command(
    epilog="Example: shardnet node --config .shardnet/node-2/node.toml   "
    "(or, to follow a network: shardnet node --genesis genesis.json --peer 127.0.0.1:9000:16Uiu2HA... --data-dir observer)"
)
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), help="TOML file; `shardnet genesis` writes one.")
@click.option("--genesis", type=click.Path(dir_okay=False, path_type=Path), help="Genesis file of the network; without --config.")
@click.option(
    "--peer", "peers", multiple=True, metavar="HOST:PORT:PEERID", help="A node to join at, as `shardnet status` shows it; again for more."
)
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Folder of the databases, and of the node's key.")
@click.option("--shards", metavar="0,1,...", help="Shards that run here, when there are no validators; all without it.")
@click.option("--listen-host", help="Address of every port.")
@click.option("--rpc-port", type=int, help="Shard s is served on this + s.")
@click.option("--p2p-port", type=int, help="Where other nodes connect.")
@click.option("--metrics-port", type=int, help="Metrics, health and readiness.")
@click.option("--executor", help="process or inline.")
@click.option("--engine", help="fast or reference.")
@click.option("--log-level", help="debug, info, warning or error.")
@click.option("--log-format", help="text or json.")
@as_json
def node(config: Path | None, peers: tuple[str, ...], shards: str | None, as_json: bool, **flags: object) -> None:
    """Run one node in the foreground until SIGTERM or SIGINT; options override what is in the file. --json logs in JSON.

    Without --config it is an observer: it joins at the peers it is given, follows the network and serves JSON-RPC.
    """
    from node.config import PeerConfig, load_config

    if config is None:
        if flags["genesis"] is None or flags["data_dir"] is None or not peers:
            raise click.UsageError("name a configuration with --config, or join a network with --genesis, --peer and --data-dir")
        assert isinstance(flags["data_dir"], Path)
        flags["node_key"] = flags["data_dir"] / "node.key"
    if peers:
        flags["peers"] = tuple(PeerConfig.parse(peer) for peer in peers)
    if shards is not None:
        flags["shards"] = tuple(part.strip() for part in shards.split(",") if part.strip())
    if as_json:
        flags["log_format"] = "json"
    settings = load_config(config, os.environ, flags)
    if settings.log_file is not None and sys.stderr.isatty():
        click.echo(f"what the node says goes to {settings.log_file}; Ctrl-C stops it", err=True)
    from node.daemon import run

    run(settings)

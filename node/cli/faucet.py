"""`shardnet faucet`."""

from __future__ import annotations

from pathlib import Path

import click

from node.cli.journey import Wanted
from node.cli.options import ADDRESS, SHARD, as_json, data_dir, node_choice, open_client, rpc
from node.cli.send import follow, timeout_option, wait_option
from node.rpc.faucet import GRANT_WEI


@click.command(epilog="Example: shardnet faucet 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --shard 1")
@click.argument("address", type=ADDRESS)
@click.option("--shard", type=SHARD, default=0, show_default=True, help="Shard to give them on.")
@wait_option
@timeout_option
@data_dir
@node_choice
@rpc
@as_json
def faucet(address: str, shard: int, wait: str, timeout: float, data_dir: Path, node: int, rpc: str | None, as_json: bool) -> None:
    """Let the faucet of a node give 100 coins to ADDRESS, which may be the number of a test account."""
    wanted = Wanted(None, address, GRANT_WEI, shard, shard, b"", wait)
    follow(open_client(data_dir, node, rpc), wanted, timeout, as_json)

"""`shardnet send`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from node.cli.journey import Journey, Wanted
from node.cli.options import ADDRESS, COINS, SENDER, SHARD, as_json, data_dir, node_choice, open_client, print_json, rpc
from node.cluster.client import Client

wait_option = click.option(
    "--wait", type=click.Choice(["included", "safe", "finalized"]), default="included", show_default=True, help="How far to follow it."
)
timeout_option = click.option("--timeout", type=click.FloatRange(0.1, 86_400), default=120.0, show_default=True, help="Seconds to wait.")


class DataType(click.ParamType[bytes]):
    """Bytes in hexadecimal."""

    name = "hex"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        """The bytes."""
        if isinstance(value, bytes):
            return value
        try:
            return bytes.fromhex(str(value).removeprefix("0x"))
        except ValueError:
            self.fail(f"{value!r} is not hexadecimal", param, ctx)


@click.command(epilog="Example: shardnet send --from 0 --to 1 --value 1.5 --shard 0 --to-shard 1 --wait finalized")
@click.option("--from", "key", type=SENDER, required=True, help="Secret key, or number of a test account.")
@click.option("--to", type=ADDRESS, required=True, help="Address, or number of a test account.")
@click.option("--value", type=COINS, default=0, show_default=True, help="Coins, like 1.5.")
@click.option("--shard", type=SHARD, default=0, show_default=True, help="Shard the sender pays on.")
@click.option("--to-shard", type=SHARD, help="Shard the receiver gets it on; without it, the same.")
@click.option("--data", type=DataType(), default=b"", help="Call data, in hexadecimal; within a shard only.")
@wait_option
@timeout_option
@data_dir
@node_choice
@rpc
@as_json
def send(
    key: str, to: str, value: int, shard: int, to_shard: int | None, data: bytes, wait: str, timeout: float, data_dir: Path, node: int,
    rpc: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Send a transaction and print each step of its life."""
    target = shard if to_shard is None else to_shard
    if target != shard and data:
        raise click.BadParameter("only coins can be sent to another shard: leave --data out, or stay on one shard", param_hint="'--data'")
    if target != shard and value == 0:
        raise click.BadParameter("nothing would arrive on the other shard: send more than 0 coins", param_hint="'--value'")
    client = open_client(data_dir, node, rpc)
    follow(client, Wanted(key, to, value, shard, target, data, wait), timeout, as_json)


def follow(client: Client, wanted: Wanted, seconds_max: float, as_json: bool) -> None:
    """Prints each step of a transaction when it has happened; raises as `Journey.steps` does."""
    began = time.monotonic()
    for step in Journey(client, wanted, seconds_max).steps():
        seconds = time.monotonic() - began
        if as_json:
            print_json({"step": step.name, "seconds": round(seconds, 3), **step.details})
        else:
            click.echo(f"{seconds:6.2f} s  {step.sentence}")

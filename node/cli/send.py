"""`shardnet send`."""

from __future__ import annotations

from pathlib import Path

import click

from node.cli.journey import Journey, Wanted
from node.cli.options import ADDRESS, COINS, SENDER, SHARD, as_json, data_dir, node_choice, open_client, rpc
from node.cli.outbox import Call
from node.cli.steps import told
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
            self.fail(f"{value!r} is not hexadecimal: write it as 0xa9059cbb...", param, ctx)


@click.command(epilog="Example: shardnet send --from 0 --to 1 --value 1.5 --shard 0 --to-shard 1 --wait finalized")
@click.option("--from", "key", type=SENDER, required=True, help="Secret key, or number of a test account.")
@click.option("--to", type=ADDRESS, required=True, help="Address, or number of a test account.")
@click.option("--value", type=COINS, default=0, show_default=True, help="Coins, like 1.5.")
@click.option("--shard", type=SHARD, default=0, show_default=True, help="Shard the sender pays on.")
@click.option("--to-shard", type=SHARD, help="Shard the receiver gets it on; without it, the same.")
@click.option("--data", type=DataType(), default=b"", help="Call data, in hexadecimal.")
@click.option("--gas", type=click.IntRange(0, 2**63 - 1), help="Gas limit of a call on another shard.")
@click.option("--refund-to", type=ADDRESS, help="Who gets what is left of a call on another shard; without it, the sender.")
@click.option("--callback-gas", type=click.IntRange(0, 2**63 - 1), help="Gas to tell the sender of the call's outcome with.")
@click.option("--nonce", type=click.IntRange(0, 2**64 - 2), help="In the place of a transaction that waits; without it, the next one.")
@wait_option
@timeout_option
@data_dir
@node_choice
@rpc
@as_json
def send(
    key: str, to: str, value: int, shard: int, to_shard: int | None, data: bytes, gas: int | None, refund_to: str | None,
    callback_gas: int | None, nonce: int | None, wait: str, timeout: float, data_dir: Path, node: int, rpc: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Send a transaction and print each step of its life.

    With --to-shard and --gas it calls TO on that shard; a fee of twice what is needed is attached, and what is left comes back.
    With --callback-gas the outcome comes back to the sender, too: that is for senders with code, and TO gets what of the fee was too much.
    """
    target = shard if to_shard is None else to_shard
    of_calls = {"--gas": gas, "--refund-to": refund_to, "--callback-gas": callback_gas}
    named = [option for option, given in of_calls.items() if given is not None]
    if target == shard and named:
        hint = f"'{named[0]}'"
        raise click.BadParameter("belongs to a call on another shard: name it with --to-shard, or leave this out", param_hint=hint)
    call = _call_of(key, value, data, gas, refund_to, callback_gas) if target != shard else None
    client = open_client(data_dir, node, rpc)
    follow(client, Wanted(key, to, value, shard, target, data, wait, call, nonce), timeout, as_json)


def _call_of(key: str, value: int, data: bytes, gas: int | None, refund_to: str | None, callback_gas: int | None) -> Call | None:
    """The call on another shard that the options ask for; None for a transfer."""
    from eth_account import Account

    if gas is not None:
        return Call(gas, refund_to or str(Account.from_key(key).address).lower(), data, callback_gas)
    if data:
        raise click.BadParameter("a call on another shard needs a gas limit: add --gas, like --gas 200000", param_hint="'--data'")
    if callback_gas is not None:
        raise click.BadParameter("a transfer has no outcome to tell: add --gas for a call, or leave it out", param_hint="'--callback-gas'")
    if refund_to is not None:
        raise click.BadParameter("nothing of a transfer can be left: add --gas for a call, or leave it out", param_hint="'--refund-to'")
    if value == 0:
        raise click.BadParameter("nothing would arrive on the other shard: send more than 0 coins", param_hint="'--value'")
    return None


def follow(client: Client, wanted: Wanted, seconds_max: float, as_json: bool) -> None:
    """Prints each step of a transaction when it has happened; raises as `Journey.steps` does."""
    for _ in told(Journey(client, wanted, seconds_max).steps(), client.place, as_json):
        pass

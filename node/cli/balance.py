"""`shardnet balance`."""

from __future__ import annotations

from pathlib import Path

import click

from node.cli.options import ADDRESS, as_json, data_dir, node_choice, open_client, print_json, rpc, show_coins

_FIELDS = {"shard": "shard", "chain_id": "chainId", "wei": "balance", "nonce": "nonce"}


@click.command(epilog="Example: shardnet balance 0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
@click.argument("address", type=ADDRESS)
@click.option("--tag", type=click.Choice(["latest", "safe", "finalized"]), default="latest", show_default=True, help="Block that counts.")
@data_dir
@node_choice
@rpc
@as_json
def balance(address: str, tag: str, data_dir: Path, node: int, rpc: str | None, as_json: bool) -> None:
    """Show what an account holds on every shard; ADDRESS may be the number of a test account."""
    answer = open_client(data_dir, node, rpc).call("shard_getBalances", address, tag)
    entries = [{name: _number(entry[key]) for name, key in _FIELDS.items()} for entry in answer["shards"]]
    total = int(answer["total"], 16)
    if as_json:
        # Wei as text: most readers of JSON hold numbers in 53 bits.
        texts = [None if entry["wei"] is None else str(entry["wei"]) for entry in entries]
        shown = [{**entry, "wei": text} for entry, text in zip(entries, texts, strict=True)]
        print_json({"address": address, "shards": shown, "total": str(total)})
        return
    for entry in entries:
        held = "not hosted by this node" if entry["wei"] is None else f"{show_coins(entry['wei'])} coins, nonce {entry['nonce']}"
        click.echo(f"shard {entry['shard']} (chain id {entry['chain_id']}): {held}")
    click.echo(f"total: {show_coins(total)} coins")


def _number(value: str | None) -> int | None:
    return None if value is None else int(value, 16)

"""`shardnet audit`: what PROTOCOL 4 says must add up."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from node.cli.options import as_json, data_dir, node_choice, open_client, print_json, rpc, show_coins
from node.cluster.client import CallRefused, Client
from primitives.errors import UserError

PAGE_ACCOUNTS = 1000
"""Accounts asked for at once."""
BUSY, BUSY_RETRIES_MAX, BUSY_PAUSE_SECONDS = -32005, 60, 0.5
"""A node that says it is busy is asked again this often, after this pause."""
SUPPLY_TRIES_MAX = 10
"""How often supply and crosslinks are asked for until both are of the same beacon block."""
_HELD = ("stakes", "unclaimed", "feePool", "treasury")


@click.command(epilog="Example: shardnet audit --json")
@data_dir
@node_choice
@rpc
@as_json
def audit(data_dir: Path, node: int, rpc: str | None, as_json: bool) -> int:
    """Walk every account of each shard at its crosslinked state root, and add up the whole supply."""
    client = open_client(data_dir, node, rpc)
    supply, crosslinks = _ask_supply(client)
    shards = []
    for number, (recorded, crosslink) in enumerate(zip(supply["shards"], crosslinks, strict=True)):
        height = int(crosslink["number"], 16)
        accounts, total = _walk(client, number, height, show_progress=not as_json)
        shards.append(
            {
                "shard": number,
                "block": height,
                "accounts": accounts,
                "sum": total,
                "supply": int(recorded, 16),
                "ok": total == int(recorded, 16),
            }
        )
    terms = _add_up(supply)
    is_sound = terms["imbalance"] == 0 and all(shard["ok"] for shard in shards)
    beacon = {"number": int(supply["beacon"]["number"], 16), "root": supply["beacon"]["hash"]}
    if as_json:
        print_json({"ok": is_sound, "beacon": beacon, "shards": [_texts(shard) for shard in shards], "terms": _texts(terms)})
    else:
        _print_report(beacon, shards, terms, is_sound)
    return 0 if is_sound else 1


def _ask_supply(client: Client) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Supply and crosslinks as of one and the same beacon block."""
    for _ in range(SUPPLY_TRIES_MAX):
        supply, head = client.batch([("shard_getSupply", ()), ("beacon_getHead", ())])
        if supply["beacon"]["hash"] == head["hash"]:
            return supply, head["crosslinks"]
    raise UserError("supply and crosslinks never were of the same beacon block: try again")


def _page(client: Client, shard: int, height: int, after: str | None) -> dict[str, Any]:
    """One page; a node that is busy is asked again."""
    for attempt in range(BUSY_RETRIES_MAX + 1):
        try:
            page: dict[str, Any] = client.batch([("shard_getAccountsPage", (hex(height), after, hex(PAGE_ACCOUNTS)))], f"/shard/{shard}")[0]
        except CallRefused as error:
            if error.code != BUSY or attempt == BUSY_RETRIES_MAX:
                raise
            time.sleep(BUSY_PAUSE_SECONDS)
        else:
            return page
    raise AssertionError("the last attempt returns or raises")


def _walk(client: Client, shard: int, height: int, show_progress: bool) -> tuple[int, int]:
    """How many accounts a shard had after a block, and the wei they held."""
    accounts, total, after = 0, 0, None
    is_terminal = show_progress and sys.stderr.isatty()
    while True:
        page = _page(client, shard, height, after)
        accounts += _number(page["accounts"])
        total += _number(page["sum"])
        if is_terminal:
            click.echo(f"\rshard {shard}: {accounts} accounts", nl=False, err=True)
        if page["next"] is None:
            break
        if page["next"] == after:
            raise UserError(f"the walk of shard {shard} does not move on from {after}: the node is broken, ask another with --node")
        after = page["next"]
    if is_terminal:
        click.echo("\r\033[K", nl=False, err=True)
    return accounts, total


def _number(value: int | str) -> int:
    return value if isinstance(value, int) else int(value, 16)


def _add_up(supply: dict[str, Any]) -> dict[str, int]:
    """Every term of the invariant, and what exists less what should."""
    terms = {
        "shards": sum(int(value, 16) for value in supply["shards"]),
        "in_flight": sum(int(channel["value"], 16) for channel in supply["inFlight"]),
        **{_snake(name): int(supply[name], 16) for name in _HELD},
    }
    held = sum(terms.values())
    sources = {name: int(supply[name], 16) for name in ("genesis", "issued", "burned")}
    return terms | sources | {"imbalance": held - (sources["genesis"] + sources["issued"] - sources["burned"])}


def _snake(name: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name)


def _texts(values: dict[str, Any]) -> dict[str, Any]:
    """Wei as text: most readers of JSON hold numbers in 53 bits."""
    small = ("shard", "block", "accounts", "ok")
    return {name: value if name in small else str(value) for name, value in values.items()}


def _print_report(beacon: dict[str, Any], shards: list[dict[str, Any]], terms: dict[str, int], is_sound: bool) -> None:
    click.echo(f"as of beacon block {beacon['number']} ({beacon['root']})")
    for shard in shards:
        verdict = "adds up" if shard["ok"] else f"DOES NOT ADD UP: the beacon chain records {show_coins(shard['supply'])}"
        click.echo(
            f"shard {shard['shard']} block {shard['block']}: {shard['accounts']} accounts hold {show_coins(shard['sum'])} coins, {verdict}"
        )
    for name in ("shards", "in_flight", "stakes", "unclaimed", "fee_pool", "treasury"):
        click.echo(f"  + {name.replace('_', ' '):10} {show_coins(terms[name])}")
    for sign, name in (("=", "genesis"), ("+", "issued"), ("-", "burned")):
        click.echo(f"  {sign} {name:10} {show_coins(terms[name])}")
    click.echo(
        "everything adds up" if is_sound else f"IT DOES NOT ADD UP: {show_coins(terms['imbalance'])} coins too much", err=not is_sound
    )

"""`shardnet token`: tokens, and things that exist once, deployed, sent between shards and added up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli.journey import Journey, Wanted
from node.cli.options import (
    ADDRESS,
    COINS,
    CONTRACT,
    SENDER,
    SHARD,
    as_json,
    data_dir,
    node_choice,
    open_client,
    print_json,
    rpc,
    show_coins,
)
from node.cli.outbox import CALLBACK_QUOTE_PERCENT, Ordinary
from node.cli.send import timeout_option
from node.cli.steps import told
from node.cluster.client import Client
from primitives.errors import InvalidConfig, UserError

if TYPE_CHECKING:
    from node.cli.token_contract import Token


@click.group(epilog="Example: shardnet token deploy --from 0 --supply 1000000")
def token() -> None:
    """Deploy a token that moves between shards, send it, and add it up; each of these takes --json."""


@token.command(epilog="Example: shardnet token deploy --from 0 --name Pebble --symbol PBL --supply 1000000")
@click.option("--from", "key", type=SENDER, required=True, help="Secret key, or number of a test account, who pays and gets all of it.")
@click.option("--name", default="Pebble", show_default=True, help="Name, at most 32 characters.")
@click.option("--symbol", default="PBL", show_default=True, help="Symbol, at most 8 characters.")
@click.option("--supply", type=COINS, default="1000000", show_default=True, help="How many there are, like 1000.5.")
@click.option("--nft", is_flag=True, help="Things that exist once (ERC-721) instead; the payer may create them with token mint.")
@click.option("--shard", type=SHARD, default=0, show_default=True, help="Home shard, where all of it is created.")
@timeout_option
@data_dir
@node_choice
@rpc
@as_json
def deploy(
    key: str, name: str, symbol: str, supply: int, nft: bool, shard: int, timeout: float, data_dir: Path, node: int, rpc: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Deploy a token at one address of every shard, by a key that is made for it and used once on each."""
    from eth_account import Account

    from node.cli.token_contract import Interface, Token
    from node.cli.token_deploy import deploy_everywhere

    for option, text, most in (("--name", name, 32), ("--symbol", symbol, 8)):
        if len(text.encode()) > most:
            raise click.BadParameter(f"{text!r} is longer than {most} bytes: choose a shorter one", param_hint=f"'{option}'")
    if not supply and not nft:
        raise click.BadParameter("nothing could ever be sent, for all there is comes at once: name more than 0", param_hint="'--supply'")
    client = open_client(data_dir, node, rpc)
    shards = _count(client, shard=shard)
    first_chain = int(client.batch([("eth_chainId", ())], "/shard/0")[0], 16)
    holder = (Account.from_key(key).address, shard, first_chain)
    data = Interface("nft").creation(name, symbol, *holder) if nft else Interface("token").creation(name, symbol, supply, *holder)
    addresses = []
    for step in told(deploy_everywhere(client, key, data, shards, timeout), client.place, as_json):
        addresses += [str(step.details["address"])] if step.name == "deployed" else []
    Token(client, addresses[0]).require_same_code(list(range(shards)))
    if not as_json:
        click.echo(f"it is {addresses[0]} on every shard; go on with:")
        moving = f"token send {addresses[0]} --from KEY --to 1 --amount 5 --shard {shard} --to-shard SHARD"
        click.echo("  " + client.place.command(f"token mint {addresses[0]} --from KEY --to 1 --uri URI" if nft else moving))


@token.command(epilog="Example: shardnet token mint 0x5FbDB2315678afecb367f032d93F642f64180aa3 --from 0 --to 1 --uri ipfs://stone")
@click.argument("contract", metavar="NFT", type=CONTRACT)
@click.option("--from", "key", type=SENDER, required=True, help="Secret key, or number of a test account, of who deployed it.")
@click.option("--to", type=ADDRESS, required=True, help="Owner: address, or number of a test account.")
@click.option("--uri", default="", help="What describes it, at most 256 bytes; it travels along.")
@timeout_option
@data_dir
@node_choice
@rpc
@as_json
def mint(contract: str, key: str, to: str, uri: str, timeout: float, data_dir: Path, node: int, rpc: str | None, as_json: bool) -> None:
    """Create a thing that exists once over all shards, on its home shard, and tell its number."""
    from eth_account import Account

    if len(uri.encode()) > 256:
        raise click.BadParameter("is longer than 256 bytes: choose a shorter one", param_hint="'--uri'")
    client = open_client(data_dir, node, rpc)
    things = _things(client, contract)
    (home,) = things.ask(0, [("homeShard",)])
    (minter,) = things.ask(home, [("minter",)])
    if minter != int(Account.from_key(key).address, 16):
        raise UserError(f"only 0x{minter:040x}, who deployed {contract}, creates things there: name its key with --from")
    through = Ordinary(bytes.fromhex(contract[2:]), 0, things.interface.call("mint", to, uri))
    creation = Wanted(key, contract, 0, home, home, b"", "safe", through=through)
    steps = list(told(Journey(client, creation, timeout).steps(), client.place, as_json))
    receipt = client.batch([("eth_getTransactionReceipt", (steps[0].details["hash"],))], f"/shard/{home}")[0]
    number = int(receipt["logs"][0]["topics"][3], 16)
    if as_json:
        print_json({"step": "created", "id": str(number), "shard": home})
    else:
        click.echo(f"it is number {number}; its owner moves it with:")
        click.echo("  " + client.place.command(f"token send {contract} --from KEY --to 1 --id {number} --shard {home} --to-shard SHARD"))


@token.command(epilog="Example: shardnet token send 0x5FbDB2315678afecb367f032d93F642f64180aa3 --from 0 --to 1 --amount 2.5 --to-shard 1")
@click.argument("contract", metavar="TOKEN", type=CONTRACT)
@click.option("--from", "key", type=SENDER, required=True, help="Secret key, or number of a test account.")
@click.option("--to", type=ADDRESS, required=True, help="Address, or number of a test account.")
@click.option("--amount", type=COINS, help="How many, like 1.5.")
@click.option("--id", "number", type=click.IntRange(1, 2**256 - 1), help="Number of a thing that exists once, instead of an amount.")
@click.option("--shard", type=SHARD, default=0, show_default=True, help="Shard they leave.")
@click.option("--to-shard", type=SHARD, required=True, help="Shard they arrive on.")
@click.option(
    "--wait", type=click.Choice(["included", "safe", "finalized"]), default="finalized", show_default=True, help="How far to follow it."
)
@timeout_option
@data_dir
@node_choice
@rpc
@as_json
def send(
    contract: str, key: str, to: str, amount: int | None, number: int | None, shard: int, to_shard: int, wait: str, timeout: float,
    data_dir: Path, node: int, rpc: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Send tokens to an account of another shard, and print each step of their way there and of the answer back."""
    from eth_account import Account

    from node.cli.token_contract import Token

    if (amount is None) == (number is None):
        raise click.UsageError("what is to be sent: name --amount of a token, or --id of a thing that exists once")
    if amount == 0:
        raise click.BadParameter("nothing would arrive: send more than 0", param_hint="'--amount'")
    if shard == to_shard:
        raise click.BadParameter("is the shard they are on: name another one", param_hint="'--to-shard'")
    client = open_client(data_dir, node, rpc)
    _count(client, shard=shard, to_shard=to_shard)
    pebbles = Token(client, contract) if number is None else _things(client, contract)
    pebbles.require_same_code([shard, to_shard])
    if number is None and pebbles.is_nft():
        raise UserError(f"{contract} has no amounts: name with --id which thing is to be sent")
    holder = str(Account.from_key(key).address)
    if number is None:
        (held,) = pebbles.ask(shard, [("balanceOf", holder)])
        if held < (amount or 1):
            more, has = client.place.command(f"token balance {contract} {holder}"), show_coins(held)
            raise UserError(f"{holder} has {has} of the token on shard {shard}: send less, or see where it has more with {more}")
    else:
        pebbles.require_sendable(shard, number, holder)
    (price,) = pebbles.ask(shard, [("quoteTo", to_shard)])
    data = pebbles.interface.call("sendTo", to_shard, to, amount if number is None else number)
    through = Ordinary(bytes.fromhex(contract[2:]), price * CALLBACK_QUOTE_PERCENT // 100, data)
    wanted = Wanted(key, contract, 0, shard, to_shard, b"", wait, through=through)
    for _ in told(Journey(client, wanted, timeout).steps(), client.place, as_json):
        pass


@token.command(epilog="Example: shardnet token balance 0x5FbDB2315678afecb367f032d93F642f64180aa3 0")
@click.argument("contract", metavar="TOKEN", type=CONTRACT)
@click.argument("account", type=ADDRESS)
@data_dir
@node_choice
@rpc
@as_json
def balance(contract: str, account: str, data_dir: Path, node: int, rpc: str | None, as_json: bool) -> int:
    """Show what ACCOUNT has of a token on every shard, what is in flight, and whether all of it adds up.

    All shards are read at the blocks that one beacon block crosslinks. The exit code is 1 where it does not add up.
    """
    from node.cli.token_contract import Token, in_flight

    client = open_client(data_dir, node, rpc)
    blocks = [int(crosslink["number"], 16) for crosslink in client.call("beacon_getHead")["crosslinks"]]
    pebbles = Token(client, contract)
    pebbles.require_same_code(list(range(len(blocks))))
    holdings = [pebbles.holding(shard, len(blocks), block, account) for shard, block in enumerate(blocks)]
    everything, show = _all_there_is(client, pebbles, blocks)
    flights = in_flight(holdings)
    total, flying = sum(each.supply for each in holdings), sum(flights.values())
    is_sound = total + flying == everything and all(amount >= 0 for amount in flights.values())
    if as_json:
        shown = [{"shard": e.shard, "block": e.block, "balance": str(e.balance), "supply": str(e.supply)} for e in holdings]
        way = [{"from": a, "to": b, "amount": str(amount)} for (a, b), amount in flights.items()]
        sums = {"balance": str(sum(each.balance for each in holdings)), "total": str(total + flying), "supply": str(everything)}
        print_json({"ok": is_sound, "token": contract, "account": account, "shards": shown, "inFlight": way, **sums})
        return 0 if is_sound else 1
    for each in holdings:
        click.echo(f"shard {each.shard}, block {each.block}: {show(each.balance)} of {show(each.supply)} there")
    for (a, b), amount in flights.items():
        click.echo(f"in flight from shard {a} to {b}: {show(amount)}")
    click.echo(f"account: {show(sum(each.balance for each in holdings))}")
    verdict = "as many as there should be" if is_sound else f"but there should be {show(everything)}: do not trust this token"
    click.echo(f"all accounts and flights: {show(total + flying)}, {verdict}")
    return 0 if is_sound else 1


def _things(client: Client, contract: str) -> Token:
    """A contract of things that exist once; raises UserError if it is none."""
    from node.cli.token_contract import Token

    things = Token(client, contract, "nft")
    if not things.is_nft():
        raise UserError(f"{contract} has amounts and no numbers: use token send with --amount, or deploy with --nft")
    return things


def _all_there_is(client: Client, pebbles: Token, blocks: list[int]) -> tuple[int, Callable[[int], str]]:
    """How much of it there should be over all shards, and how that is shown."""
    if not pebbles.is_nft():
        return pebbles.ask(0, [("supplyEverywhere",)], hex(blocks[0]))[0], show_coins
    things = _things(client, pebbles.address)
    (home,) = things.ask(0, [("homeShard",)])
    return things.ask(home, [("created",)], hex(blocks[home]))[0], str


def _count(client: Client, **named: int) -> int:
    """How many shards there are; raises InvalidConfig if one that an option names is not."""
    count = int(client.call("shard_getNetwork")["shardCount"], 16)
    for option, shard in named.items():
        if shard >= count:
            raise InvalidConfig("--" + option.replace("_", "-"), f"there is no shard {shard}: this network has shards 0 to {count - 1}")
    return count

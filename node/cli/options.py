"""Options that several commands share, and the forms their values take."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation, localcontext
from pathlib import Path
from typing import Any, TypeVar

import click

from node.cluster.accounts import COIN, FAUCET_ACCOUNT, TEST_ACCOUNTS
from node.cluster.client import Client
from node.cluster.command import Place
from node.cluster.layout import SHARDS_MAX, Layout, Options, require_options
from primitives.hashing import keccak256

Command = TypeVar("Command", bound=Callable[..., Any])

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
data_dir = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".shardnet"),
    show_default=True,
    help="Folder of the network.",
)
node_choice = click.option("--node", type=click.IntRange(0), default=0, show_default=True, help="Node that is asked.")
rpc = click.option("--rpc", metavar="URL", help="JSON-RPC address to ask, instead of a node of the folder; any shard's will do.")

_COIN_DIGITS_MAX = 200
"""Of a number of coins; the library's own 28 would round what is sent."""
_NETWORK = (
    click.option("--nodes", type=int, show_default="4", help="Nodes."),
    click.option("--validators-per-node", type=int, show_default="1", help="Validators that each node hosts."),
    click.option("--shards", type=int, show_default="2", help="Shard chains."),
    click.option("--block-time", type=float, metavar="SECONDS", show_default="1", help="Time between blocks when there is work."),
    click.option("--idle-block-time", type=float, metavar="SECONDS", show_default="5", help="Time between blocks when there is none."),
    click.option("--epoch-length", type=int, show_default="60", help="Beacon blocks of an epoch."),
    click.option("--gas-limit", type=int, show_default="30000000", help="Gas limit of a block."),
    click.option("--chain-id-base", type=int, show_default="735700", help="Shard s has this chain id + s."),
    click.option(
        "--committees", type=click.Choice(["auto", "everyone", "sampled"]), show_default="auto",
        help="How committees are drawn; sampled is not built yet.",
    ),
    click.option("--rpc-port", type=int, show_default="8545", help="Node i, shard s serves JSON-RPC on this + 100 i + s."),
    click.option("--p2p-port", type=int, show_default="9000", help="Node i listens for peers on this + i."),
    click.option("--metrics-port", type=int, show_default="9100", help="Node i serves metrics on this + i."),
)  # fmt: skip


def network_options(command: Command) -> Command:
    """Adds what a network is made with; what is not given arrives as None."""
    for option in reversed(_NETWORK):
        command = option(command)
    return command


def given_options(values: dict[str, Any]) -> dict[str, Any]:
    """Fields of `Options` that were given."""
    for name in ("block_time", "idle_block_time"):
        seconds = values.pop(name)
        values[name + "_ms"] = None if seconds is None else round(seconds * 1000)
    return {name: value for name, value in values.items() if value is not None}


def open_client(folder: Path, node: int, url: str | None) -> Client:
    """A client of the node to ask.

    Raises:
        UserError: there is no such network, node or address.
    """
    place = Place(folder, node, url)
    if url is not None:
        return Client(url, place=place)
    layout = Layout(folder)
    options = require_options(layout)
    if node >= options.nodes:
        raise click.BadParameter(f"the network in {folder} has nodes 0 to {options.nodes - 1}", param_hint="'--node'")
    return Client(options.url(node), place=place, hint=lambda: _advise(layout, options, node))


def _advise(layout: Layout, options: Options, node: int) -> str:
    # not before it is needed: most commands look for no processes
    from node.cluster.processes import find_nodes, why_silent

    others = "; another node is asked with --node" if options.nodes > 1 else ""
    return why_silent(layout, find_nodes(layout, options), node) + others


class Coins(click.ParamType[int]):
    """A decimal number of coins; becomes wei."""

    name = "coins"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Wei."""
        if isinstance(value, int):
            return value
        try:
            coins = Decimal(value)
        except InvalidOperation:
            self.fail(f"{value!r} is not a number of coins: write it as 1.5", param, ctx)
        if not coins.is_finite() or coins < 0 or coins.adjusted() > 20:
            self.fail(f"{value} coins cannot be sent: write 0, or a number below 1e21 like 1.5", param, ctx)
        if coins and coins.adjusted() < -18:
            self.fail(f"{value} coins cannot be sent: the least part of a coin is 1e-18", param, ctx)
        with localcontext(prec=_COIN_DIGITS_MAX):
            wei = coins * COIN
        if wei != wei.to_integral_value():
            self.fail(f"{value} coins cannot be sent: the least part of a coin is 1e-18", param, ctx)
        return int(wei)


class AddressType(click.ParamType[str]):
    """An account's address, or the index of a test account; becomes the address in lower case."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """`0x` and forty hexadecimal digits."""
        text = str(value)
        if text.isdecimal() and len(text) <= 2 and int(text) < len(TEST_ACCOUNTS):
            return TEST_ACCOUNTS[int(text)].address.lower()
        try:
            is_address = text.startswith("0x") and len(bytes.fromhex(text[2:])) == 20 and len(text) == 42
        except ValueError:
            is_address = False
        if not is_address:
            self.fail(f"{value!r} is not an address: write 0x and 40 hex digits, or the number of a test account, 0 to 9", param, ctx)
        if text[2:] not in (text[2:].lower(), text[2:].upper()) and text != with_checksum(text):
            self.fail(f"{value!r} has a letter in the wrong case (EIP-55): look for a typing error, or write it in lower case", param, ctx)
        return text.lower()


class ContractType(AddressType):
    """A contract's address: none of the test accounts is one."""

    name = "contract"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """`0x` and forty hexadecimal digits."""
        if not str(value).startswith("0x"):
            self.fail(f"{value!r} is not the address of a contract: write 0x and 40 hex digits", param, ctx)
        return super().convert(value, param, ctx)


def with_checksum(address: str) -> str:
    """An address with the upper-case letters that EIP-55 gives it."""
    digits = address[2:].lower()
    marks = keccak256(digits.encode()).hex()
    return "0x" + "".join(digit.upper() if int(mark, 16) >= 8 else digit for digit, mark in zip(digits, marks, strict=False))


class SenderType(click.ParamType[str]):
    """A secret key, or the index of a test account; becomes the key."""

    name = "key|index"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """`0x` and 64 hexadecimal digits."""
        text = str(value)
        if text == "faucet":
            return FAUCET_ACCOUNT.key
        if text.isdecimal() and len(text) <= 2 and int(text) < len(TEST_ACCOUNTS):
            return TEST_ACCOUNTS[int(text)].key
        try:
            key = bytes.fromhex(text.removeprefix("0x"))
        except ValueError:
            key = b""
        if len(key) != 32:
            self.fail("is neither a secret key (0x and 64 hexadecimal digits) nor the number of a test account, 0 to 9", param, ctx)
        return "0x" + key.hex()


ADDRESS, COINS, CONTRACT, SENDER = AddressType(), Coins(), ContractType(), SenderType()
SHARD = click.IntRange(0, SHARDS_MAX - 1)


def show_coins(wei: int) -> str:
    """Wei as coins, all digits that count."""
    whole, rest = divmod(abs(wei), COIN)
    tail = f".{rest:018d}".rstrip("0") if rest else ""
    return f"{'-' if wei < 0 else ''}{whole:,}{tail}"


def show_gas_price(wei: int) -> str:
    """What a gas costs, in the unit that a person can read."""
    return f"{wei:,} wei" if wei < 1_000_000 else f"{wei / 10**9:.4g} gwei"


def print_json(value: object) -> None:
    """One JSON value on a line of its own."""
    click.echo(json.dumps(value))

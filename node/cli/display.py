"""What `shardnet up` shows: a live table on a terminal, plain lines elsewhere, JSON for programs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from node.cli.options import print_json, show_gas_price
from node.cluster.accounts import TEST_ACCOUNT_COINS, TEST_ACCOUNTS, TEST_MNEMONIC
from node.cluster.layout import Layout, Options
from node.cluster.status import NodeStatus
from node.cluster.supervisor import Observer, Statuses

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

TABLE_SECONDS = 1.0
"""Between two tables."""
LINE_SECONDS = 10.0
"""Between two plain lines of a running network."""


def describe(layout: Layout, options: Options) -> dict[str, Any]:
    """Everything a person or program needs to use a network."""
    return {
        "data_dir": str(layout.folder),
        "nodes": [
            {
                "index": node,
                "rpc": [
                    {"shard": shard, "url": options.url(node, shard), "chain_id": options.chain_id_base + shard}
                    for shard in range(options.shards)
                ],
                "beacon": options.url(node) + "/beacon",
                "explorer": options.explorer_url(node),
                "metrics": options.metrics_url(node),
                "p2p_port": options.p2p_port + node,
                "peer": layout.peer_address(options, node),
            }
            for node in range(options.nodes)
        ],
        "mnemonic": TEST_MNEMONIC,
        "accounts": [
            {"index": i, "address": account.address, "private_key": account.key, "coins_per_shard": TEST_ACCOUNT_COINS}
            for i, account in enumerate(TEST_ACCOUNTS)
        ],
    }


def print_addresses(layout: Layout, options: Options) -> None:
    """The same for a person."""
    network = describe(layout, options)
    click.echo()
    for node in network["nodes"]:
        for rpc in node["rpc"]:
            click.echo(f"node {node['index']}  shard {rpc['shard']}  {rpc['url']}  chain id {rpc['chain_id']}")
    click.echo(f"beacon chain: {options.url(0)}/beacon, and at /beacon of every address above")
    for node in network["nodes"]:
        click.echo(f"node {node['index']}  explorer {node['explorer']}  metrics {node['metrics']}")
    for node in network["nodes"]:
        click.echo(f"node {node['index']}  peer address  {node['peer']}")
    click.echo(f"\n{TEST_ACCOUNT_COINS:,} coins on every shard, with keys that everybody knows ({TEST_MNEMONIC}):")
    for account in network["accounts"]:
        click.echo(f"  {account['index']}  {account['address']}  {account['private_key']}")
    if options.nodes == 1:
        click.echo("\nthis network is yours alone: evm_snapshot, evm_increaseTime, anvil_setBalance and their like work (docs/wallets.md)")
    click.echo()


class JsonDisplay:
    """One JSON object for each event."""

    poll_seconds = None

    def __init__(self, layout: Layout, options: Options) -> None:
        self._layout, self._options = layout, options

    def polled(self, statuses: Statuses) -> None:
        """No event."""

    def ready(self, seconds: float) -> None:
        """The network, once."""
        print_json({"event": "ready", "seconds": round(seconds, 2)} | describe(self._layout, self._options))
        sys.stdout.flush()

    def note(self, sentence: str) -> None:
        """Something that happened."""
        print_json({"event": "note", "message": sentence})
        sys.stdout.flush()


class LineDisplay:
    """Plain lines, a few of them."""

    poll_seconds = LINE_SECONDS

    def __init__(self, layout: Layout, options: Options) -> None:
        self._layout, self._options = layout, options
        self._is_ready = False

    def polled(self, statuses: Statuses) -> None:
        """A line a node, once the network runs."""
        if not self._is_ready:
            return
        for status in statuses:
            if status is not None:
                click.echo(f"node {status.index}  {status.peers} peers  " + "  ".join(_line(status)))
        down = [str(i) for i, status in enumerate(statuses) if status is None]
        if down:
            click.echo(f"no answer from node {', '.join(down)}")

    def ready(self, seconds: float) -> None:
        """The addresses."""
        self._is_ready = True
        print_addresses(self._layout, self._options)
        click.echo(f"ready after {seconds:.1f} s; Ctrl-C stops the network")

    def note(self, sentence: str) -> None:
        """Something that happened."""
        click.echo(sentence)


def _line(status: NodeStatus) -> list[str]:
    return [f"{chain.name}: head {chain.head.number} finalized {chain.finalized.number}" for chain in status.chains]


class TableDisplay:
    """A table that stays at the foot of the terminal."""

    poll_seconds = TABLE_SECONDS

    def __init__(self, layout: Layout, options: Options) -> None:
        self._layout, self._options = layout, options
        self._silent = "starting"
        self._live = self._open()

    @staticmethod
    def _open() -> Live:
        from rich.console import Console
        from rich.live import Live

        live = Live(console=Console(), auto_refresh=False)
        live.start()
        return live

    def polled(self, statuses: Statuses) -> None:
        """The table anew."""
        self._live.update(make_table(statuses, silent=self._silent), refresh=True)

    def ready(self, seconds: float) -> None:
        """The addresses, above the table."""
        self._silent = "no answer"
        self._live.stop()
        print_addresses(self._layout, self._options)
        click.echo(f"ready after {seconds:.1f} s; Ctrl-C stops the network")
        # a display that is started again takes its old height for lines of its own, and would write over the addresses
        self._live = self._open()

    def note(self, sentence: str) -> None:
        """Something that happened, above the table."""
        self._live.console.print(sentence, markup=False)

    def close(self) -> None:
        """Leaves the last table where it is."""
        self._live.stop()


def make_table(statuses: Statuses, observers: Statuses = (), silent: str = "no answer") -> Table:
    """How every node and chain stands; `observers` are nodes that run elsewhere, `silent` is said of those that do not answer."""
    from rich.table import Column, Table

    table = Table(Column("node", no_wrap=True), "chain", "head", "safe", "finalized", "base fee", "pending", "peers")
    names = [str(index) for index in range(len(statuses))] + [f"observer {index}" for index in range(len(observers))]
    for name, status in zip(names, [*statuses, *observers], strict=True):
        if status is None:
            table.add_row(name, silent)
            continue
        for i, chain in enumerate(status.chains):
            table.add_row(
                name if i == 0 else "",
                chain.name,
                str(chain.head.number),
                str(chain.safe.number),
                str(chain.finalized.number),
                "" if chain.base_fee is None else show_gas_price(chain.base_fee),
                "" if chain.pending is None else str(chain.pending),
                str(status.peers) if i == 0 else "",
            )
    return table


def choose_display(layout: Layout, options: Options, as_json: bool) -> Observer:
    """What fits where the output goes."""
    if as_json:
        return JsonDisplay(layout, options)
    return TableDisplay(layout, options) if sys.stdout.isatty() else LineDisplay(layout, options)

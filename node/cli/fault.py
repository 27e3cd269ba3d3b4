"""`shardnet fault`."""

from __future__ import annotations

import re
from pathlib import Path

import click

from node.cli.chaos import Duration, for_seconds, require_devnet, suffer
from node.cli.options import as_json, data_dir
from node.cluster.bundle_faults import KINDS, ChannelFault
from primitives.errors import InvalidConfig

DELAY_SECONDS_MAX = 60.0
_NONCE_MAX = 2**63 - 1
_NONCES = re.compile("nonce=([0-9]{1,20})(?:-([0-9]{1,20}))?")
_RECEIPT = re.compile("id=(0x[0-9a-fA-F]{64})")
_CHANNEL = re.compile("([0-9]{1,4}):([0-9]{1,4})")


@click.command(epilog="Example: shardnet fault drop --channel 0:1 --for 20s   (or: shardnet fault hold --channel 0:1 --match nonce=5-9)")
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--channel", required=True, metavar="A:B", help="From shard A to shard B.")
@click.option("--node", "nodes", type=int, multiple=True, help="At this node (again for more); without it, at every node.")
@click.option("--match", metavar="WHAT", help="Only pages with such a receipt: nonce=7, nonce=5-9 or id=0x...")
@click.option("--delay", type=Duration(), default=None, help="How much later, for delay.  [default: 500ms]")
@for_seconds
@data_dir
@as_json
def fault(
    kind: str, channel: str, nodes: tuple[int, ...], match: str | None, delay: float | None, seconds: float, data_dir: Path, as_json: bool
) -> None:
    """Hold, drop, duplicate, reorder, delay or corrupt the pages of receipts of one channel for a while.

    It is on the way between shards, at nodes of a network for development: from a node's own executor, into gossip, and in
    answers to peers. It ends by itself, or at Ctrl-C; what did not come is fetched then.
    """
    layout, options = require_devnet(data_dir)
    order = parse_channel(channel, options.shards) | parse_match(match) | {"kind": kind}
    if kind == "delay":
        order["delay_ms"] = round((0.5 if delay is None else delay) * 1000)
        if delay is not None and delay > DELAY_SECONDS_MAX:
            raise InvalidConfig("--delay", f"is at most {DELAY_SECONDS_MAX:g}s: what is to come later is held, with shardnet fault hold")
    elif delay is not None:
        raise InvalidConfig("--delay", f"is for delay: shardnet fault {kind} takes none")
    for node in nodes:
        if not 0 <= node < options.nodes:
            raise click.BadParameter(f"the network in {data_dir} has nodes 0 to {options.nodes - 1}", param_hint="'--node'")
    suffer(ChannelFault(layout, options, sorted(set(nodes)) or list(range(options.nodes)), order), seconds, as_json)


def parse_channel(text: str, shards: int) -> dict[str, object]:
    """Source and destination of a channel written as `0:1`.

    Raises:
        InvalidConfig: it is no channel of the network.
    """
    found = _CHANNEL.fullmatch(text)
    if found is None or max(int(found[1]), int(found[2])) >= shards or int(found[1]) == int(found[2]):
        raise InvalidConfig("--channel", f"{text!r} is no channel: write A:B with two different shards of 0 to {shards - 1}")
    return {"source": int(found[1]), "destination": int(found[2])}


def parse_match(text: str | None) -> dict[str, object]:
    """Which pages: `nonce=7`, `nonce=5-9` (both included) or `id=0x...`; None is all.

    Raises:
        InvalidConfig: it is none of these.
    """
    if text is None:
        return {}
    if found := _NONCES.fullmatch(text):
        first, last = int(found[1]), int(found[2] or found[1])
        if first <= last <= _NONCE_MAX:
            return {"first_nonce": first, "last_nonce": last}
    elif found := _RECEIPT.fullmatch(text):
        return {"receipt": found[1].lower()}
    raise InvalidConfig("--match", f"{text} names no receipts: write nonce=7, nonce=5-9, or id= and the 64 hex digits of a receipt's id")

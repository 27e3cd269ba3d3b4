"""`shardnet chaos`."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click

from node.cli.options import as_json, data_dir, print_json
from node.cluster.chaos import Fault, Kill, Partition, Pause, Slow, await_progress, newest_final, parse_groups
from node.cluster.command import own_command
from node.cluster.layout import Layout, Options, require_options
from primitives.errors import InvalidConfig, UserError

_WAYS = {"own": "pages from executors", "push": "into gossip", "answer": "in answers to peers"}
SECONDS_MIN, SECONDS_MAX = 0.1, 3600.0
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "": 1.0}


class Duration(click.ParamType[float]):
    """A time such as `30s`, `500ms` or `2m`; becomes seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        if isinstance(value, float):
            return value
        number = str(value).rstrip("ms")
        unit = str(value)[len(number) :]
        try:
            seconds = float(number) * _UNITS[unit]
        except (ValueError, KeyError):
            self.fail(f"{value!r} is not a time: write it as 30s, 500ms or 2m", param, ctx)
        if not SECONDS_MIN <= seconds <= SECONDS_MAX:
            self.fail(f"{value} is out of range: {SECONDS_MIN:g} s to {SECONDS_MAX / 60:g} m", param, ctx)
        return seconds


for_seconds = click.option(
    "--for", "seconds", type=Duration(), default="30s", show_default=True, help="How long; then it is made whole again."
)


@click.group(epilog="Example: shardnet chaos partition 0,1/2,3 --for 30s")
def chaos() -> None:
    """Break a local network on purpose for a while: partition, kill, pause or slow; each takes --for and --json.

    It is made whole again at the end, or at Ctrl-C, and then told how long each chain took to go on.
    """


@chaos.command(
    short_help="Part the nodes into groups.",
    epilog="Example: shardnet chaos partition 0,1/2,3 --for 30s   (or, one node against all others: shardnet chaos partition 3)",
)
@click.argument("groups", metavar="GROUPS")
@for_seconds
@data_dir
@as_json
def partition(groups: str, seconds: float, data_dir: Path, as_json: bool) -> None:
    """Part the nodes into GROUPS that do not hear each other, such as 0,1/2,3."""
    layout, options = require_devnet(data_dir)
    suffer(Partition(layout, options, parse_groups(groups, options.nodes)), seconds, as_json)


@chaos.command(short_help="Kill a node, and start it again.", epilog="Example: shardnet chaos kill 2 --for 10s")
@click.argument("node", type=int)
@for_seconds
@data_dir
@as_json
def kill(node: int, seconds: float, data_dir: Path, as_json: bool) -> None:
    """Kill the process of NODE, as kill -9 does, and start it again after a while."""
    layout, options = require_devnet(data_dir, node)
    suffer(Kill(layout, options, node), seconds, as_json)


@chaos.command(short_help="Have a node stand still.", epilog="Example: shardnet chaos pause 1 --for 15s")
@click.argument("node", type=int)
@for_seconds
@data_dir
@as_json
def pause(node: int, seconds: float, data_dir: Path, as_json: bool) -> None:
    """Have the process of NODE stand still."""
    layout, options = require_devnet(data_dir, node)
    suffer(Pause(layout, options, node), seconds, as_json)


@chaos.command(short_help="Delay what a node says.", epilog="Example: shardnet chaos slow 3 --delay 800ms --for 1m")
@click.argument("node", type=int)
@click.option("--delay", type=Duration(), default="500ms", show_default=True, help="On top, for all that the node gossips.")
@for_seconds
@data_dir
@as_json
def slow(node: int, delay: float, seconds: float, data_dir: Path, as_json: bool) -> None:
    """Have everything that NODE says to the others take longer."""
    if delay > 60:
        raise InvalidConfig("--delay", "is at most 60s: a node that says nothing for longer is paused, with shardnet chaos pause")
    layout, options = require_devnet(data_dir, node)
    suffer(Slow(layout, options, node, round(delay * 1000)), seconds, as_json)


def require_devnet(folder: Path, node: int = 0) -> tuple[Layout, Options]:
    """A network that may be broken, which has a node of this number.

    Raises:
        UserError: it is not for development, or does not run.
    """
    layout = Layout(folder)
    options = require_options(layout)
    if not json.loads(layout.genesis.read_text())["parameters"]["devnet"]:
        raise UserError(f"the network in {folder} is not for development: nothing of it is broken on purpose")
    if not 0 <= node < options.nodes:
        raise click.BadParameter(f"the network in {folder} has nodes 0 to {options.nodes - 1}", param_hint="'NODE'")
    if not newest_final(options):
        raise UserError(f"no node of {folder} answers: start the network with {own_command('up', folder)}")
    return layout, options


def suffer(fault: Fault, seconds: float, as_json: bool) -> None:
    """Begins a fault, ends it after its time, and tells about it and what came after."""
    def tell(event: str, sentence: str, **fields: object) -> None:
        if as_json:
            print_json({"event": event} | fields)
        else:
            click.echo(sentence)

    with _orderly_end():
        try:
            fault.begin(seconds)
            tell("began", f"{fault.sentence}, for {seconds:g} s; Ctrl-C ends it at once", fault=fault.sentence, seconds=seconds)
            fault.wait(seconds)
        except KeyboardInterrupt:
            tell("interrupted", "ended before its time")
        if met := fault.met():
            tell("met", "it met " + ", ".join(f"{pages} {_WAYS[way]}" for way, pages in met.items()), pages=met)
        _end(fault)
        since = newest_final(fault.options)
        pace = f"an idle chain has one every {fault.options.idle_block_time_ms / 1000:g} s"
        tell("ended", f"whole again; next is a new final block of each chain at every node ({pace})", final=since)
        for chain, taken in await_progress(fault, since):
            tell("went_on", f"{chain} has it after {taken:.1f} s", chain=chain, seconds=round(taken, 2))


def _end(fault: Fault) -> None:
    try:
        fault.end()
    except KeyboardInterrupt:
        fault.require_network()
        raise UserError(f"stopped before it was whole again: {fault.remedy}") from None
    except UserError:
        # why a node of a network that is being stopped takes no order is no news
        fault.require_network()
        raise
    fault.require_network()


@contextmanager
def _orderly_end() -> Iterator[None]:
    """SIGTERM makes the network whole again, as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

"""`shardnet down`, `status` and `logs`: what acts on a folder's network."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from node.cli.display import make_table
from node.cli.options import as_json, data_dir, print_json, show_coins
from node.cluster.bundle_faults import describe
from node.cluster.command import own_command
from node.cluster.health import ask_health
from node.cluster.layout import Layout, Options, require_options
from node.cluster.logfiles import Follower, has_said, parse_line, read_lines
from node.cluster.processes import find_nodes, terminate, why_silent
from node.cluster.status import NodeStatus, Watcher, ask_at
from node.cluster.supervisor import find_supervisor, read_state
from primitives.errors import StartupRefused, UserError

STOP_SECONDS_MAX = 12.0
"""For a supervisor to stop its nodes and itself."""
_WATCH_SECONDS = 0.1


@click.command(epilog="Example: shardnet down")
@data_dir
@as_json
def down(data_dir: Path, as_json: bool) -> None:
    """Stop the network that runs on a folder; its chains stay."""
    layout = Layout(data_dir)
    options = require_options(layout)
    supervisor = find_supervisor(layout)
    if supervisor is not None:
        os.kill(supervisor, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS_MAX
        while find_supervisor(layout) is not None:
            if time.monotonic() > deadline:
                again = own_command("down", data_dir)
                raise UserError(f"process {supervisor} does not stop: end it with kill -9 {supervisor}, then run {again} again")
            time.sleep(_WATCH_SECONDS)
    nodes = find_nodes(layout, options)
    forced = terminate(nodes.values())
    was_running = supervisor is not None or bool(nodes)
    if as_json:
        print_json({"was_running": was_running, "forced": forced})
    else:
        click.echo(f"stopped; {own_command('up', data_dir)} goes on with the chains" if was_running else f"nothing runs on {data_dir}")


@click.command(epilog="Example: shardnet status --json")
@data_dir
@click.option("--observer", "observers", multiple=True, metavar="URL", help="JSON-RPC address of an observer to show too; again for more.")
@as_json
def status(data_dir: Path, observers: tuple[str, ...], as_json: bool) -> int:
    """Show head, safe and finalized block, epoch, view, peers, pending transactions and process of each node."""
    layout = Layout(data_dir)
    options = require_options(layout)
    others = [ask_at(url) for url in observers]
    watcher = Watcher(options)
    statuses = watcher.ask_all(with_views=True)
    watcher.close()
    healths = [None if status is None else ask_health(options, node) for node, status in enumerate(statuses)]
    pids, supervisor = find_nodes(layout, options), find_supervisor(layout)
    if as_json:
        state = read_state(layout).get("state", "unknown") if supervisor is not None else "stopped"
        entries = [_entry(layout, options, index, node, pids) | _wellness(healths[index]) for index, node in enumerate(statuses)]
        error = {} if any(statuses) else {"error": _stopped(data_dir, pids)}
        guests = [{"rpc": url, "answers": node is not None} | _standing(node) for url, node in zip(observers, others, strict=True)]
        shown = {"nodes": entries} | ({"observers": guests} if guests else {})
        print_json({"data_dir": str(data_dir), "supervisor": {"pid": supervisor, "state": state}} | shown | error)
    else:
        _print_status(layout, options, statuses, others, pids)
        _print_wellness(healths)
    if not any(statuses):
        return _tell_stopped(data_dir, pids, as_json)
    return 0


def _tell_stopped(data_dir: Path, pids: Mapping[int, int], as_json: bool) -> int:
    """The exit code; for programs the one document says it all."""
    if not as_json:
        click.echo(f"error: {_stopped(data_dir, pids)}", err=True)
    return UserError.exit_code


def _stopped(data_dir: Path, pids: Mapping[int, int]) -> str:
    if pids:
        return f"no node of {data_dir} answers: they are starting, or stand still, {own_command('logs', data_dir)} tells more"
    return f"no node of {data_dir} answers: start the network with {own_command('up', data_dir)}"


def _entry(layout: Layout, options: Options, index: int, status: NodeStatus | None, pids: Mapping[int, int]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "index": index, "pid": pids.get(index), "rpc": options.url(index), "peer": layout.peer_address(options, index),
        "answers": status is not None, "problem": None if status is not None else why_silent(layout, pids, index),
    }  # fmt: skip
    return entry | _standing(status)


def _standing(status: NodeStatus | None) -> dict[str, Any]:
    if status is None:
        return {"ready": False, "peers": None, "chains": [], "slashed": []}
    slashed = [asdict(one) | {"stake": str(one.stake)} for one in status.slashed]
    return {"ready": status.is_ready, "peers": status.peers, "chains": [asdict(chain) for chain in status.chains], "slashed": slashed}


def _wellness(health: dict[str, Any] | None) -> dict[str, Any]:
    return {name: [] if health is None else health[name] for name in ("problems", "faults", "waiting")}


def _print_wellness(healths: Sequence[dict[str, Any] | None]) -> None:
    for index, health in enumerate(healths):
        for problem in _wellness(health)["problems"]:
            click.echo(f"node {index}  unhealthy: {problem}")
        for one in _wellness(health)["waiting"]:
            first, last = one["nonces"]
            click.echo(f"node {index}  lacks receipts {first} to {last} of channel {one['channel']}, for {one['seconds']:g} s")
        for one in _wellness(health)["faults"]:
            click.echo(f"node {index}  fault on purpose: {describe(one)}")


def _print_status(
    layout: Layout, options: Options, statuses: list[NodeStatus | None], others: list[NodeStatus | None], pids: dict[int, int]
) -> None:
    from rich.console import Console

    table = make_table(statuses, others)
    Console(width=None).print(table)
    for index, node in enumerate(statuses):
        chains = "" if node is None else "; ".join(f"{c.name} epoch {_or_dash(c.epoch)} view {_or_dash(c.view)}" for c in node.chains)
        click.echo(f"node {index}  process {_or_dash(pids.get(index))}  {options.url(index)}  {'no answer' if node is None else chains}")
        click.echo(f"node {index}  peer address  {layout.peer_address(options, index)}")
    for index in [index for index, node in enumerate(statuses) if node is None and any(statuses)]:
        click.echo(why_silent(layout, pids, index))
    known = max((node.slashed for node in statuses if node is not None), key=len, default=())
    for one in known:
        left = f"{show_coins(one.stake)} coins of its stake are left"
        click.echo(f"slashed: validator {one.validator} by beacon block {one.beacon_height}; {left}")


def _or_dash(value: int | None) -> str:
    return "-" if value is None else str(value)


@click.command(epilog="Example: shardnet logs --node 2 -f")
@data_dir
@click.option("--node", type=click.IntRange(0), help="One node; without it, all.")
@click.option("-n", "--lines", type=click.IntRange(0, 100_000), default=50, show_default=True, help="Lines of each node.")
@click.option("-f", "--follow", is_flag=True, help="Go on until Ctrl-C.")
@as_json
def logs(data_dir: Path, node: int | None, lines: int, follow: bool, as_json: bool) -> None:
    """Show what the nodes said, all of them by time."""
    layout = Layout(data_dir)
    options = require_options(layout)
    if node is not None and node >= options.nodes:
        raise click.BadParameter(f"the network in {data_dir} has nodes 0 to {options.nodes - 1}", param_hint="'--node'")
    chosen = [index for index in (range(options.nodes) if node is None else [node]) if has_said(layout, index)]
    if not chosen:
        raise StartupRefused(f"no node of {data_dir} has said anything yet: start the network with {own_command('up', data_dir)}")
    # opened before the last lines are read: nothing that is said in between is missed
    with closing(Follower(layout, chosen if follow else [])) as follower:
        for line in read_lines(layout, chosen, lines):
            _print_line(line.node, line.text, as_json, is_alone=node is not None)
        for index, text in follower.lines() if follow else ():
            _print_line(index, text, as_json, is_alone=node is not None)


def _print_line(index: int, line: str, as_json: bool, is_alone: bool) -> None:
    if as_json:
        print_json({"node": index, "line": parse_line(line)})
    else:
        click.echo(line if is_alone else f"node {index} | {line}")

"""Orders to a node that runs: given one after the other, whoever gives them, and each taken before the next (node/chaos.py takes them)."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil

from node.cluster.command import node_command
from node.cluster.health import ask_health
from node.cluster.layout import Layout, Options, replace_file
from node.cluster.processes import stands_still, why_silent
from primitives.errors import UserError

ORDER_FILE = "chaos.json"
LOCK_FILE = "chaos.lock"
"""Held by the command that gives the node an order, and names its process."""
OBEY_SECONDS_MAX = 5.0
"""For a node to answer, and then to take an order."""
TURN_SECONDS_MAX = 30.0
"""For the commands that were there before: each has its turn for twice `OBEY_SECONDS_MAX` at most."""
POLL_SECONDS = 0.05


class NotTaken(UserError):
    """A node takes no order."""


@contextmanager
def turn(layout: Layout, node: int) -> Iterator[None]:
    """Keeps other commands from a node meanwhile, in this process and in others.

    Raises:
        NotTaken: another command has its turn for too long; it is named.
    """
    with (layout.node(node) / LOCK_FILE).open("a+") as lock:
        deadline = time.monotonic() + TURN_SECONDS_MAX
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    lock.seek(0)
                    holder = lock.read() or "unknown"
                    raise NotTaken(
                        f"node {node} is given orders by another command (process {holder}) for more than {TURN_SECONDS_MAX:g} s: "
                        "try again when that has ended"
                    ) from None
            time.sleep(POLL_SECONDS)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def give(
    layout: Layout, options: Options, node: int, process: int, order: dict[str, object], check: Callable[[], None] | None = None
) -> None:
    """Has a node carry an order out; returns when it has taken it, and `check` has found nothing wrong, before anybody else's turn.

    Raises:
        NotTaken: it does not take it: then nothing of it is left.
        UserError: as `check` raises it.
    """
    path = layout.node(node) / ORDER_FILE
    with turn(layout, node):
        # before it answers nobody there waits for the signal, which would end it
        _await(layout, node, process, lambda: ask_health(options, node) is not None)
        replace_file(path, json.dumps(order), mode=0o600)
        try:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGUSR1)
            _await(layout, node, process, lambda: not path.exists())
        except NotTaken:
            try:
                path.unlink()
            except FileNotFoundError:
                return  # taken at the last moment
            raise
        finally:
            path.unlink(missing_ok=True)
        if check is not None:
            check()


def _await(layout: Layout, node: int, process: int, is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + OBEY_SECONDS_MAX
    while stands_still(process) or not is_done():
        if not psutil.pid_exists(process):
            raise NotTaken(f"node {node} (process {process}) has ended; {node_command(layout.config(node))} starts it again")
        if time.monotonic() > deadline or stands_still(process):
            raise NotTaken(f"no order is taken: {why_silent(layout, {node: process}, node)}")
        time.sleep(POLL_SECONDS)

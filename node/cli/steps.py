"""The steps of what a command sent, on the screen as they happen."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import click

from node.cli.journey import NotDone, Step
from node.cli.options import print_json
from node.cluster.command import Place


def told(steps: Iterable[Step], place: Place, as_json: bool) -> Iterator[Step]:
    """The steps, each printed when it has happened.

    Raises:
        NotDone: the user stopped it when something had been sent: that goes on, and the sentence says so.
        KeyboardInterrupt: the user stopped it before.
    """
    began, sent = time.monotonic(), None
    try:
        for step in steps:
            seconds = time.monotonic() - began
            if as_json:
                print_json({"step": step.name, "seconds": round(seconds, 3), **step.details})
            else:
                click.echo(f"{seconds:6.2f} s  {step.sentence}")
            sent = step.details["hash"] if step.name == "sent" else sent
            yield step
    except KeyboardInterrupt:
        if sent is None:
            raise
        raise NotDone(f"stopped watching: {sent} goes on without this command, and {place.command('status')} shows the chains") from None

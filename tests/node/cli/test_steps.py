"""What a command says of a transaction that it no longer watches."""

from collections.abc import Iterator

import pytest

from node.cli.journey import NotDone, Step
from node.cli.steps import told
from node.cluster.command import Place
from tests.node.cli.test_commands import Captured

HASH = "0x" + "aa" * 32


def stopped_after(*steps: Step) -> Iterator[Step]:
    yield from steps
    raise KeyboardInterrupt


def test_who_stops_it_hears_that_what_was_sent_goes_on(capsys: Captured) -> None:
    with pytest.raises(NotDone, match=f"stopped watching: {HASH} goes on without this command"):
        list(told(stopped_after(Step("sent", "sent", {"hash": HASH}), Step("included", "included", {"hash": "other"})), Place(), False))
    assert capsys.readouterr().out.count("\n") == 2


def test_before_anything_is_sent_there_is_nothing_to_say_of_it() -> None:
    with pytest.raises(KeyboardInterrupt):
        list(told(stopped_after(Step("waits", "waits")), Place(), True))

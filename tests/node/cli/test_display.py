"""What `up` and `status` show of nodes and prices."""

from pathlib import Path

import pytest

from node.cli.display import TableDisplay
from node.cli.options import show_gas_price
from node.cluster.files import write_network
from node.cluster.layout import Layout, Options


@pytest.mark.parametrize(("wei", "shown"), [(7, "7 wei"), (1_840, "1,840 wei"), (1_000_000, "0.001 gwei"), (875_000_000, "0.875 gwei")])
def test_a_gas_price_is_in_a_unit_that_can_be_read(wei: int, shown: str) -> None:
    assert show_gas_price(wei) == shown


def test_a_node_that_does_not_answer_yet_is_starting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = Options(nodes=1, shards=1)
    write_network(tmp_path, options)
    display = TableDisplay(Layout(tmp_path), options)
    display.polled([None])
    display.ready(1.0)
    before = capsys.readouterr().out
    display.polled([None])
    display.close()
    assert "starting" in before
    assert "no answer" not in before
    assert "no answer" in capsys.readouterr().out

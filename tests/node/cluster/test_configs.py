"""What a start writes into its nodes' configurations."""

import tomllib
from pathlib import Path

import pytest

from node.cluster.configs import settle_configs
from node.cluster.files import write_network
from node.cluster.layout import Layout, Options
from node.config import load_config
from primitives.errors import InvalidConfig


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    write_network(tmp_path, Options(nodes=2))
    return Layout(tmp_path)


def settings(layout: Layout, name: str) -> list[object]:
    return [tomllib.loads(layout.config(node).read_text()).get(name) for node in range(2)]


def test_a_start_without_personas_makes_all_honest_again(layout: Layout) -> None:
    settle_configs(layout, Options(nodes=2), {1: "double-voter"})
    assert settings(layout, "persona") == [None, "double-voter"]
    settle_configs(layout, Options(nodes=2), {})
    assert settings(layout, "persona") == [None, None]


def test_a_node_started_by_hand_logs_where_and_how_the_others_do(layout: Layout) -> None:
    settle_configs(layout, Options(nodes=2), {}, "json")
    config = load_config(layout.config(1), {})
    assert (config.log_file, config.log_format) == (layout.log(1), "json")
    settle_configs(layout, Options(nodes=2), {})
    assert settings(layout, "log_format") == [None, None]


def test_a_configuration_that_cannot_be_read(layout: Layout) -> None:
    layout.config(0).write_text("no toml =")
    with pytest.raises(InvalidConfig, match="use --fresh"):
        settle_configs(layout, Options(nodes=2), {})

"""Personas as a command names them, and as configurations hold them."""

import tomllib

import pytest

from node.cluster.files import write_network
from node.cluster.layout import Layout, Options
from node.cluster.personas import parse_personas, write_personas
from primitives.errors import InvalidConfig


def test_personas_are_named_with_their_nodes():
    assert parse_personas(["double-voter@2", "vote-withholder@0"], 7) == {2: "double-voter", 0: "vote-withholder"}
    assert parse_personas([], 1) == {}


@pytest.mark.parametrize(
    ("texts", "nodes", "sentence"),
    [
        (["saint@1"], 4, "there is no persona 'saint': name one of double-voter, "),
        (["double-voter"], 4, "write double-voter@N with N from 0 to 3"),
        (["double-voter@4"], 4, "write double-voter@N with N from 0 to 3"),
        (["double-voter@-1"], 4, "write double-voter@N with N from 0 to 3"),
        (["double-voter@1", "vote-withholder@1"], 7, "node 1 has a persona already"),
        (["double-voter@1", "vote-withholder@2"], 4, "a third or more, which no agreement survives: start at least 7 nodes"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(texts, nodes, sentence):
    with pytest.raises(InvalidConfig, match=sentence):
        parse_personas(texts, nodes)


def test_a_start_without_them_makes_all_honest_again(tmp_path):
    options, layout = Options(nodes=2), Layout(tmp_path)
    write_network(tmp_path, options)
    before = [layout.config(node).read_text() for node in range(2)]
    write_personas(layout, options, {1: "double-voter"})
    assert [tomllib.loads(layout.config(node).read_text()).get("persona") for node in range(2)] == [None, "double-voter"]
    write_personas(layout, options, {})
    assert [tomllib.loads(layout.config(node).read_text()) for node in range(2)] == [tomllib.loads(text) for text in before]
    layout.config(0).write_text("no toml =")
    with pytest.raises(InvalidConfig, match="use --fresh"):
        write_personas(layout, options, {})

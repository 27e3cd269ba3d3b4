"""Personas as a command names them, and as configurations hold them."""

import pytest

from node.cluster.personas import parse_personas
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

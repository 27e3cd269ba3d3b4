"""The Grafana dashboard and what its queries name."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from tests.docker.dockerfile import ROOT

PROVISIONING = ROOT / "docker" / "grafana" / "provisioning"
TARGET_LABELS = {"instance", "job"}
"""Prometheus adds them to all it scrapes."""
FUNCTIONS = {"abs", "deriv", "histogram_quantile", "max", "min", "rate", "sum", "vector"}
_GROUPING = {"by", "without"}
_OPERATORS = {"or", "and", "unless", "bool"}
_TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|(\[\d+[smhd]\])|([a-zA-Z_][a-zA-Z0-9_]*)|(\d+(?:\.\d+)?)|(!=|=~|!~|[-+*/(){},=<>]))')


class Named(NamedTuple):
    """A metric that a query reads."""

    metric: str
    labels: frozenset[str]
    """That it must have: matched, and grouped by."""
    values: frozenset[tuple[str, str]]
    """Labels with the value they must have."""


def dashboard() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((PROVISIONING / "dashboards" / "shardnet.json").read_text())
    return read


def graphs() -> list[dict[str, Any]]:
    """Panels that show something."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def targets() -> list[tuple[str, str]]:
    """Query and legend."""
    return [(target["expr"], target["legendFormat"]) for panel in graphs() for target in panel["targets"]]


def tokens(query: str) -> list[str]:
    found, at = [], 0
    while at < len(query.rstrip()):
        match = _TOKEN.match(query, at)
        assert match is not None, f"{query}: cannot be read from {query[at:]!r} on"
        found.append(match[match.lastindex or 0])
        at = match.end()
    return found


def _list_in(words: list[str], at: int) -> tuple[list[str], int]:
    """Names between the parenthesis at `at` and its end, and where it goes on."""
    end = words.index(")", at)
    return [word for word in words[at + 1 : end] if word != ","], end + 1


def parse(query: str) -> list[Named]:
    """The metrics of a query. Labels of a grouping belong to every metric inside the aggregation."""
    words = tokens(query)
    found: list[Named] = []
    groups: list[tuple[int, frozenset[str]]] = []
    depth, at, pending = 0, 0, frozenset[str]()
    while at < len(words):
        word, following = words[at], words[at + 1] if at + 1 < len(words) else ""
        if word in _GROUPING:
            names, at = _list_in(words, at + 1)
            assert words[at] == "(", f"{query}: a grouping stands before what it groups"
            pending = frozenset(names)
            continue
        if word == "(":
            depth += 1
            groups.append((depth, pending))
            pending = frozenset()
        elif word == ")":
            groups.pop()
            depth -= 1
        elif re.fullmatch(r"[a-zA-Z_]\w*", word) and word not in _OPERATORS:
            if following == "(" or following in _GROUPING:
                assert word in FUNCTIONS, f"{query}: {word} is no function that is used here"
            else:
                labels, values = frozenset[str](), frozenset[tuple[str, str]]()
                if following == "{":
                    end = words.index("}", at)
                    inside = [part for part in words[at + 2 : end] if part != ","]
                    matchers = [inside[i : i + 3] for i in range(0, len(inside), 3)]
                    labels = frozenset(name for name, _, _ in matchers)
                    values = frozenset((name, value[1:-1]) for name, operator, value in matchers if operator == "=")
                    at = end
                found.append(Named(word, labels.union(*(names for _, names in groups)), values))
        at += 1
    assert depth == 0, f"{query}: parentheses do not match"
    return found

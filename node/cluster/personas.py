"""Which nodes of a local network break the rules on purpose (node/personas.py)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Final

import tomli_w

from node.cluster.layout import Layout, Options, replace_file
from primitives.errors import InvalidConfig

PERSONA_NAMES: Final = ("double-voter", "equivocating-proposer", "vote-withholder", "block-withholder", "certificate-forger")
"""Those that a node can have; named here for commands that start quickly."""


def parse_personas(texts: Sequence[str], nodes: int) -> dict[int, str]:
    """Personas by node, each written as `NAME@NODE`.

    Raises:
        InvalidConfig: one is not, or a third of the nodes or more would break the rules.
    """
    found: dict[int, str] = {}
    for text in texts:
        name, _, node = text.partition("@")
        if name not in PERSONA_NAMES:
            raise InvalidConfig("--persona", f"there is no persona {name!r}: name one of {', '.join(PERSONA_NAMES)}, as double-voter@2")
        if not node.isdecimal() or int(node) >= nodes:
            raise InvalidConfig("--persona", f"{text!r} names no node: write {name}@N with N from 0 to {nodes - 1}")
        if int(node) in found:
            raise InvalidConfig("--persona", f"node {node} has a persona already: give it one")
        found[int(node)] = name
    if found and 3 * len(found) >= nodes:
        fewest = 3 * len(found) + 1
        raise InvalidConfig(
            "--persona", f"{len(found)} of {nodes} nodes are a third or more, which no agreement survives: start at least {fewest} nodes"
        )
    return found


def write_personas(layout: Layout, options: Options, personas: Mapping[int, str]) -> None:
    """Gives each node of a folder its persona, and takes it from all others.

    Raises:
        InvalidConfig: a configuration cannot be read.
    """
    for node in range(options.nodes):
        path = layout.config(node)
        try:
            settings = tomllib.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise InvalidConfig("", f"{path} cannot be changed ({error}): use --fresh") from error
        changed = {name: value for name, value in settings.items() if name != "persona"}
        if node in personas:
            changed["persona"] = personas[node]
        if changed != settings:
            replace_file(path, tomli_w.dumps(changed))

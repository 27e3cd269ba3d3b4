"""Which nodes of a local network break the rules on purpose (node/personas.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from primitives.errors import InvalidConfig

PERSONA_NAMES: Final = (
    "double-voter", "equivocating-proposer", "vote-withholder", "block-withholder", "lagger", "height-liar", "bundle-withholder",
    "invalid-root-proposer", "certificate-forger", "slow-proposer",
)  # fmt: skip
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

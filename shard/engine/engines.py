"""The engines by name: what they come to is the same, so every node may choose its own."""

from __future__ import annotations

from primitives.parameters import Parameters
from shard.engine.fast import FastEngine
from shard.engine.interface import Engine, NodeReader
from shard.engine.reference import ReferenceEngine

ENGINES: dict[str, type[ReferenceEngine]] = {"reference": ReferenceEngine, "fast": FastEngine}
"""By what `engine` of a node's configuration may be."""
DEFAULT_ENGINE = "fast"


def make_engine(name: str, parameters: Parameters, shard: int, reader: NodeReader) -> Engine:
    """An engine of chain `shard` that reads state from `reader`; `name` is one of `ENGINES`."""
    return ENGINES[name](parameters, shard, reader)

"""The engines by name: what they come to is the same, so every node may choose its own.

The EVM library takes a second of a processor to load: only a process that executes does so.
"""

from __future__ import annotations

from primitives.parameters import Parameters
from shard.engine.interface import Engine, NodeReader

ENGINES = ("reference", "fast")
"""What `engine` of a node's configuration may be."""
DEFAULT_ENGINE = "fast"


def make_engine(name: str, parameters: Parameters, shard: int, reader: NodeReader) -> Engine:
    """An engine of chain `shard` that reads state from `reader`; `name` is one of `ENGINES`."""
    if name == "fast":
        from shard.engine.fast import FastEngine

        return FastEngine(parameters, shard, reader)
    from shard.engine.reference import ReferenceEngine

    return ReferenceEngine(parameters, shard, reader)

"""The reference engine."""

from shard.engine.reference.engine import ReferenceEngine

__all__ = ["ReferenceEngine"]

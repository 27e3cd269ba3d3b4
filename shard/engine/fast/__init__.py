"""The fast engine: hot code of contracts is translated to Python."""

from shard.engine.fast.engine import FastEngine

__all__ = ["FastEngine"]

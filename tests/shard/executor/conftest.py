"""Every test runs on both engines."""

from tests.shard.executor import support
from tests.shard.fast.eager import both_engines

engine = both_engines(support)

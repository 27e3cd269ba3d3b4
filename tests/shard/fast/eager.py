"""The fast engine, translating at once."""

from shard.engine.fast import FastEngine
from shard.engine.fast.programs import Programs


class EagerEngine(FastEngine):
    """As FastEngine; code that ran once is translated."""

    def __init__(self, parameters, shard, reader):
        super().__init__(parameters, shard, reader)
        self.programs = Programs(hot_runs=1, run_per_translated=0)
        self.call_programs = Programs(hot_runs=1, run_per_translated=0)

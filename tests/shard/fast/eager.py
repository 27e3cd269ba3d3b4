"""The fast engine, translating at once."""

from shard.engine.fast import FastEngine
from shard.engine.fast.programs import Programs


class EagerEngine(FastEngine):
    """As FastEngine; every place is translated before it runs."""

    def __init__(self, parameters, shard, reader):
        super().__init__(parameters, shard, reader)
        self.programs = Programs(hot_runs=0, run_per_translated=0)
        self.call_programs = Programs(hot_runs=0, run_per_translated=0)

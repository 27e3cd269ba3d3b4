"""The fast engine, translating at once, and tests that run on it and on the reference."""

import pytest

from shard.engine.fast import FastEngine
from shard.engine.fast.programs import Programs


class EagerEngine(FastEngine):
    """As FastEngine; every place is translated before it runs."""

    def __init__(self, parameters, shard, reader):
        super().__init__(parameters, shard, reader)
        self.programs = Programs(hot_runs=0, run_per_translated=0)
        self.call_programs = Programs(hot_runs=0, run_per_translated=0)


def both_engines(support):
    """A fixture that runs every test of a module on both; `support.ENGINE` is what shards are made with."""

    @pytest.fixture(scope="module", autouse=True, params=["reference", "fast"])
    def engine(request):
        with pytest.MonkeyPatch.context() as patch:
            if request.param == "fast":
                patch.setattr(support, "ENGINE", EagerEngine)
            yield

    return engine

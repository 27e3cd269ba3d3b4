"""A meter changes nothing of what the public state tests expect; tests/conformance runs all of them without one."""

import json
from pathlib import Path

from tests.shard.engine.state_tests import data, kind_of, run

VECTORS = Path(__file__).parents[2] / "vectors" / "eest"


def posts(name):
    for test in json.loads((VECTORS / f"{name}.json").read_text()).values():
        for post in test["post"]["Prague"]:
            yield test, post


def test_metered_execution_ends_in_the_same_state():
    calls = 0

    def meter():
        nonlocal calls
        calls += 1

    for name in ("static__stCreate2", "static__stRevertTest", "prague__eip7702_set_code_tx", "static__stPreCompiledContracts2"):
        for test, post in posts(name):
            if kind_of(post) != 3 and "expectException" not in post:
                assert run(test, post, meter).state_root == data(post["hash"])
    assert calls > 1000

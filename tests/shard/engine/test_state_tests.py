"""The public state tests: same post-state root and logs, or a rejection where one is expected."""

import json
from pathlib import Path

import pytest

from tests.shard.engine.state_tests import data, kind_of, run

VECTORS = Path(__file__).parents[2] / "vectors" / "eest"
FILES = sorted(path.stem for path in VECTORS.glob("*.json"))
# Other blob transactions of the vectors are refused on Ethereum too.
VALID_BLOB_TRANSACTIONS = 9


def posts(name):
    for test in json.loads((VECTORS / f"{name}.json").read_text()).values():
        for post in test["post"]["Prague"]:
            yield test, post


@pytest.mark.parametrize("name", FILES)
def test_post_state(name):
    ran = 0
    for test, post in posts(name):
        ran += 1
        result = run(test, post)
        if kind_of(post) == 3:
            # Refused by design: this network has no blobs.
            assert result.rejected == "unsupported_type"
        elif "expectException" in post:
            assert result.rejected
            assert result.state_root == data(post["hash"])
        else:
            assert not result.rejected
            assert result.state_root == data(post["hash"])
            assert result.logs_hash == data(post["logs"])
    assert ran


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


def test_the_only_tests_set_aside_are_blob_transactions():
    valid = [post for name in FILES for _, post in posts(name) if kind_of(post) == 3 and "expectException" not in post]
    assert len(valid) == VALID_BLOB_TRANSACTIONS

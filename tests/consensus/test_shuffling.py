import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from consensus.shuffling import compute_shuffled_index

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/shuffling/shuffling.json").read_text())


@given(st.binary(min_size=32, max_size=32), st.integers(1, 60))
def test_is_a_permutation(seed, count):
    assert sorted(compute_shuffled_index(i, count, seed, 10) for i in range(count)) == list(range(count))


def test_mainnet_rounds_are_the_default():
    vector = next(v for v in VECTORS if v["preset"] == "mainnet")
    seed = bytes.fromhex(vector["seed"][2:])
    assert [compute_shuffled_index(i, vector["count"], seed) for i in range(vector["count"])] == vector["mapping"]

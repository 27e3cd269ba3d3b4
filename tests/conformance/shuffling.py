"""The swap-or-not shuffle of the consensus specification."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from consensus.shuffling import compute_shuffled_index
from tests.conformance.cases import VECTORS, Case


def _check(vector: dict[str, Any]) -> None:
    seed, count = bytes.fromhex(vector["seed"][2:]), vector["count"]
    assert [compute_shuffled_index(i, count, seed, vector["rounds"]) for i in range(count)] == vector["mapping"]


def cases() -> list[Case]:
    """One a vector."""
    vectors = json.loads((VECTORS / "shuffling" / "shuffling.json").read_text())
    return [Case(f"{vector['preset']}/{i}-{vector['count']}", partial(_check, vector)) for i, vector in enumerate(vectors)]

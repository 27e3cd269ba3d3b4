"""The suites by name, and how many cases each has, so that none is lost unseen."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from tests.conformance import curves, encodings, shuffling, state, transactions
from tests.conformance.cases import Case
from tests.conformance.rpc import exchanges

SUITES: dict[str, tuple[Callable[[], list[Case]], int]] = {
    "eest_state_prague": (state.cases, 743),
    "eest_state_prague_fast": (state.fast_cases, 743),
    "ethereum_tests_transactions": (transactions.cases, 134),
    "ethereum_tests_rlp": (encodings.rlp_cases, 55),
    "ethereum_tests_trie": (encodings.trie_cases, 37),
    "ethereum_tests_basic": (encodings.basic_cases, 18),
    "consensus_bls": (curves.consensus_cases, 9),
    "consensus_shuffling": (shuffling.cases, 7),
    "noble_bls": (curves.noble_cases, 569),
    "execution_apis": (exchanges.cases, 135),
}


@cache
def cases_of(suite: str) -> tuple[Case, ...]:
    """All cases of a suite."""
    return tuple(SUITES[suite][0]())

"""State tests of ethereum/execution-spec-tests by our checks and the engine: root, logs, and why one is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.conformance.cases import VECTORS, Case
from tests.shard.engine.state_tests import Result, data, kind_of, run, run_fast

REASONS = {
    "INSUFFICIENT_ACCOUNT_FUNDS": "insufficient_funds",
    "SENDER_NOT_EOA": "sender_has_code",
    "INSUFFICIENT_MAX_FEE_PER_GAS": "fee_below_base",
    "GAS_ALLOWANCE_EXCEEDED": "exceeds_block_gas_limit",
    "GASLIMIT_PRICE_PRODUCT_OVERFLOW": "fee_overflow",
    "INTRINSIC_GAS_TOO_LOW": "intrinsic_gas",
    "INTRINSIC_GAS_BELOW_FLOOR_GAS_COST": "intrinsic_gas",
    "TYPE_4_EMPTY_AUTHORIZATION_LIST": "authorization_list",
    "PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS": "tip_above_fee",
    "NONCE_IS_MAX": "nonce_max",
}
"""What the suite calls a fault, and what we do."""
BLOB_TRANSACTION = 3


def _check(execute: Callable[[dict[str, Any], dict[str, Any]], Result], test: dict[str, Any], post: dict[str, Any]) -> None:
    result = execute(test, post)
    names = [name.removeprefix("TransactionException.") for name in post.get("expectException", "").split("|") if name]
    if names:
        # There are no blobs here: the first thing wrong with such a transaction is its type.
        expected = {"unsupported_type"} if kind_of(post) == BLOB_TRANSACTION else {REASONS[name] for name in names}
        assert result.rejected in expected, f"refused as {result.rejected!r}, not as {expected}"
    else:
        assert not result.rejected, f"refused: {result.rejected}"
        assert result.logs_hash == data(post["logs"]), "logs"
    assert result.state_root == data(post["hash"]), "state root"


def cases() -> list[Case]:
    """One a test and post-state, on the reference engine."""
    return _cases(run)


def fast_cases() -> list[Case]:
    """The same on the fast engine."""
    return _cases(run_fast)


def _cases(execute: Callable[[dict[str, Any], dict[str, Any]], Result]) -> list[Case]:
    return [
        Case(f"{path.stem}/{name}#{i}" if i else f"{path.stem}/{name}", partial(_check, execute, test, post))
        for path in sorted((VECTORS / "eest").glob("*.json"))
        for name, test in json.loads(path.read_text()).items()
        for i, post in enumerate(test["post"]["Prague"])
    ]

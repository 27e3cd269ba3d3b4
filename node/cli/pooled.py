"""What a sender's transactions in the pool mean for the next one: why it waits, and what outbids them."""

from __future__ import annotations

from typing import Any

from node.cli.options import show_gas_price
from node.cluster.accounts import TEST_ACCOUNTS
from node.cluster.client import CallRefused, Client


def explain_wait(client: Client, shard: int, sender: str, nonce: int) -> str | None:
    """Why a transaction can be in no block, and what to do about it; None when only time is missing, or the node does not say.

    Raises:
        Unreachable: the node does not answer.
    """
    # the pool first: what is gone from it is counted by then
    questions: list[tuple[str, tuple[object, ...]]] = [
        ("txpool_contentFrom", (sender,)),
        ("eth_getTransactionCount", (sender, "latest")),
        ("eth_getBlockByNumber", ("latest", False)),
    ]
    try:
        pool, count, block = client.batch(questions, f"/shard/{shard}")
    except CallRefused:
        return None
    due, base_fee = int(count, 16), int(block["baseFeePerGas"], 16)
    if due > nonce:
        return None
    blocking = _by_nonce(pool).get(due)
    known = next((str(i) for i, account in enumerate(TEST_ACCOUNTS) if account.address == sender), "KEY")
    again = client.place.command(f"send --from {known} --to {sender} --shard {shard} --nonce {due}")
    if blocking is None:
        return None if due == nonce else f"it waits for nonce {due}, which the node does not have: {again} fills the gap with an empty one"
    offered = _offers(blocking)[0]
    if offered >= base_fee:
        return None
    subject = "it" if due == nonce else f"it waits behind nonce {due}, which"
    price = f"{show_gas_price(offered)} a gas, less than the base fee of {show_gas_price(base_fee)}"
    return f"{subject} offers {price}: {again} puts an empty one in its place"


def outbid(client: Client, path: str, sender: str, nonce: int, max_fee: int, tip: int) -> tuple[int, int]:
    """Fee and tip, in wei a gas, with which a transaction takes the place of one that waits; those given where they are enough."""
    from shard.pool import PoolLimits

    waiting = _by_nonce(client.batch([("txpool_contentFrom", (sender,))], path)[0]).get(nonce)
    if waiting is None:
        return max_fee, tip
    raised = [offer * (100 + PoolLimits().price_bump_percent) // 100 + 1 for offer in _offers(waiting)]
    return max(max_fee, *raised), max(tip, raised[1])


def _offers(transaction: dict[str, str]) -> tuple[int, int]:
    """Fee and tip; one price is both."""
    price = transaction["gasPrice"]
    return int(transaction.get("maxFeePerGas", price), 16), int(transaction.get("maxPriorityFeePerGas", price), 16)


def _by_nonce(pool: dict[str, dict[str, Any]]) -> dict[int, dict[str, Any]]:
    return {int(nonce): entry for part in ("pending", "queued") for nonce, entry in pool[part].items()}

"""Nodes killed with SIGKILL, one and all: chains go on, nothing final is lost, nobody equivocates.

The tests share a network and its observer, and run in this order.
"""

from collections.abc import Iterator

import pytest

from tests.e2e.accounts import known_account, new_account, next_nonce, sign
from tests.e2e.harness import SHARDS, Cluster, balance, final_blocks, wait_for
from tests.e2e.observer import Observer

VICTIM = 2


@pytest.fixture(autouse=True)
def _logs_with_a_failure(cluster: Cluster) -> Iterator[None]:
    yield
    print(cluster.logs())


def transfer(cluster: Cluster, node: int, shard: int) -> str:
    """To a new account, until it is final; its address."""
    client, account, receiver = cluster.client(node, shard), known_account(shard), new_account().address
    raw = sign(account, 735_700 + shard, next_nonce(client, account), to=receiver, value=7)
    client.call("eth_sendRawTransaction", raw)
    wait_for("transfer", lambda: balance(client, receiver, "finalized") == 7)
    client.close()
    return receiver


def hears_newer(observer: Observer, validator: int, views: list[int]) -> bool:
    return all(new > old for new, old in zip(observer.newest_views(validator), views, strict=True))


def roots(cluster: Cluster, heights: list[int]) -> list[list[list[tuple[str, str]]]]:
    """By node and shard: every block from 1 to the heights."""
    answers = []
    for node in range(cluster.options.nodes):
        client = cluster.client(node)
        answers.append([final_blocks(client, 1, heights[shard], shard) for shard in range(SHARDS)])
        client.close()
    return answers


@pytest.mark.timeout(480)
def test_one_killed_node_stops_nobody_and_votes_again_when_it_is_back(cluster: Cluster, observer: Observer) -> None:
    wait_for("votes of all", lambda: all(hears_newer(observer, v, [0] * (SHARDS + 1)) for v in range(cluster.options.nodes)))
    cluster.kill(VICTIM)
    heights = cluster.wait_growth(0, 4)
    receivers = [transfer(cluster, 0, shard) for shard in range(SHARDS)]
    views = observer.newest_views(VICTIM)
    cluster.start(VICTIM)
    cluster.wait_ready(VICTIM)
    cluster.wait_growth(VICTIM, 1, heights)
    for shard, receiver in enumerate(receivers):
        client = cluster.client(VICTIM, shard)
        wait_for("transfer it missed", lambda client=client, receiver=receiver: balance(client, receiver, "finalized") == 7)
        client.close()
    wait_for("newer votes of the restarted node on every chain", lambda: hears_newer(observer, VICTIM, views))
    assert observer.equivocations() == []


@pytest.mark.timeout(480)
def test_all_killed_at_once_lose_nothing_final(cluster: Cluster, observer: Observer) -> None:
    receivers = [transfer(cluster, 1, shard) for shard in range(SHARDS)]
    heights = [chain.finalized.number for chain in cluster.chains()]
    for node in range(cluster.options.nodes):
        cluster.wait_growth(node, 0, heights)
    before = roots(cluster, heights)
    assert all(answer == before[0] for answer in before)
    views = [observer.newest_views(validator) for validator in range(cluster.options.nodes)]
    cluster.kill(*range(cluster.options.nodes))
    cluster.start()
    cluster.wait_ready()
    assert roots(cluster, heights) == before
    grown = cluster.wait_growth(0, 3, heights)
    for node in range(cluster.options.nodes):
        cluster.wait_growth(node, 0, grown)
    after = roots(cluster, grown)
    assert all(answer == after[0] for answer in after)
    for shard, receiver in enumerate(receivers):
        client = cluster.client(3, shard)
        assert balance(client, receiver, "finalized") == 7
        client.close()
    for validator, known in enumerate(views):
        wait_for(f"newer votes of {validator}", lambda v=validator, known=known: hears_newer(observer, v, known))
    audit = cluster.command("audit", "--json")
    assert audit.returncode == 0, audit.stdout + audit.stderr
    assert observer.equivocations() == []

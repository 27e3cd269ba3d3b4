"""The faucet against a live network: the command, and many at the same time."""

from concurrent.futures import ThreadPoolExecutor

from node.cluster.accounts import COIN
from tests.e2e.accounts import new_account
from tests.e2e.harness import Cluster, balance, lines_of, wait_for


def test_the_command_gives_and_follows(cluster: Cluster) -> None:
    receiver = new_account().address
    told = cluster.command("faucet", receiver, "--shard", "1", "--wait", "safe", "--json")
    assert told.returncode == 0, told.stdout + told.stderr
    assert [step["step"] for step in lines_of(told)] == ["sent", "included", "safe"]
    assert balance(cluster.client(0, 1), receiver) == 100 * COIN


def test_grants_at_the_same_time_all_arrive(cluster: Cluster) -> None:
    receivers = [new_account().address for _ in range(8)]
    clients = [cluster.client() for _ in receivers]
    with ThreadPoolExecutor(len(receivers)) as pool:
        grants = list(pool.map(lambda pair: pair[0].call("dev_faucet", pair[1]), zip(clients, receivers, strict=True)))
    assert len({grant["nonce"] for grant in grants}) == len(receivers)
    for receiver in receivers:
        wait_for("grant", lambda receiver=receiver: balance(clients[0], receiver) == 100 * COIN)

"""Endless loops with the whole block gas limit, as transactions and as calls, on both shards: no chain stands still."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from node.cluster.accounts import COIN, FAUCET_ACCOUNT
from node.cluster.client import CallRefused, Client, Unreachable
from tests.e2e.accounts import GWEI, LOOP_INIT, known_account, new_account, next_nonce, sign
from tests.e2e.harness import SHARDS, Cluster, balance, try_call, wait_for

LOOPING_SENDERS, LOOPING_CALLS, TRANSFERS = 20, 50, 2
VIEWS_WITHOUT_FINALIZATION_MAX = 12
"""Delta has doubled four times by then; a chain that stands still passes more while the calls are cut off."""
RETRY_SECONDS = 0.5
CUT_OFF = -32002
"""Code of a call that ran into its deadline (docs/json-rpc.md)."""


class Progress:
    """Watches every chain at every node: how many views went by without a finalization, at most."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._seen: dict[tuple[int, str], tuple[float, float]] = {}
        self.gaps: dict[tuple[int, str], float] = {}
        self.rounds = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Progress":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.25):
            for node in range(self._cluster.options.nodes):
                samples = self._cluster.scrape(node)
                for chain in map(str, range(SHARDS + 1)):
                    view = samples["shardnet_view", (("chain", chain),)]
                    height = samples["shardnet_head_height", (("chain", chain), ("tag", "safe"))]
                    self._note((node, chain), view, height)
            self.rounds += 1

    def _note(self, key: tuple[int, str], view: float, height: float) -> None:
        known_height, known_view = self._seen.get(key, (-1.0, view))
        if height > known_height:
            self._seen[key] = (height, view)
        else:
            self.gaps[key] = max(self.gaps.get(key, 0.0), view - known_view)


def deploy_loop(cluster: Cluster, shard: int) -> str:
    client, account = cluster.client(0, shard), known_account(8)
    raw = sign(account, 735_700 + shard, next_nonce(client, account), data=LOOP_INIT, gas=100_000)
    transaction = client.call("eth_sendRawTransaction", raw)
    receipt = wait_for("receipt of the deployment", lambda: client.call("eth_getTransactionReceipt", transaction))
    client.close()
    return str(receipt["contractAddress"])


def fund(cluster: Cluster, shard: int, addresses: list[str]) -> None:
    client, faucet = cluster.client(0, shard), Account.from_key(FAUCET_ACCOUNT.key)
    nonce = next_nonce(client, faucet)
    for offset, address in enumerate(addresses):
        client.call("eth_sendRawTransaction", sign(faucet, 735_700 + shard, nonce + offset, to=address, value=10 * COIN))
    for address in addresses:
        wait_for("funds", lambda address=address: balance(client, address) == 10 * COIN)
    client.close()


@contextmanager
def calling(cluster: Cluster, shard: int, loop: str) -> Iterator[list[int]]:
    """Fifty threads that call the loop again and again; how many calls were cut off at their deadline."""
    stop, cut_off = threading.Event(), [0]
    gas = hex(cluster.options.gas_limit)

    def keep_calling(number: int) -> None:
        client = Client(cluster.options.url(number % cluster.options.nodes, shard), 30.0)
        while not stop.is_set():
            try:
                client.call("eth_call", {"to": loop, "gas": gas}, "latest")
            except CallRefused as error:
                cut_off[0] += error.code == CUT_OFF
            except Unreachable:
                pass
            stop.wait(RETRY_SECONDS)
        client.close()

    threads = [threading.Thread(target=keep_calling, args=(number,)) for number in range(LOOPING_CALLS)]
    for thread in threads:
        thread.start()
    try:
        yield cut_off
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def send_loops(cluster: Cluster, shard: int, loop: str, senders: list[LocalAccount], value: int) -> int:
    """How many were taken; another value makes other transactions of the same nonces, which no pool has dropped yet."""
    taken = 0
    for number, sender in enumerate(senders):
        client = cluster.client(number % cluster.options.nodes, shard)
        fees = {"maxFeePerGas": 100 * GWEI, "maxPriorityFeePerGas": 50 * GWEI}
        raw = sign(sender, 735_700 + shard, 0, to=loop, value=value, gas=cluster.options.gas_limit, **fees)
        taken += try_call(client, "eth_sendRawTransaction", raw) is not None
        client.close()
    return taken


@pytest.mark.timeout(480)
def test_no_chain_stands_still_and_others_are_served(cluster: Cluster) -> None:
    senders = [new_account() for _ in range(LOOPING_SENDERS)]
    loops = [deploy_loop(cluster, shard) for shard in range(SHARDS)]
    for shard in range(SHARDS):
        fund(cluster, shard, [sender.address for sender in senders])
    user, receiver = known_account(9), new_account()
    with Progress(cluster) as progress, calling(cluster, 0, loops[0]) as cut_0, calling(cluster, 1, loops[1]) as cut_1:
        for shard in range(SHARDS):
            assert send_loops(cluster, shard, loops[shard], senders, 0) == LOOPING_SENDERS
        for number in range(TRANSFERS):
            for shard in range(SHARDS):
                send_loops(cluster, shard, loops[shard], senders, number + 1)
                client = cluster.client(shard, shard)
                raw = sign(user, 735_700 + shard, next_nonce(client, user), to=receiver.address, value=1)
                transaction = client.call("eth_sendRawTransaction", raw)
                told = wait_for("receipt", lambda c=client, t=transaction: try_call(c, "eth_getTransactionReceipt", t), 60.0)
                assert told["status"] == "0x1"
                client.close()
        wait_for("calls cut off on both shards", lambda: cut_0[0] and cut_1[0])
        cluster.wait_growth(0, 3)
        rounds = progress.rounds
        wait_for("a look at every chain", lambda: progress.rounds > rounds)
    print("views without a finalization, at most:", progress.gaps, "looks:", progress.rounds, "cut off:", cut_0, cut_1)
    assert {key: gap for key, gap in progress.gaps.items() if gap > VIEWS_WITHOUT_FINALIZATION_MAX} == {}

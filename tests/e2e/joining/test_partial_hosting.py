"""A node that runs shard 0 only: its addresses of shard 1 answer all the same, through peers, with one connection to join at."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from web3 import HTTPProvider, Web3
from web3.middleware import ExtraDataToPOAMiddleware

from node.cluster.accounts import COIN
from node.cluster.client import CallRefused
from shard.contracts import OUTBOX, OUTBOX_CONTRACT
from tests.e2e.accounts import GWEI, known_account, new_account
from tests.e2e.harness import Cluster, make_options, run_command, running, try_call, wait_for
from tests.e2e.joining.guest import Guest, joining

RECEIPT_SECONDS_MAX = 150.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("partial") / "network", make_options(nodes=2, validators_per_node=2)) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def guest(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    with joining(cluster, tmp_path_factory.mktemp("guest") / "node", shards="0") as guest:

        def ready() -> bool:
            with guest.client() as client:
                network = try_call(client, "shard_getNetwork")
            return network is not None and network["ready"] is True

        wait_for("readiness of the guest", ready)
        yield guest


@pytest.fixture
def web3(guest: Guest) -> Iterator[Any]:
    with requests.Session() as session:
        w3 = Web3(HTTPProvider(guest.url("/shard/1"), session=session))
        w3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
        yield w3


def send(w3: Any, account: Any, **fields: Any) -> Any:
    wanted = {
        "chainId": w3.eth.chain_id, "nonce": w3.eth.get_transaction_count(account.address, "pending"), "gas": 21_000,
        "maxFeePerGas": 20 * GWEI, "maxPriorityFeePerGas": GWEI,
    } | fields  # fmt: skip
    raw = account.sign_transaction(wanted).raw_transaction
    return w3.eth.wait_for_transaction_receipt(w3.eth.send_raw_transaction(raw), RECEIPT_SECONDS_MAX)


@pytest.mark.timeout(480)
def test_a_wallet_uses_the_shard_that_is_not_hosted(cluster: Cluster, guest: Guest, web3: Any) -> None:
    sender, receiver = known_account(0), new_account()
    assert web3.eth.chain_id == 735_701
    before = web3.eth.get_balance(sender.address)
    assert before > 1000 * COIN
    receipt = send(web3, sender, to=receiver.address, value=COIN)
    assert receipt["status"] == 1
    assert web3.eth.get_balance(receiver.address) == COIN
    assert web3.eth.get_block(receipt["blockNumber"])["hash"] == receipt["blockHash"]
    with guest.client() as client:
        shards = client.call("shard_getBalances", receiver.address)["shards"]
        assert [int(entry["balance"], 16) for entry in shards] == [0, COIN]
        assert [entry["hosted"] for entry in client.call("shard_getNetwork")["shards"]] == [True, False]
    assert not (guest.folder / "shard-1").exists()
    assert (guest.folder / "shard-0").exists()


@pytest.mark.timeout(480)
def test_the_life_of_a_message_to_the_other_shard_is_whole(guest: Guest) -> None:
    sender, receiver = known_account(1), new_account()
    with requests.Session() as session:
        w3 = Web3(HTTPProvider(guest.url("/shard/0"), session=session))
        w3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
        call = OUTBOX_CONTRACT.encode_call("transfer", 1, bytes.fromhex(receiver.address[2:]))
        outbox = Web3.to_checksum_address(OUTBOX)
        receipt = send(w3, sender, to=outbox, value=5, gas=300_000, data="0x" + call.hex())
    name = "0x" + bytes(receipt["transactionHash"]).hex()
    with guest.client() as client:

        def delivered() -> bool:
            told = try_call(client, "shard_getCrossShardTransaction", name)
            return told is not None and told["receipts"][0]["state"] == "delivered"

        wait_for("delivery on the shard that is not hosted", delivered)


def test_what_cannot_be_passed_on_is_refused_with_a_sentence(guest: Guest) -> None:
    with guest.client("/shard/1") as client:
        for method in ("eth_newBlockFilter",):
            with pytest.raises(CallRefused, match="shard 1 is not hosted by this node"):
                client.call(method)


@pytest.mark.timeout(480)
def test_an_audit_through_it_walks_both_shards(guest: Guest) -> None:
    audit = run_command("audit", "--rpc", guest.url(), "--json")
    assert audit.returncode == 0, audit.stdout + audit.stderr


def test_its_metrics_and_health_are_of_what_it_hosts(guest: Guest) -> None:
    def get(path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{guest.metrics_port}{path}", timeout=10) as response:
            body: bytes = response.read()
        return body

    assert json.loads(get("/health"))["problems"] == []
    assert json.loads(get("/ready")) == {"ready": True}
    text = get("/metrics").decode()
    assert 'shardnet_head_height{chain="0",tag="latest"}' in text
    assert 'shardnet_head_height{chain="1"' not in text
    assert 'shardnet_rpc_forwarded_total{result="ok"}' in text


def test_the_status_table_shows_it_beside_the_nodes(cluster: Cluster, guest: Guest) -> None:
    asked = ("status", "--observer", guest.url(), "--observer", "http://127.0.0.1:1")
    told = json.loads(cluster.command(*asked, "--json").stdout)
    observer, silent = told["observers"]
    assert (silent["answers"], silent["ready"], silent["chains"]) == (False, False, [])
    assert (observer["answers"], observer["ready"], observer["rpc"]) == (True, True, guest.url())
    assert [chain["name"] for chain in observer["chains"]] == [chain["name"] for chain in told["nodes"][0]["chains"]]
    nodes = range(cluster.options.nodes)
    assert [node["peer"] for node in told["nodes"]] == [cluster.layout.peer_address(cluster.options, node) for node in nodes]
    table = cluster.command(*asked).stdout
    assert "observer 0" in table
    assert "observer 1" in table


def test_it_has_found_the_peer_it_was_not_told_of(cluster: Cluster, guest: Guest) -> None:
    def connected() -> bool:
        with guest.client() as client:
            return int(client.call("net_peerCount"), 16) >= cluster.options.nodes

    wait_for("a connection with every node", connected)


@pytest.mark.timeout(480)
def test_what_it_learned_is_enough_when_the_peer_it_joined_at_is_gone(cluster: Cluster, guest: Guest) -> None:
    cluster.kill(0)
    guest.kill()
    guest.start()

    def peers() -> int | None:
        with guest.client() as client:
            count = try_call(client, "net_peerCount")
        return None if count is None else int(count, 16)

    wait_for("a connection with the other node", lambda: peers() == 1)
    with guest.client("/shard/1") as client:
        account = known_account(0).address
        assert int(wait_for("balance from the other node", lambda: try_call(client, "eth_getBalance", account)), 16) > 0

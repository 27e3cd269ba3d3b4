"""What a wallet library does, on each shard of four real processes."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from web3 import HTTPProvider, Web3
from web3.exceptions import Web3RPCError
from web3.middleware import ExtraDataToPOAMiddleware

from node.cluster.accounts import COIN
from tests.e2e.accounts import GWEI, KEEPER_INIT, LOG_TOPIC, known_account, new_account, sign
from tests.e2e.harness import SHARDS, Cluster, try_call, wait_for

RECEIPT_SECONDS_MAX = 30.0
WORD = (0xC0FFEE).to_bytes(32, "big")


@pytest.fixture(params=range(SHARDS))
def shard(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def web3(cluster: Cluster, shard: int) -> Iterator[Any]:
    with requests.Session() as session:
        w3 = Web3(HTTPProvider(cluster.options.url(1, shard), session=session))
        w3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
        yield w3


def send(w3: Any, account: Any, **fields: Any) -> Any:
    """Signed, sent, and its receipt."""
    nonce = w3.eth.get_transaction_count(account.address, "pending")
    wanted = {"chainId": w3.eth.chain_id, "nonce": nonce, "value": 0} | fields
    signed = account.sign_transaction(wanted | {"gas": wanted.get("gas") or w3.eth.estimate_gas({"from": account.address, **fields})})
    return w3.eth.wait_for_transaction_receipt(w3.eth.send_raw_transaction(signed.raw_transaction), RECEIPT_SECONDS_MAX)


def test_transfers_of_both_forms_arrive(web3: Any, shard: int) -> None:
    sender, receiver = known_account(0), new_account()
    assert web3.eth.chain_id == 735_700 + shard
    legacy = send(web3, sender, to=receiver.address, value=COIN, gas=21_000, gasPrice=web3.eth.gas_price)
    assert (legacy["status"], legacy["type"], legacy["gasUsed"]) == (1, 0, 21_000)
    tip = web3.eth.max_priority_fee
    cap = 2 * web3.eth.get_block("latest")["baseFeePerGas"] + tip
    typed = send(web3, sender, to=receiver.address, value=2 * COIN, gas=21_000, maxFeePerGas=cap, maxPriorityFeePerGas=tip)
    assert (typed["status"], typed["type"]) == (1, 2)
    assert web3.eth.get_balance(receiver.address) == 3 * COIN
    found = web3.eth.get_transaction(typed["transactionHash"])
    assert (found["from"], found["to"], found["value"]) == (sender.address, receiver.address, 2 * COIN)
    assert web3.eth.get_block(typed["blockNumber"])["hash"] == typed["blockHash"]


def test_a_contract_is_deployed_called_and_heard(web3: Any) -> None:
    sender, fees = known_account(1), {"maxFeePerGas": 20 * GWEI, "maxPriorityFeePerGas": GWEI}
    created = send(web3, sender, data=KEEPER_INIT, **fees)
    contract = created["contractAddress"]
    assert created["status"] == 1
    assert web3.eth.get_code(contract).hex().removeprefix("0x") == KEEPER_INIT.removeprefix("0x")[18:]
    told = send(web3, sender, to=contract, data=WORD, **fees)
    topic = "0x" + LOG_TOPIC.to_bytes(32, "big").hex()
    logs = web3.eth.get_logs({"fromBlock": told["blockNumber"], "toBlock": told["blockNumber"], "address": contract, "topics": [topic]})
    assert [(bytes(log["data"]), log["transactionHash"]) for log in logs] == [(WORD, told["transactionHash"])]
    assert told["logs"] == logs
    assert bytes(web3.eth.call({"to": contract})) == WORD
    assert int.from_bytes(web3.eth.get_storage_at(contract, 0), "big") == int.from_bytes(WORD, "big")


def test_a_transaction_for_the_other_shard_is_refused_with_a_hint(web3: Any, shard: int) -> None:
    other = (shard + 1) % SHARDS
    account = known_account(2)
    raw = sign(account, 735_700 + other, 0, to=account.address)
    with pytest.raises(Web3RPCError) as refusal:
        web3.eth.send_raw_transaction(raw)
    message = str(refusal.value)
    assert f"invalid chain id for signer: have {735_700 + other} want {735_700 + shard}" in message
    assert f"shard {other}" in message


def test_every_node_tells_the_same_of_a_transfer(cluster: Cluster, web3: Any, shard: int) -> None:
    sender, receiver = known_account(3), new_account()
    receipt = send(web3, sender, to=receiver.address, value=5, gas=21_000, gasPrice=20 * GWEI)
    transaction = "0x" + bytes(receipt["transactionHash"]).hex()
    for node in range(cluster.options.nodes):
        client = cluster.client(node, shard)
        try:
            told = wait_for("receipt", lambda client=client: try_call(client, "eth_getTransactionReceipt", transaction))
        finally:
            client.close()
        assert told["blockHash"] == "0x" + bytes(receipt["blockHash"]).hex()

"""Calls across shards on a live network: the example, the command line, and what RPC tells of a delivery."""

import json
import subprocess
import sys
from typing import Any

import pytest
from eth_abi import encode

from node.cli.options import show_coins
from node.cluster.accounts import COIN
from node.cluster.client import Client
from primitives.hashing import keccak256
from primitives.receipts import alias_of
from shard import system
from shard.contracts import INBOX, OUTBOX_CONTRACT
from shard.engine.interface import Log
from tests.e2e.accounts import GWEI, KEEPER_INIT, known_account, new_account, next_nonce, sign
from tests.e2e.harness import ROOT, Cluster, balance, lines_of, wait_for

OUTBOX = "0x" + OUTBOX_CONTRACT.address.hex()
REVERTER_INIT = "0x625f5ffd5f526003601df3"
"""PUSH0 PUSH0 REVERT."""
SLOW_INIT = "0x615ff380600a5f395ff3" + "5b" + "5f5f5f37" * 6140 + "5f56"
"""24 KiB of CALLDATACOPY of nothing, over and over."""
GAS = 100_000
CALL_STEPS = ["sent", "included", "safe", "crosslinked", "received", "called", "finalized"]
FAILED_STEPS = ["sent", "included", "safe", "crosslinked", "received", "failed", "crosslinked", "received", "credited", "finalized"]


def test_the_example_runs_to_its_end(cluster: Cluster) -> None:
    command = [sys.executable, str(ROOT / "docs" / "examples" / "swap" / "swap.py"), "--rpc", cluster.options.url(1)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.splitlines()[-1] == "done"
    for words in ("msg.sender was the trader's alias", "wei that were left of the fee", "wei returned in block", "everything adds up"):
        assert words in ran.stdout


def receipt_of(client: Client, name: str) -> Any:
    return wait_for(f"receipt of {name}", lambda: client.call("eth_getTransactionReceipt", name))


@pytest.fixture(scope="module")
def deployed(cluster: Cluster) -> dict[str, str]:
    """On shard 1: a contract that stores a word and logs it, and one that reverts."""
    client, account = cluster.client(0, 1), known_account(5)
    nonce, addresses = next_nonce(client, account), []
    for offset, code in enumerate((KEEPER_INIT, REVERTER_INIT)):
        raw = sign(account, 735_701, nonce + offset, data=code, gas=200_000)
        addresses.append(receipt_of(client, client.call("eth_sendRawTransaction", raw))["contractAddress"])
    client.close()
    return dict(zip(("keeper", "reverter"), addresses, strict=True))


def test_a_call_from_the_command_line(cluster: Cluster, deployed: dict[str, str]) -> None:
    to, other = deployed["keeper"], new_account().address
    word = encode(("uint256",), (77,))
    arguments = ("send", "--from", "4", "--to", to, "--to-shard", "1", "--data", "0x" + word.hex(), "--gas", str(GAS), "--refund-to", other)
    told = cluster.command(*arguments, "--wait", "finalized", "--json")
    assert told.returncode == 0, told.stdout + told.stderr
    steps = lines_of(told)
    assert [step["step"] for step in steps] == CALL_STEPS
    source, destination = cluster.client(2, 0), cluster.client(3, 1)
    assert int(wait_for("the word", lambda: destination.call("eth_call", {"to": to}, "latest")), 16) == 77
    sent = source.call("eth_getTransactionReceipt", steps[0]["hash"])
    (log,) = sent["logs"]
    message = system.receipt_of_log(as_log(log), 0)
    assert message is not None
    check_delivery(cluster, message, steps[5]["hash"], to, word)
    delivered = destination.call("eth_getTransactionReceipt", steps[5]["hash"])
    used = int(delivered["gasUsed"], 16) * int(delivered["effectiveGasPrice"], 16)
    assert balance(destination, other) == message.fee - used
    assert balance(destination, "0x" + alias_of(0, message.sender).hex()) == 0
    for client in (source, destination):
        client.close()


def as_log(log: dict[str, Any]) -> Log:
    topics = tuple(bytes.fromhex(topic[2:]) for topic in log["topics"])
    return Log(bytes.fromhex(log["address"][2:]), topics, bytes.fromhex(log["data"][2:]))


def check_delivery(cluster: Cluster, message: Any, name: str, to: str, word: bytes) -> None:
    """A delivered call as transaction, receipt, in its block, by its log and by the blooms."""
    client = cluster.client(3, 1)
    assert name == "0x" + message.identity(735_700).hex()
    receipt = client.call("eth_getTransactionReceipt", name)
    transaction = client.call("eth_getTransactionByHash", name)
    alias = "0x" + alias_of(0, message.sender).hex()
    place = {"blockHash": receipt["blockHash"], "blockNumber": receipt["blockNumber"], "transactionIndex": receipt["transactionIndex"]}
    expected = place | {
        "type": "0x7d", "hash": name, "receiptId": name, "sourceShard": "0x0", "kind": "0x2", "from": alias, "to": to, "value": "0x0",
        "input": "0x" + word.hex(), "gas": hex(GAS), "nonce": hex(message.nonce), "chainId": hex(735_701),
        "v": "0x0", "r": "0x0", "s": "0x0",
    }  # fmt: skip
    assert {key: transaction[key] for key in expected} == expected
    block = client.call("eth_getBlockByHash", receipt["blockHash"], True)
    assert block["transactions"][int(receipt["transactionIndex"], 16)] == transaction
    assert transaction["gasPrice"] == block["baseFeePerGas"]
    expected = place | {
        "type": "0x7d", "transactionHash": name, "status": "0x1", "from": alias, "to": to, "contractAddress": None,
        "effectiveGasPrice": block["baseFeePerGas"],
    }  # fmt: skip
    assert {key: receipt[key] for key in expected} == expected
    assert 21_000 < int(receipt["gasUsed"], 16) < GAS
    (log,) = receipt["logs"]
    assert (log["address"], log["data"], log["transactionHash"]) == (to, "0x" + word.hex(), name)
    asked = {"blockHash": receipt["blockHash"], "address": to, "topics": log["topics"]}
    assert client.call("eth_getLogs", asked) == [log]
    bloom, block_bloom = int(receipt["logsBloom"], 16), int(block["logsBloom"], 16)
    assert 0 < bloom.bit_count() <= 6
    assert bloom & block_bloom == bloom
    client.close()


def test_a_failed_call_comes_back_to_the_wei(cluster: Cluster, deployed: dict[str, str]) -> None:
    source, destination = cluster.client(0, 0), cluster.client(1, 1)
    sender = known_account(7)
    before = balance(source, sender.address)
    arguments = ("send", "--from", "7", "--to", deployed["reverter"], "--to-shard", "1", "--value", "2.5", "--gas", str(GAS))
    told = cluster.command(*arguments, "--wait", "finalized", "--json")
    assert told.returncode == 1
    *steps, error = lines_of(told)
    assert [step["step"] for step in steps] == FAILED_STEPS, told.stdout
    sent = source.call("eth_getTransactionReceipt", steps[0]["hash"])
    failed = destination.call("eth_getTransactionReceipt", steps[5]["hash"])
    assert (failed["status"], len(failed["logs"])) == ("0x0", 1)
    refund = system.receipt_of_log(as_log(failed["logs"][0]), 1)
    assert refund is not None
    message = system.receipt_of_log(as_log(sent["logs"][0]), 0)
    assert message is not None
    there = int(failed["gasUsed"], 16) * int(failed["effectiveGasPrice"], 16)
    here = int(sent["gasUsed"], 16) * int(sent["effectiveGasPrice"], 16)
    assert refund.amount == message.amount + message.fee - there
    assert refund.amount > 5 * COIN // 2
    wait_for("the refund here", lambda: balance(source, sender.address) == before - here - there)
    returned = source.call("eth_getTransactionByHash", steps[8]["hash"])
    assert (returned["kind"], returned["sourceShard"], returned["value"]) == ("0x0", "0x1", hex(refund.amount))
    credited = source.call("eth_getTransactionReceipt", steps[8]["hash"])
    assert (credited["gasUsed"], credited["effectiveGasPrice"], int(credited["logsBloom"], 16)) == ("0x5208", "0x0", 0)
    returned_words = f"{show_coins(refund.amount)} coins returned to {sender.address} on shard 0"
    assert error == {"error": f"the call failed on shard 1: {returned_words}"}
    for client in (source, destination):
        client.close()


CALLBACK_STEPS = [*CALL_STEPS, "crosslinked", "received", "callback", "finalized"]
ORDERS = json.loads((ROOT / "docs" / "examples" / "callback" / "orders.json").read_text())


def test_a_call_with_a_callback_from_the_command_line(cluster: Cluster, deployed: dict[str, str]) -> None:
    other, data = new_account().address, "0x" + encode(("uint256",), (5,)).hex()
    options = ("send", "--from", "8", "--to", deployed["keeper"], "--to-shard", "1", "--gas", str(GAS), "--data", data)
    options += ("--refund-to", other)
    refused = cluster.command(*options, "--callback-gas", "20000")
    assert "--callback-gas: 20000 is out of range: a callback may have 21000 to 1000000" in refused.stderr
    told = cluster.command(*options, "--callback-gas", "30000", "--wait", "finalized", "--json")
    assert told.returncode == 0, told.stdout + told.stderr
    steps = lines_of(told)
    assert [step["step"] for step in steps] == CALLBACK_STEPS
    source = cluster.client(1, 0)
    ran = source.call("eth_getTransactionByHash", steps[9]["hash"])
    assert (ran["type"], ran["kind"], ran["from"]) == ("0x7d", "0x4", "0x" + INBOX.hex())
    life = source.call("shard_getCrossShardTransaction", steps[0]["hash"])["receipts"][0]
    expected = {"gas": hex(30_000), "callSucceeded": True, "outcome": "success", "transactionHash": steps[9]["hash"]}
    assert expected.items() <= life["callback"].items()
    assert life["callback"]["block"]["number"] == ran["blockNumber"]
    assert balance(source, other) == int(life["returned"]["amount"], 16) + escrow_left(source, life, ran)
    source.close()


def escrow_left(client: Client, life: dict[str, Any], ran: dict[str, Any]) -> int:
    """Wei of what was paid for a callback that its gas did not take."""
    sent = client.call("eth_getBlockByHash", life["sent"]["block"]["hash"], False)
    receipt = client.call("eth_getTransactionReceipt", ran["hash"])
    paid = 2 * int(life["callback"]["gas"], 16) * int(sent["baseFeePerGas"], 16)
    return paid - int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)


def test_a_contract_is_told_how_its_call_went(cluster: Cluster, deployed: dict[str, str]) -> None:
    source, account = cluster.client(2, 0), known_account(5)
    nonce = next_nonce(source, account)
    raw = sign(account, 735_700, nonce, data=ORDERS["bytecode"], gas=2_000_000)
    contract = receipt_of(source, source.call("eth_sendRawTransaction", raw))["contractAddress"]
    kinds = ("uint32", "address", "uint64", "bytes")
    for offset, (shop, state) in enumerate((("keeper", 2), ("reverter", 4)), 1):
        data = keccak256(f"order({','.join(kinds)})".encode())[:4] + encode(kinds, (1, deployed[shop], GAS, bytes(31) + b"\7"))
        raw = sign(account, 735_700, nonce + offset, to=contract, data="0x" + data.hex(), value=COIN // 100, gas=400_000)
        sent = receipt_of(source, source.call("eth_sendRawTransaction", raw))
        assert sent["status"] == "0x1"
        message = sent["logs"][0]["topics"][1]

        def told(message: str = message) -> Any:
            life = source.call("shard_getCrossShardTransaction", message)["receipts"][0]
            return life if life["callback"]["outcome"] is not None else None

        life = wait_for("the callback", told)
        assert (life["kind"], life["callback"]["outcome"], life["callback"]["callSucceeded"]) == ("0x3", "success", state == 2)
        asked = keccak256(b"states(bytes32)")[:4] + bytes.fromhex(message[2:])
        assert int(source.call("eth_call", {"to": contract, "data": "0x" + asked.hex()}, "latest"), 16) == state
        log = source.call("eth_getTransactionReceipt", life["callback"]["transactionHash"])["logs"][0]
        assert (log["address"], log["topics"][1]) == (contract, message)
        assert source.call("eth_getLogs", {"address": contract, "topics": [None, message], "fromBlock": "0x0"}) == [log]
    assert int(source.call("eth_getBalance", OUTBOX, "latest"), 16) == 0
    source.close()


@pytest.mark.timeout(450)
def test_a_call_as_slow_as_they_get_does_not_stop_a_shard(cluster: Cluster) -> None:
    """A call of a million gas, a block's worth: it is delivered, and the shard goes on."""
    source, destination = cluster.client(0, 0), cluster.client(0, 1)
    maker, sender = known_account(5), known_account(6)
    raw = sign(maker, 735_701, next_nonce(destination, maker), data=SLOW_INIT, gas=6_000_000)
    slow = receipt_of(destination, destination.call("eth_sendRawTransaction", raw))["contractAddress"]
    data = "0x" + OUTBOX_CONTRACT.encode_call("send", 1, slow, 0, 1_000_000, sender.address, b"").hex()
    raw = sign(sender, 735_700, next_nonce(source, sender), to=OUTBOX, value=COIN // 10, data=data, gas=200_000)
    name = receipt_of(source, source.call("eth_sendRawTransaction", raw))["logs"][0]["topics"][1]
    # Views grow until the block fits, which takes minutes where four validators share two slow cores with others.
    delivered = wait_for("delivery", lambda: destination.call("eth_getTransactionReceipt", name), 400)
    assert (delivered["status"], int(delivered["gasUsed"], 16)) == ("0x0", 1_000_000)
    cluster.wait_growth(1, 2)
    for client in (source, destination):
        client.close()


def test_what_outbox_refuses_is_told_before_anything_is_sent(cluster: Cluster) -> None:
    client = cluster.client(0, 0)
    before = next_nonce(client, known_account(8))
    for options, words in (
        (("--gas", "1000001"), "--gas: 1000001 is out of range: this call may have 21000 to 1000000"),
        (("--gas", "21000", "--data", "0x01"), "--gas: 21000 is out of range: this call may have 21040 to 1000000"),
        (("--data", "0x01"), "add --gas"),
    ):
        told = cluster.command("send", "--from", "8", "--to", "1", "--to-shard", "1", *options)
        assert told.returncode != 0
        assert words in told.stderr
    assert next_nonce(client, known_account(8)) == before
    client.close()


def test_two_messages_in_a_row_are_estimated_well_enough(cluster: Cluster) -> None:
    """Gas estimated in the block of the first one has to do for the second."""
    client, account = cluster.client(0, 0), known_account(8)
    data = "0x" + OUTBOX_CONTRACT.encode_call("transfer", 1, account.address).hex()
    for _ in range(3):
        asked = {"from": account.address, "to": OUTBOX, "value": "0x1", "data": data}
        gas = int(client.call("eth_estimateGas", asked), 16)
        raw = sign(account, 735_700, next_nonce(client, account), to=OUTBOX, value=1, data=data, gas=gas, maxFeePerGas=50 * GWEI)
        assert receipt_of(client, client.call("eth_sendRawTransaction", raw))["status"] == "0x1"
    client.close()

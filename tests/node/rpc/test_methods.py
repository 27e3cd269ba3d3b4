"""What each method answers."""

import re

import pytest

from node.rpc.methods.controls import ALIASES
from node.rpc.methods.registry import SHARD
from node.rpc.methods.signatures import SIGNATURES
from primitives.hashing import keccak256
from shard.transactions import decode_transaction
from shard.views import LogFilter, big
from tests.node.rpc.fake import ALICE, BASE_FEE, CONTRACT, GENESIS_TIME, POOLED, RECEIPT, RECEIPT_ID, SIGNED, TOPIC, Client
from tools.rpc_page import PAGE, rendered

WHO = "0x" + ALICE.hex()


async def test_identity():
    client = Client()
    assert await client.result("web3_clientVersion") == "shardnet/test"
    assert await client.result("web3_sha3", "0x68656c6c6f") == "0x" + keccak256(b"hello").hex()
    assert await client.result("net_version") == "735700"
    assert await client.result("net_listening") is True
    assert await client.result("net_peerCount") == "0x3"
    assert await client.result("eth_chainId") == "0xb39d4"
    assert await client.result("eth_accounts") == []
    assert await client.result("eth_blockNumber") == "0xa"


async def test_syncing():
    client = Client()
    assert await client.result("eth_syncing") is False
    client.node.ready = False
    assert await client.result("eth_syncing") == {"startingBlock": "0xa", "currentBlock": "0xa", "highestBlock": "0x14"}


async def test_accounts():
    client = Client()
    assert await client.result("eth_getBalance", WHO) == hex(10**18)
    assert await client.result("eth_getBalance", WHO.upper().replace("0X", "0x"), "finalized") == hex(10**18)
    assert await client.result("eth_getBalance", "0x" + "00" * 20, "pending") == "0x0"
    assert client.shard.asked == ["latest", "finalized", "latest"]
    assert await client.result("eth_getTransactionCount", WHO, {"blockHash": "0x" + client.shard.blocks[2].hash.hex()}) == "0x6"
    assert await client.result("eth_getTransactionCount", WHO, "pending") == "0x9"
    assert await client.result("eth_getTransactionCount", WHO, {"blockNumber": "pending"}) == "0x9"
    assert await client.result("eth_getCode", "0x" + CONTRACT.hex(), "0x3") == "0x6000"
    assert await client.result("eth_getCode", WHO) == "0x"
    assert await client.result("eth_getStorageAt", WHO, "0x05", "earliest") == "0x" + "38".rjust(64, "0")
    assert client.shard.asked[-1] == 5


async def test_blocks():
    client = Client()
    block = await client.result("eth_getBlockByNumber", "0x5")
    assert block == await client.result("eth_getBlockByHash", block["hash"], False)
    assert block["number"] == "0x5"
    assert block["timestamp"] == hex(GENESIS_TIME + 5)
    assert block["baseFeePerGas"] == hex(BASE_FEE)
    assert block["transactions"][0] == "0x" + RECEIPT_ID.hex()
    assert len(block["transactions"]) == 6
    full = await client.result("eth_getBlockByNumber", "0x5", True)
    assert [t["hash"] for t in full["transactions"]] == block["transactions"]
    assert (await client.result("eth_getBlockByNumber", "finalized"))["number"] == "0x8"
    assert await client.result("eth_getBlockByNumber", "0xb") is None
    assert await client.result("eth_getBlockByHash", "0x" + "00" * 32) is None
    for suffix, argument in (("Number", "0x5"), ("Hash", block["hash"])):
        assert await client.result(f"eth_getBlockTransactionCountBy{suffix}", argument) == "0x6"
        assert await client.result(f"eth_getUncleCountByBlock{suffix}", argument) == "0x0"
        unknown = "0x64" if suffix == "Number" else "0x" + "00" * 32
        assert await client.result(f"eth_getBlockTransactionCountBy{suffix}", unknown) is None
        assert await client.result(f"eth_getUncleCountByBlock{suffix}", unknown) is None


async def test_transactions_of_each_type():
    client = Client()
    found = {
        name: await client.result("eth_getTransactionByHash", "0x" + decode_transaction(raw).hash.hex()) for name, raw in SIGNED.items()
    }
    assert [t["type"] for t in found.values()] == ["0x0", "0x1", "0x2", "0x4", "0x2"]
    assert {t["from"] for t in found.values()} == {WHO}
    assert {t["chainId"] for t in found.values()} == {"0xb39d4"}
    assert [t["gasPrice"] for t in found.values()] == [hex(2 * BASE_FEE)] * 5
    assert found["legacy"]["v"] in (hex(35 + 2 * 735_700), hex(36 + 2 * 735_700))
    assert found["creation"]["to"] is None
    assert found["dynamic fee"]["accessList"] == [{"address": "0x" + "33" * 20, "storageKeys": ["0x" + "44" * 32]}]
    assert found["set code"]["authorizationList"][0]["address"] == "0x" + "55" * 20
    assert {t["blockTimestamp"] for t in found.values()} == {hex(GENESIS_TIME + 5)}
    assert len(client.shard.asked) == len(found)


async def test_pooled_and_unknown_transactions():
    client = Client()
    pooled = await client.result("eth_getTransactionByHash", "0x" + decode_transaction(POOLED).hash.hex())
    assert pooled["blockHash"] is pooled["blockNumber"] is pooled["transactionIndex"] is None
    assert pooled["gasPrice"] == hex(3 * BASE_FEE)
    assert await client.result("eth_getTransactionByHash", "0x" + "00" * 32) is None
    assert await client.result("eth_getTransactionReceipt", "0x" + "00" * 32) is None


async def test_delivered_receipts_carry_all_common_fields():
    delivered = await Client().result("eth_getTransactionByHash", "0x" + RECEIPT_ID.hex())
    assert delivered == {
        "type": "0x7d", "hash": "0x" + RECEIPT_ID.hex(), "from": "0x" + RECEIPT.sender.hex(), "to": "0x" + RECEIPT.to.hex(),
        "nonce": "0x4", "gas": "0x5208", "gasPrice": hex(BASE_FEE), "value": hex(1005), "input": "0x", "chainId": "0xb39d4",
        "v": "0x0", "r": "0x0", "s": "0x0", "sourceShard": "0x1", "receiptId": "0x" + RECEIPT_ID.hex(), "kind": "0x0",
        "blockNumber": "0x5", "blockHash": delivered["blockHash"], "blockTimestamp": hex(GENESIS_TIME + 5), "transactionIndex": "0x0",
    }  # fmt: skip


async def test_receipts():
    client = Client()
    receipt = await client.result("eth_getTransactionReceipt", "0x" + decode_transaction(SIGNED["creation"]).hash.hex())
    assert receipt["contractAddress"] == "0x" + CONTRACT.hex()
    assert receipt["to"] is None
    assert (receipt["type"], receipt["status"], receipt["logs"][0]["topics"]) == ("0x2", "0x1", ["0x" + TOPIC.hex()])
    assert (await client.result("eth_getTransactionReceipt", "0x" + RECEIPT_ID.hex()))["type"] == "0x7d"


async def test_logs():
    client = Client()
    topic, other = "0x" + "07" * 32, "0x" + "08" * 32
    logs = await client.result(
        "eth_getLogs", {"fromBlock": "0x1", "toBlock": "pending", "address": WHO, "topics": [None, topic, [topic, other], [None, topic]]}
    )
    assert len(logs) == 6
    assert client.shard.asked[-1] == LogFilter(1, "latest", None, (ALICE,), ((), (b"\x07" * 32,), (b"\x07" * 32, b"\x08" * 32), ()))
    await client.result("eth_getLogs", {"blockHash": topic, "address": [WHO, WHO]})
    assert client.shard.asked[-1] == LogFilter("latest", "latest", b"\x07" * 32, (ALICE, ALICE), ())


async def test_calls():
    client = Client()
    call = {
        "from": WHO, "to": WHO, "gas": "0x5208", "value": "0x1", "data": "0x01", "input": "0x01", "chainId": "0xb39d4", "nonce": "0x0",
        "type": "0x2", "maxFeePerGas": hex(5 * BASE_FEE), "maxPriorityFeePerGas": "0x2", "authorizationList": [],
        "accessList": [{"address": WHO, "storageKeys": ["0x" + "07" * 32]}], "someFutureField": 1,
    }  # fmt: skip
    assert await client.result("eth_call", call, "latest", {}) == "0x2a"
    request = client.shard.asked[-1]
    assert (request.sender, request.to, request.gas, request.data) == (ALICE, ALICE, 21_000, b"\x01")
    assert (request.gas_price, request.value) == (big(BASE_FEE + 2), big(1))
    assert request.access_list == ((ALICE, (b"\x07" * 32,)),)
    assert await client.result("eth_estimateGas", {}) == "0x5208"
    assert client.shard.asked[-1].to is None
    assert client.shard.asked[-1].gas_price == b""


async def test_fees():
    client = Client()
    assert await client.result("eth_maxPriorityFeePerGas") == "0x3"
    assert await client.result("eth_gasPrice") == hex(BASE_FEE + 5 + 3)
    assert len(client.shard.asked) == 1
    history = await client.result("eth_feeHistory", "0x2", "0x5", [10, 50.5])
    assert history["oldestBlock"] == "0x4"
    assert history["baseFeePerGas"] == [hex(BASE_FEE)] * 2 + [hex(BASE_FEE + 5)]
    assert history["gasUsedRatio"] == [0, 500_000 / 30_000_000]
    assert history["reward"] == [["0x3", "0x3"]] * 2
    for count in (1000, "1000", "0x3e8"):
        assert len((await client.result("eth_feeHistory", count, "latest"))["gasUsedRatio"]) == 11
    assert (await client.result("eth_feeHistory", 0, "latest"))["gasUsedRatio"] == []


async def test_sending():
    client = Client()
    assert await client.result("eth_sendRawTransaction", "0x" + POOLED.hex()) == "0x" + decode_transaction(POOLED).hash.hex()
    assert client.shard.submitted == [POOLED]


async def test_network():
    client = Client()
    network = await client.result("shard_getNetwork", path="/beacon")
    assert network["shardCount"] == "0x2"
    assert network["beacon"] == {
        "chain": "0x2", "chainId": "0xb39d6", "endpoint": "/beacon", "head": {"number": "0xc", "hash": "0x" + "0b" * 32},
        "epoch": "0x1", "committee": ["0x0"],
    }  # fmt: skip
    shard = network["shards"][1]
    assert (shard["chainId"], shard["endpoint"], shard["hosted"], shard["pool"]) == (
        "0xb39d5", "/shard/1", True, {"pending": "0x3", "queued": "0x1"},
    )  # fmt: skip
    assert (shard["latest"]["number"], shard["finalized"]["number"], shard["baseFeePerGas"]) == ("0xa", "0x8", hex(BASE_FEE))


async def test_balances_of_every_shard():
    client = Client()
    balances = await client.result("shard_getBalances", WHO)
    assert balances["total"] == hex(2 * 10**18)
    client.node.shards[0] = None
    balances = await client.result("shard_getBalances", WHO, "finalized")
    assert [entry["balance"] for entry in balances["shards"]] == [None, hex(10**18)]


async def test_supply_tells_every_term():
    supply = await Client().result("shard_getSupply")
    assert supply["shards"] == ["0x3c", "0x27"]
    assert supply["inFlight"] == [{"source": "0x0", "destination": "0x1", "value": "0x1"}]
    assert supply["imbalance"] == "0x0"
    assert [link["number"] for link in supply["crosslinks"]] == ["0x5", "0x6"]
    assert set(supply) == {
        "beacon",
        "crosslinks",
        "shards",
        "inFlight",
        "stakes",
        "unclaimed",
        "feePool",
        "treasury",
        "genesis",
        "issued",
        "burned",
        "imbalance",
    }


def test_the_page_tells_of_every_method_and_of_no_other():
    page = PAGE.read_text()
    told = set(re.findall(r"^### `([\w.]+)`", page, re.MULTILINE))
    aliases = {name for line in re.findall(r"^Also: (.*)\.$", page, re.MULTILINE) for name in re.findall(r"`(\w+)`", line)}
    assert aliases == set(ALIASES)
    assert told | aliases == set(SHARD)


def test_the_table_on_the_page_is_the_one_the_server_answers_by():
    page = PAGE.read_text()
    assert page.count("\n| [`") == len(set(SHARD) - set(ALIASES))
    assert rendered(page) == page, "run make rpc-page"


def test_examples_on_the_page_are_of_the_kinds_in_the_table():
    kinds = {"{": "object", "[": "array", '"': "string", "t": "boolean", "f": "boolean", "n": "null"}
    kinds |= dict.fromkeys("0123456789", "number")
    examples = re.findall(r"^### `([\w.]+)`\n(?:(?!^#).*\n)*?.*?Example:\s`.*?`\s→\s`(.)", PAGE.read_text(), re.MULTILINE)
    assert {name for name, _ in examples} == set(SHARD) - set(ALIASES)
    wrong = [name for name, first in examples if kinds[first] not in SIGNATURES[name].partition("-> ")[2].split("|")]
    assert wrong == []


async def test_accounts_come_in_pages():
    client = Client()
    first = await client.result("shard_getAccountsPage", "0x1", None, "0x2")
    assert first == {"accounts": "0x2", "sum": "0x3e8", "next": "0x" + "09" * 32}
    assert await client.result("shard_getAccountsPage", "0x1", first["next"]) == {"accounts": "0x3", "sum": "0x63", "next": None}


@pytest.mark.parametrize("arguments", [("latest",), ("0x1", None, "0x0"), ("0x1", None, "0x3e9"), ("0x1", "0x12")])
async def test_a_page_of_what_does_not_exist_is_refused(arguments):
    code, _ = await Client().error("shard_getAccountsPage", *arguments)
    assert code == -32602

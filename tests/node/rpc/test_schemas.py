"""Results against the schemas of the Ethereum execution API specification (tests/vectors/execution-apis)."""

import pytest

from shard.transactions import decode_transaction
from tests.conformance.rpc.schema import problems
from tests.node.rpc.fake import ALICE, SIGNED, Client


def ref(name: str) -> dict:
    return {"$ref": f"#/components/schemas/{name}"}


WHO = "0x" + ALICE.hex()
HASHES = ["0x" + decode_transaction(raw).hash.hex() for raw in SIGNED.values()]
LOGS = {"type": "array", "items": ref("Log")}
CALLS = [
    ("eth_chainId", [], ref("uint")),
    ("eth_blockNumber", [], ref("uint")),
    ("eth_gasPrice", [], ref("uint")),
    ("eth_maxPriorityFeePerGas", [], ref("uint")),
    ("eth_syncing", [], ref("SyncingStatus")),
    ("eth_accounts", [], ref("addresses")),
    ("net_version", [], ref("uintDecimal")),
    ("eth_getBalance", [WHO, "latest"], ref("uint")),
    ("eth_getTransactionCount", [WHO, "pending"], ref("uint")),
    ("eth_getCode", [WHO, "latest"], ref("bytes")),
    ("eth_getStorageAt", [WHO, "0x0", "latest"], ref("bytes32")),
    ("eth_call", [{"to": WHO}, "latest"], ref("bytes")),
    ("eth_estimateGas", [{"to": WHO}], ref("uint")),
    ("eth_getBlockByNumber", ["0x5", False], ref("Block")),
    ("eth_getBlockByNumber", ["0x1", True], ref("Block")),
    ("eth_getBlockTransactionCountByNumber", ["0x5"], ref("uint")),
    ("eth_getLogs", [{"fromBlock": "0x0"}], LOGS),
    ("eth_blobBaseFee", [], ref("uint")),
    ("eth_createAccessList", [{"to": WHO}], {"properties": {"accessList": ref("AccessList"), "gasUsed": ref("uint")}}),
    ("eth_getTransactionByBlockNumberAndIndex", ["0x5", "0x1"], ref("TransactionInfo")),
    ("eth_getTransactionByBlockNumberAndIndex", ["0x5", "0x9"], ref("notFound")),
    ("eth_getBlockReceipts", ["0x1"], {"type": "array", "items": ref("ReceiptInfo")}),
    ("debug_getRawReceipts", ["0x5"], {"type": "array", "items": ref("bytes")}),
    ("debug_getRawBlock", ["0x5"], ref("bytes")),
    *[("eth_getTransactionByHash", [found], ref("TransactionInfo")) for found in HASHES],
    *[("eth_getTransactionReceipt", [found], ref("ReceiptInfo")) for found in HASHES],
]


@pytest.mark.parametrize(("method", "params", "schema"), CALLS, ids=[f"{i}-{call[0]}" for i, call in enumerate(CALLS)])
async def test_result_has_the_shape_of_the_specification(method, params, schema):
    assert problems(await Client().result(method, *params), schema) == []


async def test_syncing_object():
    client = Client()
    client.node.ready = False
    assert problems(await client.result("eth_syncing"), ref("SyncingStatus")) == []


async def test_receipts_of_a_block_apart_from_deliveries():
    _, *receipts = await Client().result("eth_getBlockReceipts", "0x5")
    assert problems(receipts, {"type": "array", "items": ref("ReceiptInfo")}) == []


async def test_full_block_apart_from_deliveries():
    block = await Client().result("eth_getBlockByNumber", "0x5", True)
    del block["transactions"][0]
    assert problems(block, ref("Block")) == []


def test_the_checker_finds_what_is_wrong():
    log = {"transactionHash": "0x" + "00" * 32}
    assert problems(log, ref("Log")) == []
    for wrong in ({}, log | {"more": 1}, log | {"logIndex": "0x01"}, log | {"topics": "0x"}, log | {"topics": [5]}):
        assert problems(wrong, ref("Log"))

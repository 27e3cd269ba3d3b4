"""Results against the schemas of the Ethereum execution API specification (tests/vectors/execution-apis)."""

import re
from pathlib import Path

import pytest
import yaml

from shard.transactions import decode_transaction
from tests.node.rpc.fake import ALICE, SIGNED, Client

FOLDER = Path(__file__).parents[2] / "vectors" / "execution-apis"
SCHEMAS = {name: schema for file in sorted(FOLDER.glob("*.yaml")) for name, schema in yaml.safe_load(file.read_text()).items()}
TYPES = {"string": str, "array": list, "object": dict, "boolean": bool, "null": type(None), "number": (int, float)}


def problems(value, schema: dict, where: str = "$") -> list[str]:
    """What of the part of JSON Schema that the specification uses does not hold."""
    if "$ref" in schema:
        return problems(value, SCHEMAS[schema["$ref"].rpartition("/")[2]], where)
    found = []
    if "type" in schema and not isinstance(value, TYPES[schema["type"]]):
        return [f"{where}: {value!r} is no {schema['type']}"]
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        found.append(f"{where}: {value!r} is not {schema['pattern']}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where}: {value!r} is none of {schema['enum']}")
    for part in schema.get("allOf", []):
        found += problems(value, part, where)
    for keyword in ("oneOf", "anyOf"):
        if keyword in schema:
            tried = [problems(value, option, where) for option in schema[keyword]]
            matching = sum(not t for t in tried)
            if not matching or (keyword == "oneOf" and matching > 1):
                found.append(f"{where}: {matching} of {keyword} match: {tried}")
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            found += problems(item, schema["items"], f"{where}[{i}]")
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        found += [f"{where}: no {name}" for name in schema.get("required", []) if name not in value]
        if schema.get("additionalProperties") is False:
            found += [f"{where}: {name} is unknown" for name in value if name not in properties]
        for name, part in properties.items():
            if name in value:
                found += problems(value[name], part, f"{where}.{name}")
    return found


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

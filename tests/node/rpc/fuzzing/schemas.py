"""The parameters of every method as JSON Schema: the specification's where it has the method, else ours."""

from __future__ import annotations

from functools import cache
from typing import Any

import yaml

from node.rpc.methods.controls import ALIASES
from tests.conformance.rpc.schema import SOURCES, schemas

Schema = dict[str, Any]


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


ADDRESS, HASH, UINT, BLOCK, DATA = _ref("address"), _ref("hash32"), _ref("uint"), _ref("BlockNumberOrTagOrHash"), _ref("bytes")
SHARD: Schema = {"type": "integer", "minimum": 0, "maximum": 3}
COUNT: Schema = {"type": "integer", "minimum": 0, "maximum": 2000}
HEIGHT: Schema = {"oneOf": [_ref("BlockNumberOrTag"), {"type": "integer"}]}
LOG_FILTER: Schema = {
    "type": "object",
    "properties": {
        "address": {"oneOf": [ADDRESS, {"type": "array", "items": ADDRESS}]},
        "topics": {"type": "array", "items": {"oneOf": [HASH, {"type": "null"}]}},
    },
}
TOPIC: Schema = {
    "oneOf": [{"enum": ["newHeads", "logs", "newPendingTransactions", "syncing", "finalized", "receipts"]}, {"type": "string"}]
}
OURS: dict[str, list[Schema]] = {
    "rpc_modules": [],
    "rpc.discover": [],
    "web3_clientVersion": [],
    "web3_sha3": [DATA],
    "net_listening": [],
    "net_peerCount": [],
    "shard_getNetwork": [],
    "shard_getBalances": [ADDRESS, BLOCK],
    "shard_getSupply": [],
    "shard_getAccountsPage": [HEIGHT, {"oneOf": [HASH, {"type": "null"}]}, COUNT],
    "shard_getCrossShardTransaction": [HASH],
    "shard_getPendingReceipts": [SHARD, SHARD, {"type": "object", "properties": {"from": UINT, "limit": COUNT}}],
    "shard_buildTransfer": [SHARD, ADDRESS, UINT, UINT],
    "shard_buildCall": [SHARD, ADDRESS, UINT, DATA, UINT, UINT, ADDRESS, ADDRESS],
    "shard_getReceiptProof": [HASH],
    "beacon_getHead": [],
    "beacon_getBlock": [{"oneOf": [HEIGHT, HASH]}],
    "beacon_getValidators": [],
    "beacon_getCommittees": [UINT],
    "beacon_getCrosslinks": [SHARD, HEIGHT, COUNT],
    "beacon_getEvidence": [HEIGHT, COUNT],
    "beacon_getParameters": [],
    "dev_faucet": [ADDRESS, UINT],
    "dev_snapshot": [],
    "dev_revert": [UINT],
    "dev_mine": [COUNT, COUNT],
    "dev_jumpEpoch": [],
    "dev_setAutomine": [{"type": "boolean"}],
    "dev_increaseTime": [UINT],
    "dev_setNextBlockTimestamp": [UINT],
    "evm_mine": [UINT],
    "dev_setBalance": [ADDRESS, UINT],
    "dev_setNonce": [ADDRESS, UINT],
    "dev_setCode": [ADDRESS, DATA],
    "dev_setStorageAt": [ADDRESS, UINT, HASH],
    "dev_impersonateAccount": [ADDRESS],
    "dev_stopImpersonatingAccount": [ADDRESS],
    "dev_autoImpersonateAccount": [{"type": "boolean"}],
    "eth_sendTransaction": [_ref("GenericTransaction")],
    "shard_subscribe": [TOPIC, LOG_FILTER],
    "shard_unsubscribe": [UINT],
    "eth_subscribe": [TOPIC, LOG_FILTER],
    "eth_unsubscribe": [UINT],
    "eth_getUncleCountByBlockNumber": [HEIGHT],
    "eth_getUncleCountByBlockHash": [HASH],
    "eth_getUncleByBlockNumberAndIndex": [HEIGHT, UINT],
    "eth_getUncleByBlockHashAndIndex": [HASH, UINT],
    "eth_getRawTransactionByHash": [HASH],
    "eth_getRawTransactionByBlockNumberAndIndex": [HEIGHT, UINT],
    "eth_getRawTransactionByBlockHashAndIndex": [HASH, UINT],
    "txpool_inspect": [],
    "ots_getApiLevel": [],
    "ots_hasCode": [ADDRESS, {"oneOf": [BLOCK, COUNT]}],
    "ots_getTransactionError": [HASH],
    "ots_traceTransaction": [HASH],
    "ots_getInternalOperations": [HASH],
    "ots_getBlockDetails": [HEIGHT],
    "ots_getBlockDetailsByHash": [HASH],
    "ots_getBlockTransactions": [HEIGHT, COUNT, COUNT],
    "ots_searchTransactionsBefore": [ADDRESS, COUNT, COUNT],
    "ots_searchTransactionsAfter": [ADDRESS, COUNT, COUNT],
    "ots_getTransactionBySenderAndNonce": [ADDRESS, COUNT],
    "ots_getContractCreator": [ADDRESS],
    "erigon_getHeaderByNumber": [HEIGHT],
    "debug_traceCall": [
        _ref("GenericTransaction"),
        BLOCK,
        {
            "type": "object",
            "properties": {
                "tracer": {"enum": ["callTracer", "prestateTracer", "noTracer"]},
                "tracerConfig": {
                    "type": "object",
                    "properties": {"onlyTopCall": {"type": "boolean"}, "withLog": {"type": "boolean"}, "diffMode": {"type": "boolean"}},
                },
                "disableStack": {"type": "boolean"},
                "enableMemory": {"type": "boolean"},
                "limit": {"type": "integer"},
            },
        },
    ],
}
"""Of methods that the specification does not have."""


@cache
def parameters() -> dict[str, list[Schema]]:
    """Schemas of the arguments, by method."""
    files = [file for folder in ("eth", "debug", "txpool") for file in sorted((SOURCES / folder).glob("*.yaml"))]
    methods = [method for file in files for method in yaml.safe_load(file.read_text())]
    ours = OURS | {alias: OURS[name] for alias, name in ALIASES.items()}
    return ours | {method["name"]: [parameter["schema"] for parameter in method["params"]] for method in methods}


def resolve(schema: Schema) -> Schema:
    """What a reference is to."""
    while "$ref" in schema:
        schema = schemas()[schema["$ref"].rpartition("/")[2]]
    return schema

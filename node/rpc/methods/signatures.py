"""What every method takes and gives, one row a method; rpc.discover tells it as OpenRPC 1.3."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from node.rpc.methods.context import Method
from node.rpc.methods.controls import ALIASES

OPENRPC_VERSION = "1.3.2"
Json = dict[str, object]
_HEX = r"^0x[0-9a-fA-F]*$"
_TAGS = ["latest", "safe", "finalized", "earliest", "pending"]
_QUANTITY: Json = {"type": "string", "pattern": r"^0x(0|[1-9a-fA-F][0-9a-fA-F]*)$"}
_DATA: Json = {"type": "string", "pattern": _HEX}
_ADDRESS: Json = {"type": "string", "pattern": r"^0x[0-9a-fA-F]{40}$"}
_HASH: Json = {"type": "string", "pattern": r"^0x[0-9a-fA-F]{64}$"}
_TAG: Json = {"enum": _TAGS}
_COUNT: Json = {"anyOf": [_QUANTITY, {"type": "integer", "minimum": 0}]}
_NUMBER_OR_TAG: Json = {"anyOf": [_QUANTITY, _TAG]}
_OBJECT: Json = {"type": "object"}
SCHEMAS: dict[str, Json] = {
    "address": _ADDRESS, "to": _ADDRESS, "refundTo": _ADDRESS, "hash": _HASH, "after": _HASH, "data": _DATA, "slot": _DATA,
    "id": _QUANTITY, "index": _QUANTITY, "amount": _QUANTITY, "block": {"anyOf": [_QUANTITY, _TAG, _HASH, _OBJECT]},
    "beaconBlock": {"anyOf": [_QUANTITY, _TAG, _HASH]}, "numberOrTag": _NUMBER_OR_TAG, "blockNumber": _NUMBER_OR_TAG, "from": _COUNT,
    "count": _COUNT, "nonce": _COUNT, "number": _COUNT, "page": _COUNT, "size": _COUNT, "gas": _COUNT, "callbackGas": _COUNT,
    "epoch": _COUNT, "interval": _COUNT, "seconds": _COUNT, "timestamp": _COUNT,
    "shard": _COUNT, "source": _COUNT, "destination": _COUNT, "full": {"type": "boolean"}, "enabled": {"type": "boolean"}, "word": _HASH,
    "call": _OBJECT, "overrides": _OBJECT,
    "filter": _OBJECT, "config": _OBJECT, "simulation": _OBJECT, "slotsByAddress": _OBJECT, "options": _OBJECT,
    "topic": {"type": "string"}, "keys": {"type": "array", "items": _DATA}, "percentiles": {"type": "array", "items": {"type": "number"}},
}  # fmt: skip
"""Of arguments, by the name that they have in every method."""
SIGNATURES: dict[str, str] = {
    "rpc.discover": "-> object",
    "rpc_modules": "-> object",
    "web3_clientVersion": "-> string",
    "web3_sha3": "data -> string",
    "net_version": "-> string",
    "net_listening": "-> boolean",
    "net_peerCount": "-> string",
    "shard_getNetwork": "-> object",
    "shard_getBalances": "address block? -> object",
    "shard_getSupply": "-> object",
    "shard_getAccountsPage": "blockNumber after? count? -> object",
    "shard_getCrossShardTransaction": "hash -> object|null",
    "shard_getPendingReceipts": "source destination nonce? -> object",
    "shard_buildTransfer": "source destination to amount -> object",
    "shard_buildCall": "source destination to amount data gas refundTo callbackGas? -> object",
    "shard_getReceiptProof": "hash -> object|null",
    "beacon_getHead": "-> object",
    "beacon_getBlock": "beaconBlock -> object|null",
    "beacon_getValidators": "-> array",
    "beacon_getCommittees": "epoch? -> object|null",
    "beacon_getCrosslinks": "shard from? count? -> array",
    "beacon_getEvidence": "from? count? -> array",
    "beacon_getParameters": "-> object",
    "dev_faucet": "address shard? -> object",
    "dev_snapshot": "-> string",
    "dev_revert": "number -> boolean",
    "dev_mine": "count? interval? -> string",
    "dev_setAutomine": "enabled -> boolean",
    "dev_jumpEpoch": "-> string",
    "dev_increaseTime": "seconds -> string",
    "dev_setNextBlockTimestamp": "timestamp -> boolean",
    "evm_mine": "timestamp? -> string",
    "dev_setBalance": "address amount -> boolean",
    "dev_setNonce": "address nonce -> boolean",
    "dev_setCode": "address data -> boolean",
    "dev_setStorageAt": "address slot word -> boolean",
    "dev_impersonateAccount": "address -> boolean",
    "dev_stopImpersonatingAccount": "address -> boolean",
    "dev_autoImpersonateAccount": "enabled -> boolean",
    "eth_sendTransaction": "call -> string",
    "shard_subscribe": "topic options? -> string",
    "shard_unsubscribe": "id -> boolean",
    "eth_chainId": "-> string",
    "eth_blockNumber": "-> string",
    "eth_syncing": "-> boolean|object",
    "eth_accounts": "-> array",
    "eth_capabilities": "-> object",
    "eth_getBalance": "address block? -> string",
    "eth_getTransactionCount": "address block? -> string",
    "eth_getCode": "address block? -> string",
    "eth_getStorageAt": "address slot block? -> string",
    "eth_getStorageValues": "slotsByAddress block? -> object",
    "eth_getBlockByNumber": "numberOrTag full? -> object|null",
    "eth_getBlockByHash": "hash full? -> object|null",
    "eth_getBlockTransactionCountByNumber": "numberOrTag -> string|null",
    "eth_getBlockTransactionCountByHash": "hash -> string|null",
    "eth_getUncleCountByBlockNumber": "numberOrTag -> string|null",
    "eth_getUncleCountByBlockHash": "hash -> string|null",
    "eth_getUncleByBlockNumberAndIndex": "numberOrTag index -> null",
    "eth_getUncleByBlockHashAndIndex": "hash index -> null",
    "eth_getLogs": "filter -> array",
    "eth_getTransactionByHash": "hash -> object|null",
    "eth_getTransactionByBlockNumberAndIndex": "numberOrTag index -> object|null",
    "eth_getTransactionByBlockHashAndIndex": "hash index -> object|null",
    "eth_getRawTransactionByHash": "hash -> string|null",
    "eth_getRawTransactionByBlockNumberAndIndex": "numberOrTag index -> string|null",
    "eth_getRawTransactionByBlockHashAndIndex": "hash index -> string|null",
    "eth_getTransactionReceipt": "hash -> object|null",
    "eth_getBlockReceipts": "block -> array|null",
    "eth_call": "call block? overrides? -> string",
    "eth_estimateGas": "call block? overrides? -> string",
    "eth_createAccessList": "call block? overrides? -> object",
    "eth_gasPrice": "-> string",
    "eth_baseFee": "-> string",
    "eth_maxPriorityFeePerGas": "-> string",
    "eth_blobBaseFee": "-> string",
    "eth_feeHistory": "count numberOrTag percentiles? -> object",
    "eth_sendRawTransaction": "data -> string",
    "txpool_status": "-> object",
    "txpool_content": "-> object",
    "txpool_contentFrom": "address -> object",
    "txpool_inspect": "-> object",
    "debug_getRawHeader": "block -> string|null",
    "debug_getRawBlock": "block -> string|null",
    "debug_getRawReceipts": "block -> array|null",
    "debug_getRawTransaction": "hash -> string|null",
    "ots_getApiLevel": "-> number",
    "ots_hasCode": "address block? -> boolean",
    "ots_getTransactionError": "hash -> string|null",
    "ots_traceTransaction": "hash -> array|null",
    "ots_getInternalOperations": "hash -> array|null",
    "ots_getBlockDetails": "numberOrTag -> object|null",
    "ots_getBlockDetailsByHash": "hash -> object|null",
    "ots_getBlockTransactions": "numberOrTag page size -> object|null",
    "ots_searchTransactionsBefore": "address number size -> object",
    "ots_searchTransactionsAfter": "address number size -> object",
    "ots_getTransactionBySenderAndNonce": "address nonce -> string|null",
    "ots_getContractCreator": "address -> object|null",
    "erigon_getHeaderByNumber": "numberOrTag -> object|null",
    "eth_simulateV1": "simulation block? -> array",
    "eth_getProof": "address keys block? -> object",
    "debug_traceTransaction": "hash config? -> object",
    "debug_traceCall": "call block? config? -> object",
    "debug_traceBlockByNumber": "numberOrTag config? -> array",
    "debug_traceBlockByHash": "hash config? -> array",
    "eth_newFilter": "filter -> string",
    "eth_newBlockFilter": "-> string",
    "eth_newPendingTransactionFilter": "-> string",
    "eth_getFilterChanges": "id -> array",
    "eth_getFilterLogs": "id -> array",
    "eth_uninstallFilter": "id -> boolean",
    "eth_subscribe": "topic options? -> string",
    "eth_unsubscribe": "id -> boolean",
}
"""Arguments by place, those with a question mark may be left out; then the kind of the result."""


def _parameters(part: str) -> list[Json]:
    names = [(name.removesuffix("?"), not name.endswith("?")) for name in part.split()]
    return [{"name": name, "required": required, "schema": SCHEMAS[name]} for name, required in names]


@cache
def _described(name: str, summary: str) -> Json:
    taken, _, given = SIGNATURES[ALIASES.get(name, name)].partition("-> ")
    kinds = given.split("|")
    result: Json = {"name": "result", "schema": {"type": kinds[0] if len(kinds) == 1 else kinds}}
    return {"name": name, "summary": summary, "paramStructure": "by-position", "params": _parameters(taken), "result": result}


def _summary(name: str, method: Method) -> str:
    first = (method.handler.__doc__ or "").strip().split("\n")[0]
    told = first.partition(": ")[2] or first
    return told if told.rstrip(".") != name else ""


def describe(methods: Mapping[str, Method], version: str) -> Json:
    """The OpenRPC document of methods; `version` is the client's."""
    told = [_described(name, _summary(name, method)) for name, method in sorted(methods.items())]
    return {"openrpc": OPENRPC_VERSION, "info": {"title": "shardnet JSON-RPC", "version": version}, "methods": told}

"""The error table of docs/json-rpc.md, each row by name."""

import pytest
import trio
import trio.testing
from eth_abi import encode

from node.rpc import limits
from primitives.errors import Busy, ExecutorLost, Interrupted, InvalidQuery, InvalidTransaction, QueryReason, TransactionReason
from shard.transactions import check_stateless, decode_transaction
from shard.views import CallOutcome, Estimate
from tests.node.rpc.fake import CHAIN_ID, POOLED, Client, sign

REASON = TransactionReason
TO = "0x" + "22" * 20

TRANSACTION_ROWS = {
    REASON.MALFORMED: ("rlp: an item is longer than its list", -32000, "rlp: an item is longer than its list"),
    REASON.UNSUPPORTED_TYPE: ("transaction type not supported: blobs", -32000, "transaction type not supported: blobs"),
    REASON.BAD_SIGNATURE: ("", -32000, "invalid sender"),
    REASON.WRONG_CHAIN_ID: ("invalid chain id for signer: have 1 want 2", -32000, "invalid chain id for signer: have 1 want 2"),
    REASON.NONCE_TOO_LOW: ("nonce too low: next nonce 4, tx nonce 3", -32000, "nonce too low: next nonce 4, tx nonce 3"),
    REASON.NONCE_TOO_HIGH: ("", -32000, "nonce too high"),
    REASON.NONCE_MAX: ("", -32000, "nonce has max value"),
    REASON.INSUFFICIENT_FUNDS: (
        "balance 1, tx cost 3, overshot 2", -32000, "insufficient funds for gas * price + value: balance 1, tx cost 3, overshot 2",
    ),
    REASON.INTRINSIC_GAS: (
        "intrinsic gas too low: gas 1, minimum needed 21000", -32000, "intrinsic gas too low: gas 1, minimum needed 21000",
    ),
    REASON.GAS_LIMIT: ("exceeds block gas limit", -32000, "exceeds block gas limit"),
    REASON.FEE_BELOW_BASE: ("address 0x1", -32000, "max fee per gas less than block base fee: address 0x1"),
    REASON.TIP_ABOVE_FEE: ("tip 2", -32000, "max priority fee per gas higher than max fee per gas: tip 2"),
    REASON.FEE_OVERFLOW: ("gas * price + value exceeds 256 bits", -32000, "gas * price + value exceeds 256 bits"),
    REASON.SENDER_HAS_CODE: ("sender not an eoa: address 0x1", -32000, "sender not an eoa: address 0x1"),
    REASON.INIT_CODE_SIZE: ("code size 9", -32000, "max initcode size exceeded: code size 9"),
    REASON.AUTHORIZATION_LIST: ("EIP-7702 transaction with empty auth list", -32000, "EIP-7702 transaction with empty auth list"),
    REASON.ALREADY_KNOWN: ("whatever", -32000, "already known"),
    REASON.REPLACEMENT_UNDERPRICED: ("whatever", -32000, "replacement transaction underpriced"),
    REASON.UNDERPRICED: ("whatever", -32000, "transaction underpriced"),
    REASON.POOL_FULL: ("whatever", -32000, "txpool is full"),
    REASON.SENDER_LIMIT: ("2048 transactions", -32000, "account limit exceeded: 2048 transactions"),
    REASON.TOO_LARGE: ("", -32000, "oversized data"),
    REASON.TOO_SLOW: ("", -32000, "execution too slow for this network"),
}  # fmt: skip


@pytest.mark.parametrize("reason", TransactionReason)
async def test_every_reason_a_transaction_is_refused_for(reason):
    message, code, words = TRANSACTION_ROWS[reason]
    client = Client()
    client.shard.raises = InvalidTransaction(reason, message)
    assert await client.error("eth_sendRawTransaction", "0x" + POOLED.hex()) == (code, words)


async def test_a_transaction_for_another_shard_gets_a_hint():
    client = Client("/shard/1")
    with pytest.raises(InvalidTransaction) as caught:
        check_stateless(
            decode_transaction(POOLED), chain_id=CHAIN_ID + 1, chain_id_base=CHAIN_ID, shard_count=2, block_gas_limit=30_000_000
        )
    client.node.shards[1].raises = caught.value
    code, message = await client.error("eth_sendRawTransaction", "0x" + POOLED.hex())
    assert code == -32000
    assert message.startswith("invalid chain id for signer: have 735700 want 735701")
    assert "shard 0 of this network" in message


@pytest.mark.parametrize("raw", ["0x03c0", "0x", "0x7dff", "0x02"])
async def test_what_is_no_transaction(raw):
    code, message = await Client().error("eth_sendRawTransaction", raw)
    assert code == -32000
    assert message.startswith(("transaction type not supported", "rlp", "invalid transaction"))


REVERTS = {
    "no data": (b"", "execution reverted"),
    "reason": (bytes.fromhex("08c379a0") + encode(("string",), ("user error",)), "execution reverted: user error"),
    "panic": (bytes.fromhex("4e487b71") + encode(("uint256",), (0x11,)), "execution reverted: arithmetic underflow or overflow"),
    "unknown panic": (bytes.fromhex("4e487b71") + encode(("uint256",), (0x99,)), "execution reverted: unknown panic code: 0x99"),
    "custom error": (b"\xde\xad\xbe\xef", "execution reverted"),
    "cut short": (bytes.fromhex("08c379a0") + bytes(20), "execution reverted"),
    "not text": (bytes.fromhex("08c379a0") + encode(("bytes",), (b"\xff\xfe",)), "execution reverted"),
    "absurd length": (bytes.fromhex("08c379a0") + encode(("uint256", "uint256"), (32, 2**255)), "execution reverted"),
}


@pytest.mark.parametrize("row", REVERTS)
@pytest.mark.parametrize("method", ["eth_call", "eth_estimateGas"])
async def test_revert(method, row):
    output, message = REVERTS[row]
    client = Client()
    client.shard.outcome = CallOutcome(False, output, 30_000, "execution reverted")
    client.shard.estimate = Estimate(None, client.shard.outcome)
    error = (await client.call(method, {"to": TO}))["error"]
    assert error == {"code": 3, "message": message, "data": "0x" + output.hex()}


async def test_failures_that_are_no_reverts():
    client = Client()
    client.shard.outcome = CallOutcome(False, b"", 30_000, "out of gas")
    client.shard.estimate = Estimate(None, CallOutcome(False, b"", 0, "gas required exceeds allowance (21000)"))
    assert await client.error("eth_call", {"to": TO}) == (-32000, "out of gas")
    assert await client.error("eth_estimateGas", {"to": TO}) == (-32000, "gas required exceeds allowance (21000)")


async def test_five_seconds_of_execution():
    client = Client()
    client.shard.raises = Interrupted("call_seconds_max")
    code, message = await client.error("eth_call", {"to": TO})
    assert (code, message.split(":")[0]) == (-32002, "execution aborted")
    assert client.observer.limits == ["call_seconds_max"]


@pytest.mark.parametrize("error", [Busy("reads_queued_max"), ExecutorLost("the executor of shard 0 is being restarted")])
async def test_busy(error):
    client = Client()
    client.shard.raises = error
    code, message = await client.error("eth_getBalance", TO)
    assert code == -32005
    assert message.startswith("busy: ")


async def test_queue_of_simulated_calls():
    client = Client()
    client.shard.gate = trio.Event()
    errors = []

    async def ask():
        errors.append((await client.call("eth_call", {"to": TO})).get("error", {}).get("code"))

    async with trio.open_nursery() as nursery:
        for _ in range(limits.EXECUTIONS_QUEUED_MAX + 2):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        assert errors == [-32005, -32005]
        assert "result" in await client.call("eth_estimateGas", {"to": TO}, path="/shard/1")
        client.shard.gate.set()
    assert errors[2:] == [None] * limits.EXECUTIONS_QUEUED_MAX
    assert client.observer.limits == ["executions_queued_max"] * 2


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("eth_getBalance", [TO, "0x64"]), ("eth_getTransactionCount", [TO, "0x64"]), ("eth_getCode", [TO, "0x" + "ab" * 32]),
        ("eth_getStorageAt", [TO, "0x0", {"blockHash": "0x" + "ab" * 32}]), ("eth_call", [{"to": TO}, "0x64"]),
        ("eth_estimateGas", [{"to": TO}, {"blockNumber": "0x64"}]),
    ],
)  # fmt: skip
async def test_unknown_block(method, params):
    assert await Client().error(method, *params) == (-32000, "header not found")


@pytest.mark.parametrize(
    ("reason", "message", "code", "words"),
    [
        (QueryReason.UNKNOWN_BLOCK, "unknown block", -32000, "header not found"),
        (QueryReason.BAD_RANGE, "invalid block range params", -32602, "invalid block range params"),
        (QueryReason.BEYOND_HEAD, "block range extends beyond current head block", -32602, "block range extends beyond current head block"),
        (QueryReason.OVER_LIMIT, "query returned more than 10000 results", -32602, "query returned more than 10000 results"),
    ],
)
async def test_logs(reason, message, code, words):
    client = Client()
    client.shard.raises = InvalidQuery(reason, message)
    assert await client.error("eth_getLogs", {}) == (code, words)


async def test_a_fault_of_ours_is_told_and_logged_and_ends_nothing(caplog):
    client = Client()
    client.shard.raises = AssertionError("a secret")
    code, message = await client.error("eth_getBalance", TO)
    assert code == -32603
    assert "secret" not in message
    assert "a secret" in caplog.text
    client.shard.raises = None
    assert await client.result("eth_getBalance", TO) == "0x0"


BAD = {
    "missing": ("eth_getBalance", [], "missing value for required argument 0"),
    "null": ("eth_getBalance", [None], "missing value for required argument 0"),
    "too many": ("eth_chainId", [1], "too many arguments, want at most 0"),
    "short address": ("eth_getBalance", ["0x1234"], "invalid argument 0: hex string has length 4, want 40 for an address"),
    "no prefix": ("eth_getBalance", ["22" * 20], "invalid argument 0: hex string without 0x prefix"),
    "not hex": ("eth_getBalance", ["0x" + "zz" * 20], "invalid argument 0: invalid hex string"),
    "not a string": ("eth_getBalance", [5], "invalid argument 0: an address is a hex string, this is a number"),
    "other digits": ("eth_getBalance", [TO, "0x\u0661"], "invalid argument 1: invalid hex string"),
    "leading zero": ("eth_getBalance", [TO, "0x01"], "invalid argument 1: hex number with leading zero digits"),
    "empty number": ("eth_getBalance", [TO, "0x"], 'invalid argument 1: hex string "0x" is no number'),
    "number": ("eth_getBalance", [TO, 1], "invalid argument 1: a quantity is a hex string, this is a number"),
    "over 64 bits": ("eth_getBalance", [TO, "0x1" + "0" * 16], "invalid argument 1: hex number over 64 bits"),
    "unknown tag": ("eth_getBalance", [TO, "newest"], "invalid argument 1: want a block number in hex or one of"),
    "both": (
        "eth_getBalance",
        [TO, {"blockNumber": "0x1", "blockHash": "0x" + "00" * 32}],
        "invalid argument 1: a block object has either",
    ),
    "neither": ("eth_getBalance", [TO, {}], "invalid argument 1: a block object has either"),
    "boolean": ("eth_getBlockByNumber", ["0x1", "true"], "invalid argument 1: want true or false, this is a string"),
    "odd data": ("eth_sendRawTransaction", ["0x123"], "invalid argument 0: hex string of odd length"),
    "long key": ("eth_getStorageAt", [TO, "0x" + "0" * 65], "invalid argument 1: storage key too long"),
    "bad key": ("eth_getStorageAt", [TO, "0xasdf"], "invalid argument 1: invalid hex in storage key"),
    "call": ("eth_call", ["0x"], "invalid argument 0: want a call object, this is a string"),
    "call field": ("eth_call", [{"to": TO, "gas": "0x0f"}], "invalid argument 0, field gas: hex number with leading zero"),
    "overrides": ("eth_call", [{"to": TO}, "latest", []], "invalid argument 2: state overrides are an object of accounts by address"),
    "override": ("eth_call", [{"to": TO}, "latest", {TO: 1}], f"invalid argument 2, account {TO}: want an object, this is a number"),
    "overridden address": ("eth_estimateGas", [{"to": TO}, "latest", {"0x12": {}}], "invalid argument 2: hex string has length 2, want 40"),
    "overridden twice": ("eth_call", [{"to": TO}, None, {"0x" + "aa" * 20: {}, "0x" + "AA" * 20: {}}], "invalid argument 2: an address"),
    "override field": ("eth_call", [{}, None, {TO: {"blance": "0x1"}}], f"invalid argument 2, account {TO}: no field blance: there are"),
    "override value": ("eth_call", [{}, None, {TO: {"nonce": "0x01"}}], f"invalid argument 2, account {TO}, field nonce: hex number with"),
    "state and stateDiff": ("eth_call", [{}, None, {TO: {"state": {}, "stateDiff": {}}}], f"invalid argument 2, account {TO}: both state"),
    "override slot": ("eth_call", [{}, None, {TO: {"state": {"0x1": "0x1"}}}], f"invalid argument 2, account {TO}, field state: hex"),
    "moved precompile": (
        "eth_createAccessList", [{}, None, {TO: {"movePrecompileToAddress": TO}}],
        f"invalid argument 2, account {TO}: movePrecompileToAddress is not supported",
    ),
    "code of a precompile": (
        "eth_call", [{}, None, {"0x" + "01".rjust(40, "0"): {"code": "0x00"}}],
        f"invalid argument 2, account 0x{'01'.rjust(40, '0')}: the code of a built-in contract cannot be replaced",
    ),
    "authorizations": ("eth_call", [{"to": TO, "authorizationList": {}}], "invalid argument 0, field authorizationList: want an array"),
    "authorization": ("eth_call", [{"to": TO, "authorizationList": [{}]}], "invalid argument 0, field authorizationList[0].chainId"),
    "access list": (
        "eth_call",
        [{"accessList": [{"address": TO, "storageKeys": ["0x1"]}]}],
        "invalid argument 0, field accessList[0].storageKeys[0]",
    ),
    "filter": ("eth_getLogs", [[]], "invalid argument 0: want a filter object, this is an array"),
    "topic": ("eth_getLogs", [{"topics": ["0x12"]}], "invalid argument 0, field topics[0]: hex string has length 2, want 64 for a topic"),
    "five topics": ("eth_getLogs", [{"topics": [None] * 5}], "invalid argument 0, field topics: a log has at most 4 topics"),
    "hash and range": ("eth_getLogs", [{"blockHash": "0x" + "00" * 32, "fromBlock": "0x1"}], "cannot specify both BlockHash and FromBlock"),
    "percentile": ("eth_feeHistory", ["0x1", "latest", [101]], "invalid argument 2[0]: invalid reward percentile"),
    "falling": ("eth_feeHistory", ["0x1", "latest", [5, 4]], "invalid argument 2[1]: invalid reward percentile"),
    "negative": ("eth_feeHistory", [-1, "latest", []], "invalid argument 0: a block count is not negative"),
    "height of every shard": ("shard_getBalances", [TO, "0x1"], "invalid argument 1: heights differ from shard to shard"),
}  # fmt: skip


@pytest.mark.parametrize("row", BAD)
async def test_bad_parameters_say_what_is_wrong_and_where(row):
    method, params, words = BAD[row]
    code, message = await Client().error(method, *params)
    assert code == -32602
    assert message.startswith(words)


async def test_parameters_by_name():
    answer = await Client().post({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": {"a": 1}})
    assert answer.json["error"]["code"] == -32602


CALLS = {
    "two inputs": ({"data": "0x01", "input": "0x02"}, 'both "data" and "input" are set and not equal'),
    "two prices": ({"gasPrice": "0x1", "maxFeePerGas": "0x1"}, "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified"),
    "tip above fee": ({"maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x2"}, "max priority fee per gas higher than max fee per gas"),
    "chain id": ({"chainId": "0x1"}, "chainId does not match node's (have=1, want=735700)"),
}


@pytest.mark.parametrize("row", CALLS)
async def test_call_objects_that_contradict(row):
    request, words = CALLS[row]
    code, message = await Client().error("eth_call", request)
    assert code == -32000
    assert message.startswith(words)


async def test_fee_history_beyond_head():
    assert await Client().error("eth_feeHistory", "0x1", "0xb", []) == (-32000, "request beyond head block: requested 11, head 10")


async def test_blob_transaction_is_refused_with_words():
    assert sign(gasPrice=1)[0] >= 0xC0
    code, message = await Client().error("eth_sendRawTransaction", "0x03" + "c0" * 4)
    assert code == -32000
    assert "blob transactions (type 3) are not supported" in message

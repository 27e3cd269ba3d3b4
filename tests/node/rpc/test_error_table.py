"""The error table of docs/json-rpc.md, row by row, word by word, on a node with real pools and executors."""

import json
import random

import pytest
from eth_abi import encode
from eth_account import Account
from eth_utils import to_checksum_address

from node.admission import Admission
from node.backend import NodeBackend
from node.core.effects import Now
from node.executors.inline import InlineExecutor
from node.feed import Feed
from node.rpc import limits
from node.rpc.methods.registry import SHARD
from node.store import NodeStore
from primitives.genesis import GenesisAccount
from shard.database import MemoryDatabase
from shard.pool import PoolLimits
from shard.transactions import decode_transaction
from tests.node.rpc.fake import Client
from tests.node.support import make_core, make_genesis

CHAIN_ID = 735_700
GWEI = 10**9
RICH, POOR, USED, CONTRACTOR = (Account.from_key(bytes([n]) * 32) for n in (0x11, 0x12, 0x13, 0x14))
TO = "0x" + "22" * 20
REASON = bytes.fromhex("08c379a0") + encode(("string",), ("not today",))
CONTRACTS = {
    "0x" + "c1" * 20: bytes.fromhex("5f5ffd"),  # revert with nothing
    "0x" + "c2" * 20: bytes.fromhex("5b5f56"),  # for ever
    # revert with the call's own data
    "0x" + "c3" * 20: bytes.fromhex("365f5f37365ffd"),
    "0x" + "c4" * 20: bytes.fromhex("fe"),
}
REVERTS, LOOPS, ECHOES, INVALID = CONTRACTS
CALL_MILLISECONDS_MAX = 50


def address(account):
    return bytes.fromhex(account.address[2:])


def genesis():
    accounts = [
        GenesisAccount(address=address(RICH), balance=10**18),
        GenesisAccount(address=address(POOR), balance=10**13),
        GenesisAccount(address=address(USED), balance=10**18, nonce=7),
        GenesisAccount(address=address(CONTRACTOR), balance=10**18, nonce=1, code=b"\x00"),
        *(GenesisAccount(address=bytes.fromhex(at[2:]), nonce=1, code=code) for at, code in CONTRACTS.items()),
    ]
    made = make_genesis()
    return made.model_copy(update={"accounts": (*made.accounts, *accounts)})


@pytest.fixture
async def node(nursery, request):
    pool_limits = getattr(request, "param", PoolLimits())
    core = make_core(genesis=genesis(), limits=pool_limits)
    links = {
        shard: InlineExecutor(core.context.genesis, shard, MemoryDatabase(), call_deadline_ms=CALL_MILLISECONDS_MAX) for shard in range(2)
    }
    for link in links.values():
        await link.start(nursery)
    core.start()
    feed = Feed(core)
    admission = Admission(
        core, links, lambda: Now(1_000, 1_000_000), lambda effects: None, lambda *observed: None, lambda *penalty: None, feed.pooled
    )
    store = NodeStore(MemoryDatabase(), core.context.genesis.root, "memory")
    client = Client(node=NodeBackend(core=core, links=links, store=store, submit=admission.submit, peers=lambda: 0, feed=feed))
    client.pool = core.shards[0].pool
    yield client
    for link in links.values():
        await link.stop()


def sign(account=RICH, **fields):
    wanted = {
        "chainId": CHAIN_ID, "nonce": 0, "value": 1, "to": TO, "gas": 21_000, "maxFeePerGas": 2 * GWEI, "maxPriorityFeePerGas": GWEI,
    }  # fmt: skip
    wanted |= fields
    if "gasPrice" in wanted:
        del wanted["maxFeePerGas"], wanted["maxPriorityFeePerGas"]
    if wanted.get("to"):
        wanted["to"] = to_checksum_address(wanted["to"])
    return "0x" + account.sign_transaction({k: v for k, v in wanted.items() if v is not None}).raw_transaction.hex()


def legacy_without_chain_id():
    return sign(gasPrice=GWEI, chainId=None)


COST = 21_000 * 2 * GWEI + 1
SENT = {
    "nonce too low": (lambda: sign(USED, nonce=6), "nonce too low: next nonce 7, tx nonce 6"),
    "nonce has max value": (lambda: sign(nonce=2**64 - 1), f"nonce has max value: {2**64 - 1}"),
    "funds": (
        lambda: sign(POOR),
        f"insufficient funds for gas * price + value: balance {10**13}, tx cost {COST}, overshot {COST - 10**13}",
    ),
    "gas": (lambda: sign(gas=20_999), "intrinsic gas too low: gas 20999, minimum needed 21000"),
    "floor gas": (lambda: sign(data="0x" + "01" * 100, gas=22_600), "intrinsic gas too low: gas 22600, minimum needed 25000"),
    "block gas": (lambda: sign(gas=30_000_001), "exceeds block gas limit"),
    "tip above fee": (
        lambda: sign(maxFeePerGas=GWEI, maxPriorityFeePerGas=GWEI + 1),
        f"max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: {GWEI + 1}, maxFeePerGas: {GWEI}",
    ),
    "chain id": (lambda: sign(chainId=1), f"invalid chain id for signer: have 1 want {CHAIN_ID}"),
    "chain id of another shard": (
        lambda: sign(chainId=CHAIN_ID + 1),
        f"invalid chain id for signer: have {CHAIN_ID + 1} want {CHAIN_ID} "
        f"(chain id {CHAIN_ID + 1} is shard 1 of this network: send it there, or sign it for chain id {CHAIN_ID})",
    ),
    "no chain id": (
        legacy_without_chain_id,
        "only replay-protected (EIP-155) transactions allowed: this one names no chain id and could be repeated on every shard; "
        f"sign it for chain id {CHAIN_ID}",
    ),
    "contract as sender": (lambda: sign(CONTRACTOR, nonce=1), "sender not an eoa: the account holds a contract (EIP-3607)"),
    "init code": (
        lambda: sign(to=None, data="0x" + "00" * 49_153, gas=5_000_000), "max initcode size exceeded: code size 49153, limit 49152",
    ),
    "blobs": (
        lambda: "0x03c0",
        "transaction type not supported: blob transactions (type 3) are not supported on this network: it has no blobs; "
        "use types 0, 1, 2 or 4",
    ),
    "delivery": (
        lambda: "0x7dc0",
        "transaction type not supported: type 0x7d is the network's own (a delivered cross-shard receipt): it cannot be sent; "
        "call the Outbox contract instead",
    ),
    "nothing": (lambda: "0x", "rlp: a transaction has at least one byte"),
}  # fmt: skip


@pytest.mark.parametrize("row", SENT)
async def test_transactions_that_are_refused(node, row):
    raw, message = SENT[row]
    assert await node.error("eth_sendRawTransaction", raw()) == (-32000, message)


async def test_already_known_and_replacements(node):
    await node.result("eth_sendRawTransaction", sign())
    assert await node.error("eth_sendRawTransaction", sign()) == (-32000, "already known")
    cheap = sign(value=2, maxFeePerGas=2 * GWEI + 1)
    assert await node.error("eth_sendRawTransaction", cheap) == (-32000, "replacement transaction underpriced")
    await node.result("eth_sendRawTransaction", sign(value=2, maxFeePerGas=22 * GWEI // 10, maxPriorityFeePerGas=11 * GWEI // 10))


async def test_funds_count_what_waits(node):
    half = sign(value=6 * 10**17)
    cost = 21_000 * 2 * GWEI + 6 * 10**17
    await node.result("eth_sendRawTransaction", half)
    assert await node.error("eth_sendRawTransaction", sign(nonce=1, value=6 * 10**17)) == (
        -32000,
        f"insufficient funds for gas * price + value: balance {10**18}, queued cost {cost}, tx cost {cost}, overshot {2 * cost - 10**18}",
    )


@pytest.mark.parametrize("node", [PoolLimits(transactions_max=1)], indirect=True)
async def test_a_full_pool(node):
    await node.result("eth_sendRawTransaction", sign())
    assert await node.error("eth_sendRawTransaction", sign(USED, nonce=7)) == (-32000, "transaction underpriced")
    assert await node.error("eth_sendRawTransaction", sign(USED, nonce=9)) == (-32000, "txpool is full")


@pytest.mark.parametrize("node", [PoolLimits(transactions_per_sender_max=1)], indirect=True)
async def test_too_many_of_one_sender(node):
    await node.result("eth_sendRawTransaction", sign())
    refused = (-32000, "account limit exceeded: 1 transactions of this account are waiting")
    assert await node.error("eth_sendRawTransaction", sign(nonce=1)) == refused


async def test_too_slow(node):
    raw = sign()
    node.pool.reject_too_slow(decode_transaction(bytes.fromhex(raw[2:])).hash, 0)
    assert await node.error("eth_sendRawTransaction", raw) == (-32000, "execution too slow for this network")


CALLED = {
    "revert": ({"to": REVERTS}, {"code": 3, "message": "execution reverted", "data": "0x"}),
    "reason": (
        {"to": ECHOES, "data": "0x" + REASON.hex()},
        {"code": 3, "message": "execution reverted: not today", "data": "0x" + REASON.hex()},
    ),
    "custom error": ({"to": ECHOES, "input": "0xdeadbeef"}, {"code": 3, "message": "execution reverted", "data": "0xdeadbeef"}),
    "fee below base": (
        {"to": TO, "gasPrice": "0x1"},
        {"code": -32000, "message": f"max fee per gas less than block base fee: maxFeePerGas: 1, baseFee: {GWEI}"},
    ),
    "creation by a delegating transaction": (
        {"authorizationList": [{"chainId": "0x0", "address": TO, "nonce": "0x0", "yParity": "0x0", "r": "0x1", "s": "0x1"}]},
        {"code": -32000, "message": "EIP-7702 transaction cannot be used to create contract"},
    ),
    "gas": ({"to": TO, "gas": "0x5207"}, {"code": -32000, "message": "intrinsic gas too low: gas 20999, minimum needed 21000"}),
    "invalid opcode": ({"to": INVALID}, {"code": -32000, "message": "invalid opcode"}),
}


@pytest.mark.parametrize("row", CALLED)
async def test_calls_that_fail(node, row):
    call, error = CALLED[row]
    assert (await node.call("eth_call", call))["error"] == error


ESTIMATED = {
    "revert": ({"to": REVERTS}, 3, "execution reverted"),
    "reason": ({"to": ECHOES, "data": "0x" + REASON.hex()}, 3, "execution reverted: not today"),
    "allowance": ({"to": TO, "gas": "0x5207"}, -32000, "gas required exceeds allowance (20999)"),
    "allowance by funds": (
        {"from": POOR.address, "to": TO, "gasPrice": hex(GWEI)}, -32000, f"gas required exceeds allowance ({10**13 // GWEI})",
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", ESTIMATED)
async def test_estimates_that_fail(node, row):
    call, code, message = ESTIMATED[row]
    assert await node.error("eth_estimateGas", call) == (code, message)


@pytest.mark.parametrize("method", ["eth_call", "eth_estimateGas", "eth_createAccessList"])
async def test_time_is_up(node, method):
    words = "execution aborted: it ran over the time that a call may take (call_deadline_ms)"
    assert await node.error(method, {"to": LOOPS}) == (-32002, words)


ASKED = {
    "block of an account": ("eth_getBalance", [TO, "0x64"], -32000, "header not found"),
    "block of a call": ("eth_call", [{"to": TO}, {"blockHash": "0x" + "ab" * 32}], -32000, "header not found"),
    "block of logs": ("eth_getLogs", [{"blockHash": "0x" + "ab" * 32}], -32000, "header not found"),
    "filter": ("eth_getFilterChanges", ["0x1234"], -32000, "filter not found"),
    "logs upside down": ("eth_getLogs", [{"fromBlock": "0x1", "toBlock": "0x0"}], -32602, "invalid block range params"),
    "logs beyond head": (
        "eth_getLogs", [{"fromBlock": "0x0", "toBlock": "0x64"}], -32602, "block range extends beyond current head block",
    ),
    "method": ("eth_accont", [], -32601, "the method eth_accont does not exist/is not available"),
    "params": ("eth_getBalance", [], -32602, "missing value for required argument 0"),
}  # fmt: skip


@pytest.mark.parametrize("row", ASKED)
async def test_questions_without_an_answer(node, row):
    method, params, code, message = ASKED[row]
    assert await node.error(method, *params) == (code, message)


async def test_logs_over_the_limit(node, monkeypatch):
    monkeypatch.setattr("shard.executor.reads.LOG_BLOCKS_MAX", 0)
    message = "block range is over the limit of 0 blocks: narrow it"
    assert await node.error("eth_getLogs", {"fromBlock": "0x0", "toBlock": "0x0"}) == (-32602, message)


WORD = "0x" + "00" * 31 + "01"
VALUES = (
    None, True, 1, -1, 1.5, 10**30, "", "0x", "0x0", "0x1", "0x01", "0xffffffffffffffff", "0x" + "f" * 64, "latest", "pending", "newest",
    TO, RICH.address, ECHOES, WORD, "0x" + "00" * 33, "\u0661", [], [1], [[]], ["0x1"], {}, {"a": 1}, {"blockNumber": "0x0"},
    {"blockHash": WORD, "requireCanonical": 1}, {"from": RICH.address, "to": ECHOES, "data": "0x12"},
    {"to": TO, "gas": "0xffffffffffffffff"},
    {"accessList": [{"address": TO}], "authorizationList": [{}]}, {TO: {"balance": "0x" + "f" * 64, "state": {WORD: WORD}}},
    {"topics": [[None], WORD], "fromBlock": "earliest"}, {"fromBlock": "0x0", "toBlock": "0x0", "address": [TO]},
)  # fmt: skip
"""Arguments that some method takes, and many that none does."""


@pytest.mark.parametrize("method", sorted(SHARD))
async def test_no_argument_is_a_fault_of_the_node(node, method):
    chance = random.Random(method)
    most = SHARD[method].required + SHARD[method].optional
    for _ in range(60 if most else 1):
        params = chance.choices(VALUES, k=most)
        for path in ("/", "/beacon"):
            code = (await node.call(method, *params, path=path)).get("error", {}).get("code")
            assert code != -32603, (method, params)


NOT_REQUESTS = {
    "not JSON": (b"{", -32700, "parse error: "),
    "no object": (b"1", -32600, "invalid request: a request is an object, or an array of objects"),
    "no version": (b'{"id":1,"method":"eth_chainId"}', -32600, 'invalid request: jsonrpc must be "2.0"'),
    "no method": (b'{"jsonrpc":"2.0","id":1}', -32600, "invalid request: method must be a string"),
    "empty batch": (b"[]", -32600, "empty batch"),
    "large batch": (b"[" + b",".join([b"1"] * 1001) + b"]", -32600, "batch too large: 1001 calls, at most 1000"),
}


@pytest.mark.parametrize("row", NOT_REQUESTS)
async def test_what_is_not_a_request(row):
    body, code, message = NOT_REQUESTS[row]
    answer = await Client().post(body)
    assert (answer.status, answer.json["error"]["code"]) == (200, code)
    assert answer.json["error"]["message"].startswith(message)
    assert answer.json["id"] == (1 if b'"id":1' in body else None)


async def test_http_has_codes_of_its_own_for_size_and_type(monkeypatch):
    client = Client()
    sentence = f"content length too large: a request has at most {limits.BODY_BYTES_MAX} bytes\n"
    large = await client.post(b" " * (limits.BODY_BYTES_MAX + 1))
    assert (large.status, large.body.decode()) == (413, sentence)
    typed = await client.http(body=b"{}", headers={b"content-type": b"text/plain"})
    assert (typed.status, typed.body) == (415, b"invalid content type, only application/json is supported\n")
    monkeypatch.setattr("node.rpc.dispatch.RESPONSE_BYTES_MAX", 10)
    answer = await Client().post(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "web3_clientVersion"}).encode())
    assert answer.json["error"] == {"code": -32003, "message": "response too large: over 10 bytes"}

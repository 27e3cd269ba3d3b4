"""Blocks and transactions by every way of naming them, raw forms, and the pool."""

import pytest
import rlp

from node.rpc import limits
from node.rpc.backend import PoolCounts
from node.rpc.methods.registry import EVERYWHERE, SHARD
from primitives.hashing import keccak256
from shard.engine.encoding import encode_receipt
from shard.engine.interface import Log
from shard.transactions import decode_transaction
from tests.node.rpc.fake import ALICE, BASE_FEE, CONTRACT, POOLED, RECEIPT_ID, TOPIC, Client

WHO = "0x" + ALICE.hex()
NOBODY = "0x" + "00" * 20
UNKNOWN = "0x" + "00" * 32


async def test_transactions_by_their_place():
    client = Client()
    block = await client.result("eth_getBlockByNumber", "0x5", True)
    for index, transaction in enumerate(block["transactions"]):
        assert await client.result("eth_getTransactionByBlockNumberAndIndex", "0x5", hex(index)) == transaction
        assert await client.result("eth_getTransactionByBlockHashAndIndex", block["hash"], hex(index)) == transaction
        raw = await client.result("eth_getRawTransactionByBlockNumberAndIndex", "0x5", hex(index))
        assert "0x" + keccak256(bytes.fromhex(raw[2:])).hex() == transaction["hash"]
        assert raw == await client.result("eth_getRawTransactionByBlockHashAndIndex", block["hash"], hex(index))
        assert raw == await client.result("eth_getRawTransactionByHash", transaction["hash"])
        assert raw == await client.result("debug_getRawTransaction", transaction["hash"])


@pytest.mark.parametrize("raw", ["", "Raw"])
async def test_no_transaction_at_a_place_is_null(raw):
    client = Client()
    assert await client.result(f"eth_get{raw}TransactionByBlockNumberAndIndex", "0x5", "0x6") is None
    assert await client.result(f"eth_get{raw}TransactionByBlockNumberAndIndex", "0x64", "0x0") is None
    assert await client.result(f"eth_get{raw}TransactionByBlockHashAndIndex", UNKNOWN, "0x0") is None
    assert (await client.error(f"eth_get{raw}TransactionByBlockNumberAndIndex", "0x5", "0x100000000"))[0] == -32602


async def test_raw_transactions_of_the_pool():
    client = Client()
    assert await client.result("eth_getRawTransactionByHash", "0x" + decode_transaction(POOLED).hash.hex()) == "0x" + POOLED.hex()
    assert await client.result("eth_getRawTransactionByHash", UNKNOWN) is None


@pytest.mark.parametrize("method", ["eth_getUncleByBlockNumberAndIndex", "eth_getUncleByBlockHashAndIndex"])
async def test_there_are_no_uncles(method):
    client = Client()
    assert await client.result(method, "0x5" if "Number" in method else UNKNOWN, "0x0") is None
    assert (await client.error(method, "latest" if "Hash" in method else UNKNOWN, "0x0"))[0] == -32602


@pytest.mark.parametrize("argument", ["0x5", "hash", {"blockNumber": "0x5"}, {"blockHash": "hash", "requireCanonical": True}])
async def test_receipts_of_a_block(argument):
    client = Client()
    block = "0x" + client.shard.blocks[5].hash.hex()
    if isinstance(argument, dict):
        argument = {key: block if value == "hash" else value for key, value in argument.items()}
    receipts = await client.result("eth_getBlockReceipts", block if argument == "hash" else argument)
    assert [r["transactionHash"] for r in receipts] == ["0x" + t.hash.hex() for t in client.shard.blocks[5].transactions]
    assert receipts[0] == await client.result("eth_getTransactionReceipt", "0x" + RECEIPT_ID.hex())


async def test_receipts_of_other_blocks():
    client = Client()
    assert await client.result("eth_getBlockReceipts", "latest") == []
    assert await client.result("eth_getBlockReceipts", "0x64") is None
    assert await client.result("eth_getBlockReceipts", UNKNOWN) is None


async def test_raw_blocks_are_rlp_in_ethereums_form():
    client = Client()
    view = client.shard.blocks[5]
    header = bytes.fromhex((await client.result("debug_getRawHeader", "0x5"))[2:])
    assert keccak256(header) == view.hash
    block = rlp.decode(bytes.fromhex((await client.result("debug_getRawBlock", "0x" + view.hash.hex()))[2:]))
    assert rlp.encode(block[0]) == header
    assert [rlp.encode(t) if isinstance(t, list) else t for t in block[1]] == [t.raw for t in view.transactions]
    assert block[2:] == [[], []]
    for method in ("debug_getRawHeader", "debug_getRawBlock", "debug_getRawReceipts"):
        assert await client.result(method, "0x64") is None
    assert await client.result("debug_getRawTransaction", UNKNOWN) is None


async def test_raw_receipts_are_those_of_the_trie():
    client = Client()
    kinds = [0x7D, 0, 1, 2, 4, 2]
    expected = [encode_receipt(kind, 1, 42_000, bytes(256), [Log(CONTRACT, (TOPIC,), b"\x01")]) for kind in kinds]
    assert await client.result("debug_getRawReceipts", "0x5") == ["0x" + receipt.hex() for receipt in expected]


async def test_pool_by_sender_and_nonce():
    client = Client()
    pooled = await client.result("eth_getTransactionByHash", "0x" + decode_transaction(POOLED).hash.hex())
    assert await client.result("txpool_status") == {"pending": "0x3", "queued": "0x1"}
    assert await client.result("txpool_content") == {"pending": {WHO: {"5": pooled}}, "queued": {}}
    assert await client.result("txpool_contentFrom", WHO) == {"pending": {"5": pooled}, "queued": {}}
    assert await client.result("txpool_contentFrom", NOBODY) == {"pending": {}, "queued": {}}
    sentence = f"0x{'22' * 20}: 7 wei + 21000 gas \N{MULTIPLICATION SIGN} {3 * BASE_FEE} wei"
    assert await client.result("txpool_inspect") == {"pending": {WHO: {"5": sentence}}, "queued": {}}


@pytest.mark.parametrize("method", ["txpool_content", "txpool_inspect"])
async def test_a_full_pool_is_not_listed_whole(method):
    client = Client()
    client.shard.pool = PoolCounts(limits.POOL_LISTED_MAX, 1)
    code, message = await client.error(method)
    assert code == -32003
    assert message.endswith("ask txpool_contentFrom for one account")
    assert client.observer.limits == ["pool_listed_max"]
    client.shard.pool = PoolCounts(limits.POOL_LISTED_MAX, 0)
    assert "pending" in await client.result(method)


@pytest.mark.parametrize(("method", "params"), [("txpool_content", []), ("txpool_inspect", []), ("txpool_contentFrom", [WHO])])
async def test_large_transactions_are_not_listed_whole(monkeypatch, method, params):
    client = Client()
    monkeypatch.setattr("node.rpc.methods.pool.POOL_LISTED_BYTES_MAX", len(POOLED) - 1)
    code, message = await client.error(method, *params)
    assert code == -32003
    assert message.endswith("ask for single ones by their hash")
    assert client.observer.limits == ["pool_listed_bytes_max"]
    monkeypatch.setattr("node.rpc.methods.pool.POOL_LISTED_BYTES_MAX", len(POOLED))
    assert "pending" in await client.result(method, *params)


async def test_blobs_cost_the_least_there_is():
    client = Client()
    assert await client.result("eth_blobBaseFee") == "0x1"
    assert (await client.result("eth_feeHistory", "0x1", "latest"))["baseFeePerBlobGas"] == ["0x1", "0x1"]


async def test_modules_are_those_of_the_address():
    client = Client()
    assert set(await client.result("rpc_modules")) == {name.replace(".", "_").partition("_")[0] for name in SHARD}
    at_beacon = await client.result("rpc_modules", path="/beacon")
    assert set(at_beacon) == {name.replace(".", "_").partition("_")[0] for name in EVERYWHERE}
    assert "eth" not in at_beacon
    assert set(at_beacon.values()) == {"1.0"}

"""What Otterscan asks: the forms it expects, and what is refused."""

import pytest

from node.rpc.methods.otterscan import OTS_PAGE_MAX
from shard.views import SearchPage, TraceConfig
from tests.node.rpc.fake import ALICE, BASE_FEE, CONTRACT, RECEIPT_ID, Client

WHO, AT = "0x" + ALICE.hex(), "0x" + CONTRACT.hex()
NAME = "0x" + RECEIPT_ID.hex()


async def test_level_code_and_header() -> None:
    client = Client()
    assert await client.result("ots_getApiLevel") == 8
    assert await client.result("ots_hasCode", AT, "latest") is True
    assert await client.result("ots_hasCode", WHO, 5) is False
    assert await client.error("ots_hasCode", WHO, 99) == (-32000, "header not found")
    header = await client.result("erigon_getHeaderByNumber", 5)
    block = await client.result("eth_getBlockByNumber", "0x5", False)
    assert header.items() <= block.items()
    assert await client.result("erigon_getHeaderByNumber", "latest") == await client.result("erigon_getHeaderByNumber", "0xa")
    assert await client.result("erigon_getHeaderByNumber", 99) is None


async def test_traces_by_their_own_forms() -> None:
    client = Client()
    for method, tracer in (("traceTransaction", "flat"), ("getInternalOperations", "internal"), ("getTransactionError", "error")):
        assert await client.result(f"ots_{method}", NAME) == {"traced": NAME}
        assert client.shard.asked[-1] == TraceConfig(tracer=tracer)
        assert await client.result(f"ots_{method}", "0x" + "00" * 32) is None


async def test_a_block_in_short() -> None:
    client = Client()
    details = await client.result("ots_getBlockDetails", 5)
    assert details["block"]["transactionCount"] == 6
    assert details["block"]["logsBloom"] is None
    assert "transactions" not in details["block"]
    assert details["issuance"] == {"blockReward": "0x0", "uncleReward": "0x0", "issuance": "0x0"}
    assert details["totalFees"] == hex(6 * 21_000 * BASE_FEE)
    assert await client.result("ots_getBlockDetailsByHash", details["block"]["hash"]) == details
    assert await client.result("ots_getBlockDetails", "0x63") is None


@pytest.mark.parametrize(("page", "size", "indexes"), [(0, 4, [2, 3, 4, 5]), (1, 4, [0, 1]), (2, 4, []), (0, 99, [0, 1, 2, 3, 4, 5])])
async def test_pages_of_a_block_are_counted_from_its_end(page, size, indexes) -> None:
    found = await Client().result("ots_getBlockTransactions", 5, page, size)
    assert [int(transaction["transactionIndex"], 16) for transaction in found["fullblock"]["transactions"]] == indexes
    assert [int(receipt["transactionIndex"], 16) for receipt in found["receipts"]] == indexes
    assert all(len(transaction["input"]) <= 10 for transaction in found["fullblock"]["transactions"])
    assert all(receipt["logs"] is None for receipt in found["receipts"])
    assert await Client().result("ots_getBlockTransactions", 99, page, size) is None


async def test_searches() -> None:
    client = Client()
    receipts = tuple(client.shard.receipts.values())[:2]
    client.shard.page = SearchPage(receipts, False)
    before = await client.result("ots_searchTransactionsBefore", WHO, 0, 25)
    assert client.shard.asked[-1] == (ALICE, 11, 25, True)
    assert (before["firstPage"], before["lastPage"]) == (True, False)
    assert [transaction["hash"] for transaction in before["txs"]] == [receipt["transactionHash"] for receipt in before["receipts"]]
    assert before["receipts"][0]["timestamp"] == receipts[0].transaction.timestamp
    after = await client.result("ots_searchTransactionsAfter", WHO, 3, 25)
    assert client.shard.asked[-1] == (ALICE, 3, 25, False)
    assert (after["firstPage"], after["lastPage"]) == (False, False)
    assert after["txs"] == before["txs"][::-1]
    client.shard.page = SearchPage((), True)
    nothing = {"txs": [], "receipts": [], "firstPage": False, "lastPage": True}
    assert await client.result("ots_searchTransactionsBefore", WHO, 7, 25) == nothing
    assert (await client.result("ots_searchTransactionsAfter", WHO, 0, 25))["lastPage"] is True


async def test_by_sender_and_nonce_and_by_contract() -> None:
    client = Client()
    client.shard.by_nonce, client.shard.creations = {4: RECEIPT_ID}, {CONTRACT: (RECEIPT_ID, ALICE)}
    assert await client.result("ots_getTransactionBySenderAndNonce", WHO, 4) == NAME
    assert await client.result("ots_getTransactionBySenderAndNonce", WHO, 5) is None
    assert await client.result("ots_getContractCreator", AT) == {"hash": NAME, "creator": WHO}
    assert await client.result("ots_getContractCreator", WHO) is None


@pytest.mark.parametrize(
    ("method", "arguments", "words"),
    [
        ("ots_searchTransactionsBefore", [WHO, 0, OTS_PAGE_MAX + 1], "invalid argument 2: a page has 1 to 100 transactions, 101 are"),
        ("ots_searchTransactionsBefore", [WHO, 0, 0], "invalid argument 2: a page has 1 to 100 transactions, 0 are asked for"),
        ("ots_searchTransactionsAfter", [WHO, -1, 5], "invalid argument 1: -1 is no number that is asked for"),
        ("ots_searchTransactionsAfter", [WHO, 2**64, 5], "invalid argument 1: 18446744073709551616 is no number"),
        ("ots_searchTransactionsAfter", [WHO, True, 5], "invalid argument 1: a quantity is a hex string, this is a boolean"),
        ("ots_getBlockTransactions", ["latest", "x", 5], "invalid argument 1: hex string without 0x prefix"),
        ("ots_getBlockDetails", [[]], "invalid argument 0: a quantity is a hex string, this is an array"),
        ("ots_getTransactionBySenderAndNonce", [WHO, None], "missing value for required argument 1"),
        ("erigon_getHeaderByNumber", ["newest"], "invalid argument 0: want a block number in hex or one of"),
    ],
)
async def test_refusals(method, arguments, words) -> None:
    code, message = await Client().error(method, *arguments)
    assert code == -32602
    assert message.startswith(words)

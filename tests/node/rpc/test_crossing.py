"""Messages between shards: their lives, what is on its way, and the calls that send them."""

from dataclasses import replace

import msgspec
import pytest
from eth_abi import decode as abi_decode

from node.rpc import limits
from node.rpc.backend import PooledTransaction
from primitives.callbacks import Outcome
from primitives.receipts import CrossShardReceipt, ReceiptKind
from shard.contracts import CLOSED, OUTBOX, OUTBOX_CONTRACT, RETURN_CLOSED
from shard.system import sent_log
from shard.transactions import decode_transaction
from shard.views import LogView, OutgoingReceipt, big
from tests.node.rpc.fake import ALICE, BASE_FEE, CHAIN_ID, DYNAMIC, GENESIS, GENESIS_TIME, RECEIPT, RECEIPT_ID, Client, sign

TRANSACTION = b"\x55" * 32
REFUND = CrossShardReceipt(0, 1, 9, ReceiptKind.CREDIT, bytes(OUTBOX), RECEIPT.sender, 800, 0, 0, bytes(20), b"")
REFUND_ID = REFUND.identity(CHAIN_ID)
TO = "0x" + "22" * 20


def sent(receipt, identity, shard, block=4, transaction=TRANSACTION):
    return OutgoingReceipt(
        identity, receipt.source, receipt.destination, receipt.nonce, receipt.kind, receipt.sender, receipt.to, big(receipt.amount),
        receipt.gas_limit, big(receipt.fee), receipt.refund_to, receipt.data, block, shard.blocks[block].hash, transaction,
    )  # fmt: skip


@pytest.fixture
def client():
    client = Client()
    source = client.node.shards[1]
    source.outgoing[RECEIPT_ID] = sent(RECEIPT, RECEIPT_ID, source)
    return client


async def life_of(client, identity=RECEIPT_ID):
    answer = await client.result("shard_getCrossShardTransaction", "0x" + identity.hex())
    assert len(answer["receipts"]) == 1
    return answer["receipts"][0]


async def test_the_life_of_a_credit(client):
    by_id = await client.result("shard_getCrossShardTransaction", "0x" + RECEIPT_ID.hex())
    assert by_id == await client.result("shard_getCrossShardTransaction", "0x" + TRANSACTION.hex(), path="/beacon")
    life = by_id["receipts"][0]
    assert (life["state"], life["outcome"], life["returned"]) == ("delivered", "success", None)
    assert life["sent"]["timestamp"] == hex(GENESIS_TIME + 4)
    assert life["crosslink"] == {"block": {"number": "0x3", "hash": "0x" + "0c" * 32}, "timestamp": hex(GENESIS_TIME + 7), "final": None}
    assert life["bundle"] == {"timestamp": hex(GENESIS_TIME + 6), "timestampMs": hex(1000 * (GENESIS_TIME + 6) + 250)}
    delivery = life["delivery"]
    assert (delivery["block"]["number"], delivery["status"], delivery["finalized"]) == ("0x5", "0x1", True)
    assert (delivery["timestamp"], delivery["gasUsed"]) == (hex(GENESIS_TIME + 5), "0x5208")
    assert await client.result("shard_getCrossShardTransaction", "0x" + "00" * 32) is None


async def test_moments_that_the_node_saw_are_told_by_its_clock(client):
    node, ms = client.node, 1000 * GENESIS_TIME
    life = await life_of(client)
    assert (life["queued"], life["sent"]["final"], life["crosslink"]["final"], life["delivery"]["final"]) == (None, None, None, None)
    node.queued[TRANSACTION] = ms + 3_100
    node.final |= {(1, 4): ms + 4_200, (2, 3): ms + 7_300, (0, 5): ms + 9_400}
    life = await life_of(client)
    moments = [life["queued"], life["sent"]["final"], life["crosslink"]["final"], life["delivery"]["final"]]
    assert [int(moment["timestampMs"], 16) - ms for moment in moments] == [3_100, 4_200, 7_300, 9_400]
    assert [int(moment["timestamp"], 16) - GENESIS_TIME for moment in moments] == [3, 4, 7, 9]


async def test_a_transaction_that_waits_has_sent_nothing_so_far(client):
    waiting, other = (sign(nonce=5, gas=300_000, to=to, **DYNAMIC) for to in (OUTBOX, bytes([0x22]) * 20))
    hashes = [decode_transaction(raw).hash for raw in (waiting, other)]
    client.shard.pooled = {hash: PooledTransaction(raw, ALICE) for hash, raw in zip(hashes, (waiting, other), strict=True)}
    client.node.queued[hashes[0]] = 1000 * GENESIS_TIME
    told = await client.result("shard_getCrossShardTransaction", "0x" + hashes[0].hex())
    queued = {"timestamp": hex(GENESIS_TIME), "timestampMs": hex(1000 * GENESIS_TIME)}
    assert told == {"transactionHash": "0x" + hashes[0].hex(), "queued": queued, "receipts": []}
    assert await client.result("shard_getCrossShardTransaction", "0x" + hashes[1].hex()) is None


async def test_what_has_not_happened_is_null(client):
    del client.shard.receipts[RECEIPT_ID]
    life = await life_of(client)
    assert (life["state"], life["outcome"], life["delivery"], life["returned"]) == ("crosslinked", None, None, None)
    client.node.crossed = replace(client.node.crossed, crosslink=None, crosslink_timestamp=None, bundle_ms=None)
    life = await life_of(client)
    assert (life["state"], life["crosslink"], life["bundle"], life["sent"]["finalized"]) == ("sent", None, None, False)


async def test_at_most_so_many_messages_of_one_transaction(client):
    source = client.node.shards[1]
    for n in range(limits.CROSSINGS_PER_TRANSACTION_MAX + 1):
        source.outgoing[bytes([n]) * 32] = sent(RECEIPT, bytes([n]) * 32, source, transaction=b"\x56" * 32)
    asked = source.asked = []
    answer = await client.result("shard_getCrossShardTransaction", "0x" + "56" * 32)
    assert len(answer["receipts"]) == limits.CROSSINGS_PER_TRANSACTION_MAX
    assert {receipt["sent"]["timestamp"] for receipt in answer["receipts"]} == {hex(GENESIS_TIME + 4)}
    assert asked == [source.blocks[4].hash], "the block they are all in is looked at once"


def deliver_with(client, status, *logs):
    delivered = client.shard.receipts[RECEIPT_ID]
    views = tuple(
        LogView(log.address, log.topics, log.data, 5, delivered.transaction.block_hash, RECEIPT_ID, 0, i, 7) for i, log in enumerate(logs)
    )
    client.shard.receipts[RECEIPT_ID] = msgspec.structs.replace(delivered, status=status, logs=views)


@pytest.mark.parametrize(("status", "outcome"), [(0, "refunded"), (1, "success")])
async def test_what_a_call_sent_home_has_a_life_of_its_own(client, status, outcome):
    deliver_with(client, status, sent_log(REFUND, CHAIN_ID))
    client.shard.outgoing[REFUND_ID] = sent(REFUND, REFUND_ID, client.shard, 5, RECEIPT_ID)
    life = await life_of(client)
    assert (life["state"], life["outcome"], life["delivery"]["status"]) == ("delivered", outcome, hex(status))
    returned = life["returned"]
    assert (returned["id"], returned["amount"], returned["to"]) == ("0x" + REFUND_ID.hex(), hex(800), "0x" + RECEIPT.sender.hex())
    assert returned["sent"]["transactionHash"] == "0x" + RECEIPT_ID.hex()
    assert (returned["state"], returned["delivery"], returned["returned"]) == ("crosslinked", None, None)
    home = client.node.shards[1]
    home.receipts[REFUND_ID] = home.receipts[RECEIPT_ID]
    returned = (await life_of(client))["returned"]
    assert (returned["state"], returned["outcome"], returned["delivery"]["status"]) == ("delivered", "success", "0x1")
    assert returned == await life_of(client, REFUND_ID)


CALL = replace(RECEIPT, kind=ReceiptKind.CALL_WITH_CALLBACK, data=(50_000).to_bytes(8, "big") + b"\1")
RESULT = replace(
    REFUND, kind=ReceiptKind.RESULT, to=RECEIPT.sender, gas_limit=50_000, refund_to=b"\x77" * 20,
    data=Outcome(RECEIPT_ID, False, b"\7" * 4).encode(),
)  # fmt: skip
RESULT_ID = RESULT.identity(CHAIN_ID)


@pytest.mark.parametrize(("status", "outcome"), [(0, "failed"), (1, "success")])
async def test_the_callback_is_the_last_step_of_a_call(client, status, outcome):
    source = client.node.shards[1]
    assert (await life_of(client))["callback"] is None
    source.outgoing[RECEIPT_ID] = sent(CALL, RECEIPT_ID, source)
    unknown = {"callSucceeded": None, "returnData": None, "outcome": None, "block": None, "transactionHash": None}
    assert (await life_of(client))["callback"] == {"gas": hex(50_000)} | unknown
    deliver_with(client, 0, sent_log(RESULT, CHAIN_ID))
    client.shard.outgoing[RESULT_ID] = sent(RESULT, RESULT_ID, client.shard, 5, RECEIPT_ID)
    told = {"gas": hex(50_000), "callSucceeded": False, "returnData": "0x07070707", "outcome": None, "block": None, "transactionHash": None}
    assert (await life_of(client))["callback"] == told
    source.receipts[RESULT_ID] = msgspec.structs.replace(source.receipts[RECEIPT_ID], status=status)
    life = await life_of(client)
    delivery = life["returned"]["delivery"]
    assert life["callback"] == told | {"outcome": outcome, "block": delivery["block"], "transactionHash": delivery["transactionHash"]}
    assert (life["outcome"], life["callback"]) == ("refunded", life["returned"]["callback"])


async def test_a_result_that_tells_nothing_has_no_callback(client):
    source = client.node.shards[1]
    source.outgoing[RECEIPT_ID] = sent(replace(RESULT, data=b"\1"), RECEIPT_ID, source)
    assert (await life_of(client))["callback"] is None


async def test_messages_that_the_callee_sent_are_not_what_came_back(client):
    own = replace(REFUND, sender=b"\xcc" * 20)
    deliver_with(client, 1, sent_log(own, CHAIN_ID))
    assert (await life_of(client))["returned"] is None


async def test_a_failed_call_with_nothing_to_give_back(client):
    deliver_with(client, 0)
    life = await life_of(client)
    assert (life["outcome"], life["returned"]) == ("failed", None)


async def test_pending_receipts(client):
    pending = await client.result("shard_getPendingReceipts", "0x1", "0x0", path="/beacon")
    assert [(r["nonce"], r["state"], r["amount"]) for r in pending.pop("receipts")] == [
        ("0x2", "crosslinked", hex(102)), ("0x3", "crosslinked", hex(103)), ("0x4", "sent", hex(104)),
    ]  # fmt: skip
    counts = {"sent": "0x5", "crosslinked": "0x4", "delivered": "0x2"}
    assert pending == {"source": "0x1", "destination": "0x0", **counts, "closed": False, "next": None}
    client.node.channels.is_closed = True
    assert (await client.result("shard_getPendingReceipts", "0x1", "0x0"))["closed"] is True
    later = await client.result("shard_getPendingReceipts", "0x1", "0x0", "0x4")
    assert [r["id"] for r in later["receipts"]] == ["0x" + client.node.channels.found[4].identity(CHAIN_ID).hex()]
    assert (await client.result("shard_getPendingReceipts", "0x1", "0x0", "0x0"))["receipts"][0]["nonce"] == "0x2"


async def test_pending_receipts_of_a_long_channel_come_in_pages(client, monkeypatch):
    monkeypatch.setattr("node.rpc.methods.crossing.BUNDLE_RECEIPTS_MAX", 2)
    page = await client.result("shard_getPendingReceipts", "0x1", "0x0")
    assert ([r["nonce"] for r in page["receipts"]], page["next"]) == (["0x2", "0x3"], "0x4")


async def test_pending_receipts_of_shards_that_are_elsewhere(client):
    client.node.channels.found = None
    code, message = await client.error("shard_getPendingReceipts", "0x1", "0x0")
    assert (code, message) == (-32000, "neither shard 1 nor shard 0 is hosted by this node: ask a node that hosts one")


async def test_a_transfer_is_built_for_outbox(client):
    built = await client.result("shard_buildTransfer", "0x0", "0x1", TO, "0x64")
    assert built == {
        "chainId": hex(CHAIN_ID), "to": "0x" + OUTBOX.hex(), "value": "0x64", "fee": "0x0",
        "data": "0x" + OUTBOX_CONTRACT.encode_call("transfer", 1, TO).hex(),
    }  # fmt: skip


@pytest.mark.parametrize("is_hosted", [True, False])
async def test_a_call_is_built_with_its_fee(client, is_hosted):
    client.shard.word = big(BASE_FEE).rjust(32, b"\0")
    if not is_hosted:
        client.node.shards[0] = None
    built = await client.result("shard_buildCall", "0x0", "0x1", TO, "0x64", "0x1234", "0x186a0", TO, path="/beacon")
    quote = 2 * 100_000 * BASE_FEE
    assert (built["quote"], built["fee"], built["value"]) == (hex(quote), hex(quote * 5 // 4), hex(quote * 5 // 4 + 100))
    assert built["to"] == "0x" + OUTBOX.hex()
    selector, kinds = OUTBOX_CONTRACT.methods["send"]
    payload = bytes.fromhex(built["data"][2:])
    assert payload[:4] == selector
    assert abi_decode(kinds, payload[4:]) == (1, TO, 100, 100_000, TO, b"\x12\x34")


@pytest.mark.parametrize("is_hosted", [True, False])
async def test_a_call_with_a_callback_is_built(client, is_hosted):
    client.shard.word = big(BASE_FEE).rjust(32, b"\0")
    if not is_hosted:
        client.node.shards[0] = None
    built = await client.result("shard_buildCall", "0x0", "0x1", TO, "0x64", "0x1234", "0x186a0", TO, "0xc350", path="/beacon")
    own = BASE_FEE + 5 if is_hosted else BASE_FEE
    quote = 2 * 100_000 * BASE_FEE + 2 * 50_000 * own
    assert (built["quote"], built["fee"], built["value"]) == (hex(quote), hex(quote * 5 // 4), hex(quote * 5 // 4 + 100))
    selector, kinds = OUTBOX_CONTRACT.methods["sendWithCallback"]
    payload = bytes.fromhex(built["data"][2:])
    assert payload[:4] == selector
    assert abi_decode(kinds, payload[4:]) == (1, TO, 100_000, 50_000, TO, b"\x12\x34")


async def test_a_closed_channel_takes_nothing(client):
    client.shard.word = (CLOSED | BASE_FEE).to_bytes(32, "big")
    expected = (-32000, "the channel from shard 0 to shard 1 is closed until its backlog is delivered")
    assert await client.error("shard_buildTransfer", "0x0", "0x1", TO, "0x1") == expected
    assert await client.error("shard_buildCall", "0x0", "0x1", TO, "0x1", "0x", "0x5208", TO) == expected


async def test_a_call_whose_result_cannot_come_back_is_not_built(client):
    client.shard.word = (RETURN_CLOSED | BASE_FEE).to_bytes(32, "big")
    refused = await client.error("shard_buildCall", "0x0", "0x1", TO, "0x1", "0x", "0x5208", TO, "0xc350")
    assert refused == (-32000, "the channel from shard 1 back to shard 0 is closed until its backlog is delivered")
    built = await client.result("shard_buildCall", "0x0", "0x1", TO, "0x1", "0x", "0x5208", TO, path="/beacon")
    assert built["quote"] == hex(2 * 21_000 * BASE_FEE)


LONG = "0x" + "00" * (GENESIS.parameters.data_max + 1)
BAD = {
    "source": ("shard_getPendingReceipts", ["0x2", "0x1"], "invalid argument 0: this network has shards 0 to 1"),
    "destination": ("shard_buildTransfer", ["0x0", "0x2", TO, "0x1"], "invalid argument 1: this network has shards 0 to 1"),
    "itself": ("shard_buildTransfer", ["0x1", "0x1", TO, "0x1"], "invalid argument 1: a message goes to another shard"),
    "gas below": (
        "shard_buildCall", ["0x0", "0x1", TO, "0x0", "0x0102", "0x5208", TO],
        f"invalid argument 5: with this data, a gas limit from 21080 to {GENESIS.parameters.receipt_gas_max}",
    ),
    "gas above": ("shard_buildCall", ["0x0", "0x1", TO, "0x0", "0x", "0x7fffffff", TO], "invalid argument 5: with this data, a gas"),
    "data": ("shard_buildCall", ["0x0", "0x1", TO, "0x0", LONG, "0x7fffff", TO], "invalid argument 4: 4097 bytes, a message carries"),
    "callback gas": (
        "shard_buildCall", ["0x0", "0x1", TO, "0x0", "0x", "0x5208", TO, "0x5207"],
        f"invalid argument 7: a callback has a gas limit from 21000 to {GENESIS.parameters.receipt_gas_max}",
    ),
    "data beside a callback": (
        "shard_buildCall", ["0x0", "0x1", TO, "0x0", LONG[:-2], "0x7fffff", TO, "0x5208"],
        "invalid argument 4: 4096 bytes, a message carries at most 4088",
    ),
    "value": (
        "shard_buildCall", ["0x0", "0x1", TO, hex(2**256 - 1), "0x", "0x5208", TO],
        "invalid argument 3: amount and fee together exceed 256 bits",
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", BAD)
async def test_bad_parameters(row):
    method, params, words = BAD[row]
    code, message = await Client().error(method, *params)
    assert code == -32602
    assert message.startswith(words)

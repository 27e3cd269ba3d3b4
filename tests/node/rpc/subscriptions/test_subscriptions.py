"""What subscribers are told, when, and what becomes of those who do not listen."""

import struct
from socket import SO_LINGER, SOL_SOCKET

import pytest
import trio
import trio.testing

from node.rpc.backend import BlockRef, HeadMoved
from node.rpc.subscriptions import session as sessions
from node.rpc.subscriptions import stream
from primitives.errors import Busy
from shard.views import LogView, OutgoingReceipt, TransactionView, big
from tests.node.rpc.fake import ALICE, BASE_FEE, CHAIN_ID, CONTRACT, DYNAMIC, RECEIPT, RECEIPT_ID, TOPIC, Client, sign
from tests.node.rpc.subscriptions.support import Node, running

pytestmark = pytest.mark.network


def log(address: bytes = CONTRACT, *topics: bytes, data: bytes = b"\x01") -> LogView:
    return LogView(address, topics, data, 0, b"", b"\x0a" * 32, 0, 0, 0)


async def settled() -> None:
    await trio.testing.wait_all_tasks_blocked(0.01)


async def test_new_heads_carry_the_header():
    async with running() as it:
        socket = await it.socket()
        id = await socket.subscribe("eth_subscribe", "newHeads")
        event = it.node.block()
        told, head = await socket.notification()
        assert told == id
        assert head["hash"] == "0x" + event.hash.hex()
        assert head["number"] == "0xb"
        assert head["logsBloom"] == "0x" + "00" * 256
        assert {"parentHash", "stateRoot", "receiptsRoot", "baseFeePerGas", "requestsHash"} <= head.keys()
        assert "transactions" not in head


async def test_several_blocks_of_one_turn_are_told_one_by_one():
    async with running() as it:
        socket = await it.socket()
        await socket.subscribe("eth_subscribe", "newHeads")
        it.node.block(told=False)
        it.node.block(told=False)
        it.node.block()
        assert [(await socket.notification())[1]["number"] for _ in range(3)] == ["0xb", "0xc", "0xd"]


async def test_after_going_back_the_next_block_is_told_though_one_of_its_height_was():
    async with running() as it:
        socket = await it.socket()
        await socket.subscribe("eth_subscribe", "newHeads")
        finalized = await socket.subscribe("shard_subscribe", "finalized", {"shard": "0x0"})
        it.node.block()
        it.node.block()
        assert [(await socket.notification())[1]["number"] for _ in range(2)] == ["0xb", "0xc"]
        it.node.crosslink(0, 12)
        told, result = await socket.notification()
        assert (told, result["number"]) == (finalized, "0xc")
        it.node.links[0] = BlockRef(10, b"\x0d" * 32)
        it.node.go_back(2)
        it.node.block()
        assert (await socket.notification())[1]["number"] == "0xb"
        it.node.crosslink(0, 11)
        told, result = await socket.notification()
        assert (told, result["number"]) == (finalized, "0xb")


async def test_of_far_more_blocks_the_newest_is_told(monkeypatch):
    monkeypatch.setattr(stream, "HEADS_BEHIND_MAX", 3)
    async with running() as it:
        socket = await it.socket()
        await socket.subscribe("eth_subscribe", "newHeads")
        for _ in range(9):
            it.node.block(told=False)
        it.node.block()
        assert (await socket.notification())[1]["number"] == hex(20)
        assert it.observer.limits == ["heads_behind_max"]


async def test_only_the_address_s_own_shard_is_told():
    async with running() as it:
        zero, one = await it.socket("/shard/0"), await it.socket("/shard/1")
        await zero.subscribe("eth_subscribe", "newHeads")
        await one.subscribe("eth_subscribe", "newHeads")
        it.node.block(1)
        assert (await one.notification())[1]["number"] == "0xb"
        it.node.block(0)
        it.node.block(0)
        assert [(await zero.notification())[1]["number"] for _ in range(2)] == ["0xb", "0xc"]


async def test_a_block_is_read_and_encoded_once_for_all(monkeypatch):
    encoded = []
    monkeypatch.setattr(stream, "encode", lambda value, encode=stream.encode: encoded.append(value) or encode(value))
    async with running() as it:
        sockets = [await it.socket() for _ in range(20)]
        for socket in sockets:
            await socket.subscribe("eth_subscribe", "newHeads")
            await socket.subscribe("eth_subscribe", "logs", {})
        it.node.block(logs=(log(),))
        for socket in sockets:
            assert (await socket.notification())[1]["number"] == "0xb"
            assert (await socket.notification())[1]["blockNumber"] == "0xb"
        assert len(encoded) == 2
        assert it.node.shards[0].logs_asked == 1


@pytest.mark.parametrize(
    ("wanted", "matching"),
    [
        ({}, [0, 1, 2]),
        (None, [0, 1, 2]),
        ({"address": "0x" + CONTRACT.hex()}, [0, 1]),
        ({"address": ["0x" + CONTRACT.hex(), "0x" + "dd" * 20]}, [0, 1, 2]),
        ({"topics": ["0x" + TOPIC.hex()]}, [1, 2]),
        ({"topics": [None, "0x" + "08" * 32]}, [2]),
        ({"topics": [["0x" + "08" * 32]]}, []),
    ],
)
async def test_logs_are_told_by_filter(wanted, matching):
    logs = (log(CONTRACT, data=b"\0"), log(CONTRACT, TOPIC, data=b"\1"), log(b"\xdd" * 20, TOPIC, b"\x08" * 32, data=b"\2"))
    async with running() as it:
        socket = await it.socket()
        await socket.subscribe("eth_subscribe", "logs", wanted)
        await socket.subscribe("eth_subscribe", "newHeads")
        it.node.block(logs=logs)
        assert (await socket.notification())[1]["number"] == "0xb"
        it.node.block()
        found = []
        while "data" in (result := (await socket.notification())[1]):
            found.append(int(result["data"], 16))
            assert result["removed"] is False
        assert found == matching


async def test_a_block_whose_bloom_rules_all_out_is_not_read():
    async with running() as it:
        socket = await it.socket()
        await socket.subscribe("eth_subscribe", "logs", {"address": "0x" + CONTRACT.hex()})
        await socket.subscribe("eth_subscribe", "newHeads")
        it.node.block()
        await socket.notification()
        await settled()
        assert it.node.shards[0].logs_asked == 0


async def test_logs_of_a_shard_that_is_busy_are_told_when_it_answers(monkeypatch):
    monkeypatch.setattr(stream, "LIVE_READ_PAUSE_SECONDS", 0.01)
    failures = [Busy("read_queue_max")] * 3
    async with running() as it:
        shard = it.node.shards[0]
        answer = shard.block_logs

        async def busy(block_hash):
            if failures:
                raise failures.pop()
            return await answer(block_hash)

        monkeypatch.setattr(shard, "block_logs", busy)
        socket = await it.socket()
        await socket.subscribe("eth_subscribe", "logs")
        it.node.block(logs=(log(),))
        assert (await socket.notification())[1]["blockNumber"] == "0xb"


async def test_a_fault_of_one_block_is_logged_and_the_next_is_told(monkeypatch, caplog):
    async with running() as it:
        socket = await it.socket()
        await socket.subscribe("eth_subscribe", "newHeads")
        it.node.feed.tell(HeadMoved(0, 11, b"\1" * 32, b"not a header"))
        await settled()
        assert "live_fault chain=0" in caplog.text
        it.node.block(told=False)
        it.node.block()
        assert (await socket.notification())[1]["number"] == "0xc"


async def test_pooled_transactions_as_hashes_and_whole():
    async with running() as it:
        socket = await it.socket()
        hashes = await socket.subscribe("eth_subscribe", "newPendingTransactions")
        whole = await socket.subscribe("eth_subscribe", "newPendingTransactions", True)
        hash = it.node.pool()
        assert await socket.notification() == (hashes, "0x" + hash.hex())
        told, transaction = await socket.notification()
        assert told == whole
        assert (transaction["hash"], transaction["from"], transaction["blockHash"]) == ("0x" + hash.hex(), "0x" + ALICE.hex(), None)


async def test_syncing_is_told_when_it_changes():
    async with running() as it:
        socket = await it.socket()
        await socket.subscribe("eth_subscribe", "syncing")
        it.node.ready = False
        it.node.crosslink(0, 30)
        assert (await socket.notification())[1] == {"syncing": True, "status": {"currentBlock": "0xa", "highestBlock": "0x1e"}}
        it.node.crosslink(0, 31)
        it.node.ready = True
        it.node.crosslink(0, 32)
        assert (await socket.notification())[1] is False


async def test_finality_of_all_shards_or_one():
    async with running() as it:
        socket = await it.socket("/beacon")
        every = await socket.subscribe("shard_subscribe", "finalized")
        one = await socket.subscribe("shard_subscribe", "finalized", {"shard": "0x1"})
        it.node.crosslink(0, 9)
        told, result = await socket.notification()
        assert told == every
        assert result["shard"] == "0x0"
        assert result["number"] == "0x9"
        assert result["beacon"]["number"] == "0xc"
        it.node.crosslink(1, 10)
        assert {(await socket.notification())[0] for _ in range(2)} == {every, one}


def outgoing(**changes) -> OutgoingReceipt:
    values = {
        "id": b"\x51" * 32, "source": 0, "destination": 1, "nonce": 3, "kind": 0, "sender": ALICE, "to": b"\xbb" * 20, "amount": big(5),
        "gas_limit": 0, "fee": b"", "refund_to": ALICE, "data": b"", "block_number": 0, "block_hash": b"", "transaction_hash": b"\x52" * 32,
    }  # fmt: skip
    return OutgoingReceipt(**(values | changes))


def delivery() -> TransactionView:
    return TransactionView(RECEIPT_ID, RECEIPT.transaction_bytes(CHAIN_ID), RECEIPT.sender, 0, b"", 0, 0, big(BASE_FEE))


async def test_the_life_of_a_receipt():
    async with running() as it:
        socket = await it.socket()
        await socket.subscribe("shard_subscribe", "receipts", {"sender": "0x" + ALICE.hex()})
        event = it.node.block(sent=(outgoing(), outgoing(id=b"\x53" * 32, sender=b"\x09" * 20)))
        _, sent = await socket.notification()
        assert (sent["event"], sent["id"], sent["destination"], sent["amount"]) == ("sent", "0x" + "51" * 32, "0x1", "0x5")
        assert sent["block"] == {"number": "0xb", "hash": "0x" + event.hash.hex()}
        assert sent["transactionHash"] == "0x" + "52" * 32
        it.node.crosslink(0, 10)
        it.node.crosslink(0, 11)
        _, crosslinked = await socket.notification()
        assert (crosslinked["event"], crosslinked["id"], crosslinked["block"]["number"]) == ("crosslinked", "0x" + "51" * 32, "0xc")


async def test_moments_by_the_clock_of_the_node_and_the_arrival_of_a_body():
    async with running() as it:
        socket = await it.socket()
        await socket.subscribe("shard_subscribe", "receipts", {"sender": "0x" + ALICE.hex()})
        it.node.queued[b"\x52" * 32], it.node.final[0, 11] = 1_500, 2_750
        it.node.block(sent=(outgoing(), outgoing(id=b"\x53" * 32, nonce=7)))
        sent = [(await socket.notification())[1] for _ in range(2)]
        assert (sent[0]["queued"]["timestampMs"], sent[0]["final"]) == (hex(1_500), {"timestamp": "0x2", "timestampMs": hex(2_750)})
        it.node.crosslink(0, 11)
        assert {(await socket.notification())[1]["event"] for _ in range(2)} == {"crosslinked"}
        it.node.arrived[0, 1, outgoing().nonce] = 4_250
        it.node.block(1)
        _, received = await socket.notification()
        assert (received["event"], received["id"], received["timestampMs"]) == ("received", "0x" + "51" * 32, hex(4_250))
        it.node.crosslink(0, 12)
        it.node.arrived[0, 1, 7] = 5_000
        it.node.block(1)
        assert (await socket.notification())[1]["id"] == "0x" + "53" * 32


async def test_of_what_was_delivered_without_being_seen_no_arrival_is_told():
    async with running() as it:
        socket = await it.socket()
        await socket.subscribe("shard_subscribe", "receipts", {"sender": "0x" + ALICE.hex()})
        it.node.block(sent=(outgoing(nonce=1), outgoing(id=b"\x53" * 32, nonce=2)))
        it.node.crosslink(0, 11)
        assert [(await socket.notification())[1]["event"] for _ in range(4)] == ["sent", "sent", "crosslinked", "crosslinked"]
        it.node.block(1)  # the channel says that two are delivered: nonces 0 and 1
        await settled()
        it.node.arrived |= {(0, 1, 1): 4_000, (0, 1, 2): 4_000}
        it.node.block(1)
        assert (await socket.notification())[1]["id"] == "0x" + "53" * 32
        await settled()
        assert not socket.messages


async def test_a_delivery_is_told_with_its_status():
    async with running() as it:
        socket = await it.socket()
        await socket.subscribe("shard_subscribe", "receipts", {"id": "0x" + RECEIPT_ID.hex()})
        other = await it.socket()
        await other.subscribe("shard_subscribe", "receipts", {"source": "0x0"})
        it.node.block(transactions=(delivery(),))
        _, delivered = await socket.notification()
        assert (delivered["event"], delivered["source"], delivered["status"]) == ("delivered", "0x1", "0x1")
        assert delivered["transactionHash"] == "0x" + RECEIPT_ID.hex()
        await settled()
        assert not other.messages


async def test_a_block_told_after_its_crosslink_is_crosslinked_at_once():
    async with running() as it:
        socket = await it.socket()
        await socket.subscribe("shard_subscribe", "receipts", {"destination": "0x1", "source": "0x0"})
        it.node.crosslink(0, 11)
        await settled()
        it.node.block(sent=(outgoing(),))
        assert [(await socket.notification())[1]["event"] for _ in range(2)] == ["sent", "crosslinked"]


async def test_the_id_comes_before_what_is_told(monkeypatch):
    async with running() as it:
        socket = await it.socket()
        shard = it.node.shards[0]
        shard.gate = trio.Event()
        balance = {"jsonrpc": "2.0", "id": 2, "method": "eth_getBalance", "params": ["0x" + "00" * 20]}
        await socket.send([{"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}, balance])
        await shard.waiting.wait()
        it.node.block()
        await settled()
        shard.gate.set()
        answers = await socket.message()
        assert [answer["id"] for answer in answers] == [1, 2]
        assert (await socket.notification())[0] == answers[0]["result"]


async def test_unsubscribing_ends_it():
    async with running() as it:
        socket = await it.socket()
        id = await socket.subscribe("eth_subscribe", "newHeads")
        other = await socket.subscribe("eth_subscribe", "newHeads")
        assert (await socket.call("eth_unsubscribe", id))["result"] is True
        assert (await socket.call("eth_unsubscribe", id))["error"] == {"code": -32000, "message": "subscription not found"}
        stranger = await it.socket()
        assert (await stranger.call("shard_unsubscribe", other))["error"]["code"] == -32000
        it.node.block()
        assert (await socket.notification())[0] == other


@pytest.mark.parametrize(
    ("method", "params", "code", "words"),
    [
        ("eth_subscribe", ["nonsense"], -32601, 'no "nonsense" subscription in eth namespace'),
        ("shard_subscribe", ["newHeads"], -32601, 'no "newHeads" subscription in shard namespace'),
        ("eth_subscribe", [7], -32602, "name of a subscription"),
        ("eth_subscribe", [], -32602, "missing value for required argument 0"),
        ("eth_subscribe", ["logs", 7], -32602, "filter object"),
        ("eth_subscribe", ["logs", {"address": "0x1"}], -32602, "address"),
        ("eth_subscribe", ["logs", {"blockHash": "0x" + "00" * 32}], -32602, "blockHash"),
        ("eth_subscribe", ["newPendingTransactions", "yes"], -32602, "true or false"),
        ("shard_subscribe", ["finalized", {"shard": "0x2"}], -32602, "this network has shards 0 to 1"),
        ("shard_subscribe", ["receipts", {"sender": "0x2"}], -32602, "sender"),
        ("shard_subscribe", ["receipts", []], -32602, "filter object"),
        ("eth_unsubscribe", [1], -32602, "id of a subscription"),
    ],
)
async def test_bad_subscriptions_say_what_is_wrong(method, params, code, words):
    async with running() as it:
        error = (await (await it.socket()).call(method, *params))["error"]
        assert error["code"] == code
        assert words in error["message"]


@pytest.mark.parametrize("method", ["eth_subscribe", "eth_unsubscribe", "shard_subscribe", "shard_unsubscribe"])
async def test_over_http_there_are_no_notifications(method):
    assert await Client().error(method, "newHeads") == (-32601, "notifications not supported")


async def test_a_shard_that_is_not_hosted_is_said_so():
    node = Node()
    node.shards[1] = None
    async with running(node) as it:
        socket = await it.socket("/shard/1")
        error = (await socket.call("eth_subscribe", "newHeads"))["error"]
        assert error["code"] == -32000
        assert "not hosted" in error["message"]


async def test_subscriptions_of_a_connection_are_bounded(monkeypatch):
    monkeypatch.setattr(sessions, "SUBSCRIPTIONS_MAX", 2)
    async with running() as it:
        socket = await it.socket()
        for _ in range(2):
            await socket.subscribe("eth_subscribe", "newHeads")
        assert (await socket.call("eth_subscribe", "newHeads"))["error"]["code"] == -32005
        assert it.observer.limits == ["subscriptions_max"]
        flood = [{"jsonrpc": "2.0", "id": i, "method": "eth_subscribe", "params": ["logs"]} for i in range(1000)]
        await socket.send(flood)
        assert {answer["error"]["code"] for answer in await socket.message()} == {-32005}


async def test_subscriptions_of_all_connections_are_bounded_and_given_back(monkeypatch):
    monkeypatch.setattr(sessions, "SUBSCRIPTIONS_ALL_MAX", 1)
    async with running() as it:
        first, second = await it.socket(), await it.socket()
        id = await first.subscribe("eth_subscribe", "newHeads")
        assert (await second.call("eth_subscribe", "newHeads"))["error"]["code"] == -32005
        await first.call("eth_unsubscribe", id)
        await second.subscribe("eth_subscribe", "newHeads")
        await second.stream.aclose()
        while "error" in await first.call("eth_subscribe", "syncing"):
            await settled()
        assert set(it.observer.limits) == {"subscriptions_all_max"}


async def test_choices_of_a_connection_are_bounded(monkeypatch):
    monkeypatch.setattr(sessions, "LOG_CHOICES_MAX", 5)
    wanted = {"address": ["0x" + "01" * 20, "0x" + "02" * 20], "topics": ["0x" + "03" * 32]}
    async with running() as it:
        socket = await it.socket()
        await socket.subscribe("eth_subscribe", "logs", wanted)
        assert (await socket.call("eth_subscribe", "logs", wanted))["error"]["code"] == -32005
        await socket.subscribe("eth_subscribe", "logs", {})
        assert it.observer.limits == ["log_choices_max"]


async def test_notifications_of_all_connections_are_bounded(monkeypatch):
    monkeypatch.setattr(sessions, "NOTIFICATIONS_ALL_BYTES_MAX", 20_000)
    async with running() as it:
        socket = await it.socket()
        await socket.subscribe("eth_subscribe", "logs")
        it.node.block(logs=tuple(log() for _ in range(60)))
        assert await socket.closed() == 1008
        assert it.observer.limits == ["notifications_all_bytes_max"]
        other = await it.socket()
        await other.subscribe("eth_subscribe", "newHeads")
        it.node.block()
        assert (await other.notification())[1]["number"] == "0xc", "there is room again"


async def test_a_reader_that_falls_behind_is_closed_with_1008(monkeypatch):
    monkeypatch.setattr(sessions, "NOTIFICATIONS_QUEUED_MAX", 50)
    async with running() as it:
        slow, other = await it.socket(), await it.socket()
        await slow.subscribe("eth_subscribe", "logs")
        await other.subscribe("eth_subscribe", "newHeads")
        it.node.block(logs=tuple(log() for _ in range(60)))
        assert (await other.notification())[1]["number"] == "0xb"
        assert await slow.closed() == 1008
        assert "not read" in slow.reason
        assert it.observer.limits == ["notifications_queued_max"]


async def test_a_client_that_never_reads_is_cut_off_and_holds_up_nobody(monkeypatch):
    monkeypatch.setattr(sessions, "NOTIFICATIONS_QUEUED_BYTES_MAX", 1_000_000)
    monkeypatch.setattr("node.rpc.websocket.WEBSOCKET_CLOSE_SECONDS_MAX", 0.2)
    async with running() as it:
        deaf, other = await it.socket(), await it.socket()
        await deaf.subscribe("eth_subscribe", "newPendingTransactions", True)
        await other.subscribe("eth_subscribe", "newHeads")
        large = sign(nonce=7, gas=10_000_000, data="0x" + "01" * 100_000, **DYNAMIC)
        while "notifications_queued_max" not in it.observer.limits:
            it.node.pool(large)
            await settled()
        it.node.block()
        assert (await other.notification())[1]["number"] == "0xb"
        await other.stream.aclose()
        await it.observer.all_closed.wait()


@pytest.mark.parametrize("reset", [False, True])
async def test_what_a_gone_client_was_subscribed_to_is_forgotten(reset):
    async with running() as it:
        socket = await it.socket()
        await socket.subscribe("eth_subscribe", "newHeads")
        if reset:
            socket.stream.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        await socket.stream.aclose()
        await it.observer.all_closed.wait()
        asked = len(it.node.shards[0].asked)
        it.node.block(told=False)
        it.node.block()
        await settled()
        assert len(it.node.shards[0].asked) == asked, "nobody is told, so nothing is read"

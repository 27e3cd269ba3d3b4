"""Subscriptions and filters of real nodes, with clients that people use and with some that mean no good."""

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from web3 import AsyncWeb3, WebSocketProvider
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from node.cluster.client import Client
from primitives.hashing import keccak256
from tests.e2e.accounts import KEEPER_INIT, LOG_TOPIC, known_account, new_account, next_nonce, sign
from tests.e2e.harness import Cluster, wait_for

OUTBOX = "0x" + "00" * 18 + "5a01"
CHAIN_ID = 735_700
RECEIVE_SECONDS_MAX = 60.0
SENDER = 7
WORD = "0x" + (0xFACADE).to_bytes(32, "big").hex()


class Socket:
    """A connection whose notifications are kept by subscription."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.notified: dict[str, list[Any]] = {}

    def call(self, method: str, *params: Any) -> Any:
        self.connection.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
        while True:
            message = self._receive()
            if message is not None:
                assert "error" not in message, message
                return message["result"]

    def wait(self, id: str, accept: Callable[[Any], bool]) -> Any:
        """The first notification of a subscription that is accepted; those before it are dropped."""
        while True:
            for i, result in enumerate(self.notified.get(id, [])):
                if accept(result):
                    del self.notified[id][: i + 1]
                    return result
            assert self._receive() is None

    def _receive(self) -> Any:
        """An answer; None for a notification."""
        message = json.loads(self.connection.recv(timeout=RECEIVE_SECONDS_MAX))
        if "id" in message:
            return message
        self.notified.setdefault(message["params"]["subscription"], []).append(message["params"]["result"])
        return None


@contextmanager
def opened(cluster: Cluster, node: int = 1, shard: int = 0) -> Iterator[Socket]:
    with connect(cluster.options.url(node, shard).replace("http://", "ws://")) as connection:
        yield Socket(connection)


def submit(client: Client, account: LocalAccount, shard: int = 0, **fields: Any) -> str:
    raw = sign(account, CHAIN_ID + shard, next_nonce(client, account), **fields)
    return str(client.call("eth_sendRawTransaction", raw))


def receipt_of(client: Client, hash: str) -> dict[str, Any]:
    receipt: dict[str, Any] = wait_for("receipt", lambda: client.call("eth_getTransactionReceipt", hash))
    return receipt


def test_heads_logs_and_pooled_transactions(cluster: Cluster) -> None:
    sender, client = known_account(SENDER), cluster.client(1)
    keeper = receipt_of(client, submit(client, sender, data=KEEPER_INIT, gas=200_000))["contractAddress"]
    with opened(cluster) as it:
        heads = it.call("eth_subscribe", "newHeads")
        logs = it.call("eth_subscribe", "logs", {"address": keeper, "topics": ["0x" + LOG_TOPIC.to_bytes(32, "big").hex()]})
        hashes = it.call("eth_subscribe", "newPendingTransactions")
        whole = it.call("eth_subscribe", "newPendingTransactions", True)
        # sent to another node: the pool hears of it by gossip
        hash = submit(cluster.client(0), sender, to=keeper, data=WORD, gas=100_000)
        assert it.wait(hashes, lambda pooled: pooled == hash)
        assert it.wait(whole, lambda pooled: pooled["hash"] == hash)["input"] == WORD
        log = it.wait(logs, lambda found: True)
        assert log["transactionHash"] == hash
        head = it.wait(heads, lambda found: found["hash"] == log["blockHash"])
        block = client.call("eth_getBlockByHash", head["hash"], False)
        assert head.items() <= block.items()
        assert client.call("eth_getLogs", {"blockHash": head["hash"]}) == [log]
        following = it.wait(heads, lambda found: True)
        assert int(following["number"], 16) == int(head["number"], 16) + 1, "each head once, in order"
        assert it.call("eth_unsubscribe", heads) is True
        assert it.call("eth_chainId") == hex(CHAIN_ID)


def test_the_life_of_a_message_as_it_happens(cluster: Cluster) -> None:
    sender, client, receiver = known_account(SENDER), cluster.client(1), new_account().address
    data = keccak256(b"transfer(uint32,address)")[:4] + (1).to_bytes(32, "big") + bytes.fromhex(receiver[2:]).rjust(32, b"\0")
    with opened(cluster) as it:
        lives = it.call("shard_subscribe", "receipts", {"sender": sender.address, "destination": "0x1"})
        finalized = it.call("shard_subscribe", "finalized", {"shard": "0x1"})
        hash = submit(client, sender, to=OUTBOX, value=5, data="0x" + data.hex(), gas=200_000)
        sent = it.wait(lives, lambda life: life["transactionHash"] == hash)
        assert (sent["event"], sent["to"], sent["amount"]) == ("sent", receiver.lower(), "0x5")
        others = [it.wait(lives, lambda life: life["id"] == sent["id"]) for _ in range(3)]
        told = {life["event"]: life for life in others}
        assert told.keys() == {"crosslinked", "received", "delivered"}
        queued = int(sent["queued"]["timestampMs"], 16)
        assert all(int(told[event]["final"]["timestampMs"], 16) > queued for event in ("crosslinked", "delivered"))
        delivered = told["delivered"]
        assert delivered["status"] == "0x1"
        assert cluster.client(1, 1).call("eth_getTransactionReceipt", delivered["transactionHash"])["status"] == "0x1"
        it.wait(finalized, lambda found: int(found["number"], 16) >= int(delivered["block"]["number"], 16))


def test_filters(cluster: Cluster) -> None:
    sender, client = known_account(SENDER), cluster.client(1)
    keeper = receipt_of(client, submit(client, sender, data=KEEPER_INIT, gas=200_000))["contractAddress"]
    logs = client.call("eth_newFilter", {"address": keeper})
    blocks, pooled = client.call("eth_newBlockFilter"), client.call("eth_newPendingTransactionFilter")
    hash = submit(client, sender, to=keeper, data=WORD, gas=100_000)
    receipt = receipt_of(client, hash)
    assert hash in client.call("eth_getFilterChanges", pooled)
    assert receipt["blockHash"] in client.call("eth_getFilterChanges", blocks)
    assert client.call("eth_getFilterChanges", logs) == receipt["logs"]
    assert client.call("eth_getFilterChanges", logs) == []
    assert client.call("eth_uninstallFilter", logs) is True


def test_web3_over_websocket(cluster: Cluster) -> None:
    url = cluster.options.url(2, 0).replace("http://", "ws://")

    async def heads() -> list[int]:
        async with AsyncWeb3(WebSocketProvider(url)) as w3:
            assert await w3.eth.chain_id == CHAIN_ID
            await w3.eth.subscribe("newHeads")
            found: list[int] = []
            async for message in w3.socket.process_subscriptions():
                found.append(message["result"]["number"])
                if len(found) == 3:
                    return found
        raise AssertionError("the connection ended")

    first, second, third = asyncio.run(asyncio.wait_for(heads(), RECEIVE_SECONDS_MAX))
    assert (second, third) == (first + 1, first + 2)


@pytest.mark.timeout(480)
def test_clients_that_mean_no_good_disturb_nobody(cluster: Cluster) -> None:
    port = cluster.options.rpc_port_of(1)
    with ExitStack() as stack:
        for _ in range(20):
            half = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            half.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n")
        good, flooding, deaf, garbage = (stack.enter_context(opened(cluster)) for _ in range(4))
        heads = good.call("eth_subscribe", "newHeads")
        subscribing = [{"jsonrpc": "2.0", "id": i, "method": "eth_subscribe", "params": ["logs"]} for i in range(1000)]
        flooding.connection.send(json.dumps(subscribing))
        answers = json.loads(flooding.connection.recv(timeout=RECEIVE_SECONDS_MAX))
        assert {answer.get("error", {}).get("code") for answer in answers} == {None, -32005}
        block = {"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": ["0x0", True]}
        for _ in range(8):
            deaf.connection.send(json.dumps([block] * 500))
        garbage.connection.socket.sendall(b"\xff" * 1000)
        with pytest.raises(ConnectionClosed):
            garbage.connection.recv(timeout=RECEIVE_SECONDS_MAX)
        latest = int(good.call("eth_blockNumber"), 16)
        cluster.wait_growth(1, 2)
        good.wait(heads, lambda head: int(head["number"], 16) > latest)
    client = cluster.client(1)
    assert client.call("eth_chainId") == hex(CHAIN_ID)

"""How much JSON-RPC one node answers, what that does to finality, and how soon many subscribers have a head."""

from __future__ import annotations

import json
import multiprocessing
import random
import socket
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.synchronize import Event

import trio

from benchmarks.cluster import Cluster, Rpc, Sender
from benchmarks.statistics import Figure, percentile
from benchmarks.websocket import Subscriber

RATE_SECONDS = 5.0
BATCH_CALLS = 1000
ADDRESSES = 1000
PAIRS = 5
PAIR_TRANSFERS = 8
SUBSCRIBERS = 200
HEADS = 20
LOADED_SHARD = 0


class RawConnection:
    """Requests made beforehand, sent as bytes, so that the client costs little."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def exchange(self, request: bytes) -> bytes:
        """Sends one request; the body of its answer."""
        self._socket.sendall(request)
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._socket.recv(1 << 20)
        head = received[:end].lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        parts, missing = [received[end + 4 :]], length - len(received) + end + 4
        while missing > 0:
            parts.append(self._socket.recv(1 << 20))
            missing -= len(parts[-1])
        return b"".join(parts)


def _request(body: object) -> bytes:
    encoded = json.dumps(body).encode()
    head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(encoded)}\r\n\r\n"
    return head.encode() + encoded


def _call(identity: int, method: str, *params: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": identity, "method": method, "params": params}


def _requests() -> dict[str, tuple[bytes, int]]:
    """By kind of load, a request and the calls in it."""
    rng = random.Random(4)
    balances = [_call(i, "eth_getBalance", "0x" + rng.randbytes(20).hex(), "latest") for i in range(ADDRESSES)]
    return {
        "eth_chainId, one by one": (_request(_call(1, "eth_chainId")), 1),
        "eth_blockNumber, batches of 1000": (_request([_call(i, "eth_blockNumber") for i in range(BATCH_CALLS)]), BATCH_CALLS),
        "eth_getBalance, batches of 1000": (_request(balances), ADDRESSES),
    }


_TARGETS = (1500.0, 20_000.0, 5000.0)


def measure_rpc(cluster: Cluster) -> list[Figure]:
    """Calls a second on one connection to node 0, and finality at node 1 with and without all that load on node 0."""
    port = cluster.base + LOADED_SHARD
    figures = []
    for (name, (request, calls)), target in zip(_requests().items(), _TARGETS, strict=True):
        figures.append(Figure("rpc", name, _rate(port, request, calls), "1/s", target, at_least=True))
    return figures + _finality(cluster, port)


def _rate(port: int, request: bytes, calls: int) -> float:
    connection = RawConnection(port)
    answer = connection.exchange(request)
    assert b'"error"' not in answer, answer[:200]
    began, count = time.monotonic(), 0
    while (took := time.monotonic() - began) < RATE_SECONDS:
        connection.exchange(request)
        count += calls
    return count / took


def _load(port: int, request: bytes, stop: Event) -> None:
    connection = RawConnection(port)
    while not stop.is_set():
        connection.exchange(request)


def _finality(cluster: Cluster, port: int) -> list[Figure]:
    """Pairs of the same transfers without and with load, one straight after the other, in changing order."""
    rng, rpc = random.Random(5), cluster.rpc(LOADED_SHARD, 1)
    sender = Sender(rpc, LOADED_SHARD, 3)
    idle: list[float] = []
    loaded: list[float] = []
    ratios = []
    for pair in range(PAIRS):
        found: dict[bool, list[float]] = {}
        for is_loaded in (False, True) if pair % 2 == 0 else (True, False):
            found[is_loaded] = _under_load(port, partial(_transfers, rng, rpc, sender)) if is_loaded else _transfers(rng, rpc, sender)
        idle += found[False]
        loaded += found[True]
        ratios.append(percentile(found[True], 0.5) / percentile(found[False], 0.5))
    return [
        Figure("rpc", "transfer until finalized, idle, p50", percentile(idle, 0.5), "s"),
        Figure("rpc", "transfer until finalized, full RPC load, p50", percentile(loaded, 0.5), "s"),
        Figure("rpc", "loaded / idle, median of pairs", percentile(ratios, 0.5), "", 1.2),
    ]


def _under_load(port: int, measure: Callable[[], list[float]]) -> list[float]:
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    clients = [context.Process(target=_load, args=(port, request, stop)) for request, _ in _requests().values()]
    for client in clients:
        client.start()
    time.sleep(2)  # until they are at full speed
    try:
        return measure()
    finally:
        stop.set()
        for client in clients:
            client.join()


def _transfers(rng: random.Random, rpc: Rpc, sender: Sender) -> list[float]:
    times = []
    for _ in range(PAIR_TRANSFERS):
        time.sleep(rng.uniform(0.2, 1.2))
        began = time.monotonic()
        sent = rpc("eth_sendRawTransaction", sender.sign(rng.randbytes(20), 1))
        rpc.wait(partial(rpc, "eth_getTransactionReceipt", sent))
        number = int(rpc("eth_getTransactionReceipt", sent)["blockNumber"], 16)
        times.append(rpc.wait(partial(_is_finalized, rpc, number)) - began)
    return times


def _is_finalized(rpc: Rpc, number: int) -> bool:
    return int(rpc("eth_getBlockByNumber", "finalized", False)["number"], 16) >= number


def measure_subscribers(cluster: Cluster) -> list[Figure]:
    """Connections that each subscribe to newHeads at one node: from the first of them that has a head to the last."""
    rpc = cluster.rpc(LOADED_SHARD)
    sender = Sender(rpc, LOADED_SHARD, 4)
    signed = [sender.sign(bytes(20), 1) for _ in range(2 * HEADS)]
    spreads = trio.run(_spreads, cluster.base + LOADED_SHARD, rpc, signed)
    return [
        Figure("subscribers", f"head at all {SUBSCRIBERS}, p50", percentile(spreads, 0.5) * 1000, "ms"),
        Figure("subscribers", f"head at all {SUBSCRIBERS}, worst of {HEADS}", max(spreads) * 1000, "ms", 100.0),
    ]


async def _spreads(port: int, rpc: Rpc, signed: list[str]) -> list[float]:
    subscribers = [await Subscriber.connect(port) for _ in range(SUBSCRIBERS)]
    for subscriber in subscribers:
        await subscriber.subscribe("newHeads")
    arrivals: dict[str, list[float]] = {}
    complete = trio.Event()

    async def listen(subscriber: Subscriber) -> None:
        while True:
            head = await subscriber.notification()
            times = arrivals.setdefault(head["number"], [])
            times.append(time.monotonic())
            if sum(len(seen) == SUBSCRIBERS for seen in arrivals.values()) == HEADS:
                complete.set()

    async with trio.open_nursery() as nursery:
        for subscriber in subscribers:
            nursery.start_soon(listen, subscriber)
        for raw in signed:
            await trio.to_thread.run_sync(rpc, "eth_sendRawTransaction", raw)
            with trio.move_on_after(1.1):
                await complete.wait()
                break
        nursery.cancel_scope.cancel()
    assert complete.is_set(), f"not {HEADS} heads with {2 * HEADS} transfers"
    return [times[-1] - times[0] for times in arrivals.values() if len(times) == SUBSCRIBERS]

"""Work for a client that has gone ends; one that only has nothing more to ask is answered."""

import pytest
import trio

from tests.node.rpc.test_server import CALL, request, result, running

pytestmark = pytest.mark.network
BALANCE = b'{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":["0x' + b"00" * 20 + b'"]}'
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
MASKED_BALANCE = bytes([0x81, 0x80 | len(BALANCE)]) + bytes(4) + BALANCE
SENT = {
    "one request": request(BALANCE),
    "a batch": request(b"[" + b",".join([BALANCE] * 100) + b"]"),
    "more requests behind it": request(BALANCE) * 50,
    "a part of a request behind it": request(BALANCE) + b"P",
    "more than is read behind it": request(BALANCE) + request(b" " * 100_000 + CALL),
    "as many messages as are answered at once, and more": HANDSHAKE + MASKED_BALANCE * 20,
}


def watch(shard) -> trio.Event:
    """Set once a question's asker does not wait for its answer any more."""
    shard.gate, ended, ask = trio.Event(), trio.Event(), shard._ask

    async def cancellable(question=None):
        try:
            await ask(question)
        except trio.Cancelled:
            ended.set()
            raise

    shard._ask = cancellable
    return ended


@pytest.mark.parametrize("sent", SENT.values(), ids=SENT.keys())
async def test_work_for_a_client_that_has_gone_is_ended(sent):
    async with running() as it:
        ended = watch(it.node.shards[0])
        peer = await it.peer()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.stream.send_all, sent)
            await it.node.shards[0].waiting.wait()
            nursery.cancel_scope.cancel()
        await peer.stream.aclose()
        await ended.wait()
        await it.observer.all_closed.wait()
        it.node.shards[0].gate.set()
        assert result(await it.ask(request(CALL))) == hex(735_700)


async def test_a_client_that_waits_is_not_ended(monkeypatch):
    monkeypatch.setattr("node.rpc.gone.GONE_SECONDS_MAX", 0.01)
    async with running() as it:
        ended = watch(it.node.shards[0])
        patient, gone = await it.peer(), await it.peer()
        await patient.send(request(BALANCE) * 2)
        await it.node.shards[0].waiting.wait()
        await gone.send(request(BALANCE))
        await gone.stream.send_eof()
        await ended.wait()
        it.node.shards[0].gate.set()
        assert [result(await patient.answer()) for _ in range(2)] == ["0x0"] * 2
        assert it.observer.limits == ["gone_seconds_max"]


async def test_who_has_nothing_more_to_ask_is_answered():
    async with running() as it:
        peer = await it.peer()
        await peer.send(request(CALL) * 20)
        await peer.stream.send_eof()
        for _ in range(20):
            assert result(await peer.answer()) == hex(735_700)
        assert await peer.closed()

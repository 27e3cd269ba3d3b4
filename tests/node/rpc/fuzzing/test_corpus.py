"""The corpus over real sockets, HTTP and WebSocket: the right error each time, the connection lives on, and nothing piles up."""

import gc
import json
import tracemalloc
from typing import Any

import pytest

from tests.node.rpc.fuzzing.corpus import BAD, UNUSUAL, call
from tests.node.rpc.subscriptions.support import masked
from tests.node.rpc.subscriptions.support import running as running_live
from tests.node.rpc.test_server import request, running

pytestmark = pytest.mark.network
TEXT = 1
GROWTH_BYTES_MAX = 1024 * 1024
"""What may be left of many rounds of the corpus: caches that are bounded fill up."""
ROUNDS = 5


def check(what: str, answer: Any, code: int) -> None:
    assert answer["jsonrpc"] == "2.0", what
    assert answer["error"]["code"] == code, (what, answer)
    assert answer["error"]["message"], what
    assert len(answer["error"]["message"]) < 1000, what
    assert answer["id"] in (None, 1), what


async def test_over_http_on_one_connection() -> None:
    async with running() as it:
        peer = await it.peer()
        for what, body, code in BAD:
            await peer.send(request(body))
            status, answer = await peer.answer()
            assert status == 200, what
            check(what, json.loads(answer), code)
            await peer.send(request(call()))
            assert json.loads((await peer.answer())[1])["result"] == hex(735_700), what


async def test_over_a_websocket_on_one_connection() -> None:
    async with running_live() as it:
        socket = await it.socket()
        for what, body, code in BAD:
            try:
                body.decode()
            except UnicodeDecodeError:
                continue  # no text, so no message: test_websocket.py has frames of that kind
            await socket.raw(masked(TEXT, body))
            check(what, await socket.message(), code)
        assert (await socket.call("eth_chainId"))["result"] == hex(735_700)


@pytest.mark.parametrize(("what", "body"), UNUSUAL, ids=[what for what, _ in UNUSUAL])
async def test_what_is_unusual_is_answered(what: str, body: bytes) -> None:
    async with running() as it:
        assert json.loads((await it.ask(request(body)))[1]) == {"jsonrpc": "2.0", "id": 1, "result": hex(735_700)}


async def test_all_of_it_in_one_batch() -> None:
    """Each item is answered in its place, those that are no JSON apart: they spoil the batch."""
    whole = [(what, body, code) for what, body, code in BAD if code != -32700 and not body.startswith(b"[")]
    async with running() as it:
        _, answer = await it.ask(request(b"[" + b",".join(body for _, body, _ in whole) + b"]"))
        answers = json.loads(answer)
        assert len(answers) == len(whole)
        for (what, _, code), one in zip(whole, answers, strict=True):
            check(what, one, code)


async def test_requests_that_break_off_end_their_own_connection_only() -> None:
    whole = request(call())
    async with running() as it:
        other = await it.peer()
        for cut in range(1, len(whole), 3):
            peer = await it.peer()
            await peer.send(whole[:cut])
            await peer.stream.aclose()
        await other.send(whole)
        assert json.loads((await other.answer())[1])["result"] == hex(735_700)


async def test_nothing_piles_up() -> None:
    async with running() as it:
        peer = await it.peer()

        async def a_round() -> int:
            for _, body, _ in BAD:
                await peer.send(request(body))
                await peer.answer()
            it.observer.requests.clear()
            it.observer.limits.clear()
            gc.collect()
            return tracemalloc.get_traced_memory()[0]

        tracemalloc.start()
        try:
            await a_round()
            before = await a_round()
            for _ in range(ROUNDS):
                after = await a_round()
        finally:
            tracemalloc.stop()
    assert after - before < GROWTH_BYTES_MAX

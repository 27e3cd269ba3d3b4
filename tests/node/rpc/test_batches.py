"""Calls of a batch that are answered together say the same as one by one."""

import pytest
import trio

from node.rpc import dispatch
from node.rpc.limits import BATCH_SECONDS_MAX
from primitives.errors import Busy
from tests.node.rpc.fake import ALICE, Client

WHO = "0x" + ALICE.hex()
NOBODY = "0x" + "00" * 20


def balance(identity: object, *params: object, method: str = "eth_getBalance") -> dict:
    return {"jsonrpc": "2.0", "id": identity, "method": method, "params": list(params)}


async def test_good_and_bad_calls_keep_their_places():
    client = Client()
    body = [
        balance(0, WHO), balance(1, "0x12"), balance(2, NOBODY, "earliest"), balance(3), 7, balance(4, WHO, "0x4d"),
        balance(5, method="eth_chainId"), balance(6, WHO), {"jsonrpc": "2.0", "method": "eth_getBalance", "params": [WHO]},
        balance(7, WHO) | {"jsonrpc": "1.0"}, balance(8, WHO, "0x5"),
    ]  # fmt: skip
    answers = (await client.post(body)).json
    one_by_one = [(await client.post(call)).json for call in body if not isinstance(call, dict) or "id" in call]
    assert answers == one_by_one
    assert [answer.get("result") for answer in answers if answer["id"] in (0, 2, 8)] == [hex(10**18), "0x0", hex(10**18)]
    assert [answer["error"]["code"] for answer in answers if "error" in answer] == [-32602, -32602, -32600, -32000, -32600]


async def test_a_shard_is_asked_once_for_many(monkeypatch):
    monkeypatch.setattr(dispatch, "BATCH_CALLS_AT_ONCE_MAX", 4)
    client, asked = Client(), []

    async def accounts(wanted):
        asked.append(len(wanted))
        return [await client.shard.account(*one) for one in wanted]

    client.shard.accounts = accounts
    answers = (await client.post([balance(i, WHO) for i in range(9)])).json
    assert [answer["id"] for answer in answers] == list(range(9))
    assert {answer["result"] for answer in answers} == {hex(10**18)}
    assert asked == [4, 4], "the last is by itself"
    assert client.observer.requests == [("eth_getBalance", "ok")] * 9


@pytest.mark.parametrize("error", [Busy("read_queue_max"), RuntimeError("a fault")])
async def test_what_befalls_all_is_told_to_each(error):
    client = Client()
    client.shard.raises = error
    answers = (await client.post([balance(i, WHO) for i in range(3)] + [balance(3)])).json
    code = -32005 if isinstance(error, Busy) else -32603
    assert [answer["error"]["code"] for answer in answers] == [code] * 3 + [-32602]


async def test_after_its_time_no_call_of_a_batch_is_begun(autojump_clock):
    client, begun = Client(), []

    async def call(request, selector):
        begun.append(request)
        await trio.sleep(BATCH_SECONDS_MAX / 4)
        return client.shard.outcome

    client.shard.call = call
    body = [balance(i, {"to": NOBODY}, method="eth_call") for i in range(6)] + [balance(6, WHO), balance(7, WHO)]
    answers = (await client.post([*body, {"jsonrpc": "2.0", "method": "eth_getBalance", "params": [WHO]}])).json
    assert [answer["id"] for answer in answers] == list(range(8))
    assert [answer.get("error", {}).get("code") for answer in answers] == [None] * 4 + [-32002] * 4
    assert "batch too slow" in answers[-1]["error"]["message"]
    assert len(begun) == 4
    assert client.observer.limits == ["batch_seconds_max"]


async def test_what_was_found_within_the_time_is_answered(autojump_clock):
    client = Client()

    async def accounts(wanted):
        await trio.sleep(2 * BATCH_SECONDS_MAX)
        return [await client.shard.account(*one) for one in wanted]

    client.shard.accounts = accounts
    answers = (await client.post([balance(0, WHO), balance(1, WHO), balance(2, method="eth_chainId")])).json
    assert [answer.get("error", {}).get("code") for answer in answers] == [None, None, -32002]

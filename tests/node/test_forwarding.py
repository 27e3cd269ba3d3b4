"""Calls for a shard of another node: answered as if it were here, by peers of whom nothing is believed but the form."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
import trio

from node import forwarding
from node.core.ranges import WALK_BLOCKS_MAX
from node.forwarding import Forwarder, PeerRpc, read_answers
from node.rpc.app import Application
from node.rpc.errors import RpcError
from node.rpc.limits import BRACKETS_UNCHECKED_MAX, NESTING_MAX
from node.rpc.methods.registry import EVERYWHERE, SHARD
from node.rpc.passing import SERVED, STAY, passed_on
from p2p.messages import RPC_BODY_BYTES_MAX, RpcAnswer, RpcCall, decode_request
from p2p.network import PeerId, RequestFailed, RequestFailure
from primitives.errors import EncodingReason, InvalidEncoding
from primitives.hashing import keccak256
from tests.node.rpc.fake import ALICE, SIGNED, Client, FakeNode, Observer
from tests.node.support import make_core

Answer = Callable[[bytes], Awaitable[bytes]]
ADDRESS = "0x" + ALICE.hex()


class Network:
    """Peers by name, each a function from a request to its answer."""

    def __init__(self, **peers: Answer) -> None:
        self.answers = {PeerId(name): answer for name, answer in peers.items()}
        self.asked: list[str] = []

    def peers(self) -> list[PeerId]:
        return sorted(self.answers)

    async def request(self, peer: PeerId, payload: bytes, timeout_s: float) -> bytes:
        self.asked.append(peer)
        return await self.answers[peer](payload)


def host(node: FakeNode | None = None) -> Answer:
    """A node that hosts everything."""
    observer = Observer()
    app = Application(node or FakeNode(), version="peer", allowed_hosts=[], observe=observer)
    serving = PeerRpc(app, lambda name, labels, value: None)

    async def answer(payload: bytes) -> bytes:
        call = decode_request(payload)
        assert isinstance(call, RpcCall)
        return await serving.answer("asker", call.chain, call.body)

    return answer


def saying(body: bytes) -> Answer:
    async def answer(payload: bytes) -> bytes:
        return RpcAnswer(body).encode()

    return answer


async def silent(payload: bytes) -> bytes:
    raise RequestFailed(RequestFailure.TIMEOUT)


async def elsewhere(payload: bytes) -> bytes:
    return b""


class Guest:
    """A node that hosts shard 0 only."""

    def __init__(self, **peers: Answer) -> None:
        self.network = Network(**peers)
        self.blamed: list[tuple[str, object]] = []
        self.seen: list[tuple[str, dict[str, str]]] = []
        core = self.core = make_core(hosted=(0,))
        for name in peers:
            core.context.fetcher.connect(name)
        self.fetcher = core.context.fetcher
        self.forwarder = Forwarder(
            self.network, core, lambda name, labels, value: self.seen.append((name, dict(labels))), lambda p, r: self.blamed.append((p, r))
        )
        self.client = Client()
        self.client.node.shards[1] = None
        self.client.app = Application(
            self.client.node, version="guest", allowed_hosts=["node.example"], observe=self.client.observer, elsewhere=self.forwarder
        )

    async def ask(self, *calls: dict[str, object], path: str = "/shard/1") -> list[dict[str, object]]:
        return (await self.client.post(list(calls), path=path)).json


def call(identity: object, method: str, *params: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": identity, "method": method, "params": list(params)}


async def test_what_a_host_answers_is_answered_with_the_callers_ids() -> None:
    here, there = Guest(), Guest(host=host())
    calls = [
        call("a", "eth_getBalance", ADDRESS, "latest"), call(10**30, "eth_getBalance", ADDRESS), call(3, "eth_blockNumber"),
        call(4, "eth_getBlockByNumber", "0x5", True), call(5, "eth_getBalance", "0x12"), call(6, "no_method"), call(7, "eth_chainId"),
        call(8, "net_version"), call(9, "eth_getTransactionReceipt", "0x" + "77" * 32),
    ]  # fmt: skip
    told, hosted = await there.ask(*calls), await Guest().ask(*calls, path="/shard/0")
    assert [answer["id"] for answer in told] == [c["id"] for c in calls]
    same = [i for i, c in enumerate(calls) if c["method"] not in ("eth_chainId", "net_version")]
    assert [told[i] for i in same] == [hosted[i] for i in same]
    assert (told[6]["result"], told[7]["result"]) == (hex(735_701), "735701")
    refusal = (await here.ask(call(1, "eth_blockNumber")))[0]["error"]
    assert refusal == {
        "code": -32000, "message": "shard 1 is not hosted by this node, nor by a peer of it: ask a node that hosts it, or try again"
    }  # fmt: skip


async def test_calls_of_one_method_travel_together_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    guest = Guest(host=host())
    await guest.ask(*(call(i, "eth_getBalance", ADDRESS) for i in range(100)))
    together = len(guest.network.asked)
    monkeypatch.setattr(forwarding, "CALLS_PER_REQUEST_MAX", 10)
    guest.network.asked.clear()
    answers = await guest.ask(*(call(i, "eth_getBalance", ADDRESS) for i in range(100)))
    assert [answer["id"] for answer in answers] == list(range(100))
    assert all("result" in answer for answer in answers)
    assert len(guest.network.asked) == 10
    assert together < 10


async def test_the_next_peer_is_asked_and_who_answers_is_asked_again() -> None:
    guest = Guest(a=silent, b=elsewhere, c=host())
    assert "result" in (await guest.ask(call(1, "eth_blockNumber")))[0]
    assert guest.network.asked == ["a", "b", "c"]
    assert "result" in (await guest.ask(call(1, "eth_blockNumber")))[0]
    assert guest.network.asked == ["a", "b", "c", "c"]
    assert [labels["result"] for name, labels in guest.seen if name == "rpc_forwarded"] == ["timeout", "refused", "ok", "ok"]
    assert guest.blamed == []


async def test_a_transaction_that_a_silent_peer_passed_on_is_sent() -> None:
    known = saying(b'[{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"already known"}}]')
    raw = SIGNED["dynamic fee"]
    sent = (await Guest(a=silent, b=known).ask(call(1, "eth_sendRawTransaction", "0x" + raw.hex())))[0]
    assert sent["result"] == "0x" + keccak256(raw).hex()
    again = (await Guest(b=known).ask(call(1, "eth_sendRawTransaction", "0x" + raw.hex())))[0]
    assert again["error"]["message"] == "already known"  # type: ignore[index]
    other = saying(b'[{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"nonce too low"}}]')
    assert "error" in (await Guest(a=silent, b=other).ask(call(1, "eth_sendRawTransaction", "0x" + raw.hex())))[0]


async def test_those_that_say_they_host_it_come_first_and_those_that_do_not_are_not_asked() -> None:
    guest = Guest(a=host(), b=host(), c=host())
    guest.fetcher.tell("a", {0: 5, 2: 5})
    guest.fetcher.tell("c", {0: 5, 1: 5, 2: 5})
    await guest.ask(call(1, "eth_blockNumber"))
    assert guest.network.asked == ["c"]
    guest.network.answers[PeerId("c")] = silent
    await guest.ask(call(1, "eth_blockNumber"))
    assert guest.network.asked == ["c", "c", "b"]


async def test_a_peer_that_is_still_catching_up_comes_last() -> None:
    guest = Guest(a=host(), b=host(), c=host())
    state = guest.core.beacon.tree.head.outcome
    assert state is not None
    record = replace(state.shards[1], height=WALK_BLOCKS_MAX + 1)
    guest.core.beacon.tree.head.outcome = replace(state, shards=(state.shards[0], record))
    guest.fetcher.tell("a", {1: 0})
    guest.fetcher.tell("c", {1: 1})
    await guest.ask(call(1, "eth_blockNumber"))
    guest.network.answers = {PeerId("a"): host()}
    await guest.ask(call(1, "eth_blockNumber"))
    assert guest.network.asked == ["c", "a"]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"{}", b"[]", b"[1]", b'{"jsonrpc":"2.0","id":0,"result":1}', b'[{"jsonrpc":"2.0","id":1,"result":1}]',
        b'[{"jsonrpc":"2.0","id":"0","result":1}]', b'[{"jsonrpc":"2.0","result":1}]', b'[{"jsonrpc":"2.0","id":0}]',
        b'[{"jsonrpc":"2.0","id":0,"result":1,"error":{"code":1,"message":"m"}}]', b'[{"jsonrpc":"1.0","id":0,"result":1}]',
        b'[{"jsonrpc":"2.0","id":0,"error":{"code":"x","message":"m"}}]', b'[{"jsonrpc":"2.0","id":0,"error":{"code":1}}]',
        b'[{"jsonrpc":"2.0","id":0,"error":{"code":1,"message":"m","data":{}}}]', b'[{"jsonrpc":"2.0","id":0,"result":}]',
        b'[{"jsonrpc":"2.0","id":0,"result":1},{"jsonrpc":"2.0","id":1,"result":1}]', b'[{"jsonrpc":"2.0","id":0,"result":1,"x":1}]',
        b'[{"jsonrpc":"2.0","id":0,"result":1}] x', b"\xff\xfe", b'[{"jsonrpc":"2.0","id":0,"result":' + b"[" * 5000 + b"]" * 5000 + b"}]",
        b'[{"jsonrpc":"2.0","id":0,"result":' + b"[" * 200_000,
        b'[{"jsonrpc":"2.0","id":0,"result":"\xff"}]', b'[{"jsonrpc":"2.0","id":0,"result":{"\xc3":1}}]',
        b'[{"jsonrpc":"2.0","id":0,"error":{"code":2147483648,"message":"m"}}]',
    ],
    ids=lambda body: body[:60].decode("latin1"),
)  # fmt: skip
async def test_an_answer_of_the_wrong_form_is_not_passed_on_and_is_the_peers_fault(body: bytes) -> None:
    guest = Guest(a=saying(body), b=host())
    assert (await guest.ask(call(1, "eth_blockNumber")))[0]["result"] == "0xa"
    assert guest.blamed in ([("a", EncodingReason.MALFORMED)], [("a", EncodingReason.TOO_LARGE)])


async def test_bytes_that_are_no_answer_at_all_are_the_peers_fault() -> None:
    async def garbage(payload: bytes) -> bytes:
        return b"\xff" * 9

    guest = Guest(a=garbage)
    message = (await guest.ask(call(1, "eth_blockNumber")))[0]["error"]["message"]  # type: ignore[index]
    assert message == "shard 1 is not hosted by this node, and no peer that hosts it has answered: try again"
    assert [peer for peer, _ in guest.blamed] == ["a"]


async def test_deep_answers_that_a_trace_may_give_are_taken() -> None:
    deep = b'[{"jsonrpc":"2.0","id":0,"result":' + b"[" * 1500 + b'"]]]"' + b"]" * 1500 + b"}]"
    assert len(await read_answers(deep, 1)) == 1
    wide = b'[{"jsonrpc":"2.0","id":0,"result":[' + b",".join([b"[]"] * 10_000) + b"]}]"
    assert len(await read_answers(wide, 1)) == 1
    with pytest.raises(InvalidEncoding):
        await read_answers(b'[{"jsonrpc":"2.0","id":0,"result":' + b"[" * 3000 + b"]" * 3000 + b"}]", 1)


async def test_a_request_that_a_host_refuses_as_a_whole_is_its_users_error_and_not_the_hosts_fault() -> None:
    guest = Guest(a=host(), b=host(), c=host())
    deepest: object = [[]] * BRACKETS_UNCHECKED_MAX
    for _ in range(NESTING_MAX - 4):
        deepest = [deepest]
    answer = (await guest.client.post(call(7, "eth_call", deepest), path="/shard/1")).json
    assert answer == {
        "jsonrpc": "2.0", "id": 7, "error": {"code": -32700, "message": "parse error: arrays and objects nest deeper than 16 levels"}
    }  # fmt: skip
    assert guest.blamed == []
    refused = await read_answers(b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no"}}', 2)
    assert [(error.code, error.message) for error in refused if isinstance(error, RpcError)] == [(-32700, "no")] * 2


async def test_an_error_is_passed_on_as_it_is() -> None:
    error = {"code": 3, "message": "execution reverted: no", "data": "0x08"}
    guest = Guest(a=saying(json.dumps([{"jsonrpc": "2.0", "id": 0, "error": error}]).encode()))
    assert (await guest.ask(call("x", "eth_call", {}, "latest")))[0] == {"jsonrpc": "2.0", "id": "x", "error": error}


async def test_codes_that_peers_make_up_are_passed_on_and_are_one_label() -> None:
    error = {"code": 0, "message": "m" * 5000}

    async def inventive(payload: bytes) -> bytes:
        error["code"] += 1  # type: ignore[operator]
        return await saying(json.dumps([{"jsonrpc": "2.0", "id": 0, "error": error}]).encode())(payload)

    guest = Guest(a=inventive)
    told = [(await guest.ask(call(1, "eth_blockNumber")))[0]["error"] for _ in range(5)]
    assert told == [{"code": code, "message": "m" * forwarding.MESSAGE_CHARACTERS_MAX} for code in range(1, 6)]
    assert {outcome for _, outcome in guest.client.observer.requests} == {"peer_error", "3"}


@pytest.mark.parametrize("method", ["eth_call", "eth_getLogs"])
async def test_what_one_peer_could_not_do_in_time_is_not_asked_of_the_next(method: str) -> None:
    guest = Guest(a=silent, b=host())
    answer = (await guest.ask(call(1, method, {"to": ADDRESS})))[0]
    assert answer["error"] == {"code": -32002, "message": "the peer that was asked for shard 1 has not answered in 10 s"}
    assert guest.network.asked == ["a"]


async def test_slow_calls_that_travel_together_are_answered_before_the_asker_gives_up(autojump_clock: trio.testing.MockClock) -> None:
    node = FakeNode()
    outcome = node.shards[1].outcome

    async def slow(request: object, selector: object) -> object:
        await trio.sleep(3)
        return outcome

    node.shards[1].call = slow  # type: ignore[method-assign, assignment]
    guest = Guest(a=host(node))
    began = trio.current_time()
    answers = await guest.ask(*(call(i, "eth_call", {"to": ADDRESS}) for i in range(5)))
    assert [answer.get("error", {}).get("code") for answer in answers] == [None, None, -32002, -32002, -32002]  # type: ignore[attr-defined]
    assert trio.current_time() - began < forwarding.ANSWER_SECONDS_MAX


async def test_no_more_of_a_batch_is_passed_on_when_its_time_is_up(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    async def slow(payload: bytes) -> bytes:
        await trio.sleep(6)
        return await answer(payload)

    answer = host()
    guest = Guest(a=slow)
    monkeypatch.setattr(forwarding, "CALLS_PER_REQUEST_MAX", 2)
    answers = await guest.ask(*(call(i, "eth_blockNumber") for i in range(6)))
    assert [answer.get("error", {}).get("code") for answer in answers] == [None] * 4 + [-32002] * 2  # type: ignore[attr-defined]
    assert len(guest.network.asked) == 2
    assert ("limit_hits", {"limit": "batch_seconds_max"}) in guest.seen


async def test_a_call_that_is_too_large_to_pass_on_is_refused_with_a_sentence() -> None:
    guest = Guest(host=host())
    answer = (await guest.ask(call(1, "eth_sendRawTransaction", "0x" + "00" * (RPC_BODY_BYTES_MAX // 2))))[0]
    assert "not passed on" in answer["error"]["message"]  # type: ignore[index]
    assert guest.network.asked == []


async def test_only_so_many_are_under_way_and_it_shows(monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock) -> None:
    async def slow(payload: bytes) -> bytes:
        await trio.sleep(5)
        return await answer(payload)

    answer = host()
    guest = Guest(a=slow)
    monkeypatch.setattr(forwarding, "FORWARDED_PER_PEER_MAX", 2)
    codes: list[object] = []

    async def ask() -> None:
        told = (await guest.ask(call(1, "eth_blockNumber")))[0]
        codes.append(told.get("error", {}).get("code"))  # type: ignore[attr-defined]

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(ask)
    assert sorted(codes, key=str) == [-32005, None, None]
    assert ("limit_hits", {"limit": "rpc_forwarded_per_peer_max"}) in guest.seen
    monkeypatch.setattr(forwarding, "FORWARDED_MAX", 0)
    with pytest.raises(RpcError, match="busy"):
        await guest.forwarder.call(1, "eth_blockNumber", [[]])


async def test_a_host_answers_so_many_at_once_and_none_for_a_shard_it_does_not_host(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []
    node = FakeNode()
    node.shards[1] = None
    serving = PeerRpc(Application(node, version="t", allowed_hosts=[], observe=Observer()), lambda n, labels, v: seen.append(dict(labels)))
    body = b'[{"jsonrpc":"2.0","id":0,"method":"eth_blockNumber"}]'
    assert await serving.answer("peer", 1, body) == b""
    assert await serving.answer("peer", 2, body) == b""
    assert await serving.answer("peer", 77, body) == b""
    assert RpcAnswer.decode(await serving.answer("peer", 0, body)).body == b'[{"jsonrpc":"2.0","id":0,"result":"0xa"}]'
    monkeypatch.setattr(forwarding, "SERVED_PER_PEER_MAX", 0)
    assert await serving.answer("peer", 0, body) == b""
    monkeypatch.setattr(forwarding, "SERVED_PER_PEER_MAX", 1)
    monkeypatch.setattr(forwarding, "SERVED_MAX", 0)
    assert await serving.answer("peer", 0, body) == b""
    assert seen == [{"limit": "rpc_served_per_peer_max"}, {"limit": "rpc_served_max"}]


async def test_a_host_does_for_peers_only_what_it_can_do_alone() -> None:
    node = FakeNode()
    serving = PeerRpc(Application(node, version="t", allowed_hosts=[], observe=Observer()), lambda name, labels, value: None)
    for name in ("dev_faucet", "eth_subscribe", "eth_newFilter", "shard_getBalances", "shard_subscribe", "net_version"):
        body = json.dumps([call(0, name)]).encode()
        (answer,) = json.loads(RpcAnswer.decode(await serving.answer("peer", 0, body)).body)
        assert answer["error"]["code"] == -32601, name
    assert {"eth_getBalance", "eth_sendRawTransaction", "shard_getAccountsPage", "shard_getCrossShardTransaction"} <= set(SERVED)
    assert not any(name.startswith(("dev_", "web3_", "net_", "beacon_")) for name in SERVED)


def test_every_method_stays_or_is_served() -> None:
    passed = {name for name, method in passed_on(SHARD).items() if method is not SHARD[name]}
    assert passed == set(SHARD) - STAY
    assert passed <= set(SERVED)
    assert {"eth_subscribe", "eth_getFilterChanges", "eth_chainId"} <= STAY
    assert "shard_getAccountsPage" in passed
    assert set(EVERYWHERE) - passed == set(EVERYWHERE) - {"shard_getAccountsPage"}


async def test_balances_are_those_of_all_shards() -> None:
    guest = Guest(host=host())
    told = (await guest.ask(call(1, "shard_getBalances", ADDRESS), path="/shard/0"))[0]["result"]
    whole = (await Client().post(call(1, "shard_getBalances", ADDRESS), path="/shard/0")).json["result"]
    assert told == whole
    alone = (await Guest().ask(call(1, "shard_getBalances", ADDRESS), path="/beacon"))[0]["result"]
    assert alone["shards"][1]["balance"] is None  # type: ignore[index]


async def test_subscriptions_and_filters_are_refused_with_a_sentence() -> None:
    (answer,) = await Guest(host=host()).ask(call(1, "eth_newBlockFilter"))
    assert answer["error"]["message"] == "shard 1 is not hosted by this node: ask a node that hosts it"  # type: ignore[index]

"""Filters that are polled: what came since the last question, and nothing twice."""

import pytest
import trio
import trio.testing

from node.rpc.subscriptions import filters
from primitives.errors import InvalidQuery, QueryReason
from tests.node.rpc.fake import CONTRACT, Client
from tests.node.rpc.subscriptions.support import make_node

NOT_FOUND = (-32000, "filter not found")


def make_client() -> Client:
    client = Client()
    client.node = make_node()
    from node.rpc.app import Application

    client.app = Application(client.node, version="t", allowed_hosts=[], observe=client.observer)
    return client


async def test_blocks():
    client = make_client()
    id = await client.result("eth_newBlockFilter")
    assert await client.result("eth_getFilterChanges", id) == []
    hashes = ["0x" + client.node.block(told=told).hash.hex() for told in (False, True)]
    assert await client.result("eth_getFilterChanges", id) == hashes
    assert await client.result("eth_getFilterChanges", id) == []


async def test_blocks_of_one_answer_are_bounded_and_the_rest_follows(monkeypatch):
    monkeypatch.setattr(filters, "FILTER_HASHES_MAX", 2)
    client = make_client()
    id = await client.result("eth_newBlockFilter")
    hashes = ["0x" + client.node.block().hash.hex() for _ in range(5)]
    told = [await client.result("eth_getFilterChanges", id) for _ in range(4)]
    assert told == [hashes[:2], hashes[2:4], hashes[4:], []]


async def test_blocks_long_ago_are_told_by_their_headers(monkeypatch):
    monkeypatch.setattr("node.rpc.subscriptions.stream.BLOCK_HASHES_REMEMBERED_MAX", 1)
    client = make_client()

    async def block(selector):
        raise AssertionError("a whole block for its hash")

    client.shard.block = block
    id = await client.result("eth_newBlockFilter")
    hashes = ["0x" + client.node.block().hash.hex() for _ in range(3)]
    assert await client.result("eth_getFilterChanges", id) == hashes


async def test_pooled_transactions():
    client = make_client()
    client.node.pool()
    id = await client.result("eth_newPendingTransactionFilter")
    assert await client.result("eth_getFilterChanges", id) == []
    hash = "0x" + client.node.pool().hex()
    assert await client.result("eth_getFilterChanges", id) == [hash]
    assert await client.result("eth_getFilterChanges", id) == []


async def test_of_too_many_pooled_transactions_the_newest_are_told(monkeypatch):
    monkeypatch.setattr("node.rpc.subscriptions.stream.POOLED_QUEUED_MAX", 3)
    client = make_client()
    id = await client.result("eth_newPendingTransactionFilter")
    for _ in range(5):
        client.node.pool()
    assert len(await client.result("eth_getFilterChanges", id)) == 3
    assert client.observer.limits == ["pooled_queued_max"]


async def test_logs_are_asked_for_by_the_blocks_not_told_yet():
    client = make_client()
    id = await client.result("eth_newFilter", {"address": "0x" + CONTRACT.hex(), "fromBlock": "0x1"})
    assert await client.result("eth_getFilterChanges", id) == []
    client.node.block()
    client.node.block()
    ranges = []

    async def logs(wanted):
        ranges.append((wanted.first, wanted.last, wanted.addresses))
        return ()

    client.shard.logs = logs
    assert await client.result("eth_getFilterChanges", id) == []
    client.node.block()
    assert await client.result("eth_getFilterChanges", id) == []
    assert await client.result("eth_getFilterLogs", id) == []
    assert ranges == [(11, 12, (CONTRACT,)), (13, 13, (CONTRACT,)), (1, "latest", (CONTRACT,))]


async def test_a_filter_s_own_range_is_kept_to():
    client = make_client()
    id = await client.result("eth_newFilter", {"fromBlock": "0xc", "toBlock": "0xc"})
    ranges = []

    async def logs(wanted):
        ranges.append((wanted.first, wanted.last))
        return ()

    client.shard.logs = logs
    for _ in range(3):
        client.node.block()
        assert await client.result("eth_getFilterChanges", id) == []
    assert ranges == [(12, 12)]


async def test_more_logs_than_an_answer_holds_come_in_parts():
    client = make_client()
    id = await client.result("eth_newFilter", {})
    for _ in range(4):
        client.node.block()
    ranges = []

    async def logs(wanted):
        if wanted.last - wanted.first > 1:
            raise InvalidQuery(QueryReason.OVER_LIMIT, "too many")
        ranges.append((wanted.first, wanted.last))
        return ()

    client.shard.logs = logs
    for _ in range(3):
        await client.result("eth_getFilterChanges", id)
    assert ranges == [(11, 12), (13, 14)]


async def test_a_block_with_more_logs_than_an_answer_holds_ends_the_filter():
    client = make_client()
    id = await client.result("eth_newFilter", {})
    client.node.block()

    async def logs(wanted):
        raise InvalidQuery(QueryReason.OVER_LIMIT, "query returned more than 10000 results: narrow it")

    client.shard.logs = logs
    assert (await client.error("eth_getFilterChanges", id))[0] == -32602
    assert await client.error("eth_getFilterChanges", id) == NOT_FOUND


async def test_what_could_not_be_read_is_told_with_the_next_answer():
    client = make_client()
    id = await client.result("eth_newFilter", {})
    client.node.block()
    answer = client.shard.logs

    async def broken(wanted):
        raise InvalidQuery(QueryReason.UNKNOWN_BLOCK, "")

    client.shard.logs = broken
    assert (await client.error("eth_getFilterChanges", id))[0] == -32000
    client.shard.logs = answer
    client.shard.raises = None
    ranges = []

    async def logs(wanted):
        ranges.append((wanted.first, wanted.last))
        return ()

    client.shard.logs = logs
    await client.result("eth_getFilterChanges", id)
    assert ranges == [(11, 11)]


@pytest.mark.parametrize("fails", [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("kind", ["eth_newFilter", "eth_newBlockFilter"])
async def test_of_two_that_ask_at_once_each_block_is_told_once_whichever_fails(kind, fails):
    client = make_client()
    id = await client.result(kind, *([{}] if kind == "eth_newFilter" else []))
    left, told = list(fails), []

    async def read(first, last):
        if len(left) == 2:
            client.node.block()
        await trio.testing.wait_all_tasks_blocked()
        if left and left.pop(0):
            raise InvalidQuery(QueryReason.UNKNOWN_BLOCK, "")
        told.extend(range(first, last + 1))

    async def logs(wanted):
        await read(wanted.first, wanted.last)
        return ()

    async def block_hash(number):
        await read(number, number)
        return bytes(32)

    client.shard.logs = logs
    client.app.live.streams[0].block_hash = block_hash
    client.node.block()
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(client.call, "eth_getFilterChanges", id)
    left.clear()
    await client.call("eth_getFilterChanges", id)
    assert told == [11, 12]


async def test_uninstalling_and_unknown_ids():
    client = make_client()
    id = await client.result("eth_newBlockFilter")
    assert await client.result("eth_uninstallFilter", id) is True
    assert await client.result("eth_uninstallFilter", id) is False
    assert await client.error("eth_getFilterChanges", id) == NOT_FOUND
    assert await client.error("eth_getFilterLogs", id) == NOT_FOUND
    blocks = await client.result("eth_newBlockFilter")
    assert await client.error("eth_getFilterLogs", blocks) == NOT_FOUND
    assert await client.error("eth_getFilterChanges", blocks, path="/shard/1") == NOT_FOUND


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("eth_newFilter", []), ("eth_newFilter", [5]), ("eth_newFilter", [{"blockHash": "0x" + "00" * 32}]),
        ("eth_newFilter", [{"topics": [1]}]), ("eth_getFilterChanges", [7]), ("eth_getFilterChanges", []), ("eth_uninstallFilter", [{}]),
    ],
)  # fmt: skip
async def test_bad_parameters(method, params):
    assert (await make_client().error(method, *params))[0] == -32602


async def test_filters_are_bounded(monkeypatch):
    monkeypatch.setattr(filters, "FILTERS_MAX", 2)
    client = make_client()
    first = await client.result("eth_newBlockFilter")
    await client.result("eth_newFilter", {})
    assert (await client.error("eth_newPendingTransactionFilter"))[0] == -32005
    assert client.observer.limits == ["filters_max"]
    await client.result("eth_uninstallFilter", first)
    await client.result("eth_newPendingTransactionFilter")


async def test_choices_of_filters_are_bounded(monkeypatch):
    monkeypatch.setattr(filters, "FILTER_CHOICES_MAX", 3)
    client = make_client()
    wanted = {"address": "0x" + "01" * 20, "topics": [["0x" + "02" * 32]]}
    await client.result("eth_newFilter", wanted)
    assert (await client.error("eth_newFilter", wanted))[0] == -32005
    await client.result("eth_newFilter", {})
    assert client.observer.limits == ["filter_choices_max"]


async def test_a_filter_that_is_not_asked_for_five_minutes_is_gone(autojump_clock: trio.testing.MockClock):
    client = make_client()
    used, unused = await client.result("eth_newBlockFilter"), await client.result("eth_newBlockFilter")
    await trio.sleep(200)
    await client.result("eth_getFilterChanges", used)
    await trio.sleep(101)
    assert await client.result("eth_getFilterChanges", used) == []
    assert await client.error("eth_getFilterChanges", unused) == NOT_FOUND
    assert client.observer.limits == ["filter_seconds_max"]


async def test_after_going_back_a_filter_goes_on_from_the_head_there_is():
    client, asked = make_client(), []

    async def find(wanted):
        asked.append(wanted)
        return ()

    client.shard.logs = find
    blocks, logs = await client.result("eth_newBlockFilter"), await client.result("eth_newFilter", {})
    pooled = await client.result("eth_newPendingTransactionFilter")
    for _ in range(3):
        client.node.block()
    assert len(await client.result("eth_getFilterChanges", blocks)) == 3
    await client.result("eth_getFilterChanges", logs)
    hash = "0x" + client.node.pool().hex()
    client.node.go_back(2)
    assert await client.result("eth_getFilterChanges", blocks) == []
    again = "0x" + client.node.block().hash.hex()
    assert await client.result("eth_getFilterChanges", blocks) == [again]
    assert await client.result("eth_getFilterChanges", logs) == []
    assert (asked[-1].first, asked[-1].last) == (12, 12)
    assert await client.result("eth_getFilterChanges", pooled) == [hash]

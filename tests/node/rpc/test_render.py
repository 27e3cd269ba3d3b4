"""Large answers are written out part by part, and the event loop turns in between."""

import json

import msgspec
import pytest
import trio

from node.rpc import render
from node.rpc.limits import ITEMS_PER_TURN
from shard.views import LogView
from tests.node.rpc.fake import CONTRACT, TOPIC, Client, FakeShard


class Turns(trio.abc.Instrument):
    """What is written out in each turn of the event loop."""

    def __init__(self, monkeypatch) -> None:
        self.stretches = [0]
        encode = render._encode

        def counted(value):
            self.stretches[-1] += 1
            return encode(value)

        monkeypatch.setattr(render, "_encode", counted)

    def before_io_wait(self, timeout) -> None:
        self.stretches.append(0)

    def __enter__(self):
        trio.lowlevel.add_instrument(self)
        return self

    def __exit__(self, *_) -> None:
        trio.lowlevel.remove_instrument(self)


def log(place: int, size: int = 1) -> LogView:
    return LogView(CONTRACT, (TOPIC,), bytes(size), 5, b"\x05" * 32, b"\x0a" * 32, 0, place, 7)


async def test_logs_as_json():
    assert bytes(await render.render_logs([])) == b"[]"
    logs = [log(0), log(1)]
    assert json.loads(bytes(await render.render_logs(logs))) == [render.render_log(one) for one in logs]


@pytest.mark.parametrize("count", [1, ITEMS_PER_TURN, 3 * ITEMS_PER_TURN + 1])
async def test_many_logs_are_written_out_in_turns(monkeypatch, count):
    with Turns(monkeypatch) as turns:
        await render.render_logs([log(i) for i in range(count)])
    assert sum(turns.stretches) == count
    assert max(turns.stretches) <= ITEMS_PER_TURN
    assert turns.stretches[-1] == 0, "the last part is followed by a turn too"


async def test_large_logs_are_written_out_in_shorter_turns(monkeypatch):
    monkeypatch.setattr(render, "RENDERED_BYTES_PER_TURN", 4000)
    with Turns(monkeypatch) as turns:
        await render.render_logs([log(i, 1000) for i in range(10)])
    assert (sum(turns.stretches), max(turns.stretches)) == (10, 2)


async def test_what_is_left_of_logs_for_the_end_is_a_copy():
    assert isinstance(await render.render_logs([log(0)]), msgspec.Raw)
    receipt = await render.render_receipt(next(iter(FakeShard().receipts.values())))
    assert isinstance(receipt["logs"], msgspec.Raw)


async def test_receipts_without_logs_are_written_out_in_turns(monkeypatch):
    view = msgspec.structs.replace(next(iter(FakeShard().receipts.values())), logs=())
    rendered = []
    quantity = render.quantity
    monkeypatch.setattr(render, "quantity", lambda value: rendered.append(1) or quantity(value))
    with Turns(monkeypatch) as turns:
        await render.render_receipts([view] * (2 * ITEMS_PER_TURN))
    assert len(rendered) == 2 * ITEMS_PER_TURN
    assert len(turns.stretches) - 1 >= 2


async def test_logs_of_receipts_and_queries_reach_the_client():
    client = Client()
    receipts = await client.result("eth_getBlockReceipts", "0x5")
    assert [len(receipt["logs"]) for receipt in receipts] == [1] * len(receipts)
    assert (await client.result("eth_getLogs", {}))[0]["address"] == "0x" + CONTRACT.hex()

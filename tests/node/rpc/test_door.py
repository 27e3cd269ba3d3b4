"""The door: calls within finish first, those that come meanwhile wait, and neither for ever."""

import pytest
import trio
import trio.testing

from node.rpc.door import DOOR_SECONDS_MAX, Door
from primitives.errors import Busy
from tests.node.rpc.fake import Client


async def test_closing_waits_for_who_is_within_and_who_comes_waits_for_the_opening(autojump_clock):
    door, told = Door(), []

    async def call(name, seconds):
        async with door.passed():
            told.append(name)
            await trio.sleep(seconds)
            told.append(f"{name} ends")

    async def close():
        async with door.closed():
            told.append("closed")
            await trio.sleep(2)
            told.append("opened")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call, "first", 3)
        await trio.sleep(1)
        nursery.start_soon(close)
        await trio.sleep(1)
        nursery.start_soon(call, "second", 0)
    assert told == ["first", "first ends", "closed", "opened", "second", "second ends"]


async def test_nobody_waits_for_ever(autojump_clock):
    door = Door()
    async with trio.open_nursery() as nursery:
        passed = trio.Event()

        async def stay():
            async with door.passed():
                await passed.wait()

        nursery.start_soon(stay)
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        with pytest.raises(Busy, match="still being answered"):
            async with door.closed():
                raise AssertionError("somebody is within")
        assert trio.current_time() - began == DOOR_SECONDS_MAX
        passed.set()
    async with door.closed():
        with pytest.raises(Busy, match="being copied or put back"):
            async with door.passed():
                raise AssertionError("it is closed")


async def test_calls_wait_at_the_door_and_orders_do_not(autojump_clock):
    client = Client()
    door = client.app._addresses["/shard/0"]._context.door
    async with door.closed():
        assert await client.result("dev_mine", 2) == "0xc"
        refused = await client.error("eth_getBalance", "0x" + "00" * 20)
        assert refused == (-32005, "busy: the network's past is being copied or put back, try again")
    assert await client.result("eth_getBalance", "0x" + "00" * 20) == "0x0"
    assert client.observer.limits == ["door_seconds_max"]

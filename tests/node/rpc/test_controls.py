"""A developer's orders over JSON-RPC: their forms, their other names, and where they do not exist."""

import pytest

from node.rpc.methods.controls import ALIASES, EVERYWHERE, METHODS
from node.rpc.methods.registry import SHARD
from primitives.errors import ControlReason, InvalidControl
from tests.node.rpc.fake import Client, FakeNode


def make_client(devnet=True):
    node = FakeNode()
    node.genesis = node.genesis.model_copy(update={"parameters": node.genesis.parameters.model_copy(update={"devnet": devnet})})
    return Client(node=node)


@pytest.mark.parametrize(("method", "arguments", "order", "answer"), [
    ("dev_mine", (), ("mine", 0, 1, 1), "0xb"),
    ("hardhat_mine", ("0x100", "0x3c"), ("mine", 0, 256, 60), "0x10a"),
    ("anvil_mine", (3,), ("mine", 0, 3, 1), "0xd"),
    ("anvil_mine", ("3", 0), ("mine", 0, 3, 1), "0xd"),
    ("dev_jumpEpoch", (), ("jump_epoch",), "0x2"),
    ("dev_increaseTime", (3600,), ("increase_time", 3600), "0xe10"),
    ("evm_increaseTime", ("0xe10",), ("increase_time", 3600), "0xe10"),
    ("anvil_increaseTime", ("3600",), ("increase_time", 3600), "0xe10"),
    ("evm_setNextBlockTimestamp", (1_900_000_000,), ("set_next_timestamp", 0, 1_900_000_000), True),
])  # fmt: skip
async def test_an_order_is_passed_on(method, arguments, order, answer):
    client = make_client()
    assert await client.result(method, *arguments) == answer
    assert client.node.controls.orders == [order]


async def test_a_block_can_be_asked_for_with_its_time():
    client = make_client()
    assert await client.result("evm_mine", 1_900_000_000, path="/shard/1") == "0x0"
    assert client.node.controls.orders == [("set_next_timestamp", 1, 1_900_000_000), ("mine", 1, 1, 1)]


async def test_the_beacon_chain_has_the_orders_that_are_not_a_shards():
    client = make_client()
    await client.result("dev_mine", 2, path="/beacon")
    await client.result("dev_setNextBlockTimestamp", 1_900_000_000, path="/beacon")
    assert client.node.controls.orders == [("mine", 2, 2, 1), ("set_next_timestamp", None, 1_900_000_000)]
    assert (await client.error("evm_mine", path="/beacon"))[0] == -32601


@pytest.mark.parametrize("value", ["x", "0x", "0x01", "-1", -1, 1.5, True, 2**64, "0x10000000000000000", "9" * 40, [], {}])
async def test_what_is_no_number_is_refused(value):
    client = make_client()
    for method in ("dev_mine", "evm_increaseTime", "evm_mine", "evm_setNextBlockTimestamp"):
        assert (await client.error(method, value))[0] == -32602
    assert client.node.controls.orders == []


async def test_what_is_refused_has_a_sentence_and_a_reason():
    class Refusing(FakeNode):
        @property
        def controls(self):
            raise InvalidControl(ControlReason.NOT_GRANTED, "no controls here: start a network of your own")

        @controls.setter
        def controls(self, value):
            del value

    client = Client(node=Refusing())
    answer = await client.post({"jsonrpc": "2.0", "id": 1, "method": "dev_mine"})
    assert answer.json["error"] == {"code": -32000, "message": "no controls here: start a network of your own", "data": "not_granted"}


@pytest.mark.parametrize("method", sorted(METHODS))
async def test_elsewhere_they_do_not_exist(method):
    code, message = await make_client(devnet=False).error(method, "0x1")
    assert (code, message) == (-32601, f"the method {method} does not exist/is not available")


async def test_discovery_tells_of_them_only_where_they_are():
    for path, names in (("/shard/0", set(METHODS)), ("/beacon", set(EVERYWHERE))):
        for devnet in (True, False):
            told = {method["name"] for method in (await make_client(devnet).result("rpc.discover", path=path))["methods"]}
            assert told & (set(METHODS) | {"dev_faucet"}) == ({*names, "dev_faucet"} if devnet else set())
    assert "dev" not in await make_client(devnet=False).result("rpc_modules")


def test_an_alias_is_the_same_method():
    for alias, name in ALIASES.items():
        assert SHARD[alias] is SHARD[name]

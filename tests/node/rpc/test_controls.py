"""A developer's orders over JSON-RPC: their forms, their other names, and where they do not exist."""

import pytest

from node.rpc.controls_backend import Unsigned
from node.rpc.methods.controls import ALIASES, EVERYWHERE, METHODS
from node.rpc.methods.registry import SHARD
from primitives.errors import ControlReason, InvalidControl
from shard.operations import Operation, OperationKind, decode_operation
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
    ("evm_setAutomine", (True,), ("set_automine", True), True),
    ("dev_setAutomine", (False,), ("set_automine", False), True),
    ("evm_snapshot", (), ("snapshot",), "0x11"),
    ("evm_revert", ("0x11",), ("revert", 17), True),
    ("anvil_revert", (18,), ("revert", 18), False),
    ("dev_increaseTime", (3600,), ("increase_time", 3600), "0xe10"),
    ("evm_increaseTime", ("0xe10",), ("increase_time", 3600), "0xe10"),
    ("anvil_increaseTime", ("3600",), ("increase_time", 3600), "0xe10"),
    ("evm_setNextBlockTimestamp", (1_900_000_000,), ("set_next_timestamp", 0, 1_900_000_000), True),
])  # fmt: skip
async def test_an_order_is_passed_on(method, arguments, order, answer):
    client = make_client()
    assert await client.result(method, *arguments) == answer
    assert client.node.controls.orders == [order]


WHO = "0x" + "ab" * 20
ADDRESS = b"\xab" * 20


@pytest.mark.parametrize(("name", "arguments", "operation"), [
    ("setBalance", (WHO, "0xde0b6b3a7640000"), Operation(OperationKind.BALANCE, ADDRESS, 10**18)),
    ("setBalance", (WHO, str(10**24)), Operation(OperationKind.BALANCE, ADDRESS, 10**24)),
    ("setNonce", (WHO, 7), Operation(OperationKind.NONCE, ADDRESS, 7)),
    ("setCode", (WHO, "0x6001"), Operation(OperationKind.CODE, ADDRESS, code=b"\x60\x01")),
    ("setStorageAt", (WHO, "0x00ff", "0x" + "00" * 31 + "2a"), Operation(OperationKind.STORAGE, ADDRESS, 42, slot=255)),
])  # fmt: skip
async def test_an_account_is_changed_by_any_of_the_names(name, arguments, operation):
    client = make_client()
    for tool in ("dev", "anvil", "hardhat"):
        assert await client.result(f"{tool}_{name}", *arguments, path="/shard/1") is True
    assert client.node.controls.orders == [("operate", 1, operation)] * 3
    assert decode_operation(operation.encode()) == operation


@pytest.mark.parametrize(("method", "arguments"), [
    ("dev_setBalance", (WHO, 2**256)), ("dev_setNonce", (WHO, 2**64)), ("dev_setCode", (WHO, "0x6")), ("dev_setBalance", ("0x12", 1)),
    ("dev_setStorageAt", (WHO, "0x0", "0x2a")), ("dev_autoImpersonateAccount", ("yes",)), ("evm_setAutomine", (1,)),
    ("dev_impersonateAccount", (7,)),
])  # fmt: skip
async def test_what_no_account_can_have_is_refused(method, arguments):
    client = make_client()
    assert (await client.error(method, *arguments))[0] == -32602
    assert client.node.controls.orders == []


async def test_an_impersonated_account_sends_and_what_is_left_out_is_chosen():
    client = make_client()
    call = {"from": WHO, "to": "0x" + "22" * 20, "value": "0x7", "data": "0x01"}
    message = (await client.error("eth_sendTransaction", call))[1]
    assert message.startswith(f"{WHO} is not impersonated")
    await client.result("hardhat_impersonateAccount", WHO)
    assert await client.result("eth_sendTransaction", call, path="/shard/1") == "0x" + "5e" * 32
    base_fee = client.shard.heads().next_base_fee
    wanted = Unsigned(ADDRESS, b"\x22" * 20, 7, b"\x01", 21_000, 2 * base_fee + 10**9, 10**9, None, ())
    assert client.node.controls.orders == [("send", 1, wanted)]
    assert await client.result("eth_accounts") == [WHO]
    await client.result("hardhat_stopImpersonatingAccount", WHO)
    assert (await client.call("eth_sendTransaction", call))["error"]["data"] == "not_impersonated"
    await client.result("anvil_autoImpersonateAccount", True)
    await client.result("eth_sendTransaction", call)
    await client.result("anvil_autoImpersonateAccount", False)
    assert (await client.error("eth_sendTransaction", call))[0] == -32000


async def test_what_a_transaction_says_is_kept():
    client = make_client()
    await client.result("dev_impersonateAccount", WHO)
    fees = {"maxFeePerGas": hex(10**10), "maxPriorityFeePerGas": "0x5", "nonce": "0x9", "gas": "0xffff"}
    await client.result("eth_sendTransaction", {"from": WHO, "input": "0x6000", **fees})
    await client.result("eth_sendTransaction", {"from": WHO, "to": WHO, "gasPrice": hex(10**10), "gas": "0xffff"})
    await client.result("eth_sendTransaction", {"from": WHO, "to": WHO, "maxFeePerGas": "0x9", "gas": "0xffff"})
    first, second, third = (wanted for _, _, wanted in client.node.controls.orders)
    assert first == Unsigned(ADDRESS, None, 0, b"\x60\x00", 0xFFFF, 10**10, 5, 9, ())
    assert (second.fee, second.tip) == (10**10, None)
    assert (third.fee, third.tip) == (9, 9)
    for wrong in ({"to": WHO}, {"from": WHO, "nonce": 7}, {"from": WHO, "chainId": "0x1"}, {"from": WHO, "authorizationList": []}, 7):
        refused = await client.call("eth_sendTransaction", wrong)
        assert "error" in refused or wrong == {"from": WHO, "authorizationList": []}


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
    assert client.observer.limits == []
    assert await client.result("eth_accounts") == []
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

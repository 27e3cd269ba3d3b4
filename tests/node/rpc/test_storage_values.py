"""eth_getStorageValues, and what else the specification asks of a node about itself."""

import pytest

from node.rpc.limits import STORAGE_VALUES_MAX
from tests.node.rpc.fake import ALICE, BASE_FEE, CONTRACT, Client

WHO, OTHER = "0x" + ALICE.hex(), "0x" + CONTRACT.hex()


async def test_words_come_in_the_form_they_were_asked_in():
    client = Client()
    word = "0x" + client.shard.word.hex()
    assert await client.result("eth_getStorageValues", {WHO: ["0x0", "0x1"], OTHER: []}, "0x5") == {WHO: [word, word], OTHER: []}
    assert client.shard.asked[-2:] == [0, 1]


@pytest.mark.parametrize(
    ("requests", "message"),
    [
        ({}, "empty request"),
        ({WHO: []}, "empty request"),
        ([], "invalid argument 0: want an object"),
        ({"0x12": ["0x0"]}, "invalid argument 0, key: hex string has length 2, want 40"),
        ({WHO: "0x0"}, f"invalid argument 0, field {WHO}: want an array of storage keys"),
        ({WHO: ["0x0", 5]}, f"invalid argument 0, field {WHO}[1]: a storage key is a hex string"),
        ({WHO: ["0x0"], OTHER: ["0x0"] * STORAGE_VALUES_MAX}, f"too many slots (max {STORAGE_VALUES_MAX})"),
    ],
)
async def test_what_is_wrong(requests, message):
    code, said = await Client().error("eth_getStorageValues", requests)
    assert code == -32602
    assert said.startswith(message)


async def test_a_block_that_is_not_there():
    assert await Client().error("eth_getStorageValues", {WHO: ["0x0"]}, "0x63") == (-32000, "header not found")


async def test_the_node_tells_what_it_has():
    client = Client()
    assert await client.result("eth_baseFee") == hex(BASE_FEE + 5)
    told = await client.result("eth_capabilities")
    assert told.pop("head") == {"number": "0xa", "hash": "0x" + client.shard.heads().latest.hash.hex()}
    assert set(told) == {"state", "tx", "logs", "receipts", "blocks", "stateproofs"}
    assert all(part == {"disabled": False, "oldestBlock": "0x0"} for part in told.values())

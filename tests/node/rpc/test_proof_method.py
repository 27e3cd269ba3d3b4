"""eth_getProof: its form, and what it refuses."""

import pytest

from primitives.errors import Interrupted
from tests.node.rpc.fake import ALICE, Client

WHO = "0x" + ALICE.hex()
WORD = "0x" + "0" * 62 + "0A"


async def test_keys_come_back_as_geth_tells_them() -> None:
    client = Client()
    proof = await client.result("eth_getProof", WHO, ["0x0", "0x0a", WORD], "latest")
    assert [slot["key"] for slot in proof["storageProof"]] == ["0x0", "0xa", WORD.lower()]
    assert proof["storageProof"][0] == {"key": "0x0", "value": "0x7", "proof": ["0xc101"]}
    assert proof["accountProof"] == ["0xc20102"]
    assert (proof["address"], proof["balance"], proof["nonce"]) == (WHO, "0x9", "0x3")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([WHO], "missing value for required argument 1"),
        ([WHO, "0x0"], "invalid argument 1: want an array of storage keys, this is a string"),
        ([WHO, ["0x"]], 'invalid argument 1[0]: invalid hex in storage key: "0x"'),
        ([WHO, ["0x0", "0x" + "1" * 65]], "invalid argument 1[1]: storage key too long"),
        ([WHO, ["0x0"] * 1025], "too many slots (max 1024)"),
        (["0x12", []], "invalid argument 0"),
    ],
)
async def test_refusals(arguments, words) -> None:
    code, message = await Client().error("eth_getProof", *arguments)
    assert code == -32602
    assert message.startswith(words)


async def test_an_unknown_block_and_time_that_is_up() -> None:
    client = Client()
    assert await client.error("eth_getProof", WHO, [], "0x64") == (-32000, "header not found")
    client.shard.raises = Interrupted("call_deadline_ms")
    assert (await client.error("eth_getProof", WHO, []))[0] == -32002

"""Call objects with authorizations and state overrides, their bounds, and access lists."""

import pytest

from node.rpc import limits
from shard.views import AccountOverride, CallOutcome, SignedAuthorization, big
from tests.node.rpc.fake import ALICE, CONTRACT, Client

WHO = "0x" + ALICE.hex()
AT = "0x" + CONTRACT.hex()
WORD = "0x" + "07" * 32


@pytest.mark.parametrize("method", ["eth_call", "eth_estimateGas", "eth_createAccessList"])
async def test_overrides_are_passed_on(method):
    client = Client()
    overrides = {
        WHO: {"balance": "0x64", "nonce": "0x5", "code": "0x6000", "stateDiff": {WORD: WORD}},
        AT: {"state": {}, "balance": None},
    }
    await client.result(method, {"to": WHO}, "latest", overrides)
    assert client.shard.asked[-1].overrides == (
        AccountOverride(ALICE, big(100), 5, b"\x60\x00", ((b"\x07" * 32, b"\x07" * 32),), False),
        AccountOverride(CONTRACT, is_whole_storage=True),
    )
    await client.result(method, {"to": WHO}, "latest", {})
    assert client.shard.asked[-1].overrides == ()


async def test_authorizations_are_passed_on():
    client = Client()
    item = {"chainId": "0x0", "address": AT, "nonce": "0x1", "yParity": "0x1", "r": "0x2", "s": "0x3"}
    await client.result("eth_call", {"to": WHO, "authorizationList": [item, item | {"yParity": None, "v": "0x0"}]})
    assert client.shard.asked[-1].authorizations[0] == SignedAuthorization(b"", CONTRACT, 1, 1, b"\x02", b"\x03")


@pytest.mark.parametrize(
    ("limit", "overrides", "words"),
    [
        ("OVERRIDE_ENTRIES_MAX", {WHO: {}, AT: {"state": {WORD: WORD}}}, "over 2 accounts and storage words"),
        ("OVERRIDE_BYTES_MAX", {WHO: {"code": "0x0000"}, AT: {"code": "0x00"}}, "over 2 bytes of code"),
    ],
)
async def test_overrides_are_bounded(monkeypatch, limit, overrides, words):
    monkeypatch.setattr(f"node.rpc.calls.{limit}", 2)
    assert await Client().error("eth_call", {}, "latest", overrides) == (-32602, f"invalid argument 2: {words}")


async def test_authorizations_are_bounded():
    many = [{}] * (limits.AUTHORIZATIONS_MAX + 1)
    code, message = await Client().error("eth_call", {"to": WHO, "authorizationList": many})
    assert (code, message) == (-32602, "invalid argument 0, field authorizationList: over 1000 authorizations")


async def test_access_lists():
    client = Client()
    listed = [{"address": AT, "storageKeys": ["0x" + "00" * 32]}]
    assert await client.result("eth_createAccessList", {"to": WHO}) == {"accessList": listed, "gasUsed": "0x5208"}
    client.shard.outcome = CallOutcome(False, b"", 30_000, "execution reverted")
    failed = await client.result("eth_createAccessList", {"to": WHO}, "0x5")
    assert failed == {"accessList": listed, "gasUsed": "0x7530", "error": "execution reverted"}
    assert await client.error("eth_createAccessList", {"to": WHO}, "0x64") == (-32000, "header not found")


async def test_call_objects_are_answered_at_eip_1898_blocks():
    client = Client()
    block = "0x" + client.shard.blocks[3].hash.hex()
    for selector in ({"blockHash": block}, {"blockHash": block, "requireCanonical": True}, {"blockNumber": "0x3"}):
        assert await client.result("eth_createAccessList", {"to": WHO}, selector)
        assert await client.result("eth_getBlockReceipts", selector) == []
        assert await client.result("debug_getRawReceipts", selector) == []
    unknown = {"blockHash": "0x" + "00" * 32, "requireCanonical": True}
    assert await client.error("eth_getBalance", WHO, unknown) == (-32000, "header not found")

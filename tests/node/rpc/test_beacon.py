"""beacon: the coordinator's blocks, validators, committees, crosslinks, evidence and parameters."""

import pytest

from primitives.parameters import Parameters
from tests.node.rpc.fake import BASE_FEE, GENESIS, GENESIS_TIME, Client, header


async def test_head():
    head = await Client().result("beacon_getHead")
    assert (head["number"], head["epoch"], head["view"], len(head["crosslinks"])) == ("0xc", "0x1", "0xe", 2)


@pytest.mark.parametrize("path", ["/", "/beacon", "/shard/1"])
@pytest.mark.parametrize("name", ["0xc", "latest", "finalized", "root", {"blockNumber": "0xc"}])
async def test_block_by_number_root_or_tag(path, name):
    client = Client()
    root = "0x" + client.node.beacon.blocks[12].hash_tree_root().hex()
    block = await client.result("beacon_getBlock", root if name == "root" else name, path=path)
    assert (block["number"], block["hash"], block["epoch"], block["view"]) == ("0xc", root, "0x1", "0xe")
    assert block["parentCertificate"] == {
        "chain": "0x2", "epoch": "0x0", "view": "0x0", "kind": "base", "root": "0x" + "00" * 32, "positions": [],
    }  # fmt: skip
    assert block["crosslinks"] == [
        {
            "shard": "0x0", "number": "0x18", "hash": "0x" + header(24).hash().hex(), "timestamp": hex(GENESIS_TIME + 24),
            "baseFeePerGas": hex(BASE_FEE), "gasUsed": "0x0", "burned": "0x7", "fees": "0x8",
            "finalization": {
                "chain": "0x0", "epoch": "0x0", "view": "0x3", "kind": "finalize", "root": "0x" + header(24).hash().hex(),
                "positions": ["0x0", "0x2"],
            },
        }
    ]  # fmt: skip


async def test_unknown_block_is_null():
    client = Client()
    assert await client.result("beacon_getBlock", "0x64") is None
    assert await client.result("beacon_getBlock", "0x" + "00" * 32) is None
    assert (await client.result("beacon_getBlock", "earliest"))["crosslinks"] == []


async def test_validators():
    validators = await Client().result("beacon_getValidators")
    assert validators[0] == {
        "index": "0x0", "publicKey": "0x" + "01" * 48, "stake": "0x20", "feeAddress": "0x" + "03" * 20, "active": True,
        "slashedAt": None, "votesDue": "0x5", "votesSeen": "0x4",
    }  # fmt: skip
    assert [(one["active"], one["slashedAt"]) for one in validators] == [(True, None), (False, "0xc"), (False, "0x3")]


async def test_committees_of_this_and_other_epochs():
    client = Client()
    found = await client.result("beacon_getCommittees")
    assert (found["epoch"], found["seed"], len(found["committees"])) == ("0x1", "0x" + "0f" * 32, 3)
    assert found["committees"][2] == {
        "chain": "0x2", "chainId": "0xb39d6", "instanceEpoch": "0x2", "members": [{"validator": "0x0", "stake": "0x20"}],
    }  # fmt: skip
    assert (await client.result("beacon_getCommittees", "0x2"))["epoch"] == "0x2"
    assert await client.error("beacon_getCommittees", "0x9") == (-32000, "no committees of epoch 9 are held: there are those of 1, 2")


@pytest.mark.parametrize(
    ("arguments", "heights"),
    [(["0x0"], [2, 4, 6, 8, 10, 12]), (["0x1", "0x3", "0x4"], [3, 5]), (["0x0", "0xc", "0x20"], [12]), (["0x0", None, "0x2"], [12])],
)
async def test_crosslinks_of_a_range_of_blocks(arguments, heights):
    client = Client()
    found = await client.result("beacon_getCrosslinks", *arguments)
    assert [int(link["beacon"]["number"], 16) for link in found] == heights
    assert [int(link["number"], 16) for link in found] == [2 * height for height in heights]
    assert {link["shard"] for link in found} == {arguments[0]}
    assert await client.result("beacon_getCrosslinks", arguments[0], "0xd") == []


async def test_evidence_is_what_blocks_hold():
    client = Client()
    old, found = await client.result("beacon_getEvidence")
    assert (old["validator"], old["beacon"]["number"]) == ("0x2", "0x3")
    assert (found["validator"], found["beacon"]["number"]) == ("0x1", "0xc")
    assert [vote["root"] for vote in found["votes"]] == ["0x" + "01" * 32, "0x" + "02" * 32]


@pytest.mark.parametrize(
    ("arguments", "heights"),
    [([], ["0x3", "0xc"]), ([None, "0x1"], ["0xc"]), (["0x0", "0xc"], ["0x3"]), (["0x4"], ["0xc"]), (["0x4", "0x8"], []), (["0xd"], [])],
)
async def test_evidence_is_looked_for_in_a_range_or_wherever_there_is_any(arguments, heights):
    assert [one["beacon"]["number"] for one in await Client().result("beacon_getEvidence", *arguments)] == heights


BAD = {
    "no shard": ("beacon_getCrosslinks", ["0x2"], "invalid argument 0: this network has shards 0 to 1"),
    "no blocks": ("beacon_getCrosslinks", ["0x0", None, "0x0"], "invalid argument 2: a number of beacon blocks, 1 to 32"),
    "too many blocks": ("beacon_getEvidence", ["0x0", "0x21"], "invalid argument 1: a number of beacon blocks, 1 to 32"),
    "block": ("beacon_getBlock", ["newest"], "invalid argument 0: want a block number"),
}


@pytest.mark.parametrize("row", BAD)
async def test_bad_parameters(row):
    method, params, words = BAD[row]
    code, message = await Client().error(method, *params)
    assert code == -32602
    assert message.startswith(words)


async def test_parameters_are_those_of_genesis():
    found = await Client().result("beacon_getParameters")
    assert (found["genesisRoot"], found["genesisTimestamp"]) == ("0x" + GENESIS.root.hex(), hex(GENESIS_TIME))
    assert (found["shardCount"], found["devnet"], found["committees"]) == ("0x2", True, "everyone")
    assert len(found) == len(Parameters.model_fields) + 2

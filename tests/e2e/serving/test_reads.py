"""What tools read besides a wallet's first questions, of four real processes."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import rlp
from eth_utils.address import to_checksum_address
from trie import HexaryTrie
from web3 import HTTPProvider, Web3
from web3.exceptions import Web3RPCError
from web3.middleware import ExtraDataToPOAMiddleware

from node.cluster.accounts import COIN
from node.cluster.client import Client
from primitives.hashing import keccak256
from shard.contracts import OUTBOX
from shard.engine.trie import list_root
from tests.e2e.accounts import GWEI, KEEPER_INIT, known_account, new_account, next_nonce, sign
from tests.e2e.harness import Cluster, run_command, try_call, wait_for

REVERTER_INIT = "0x62" + "5f5ffd" + "5f526003601df3"
"""Deploys a contract that reverts."""
WORD = (0xC0FFEE).to_bytes(32, "big")
SHARD = 0


@pytest.fixture
def client(cluster: Cluster) -> Iterator[Client]:
    client = cluster.client(0, SHARD)
    yield client
    client.close()


@pytest.fixture
def web3(cluster: Cluster) -> Iterator[Any]:
    with requests.Session() as session:
        w3 = Web3(HTTPProvider(cluster.options.url(0, SHARD), session=session))
        w3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
        yield w3


def mined(client: Client, account: Any, **fields: Any) -> dict[str, Any]:
    """The receipt of a transaction of an account."""
    raw = sign(account, int(client.call("eth_chainId"), 16), next_nonce(client, account), **fields)
    sent = client.call("eth_sendRawTransaction", raw)
    receipt: dict[str, Any] = wait_for("a receipt", lambda: try_call(client, "eth_getTransactionReceipt", sent))
    return receipt


@pytest.fixture
def keeper(client: Client) -> str:
    """A contract that keeps WORD in slot 0."""
    account = known_account(4)
    contract = mined(client, account, data=KEEPER_INIT, gas=200_000)["contractAddress"]
    assert mined(client, account, to=contract, data="0x" + WORD.hex(), gas=100_000)["status"] == "0x1"
    return str(contract)


def test_a_block_is_the_same_from_every_side(client: Client) -> None:
    receipt = mined(client, known_account(5), to=new_account().address, value=1)
    number, block_hash, index = receipt["blockNumber"], receipt["blockHash"], receipt["transactionIndex"]
    block = client.call("eth_getBlockByNumber", number, True)
    transaction = block["transactions"][int(index, 16)]
    assert transaction["hash"] == receipt["transactionHash"]
    assert transaction["blockTimestamp"] == block["timestamp"]
    assert client.call("eth_getTransactionByBlockNumberAndIndex", number, index) == transaction
    assert client.call("eth_getTransactionByBlockHashAndIndex", block_hash, index) == transaction
    assert client.call("eth_getTransactionByHash", transaction["hash"]) == transaction
    receipts = client.call("eth_getBlockReceipts", number)
    assert receipts == client.call("eth_getBlockReceipts", {"blockHash": block_hash, "requireCanonical": True})
    assert receipts == [client.call("eth_getTransactionReceipt", t["hash"]) for t in block["transactions"]]


def test_roots_are_those_of_the_raw_forms(client: Client) -> None:
    number = mined(client, known_account(5), to=new_account().address, value=1)["blockNumber"]
    block = client.call("eth_getBlockByNumber", number, False)
    raw_header, raw_block, *raw_receipts = (
        bytes.fromhex(raw[2:])
        for raw in (
            client.call("debug_getRawHeader", number), client.call("debug_getRawBlock", number),
            *client.call("debug_getRawReceipts", number),
        )
    )  # fmt: skip
    assert "0x" + keccak256(raw_header).hex() == block["hash"]
    header, transactions, uncles, withdrawals = rlp.decode(raw_block)
    assert rlp.encode(header) == raw_header
    assert (uncles, withdrawals) == ([], [])
    encoded = [t if isinstance(t, bytes) else rlp.encode(t) for t in transactions]
    assert ["0x" + keccak256(t).hex() for t in encoded] == block["transactions"]
    assert "0x" + list_root(encoded).hex() == block["transactionsRoot"]
    assert "0x" + list_root(raw_receipts).hex() == block["receiptsRoot"]
    assert client.call("debug_getRawTransaction", block["transactions"][0]) == "0x" + encoded[0].hex()


def test_wallet_library_overrides_and_access_lists(web3: Any, keeper: str) -> None:
    contract = to_checksum_address(keeper)
    assert bytes(web3.eth.call({"to": contract})) == WORD
    other = "0x" + "07" * 32
    slot = "0x" + "00" * 32
    assert web3.eth.call({"to": contract}, "latest", {contract: {"stateDiff": {slot: other}}}).hex().removeprefix("0x") == other[2:]
    poor = new_account().address
    call = {"from": poor, "to": known_account(0).address, "value": COIN}
    assert web3.eth.estimate_gas(call, "latest", {poor: {"balance": hex(2 * COIN)}}) == 21_000
    with pytest.raises(Web3RPCError, match="insufficient funds"):
        web3.eth.call(call)
    created = web3.eth.create_access_list({"to": contract, "from": known_account(0).address})
    assert [(entry["address"], entry["storageKeys"]) for entry in created["accessList"]] == [(contract, [slot])]
    block = web3.eth.get_block("latest")
    assert [r["transactionHash"] for r in web3.eth.get_block_receipts(block["number"])] == block["transactions"]


def test_what_was_done_can_be_proven_traced_and_found(client: Client, keeper: str) -> None:
    block = client.call("eth_getBlockByNumber", "latest", False)
    proof = client.call("eth_getProof", keeper, ["0x0"], block["hash"])
    nodes = [rlp.decode(bytes.fromhex(node[2:])) for node in proof["accountProof"]]
    record = HexaryTrie.get_from_proof(bytes.fromhex(block["stateRoot"][2:]), keccak256(bytes.fromhex(keeper[2:])), nodes)
    assert rlp.decode(record)[2].hex() == proof["storageHash"][2:]
    nodes = [rlp.decode(bytes.fromhex(node[2:])) for node in proof["storageProof"][0]["proof"]]
    word = HexaryTrie.get_from_proof(bytes.fromhex(proof["storageHash"][2:]), keccak256(bytes(32)), nodes)
    assert rlp.decode(word) == WORD.lstrip(b"\0")

    page = client.call("ots_searchTransactionsBefore", keeper, 0, 25)
    asked, made = (receipt["transactionHash"] for receipt in page["receipts"])
    assert client.call("ots_getContractCreator", keeper)["hash"] == made
    assert client.call("ots_getTransactionBySenderAndNonce", page["txs"][0]["from"], page["txs"][0]["nonce"]) == asked
    trace = client.call("debug_traceTransaction", asked, {"tracer": "callTracer"})
    assert (trace["type"], trace["to"], trace["gasUsed"]) == ("CALL", keeper, page["receipts"][0]["gasUsed"])
    changed = client.call("debug_traceTransaction", made, {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}})
    assert keeper in changed["post"]
    assert keeper not in changed["pre"]
    steps = client.call("debug_traceCall", {"to": keeper}, "latest")["structLogs"]
    assert steps[0]["pc"] == 0
    whole = client.call("debug_traceBlockByNumber", page["receipts"][0]["blockNumber"], {"tracer": "callTracer"})
    assert {"txHash": asked, "result": trace} in whole
    (simulated,) = client.call("eth_simulateV1", {"blockStateCalls": [{"calls": [{"to": keeper}]}]}, block["hash"])
    assert simulated["parentHash"] == block["hash"]
    assert simulated["calls"][0]["returnData"] == "0x" + WORD.hex()


def test_a_message_is_followed_from_the_call_that_sends_it_to_its_delivery(cluster: Cluster, client: Client) -> None:
    sender, receiver = known_account(6), new_account()
    built = client.call("shard_buildTransfer", "0x0", "0x1", receiver.address, hex(3 * GWEI))
    assert built["to"] == "0x" + OUTBOX.hex()
    sent = mined(client, sender, to=built["to"], data=built["data"], value=int(built["value"], 16), gas=300_000)
    assert sent["status"] == "0x1"

    def delivered() -> dict[str, Any] | None:
        life = client.call("shard_getCrossShardTransaction", sent["transactionHash"])
        return life["receipts"][0] if life and (life["receipts"][0]["delivery"] or {}).get("finalized") else None

    life = wait_for("a final delivery", delivered)
    assert (life["outcome"], life["amount"], life["returned"]) == ("success", hex(3 * GWEI), None)
    assert client.call("shard_getCrossShardTransaction", life["id"])["receipts"] == [life]
    times = [int(life[step]["timestamp"], 16) for step in ("sent", "crosslink", "bundle", "delivery")]
    assert times[0] - 60 < time.time() < times[-1] + 600
    seen = [life["queued"], life["sent"]["final"], life["crosslink"]["final"], life["bundle"], life["delivery"]["final"]]
    moments = [int(moment["timestampMs"], 16) for moment in seen]
    assert moments == sorted(moments)
    assert moments[0] < moments[1] < moments[2] <= moments[3] < moments[4] < 1000 * time.time() + 1000
    steps = [key for key in cluster.scrape() if key[0] == "shardnet_message_step_seconds_count"]
    measured = {dict(labels)["step"] for name, labels in steps if cluster.scrape()[name, labels] > 0}
    assert measured == {"included", "shard_final", "crosslinked", "beacon_final", "bundle", "delivered"}
    channel = client.call("shard_getPendingReceipts", "0x0", "0x1")
    assert int(life["nonce"], 16) < int(channel["delivered"], 16) <= int(channel["crosslinked"], 16)
    other = cluster.client(1, 1)
    try:
        transaction = other.call("eth_getTransactionByHash", life["id"])
        assert (transaction["type"], transaction["to"]) == ("0x7d", receiver.address.lower())
    finally:
        other.close()


def test_a_message_is_proven_to_who_has_the_genesis_file_and_nothing_else(cluster: Cluster, client: Client, tmp_path: Path) -> None:
    built = client.call("shard_buildTransfer", "0x0", "0x1", new_account().address, hex(GWEI))
    sent = mined(client, known_account(6), to=built["to"], data=built["data"], value=int(built["value"], 16), gas=300_000)
    life = wait_for("the message", lambda: client.call("shard_getCrossShardTransaction", sent["transactionHash"]))["receipts"][0]
    other = cluster.client(3, 1)
    try:
        proof = wait_for("a proof", lambda: other.call("shard_getReceiptProof", life["id"]))
    finally:
        other.close()
    file, genesis = tmp_path / "proof.json", str(cluster.layout.genesis)
    file.write_text(json.dumps(proof))
    told = run_command("verify-receipt", str(file), "--genesis", genesis, "--json")
    assert told.returncode == 0, told.stdout + told.stderr
    assert json.loads(told.stdout)["id"] == life["id"]
    forged = proof["proof"][:-1] + f"{int(proof['proof'][-1], 16) ^ 1:x}"
    file.write_text(json.dumps(proof | {"proof": forged}))
    assert run_command("verify-receipt", str(file), "--genesis", genesis).returncode == 1


def test_a_call_that_reverts_brings_its_value_home(cluster: Cluster, client: Client) -> None:
    sender, amount, gas = known_account(8), 5 * GWEI, 100_000
    other = cluster.client(0, 1)
    try:
        reverter = mined(other, sender, data=REVERTER_INIT, gas=200_000)["contractAddress"]
        built = client.call("shard_buildCall", "0x0", "0x1", reverter, hex(amount), "0x", hex(gas), new_account().address)
        fee = int(built["fee"], 16)
        assert int(built["value"], 16) == amount + fee
        sent = mined(client, sender, to=built["to"], data=built["data"], value=amount + fee, gas=400_000)
        assert sent["status"] == "0x1"

        def home() -> dict[str, Any] | None:
            life = client.call("shard_getCrossShardTransaction", sent["transactionHash"])
            return life["receipts"][0] if life and ((life["receipts"][0]["returned"] or {}).get("delivery")) else None

        life = wait_for("the refund's delivery", home)
        assert (life["outcome"], life["delivery"]["status"], life["returned"]["outcome"]) == ("refunded", "0x0", "success")
        delivered = other.call("eth_getTransactionReceipt", life["id"])
        burned = int(delivered["gasUsed"], 16) * int(delivered["effectiveGasPrice"], 16)
        assert int(life["returned"]["amount"], 16) == amount + fee - burned
        assert client.call("eth_getBalance", life["refundTo"]) == life["returned"]["amount"]
        assert client.call("shard_getCrossShardTransaction", life["id"])["receipts"][0]["returned"]["id"] == life["returned"]["id"]
    finally:
        other.close()


def test_the_beacon_chain_at_every_address(cluster: Cluster, client: Client) -> None:
    head = client.call("beacon_getHead")
    block = client.call("beacon_getBlock", head["number"])
    assert block["hash"] == head["hash"]
    assert client.call("beacon_getBlock", head["hash"]) == block
    assert client.call("beacon_getBlock", block["parentRoot"])["number"] == hex(int(head["number"], 16) - 1)
    validators = client.call("beacon_getValidators")
    assert len(validators) == cluster.options.nodes * cluster.options.validators_per_node
    committees = client.call("beacon_getCommittees")["committees"]
    assert [len(committee["members"]) for committee in committees] == [len(validators)] * 3
    crosslinks = wait_for("crosslinks", lambda: client.call("beacon_getCrosslinks", "0x0", None, "0x20"))
    link = crosslinks[-1]
    assert client.call("eth_getBlockByNumber", link["number"], False)["hash"] == link["hash"]
    assert client.call("beacon_getEvidence") == []
    assert client.call("beacon_getParameters")["genesisRoot"] == client.call("shard_getNetwork")["genesisRoot"]


def test_the_pool_shows_what_waits(client: Client) -> None:
    account = known_account(7)
    nonce = next_nonce(client, account) + 1
    sent = client.call("eth_sendRawTransaction", sign(account, int(client.call("eth_chainId"), 16), nonce, to=account.address))
    address = account.address.lower()
    waiting = client.call("txpool_contentFrom", address)
    assert waiting["queued"][str(nonce)]["hash"] == sent
    assert waiting["queued"] == client.call("txpool_content")["queued"][address]
    assert str(nonce) in client.call("txpool_inspect")["queued"][address]
    assert int(client.call("txpool_status")["queued"], 16) >= 1
    assert client.call("eth_getRawTransactionByHash", sent).startswith("0x02")
    # what was missing comes, so that the next test finds an empty pool
    mined(client, account, to=account.address)
    wait_for("the second transaction", lambda: try_call(client, "eth_getTransactionReceipt", sent))

"""shard_getReceiptProof: who is asked, and what is answered."""

import msgspec
import pytest

from node.rpc.app import Application
from node.rpc.errors import RpcError
from primitives.errors import InvalidProof, ProofReason
from tests.node.rpc.fake import RECEIPT, RECEIPT_ID, Client
from tests.node.rpc.test_crossing import sent

WANTED = "0x" + RECEIPT_ID.hex()


@pytest.fixture
def client():
    client = Client()
    source = client.node.shards[1]
    source.outgoing[RECEIPT_ID] = sent(RECEIPT, RECEIPT_ID, source)
    return client


@pytest.mark.parametrize("path", ["/shard/0", "/shard/1", "/beacon"])
async def test_a_proof_is_the_same_at_every_address(client, path):
    answer = await client.result("shard_getReceiptProof", WANTED, path=path)
    assert answer == {"id": WANTED, "source": "0x1", "destination": "0x0", "nonce": "0x4", "proof": "0x0102"}


async def test_a_transaction_names_the_receipt_it_sent_if_there_is_one(client):
    source = client.node.shards[1]
    (receipt,) = source.outgoing.values()
    transaction = "0x" + receipt.transaction_hash.hex()
    assert (await client.result("shard_getReceiptProof", transaction))["id"] == WANTED
    source.outgoing[b"\7" * 32] = sent(RECEIPT, b"\7" * 32, source)
    code, message = await client.error("shard_getReceiptProof", transaction)
    assert (code, "sent 2 receipts" in message) == (-32602, True)


async def test_what_is_not_final_or_not_known_has_no_proof(client):
    assert await client.result("shard_getReceiptProof", "0x" + "00" * 32) is None
    client.node.proof = None
    assert await client.result("shard_getReceiptProof", WANTED) is None


async def test_a_proof_that_would_be_too_large_is_refused_with_the_limit(client):
    async def refuse(receipt):
        raise InvalidProof(ProofReason.TOO_LARGE, "40000 ids, at most 32768")

    client.node.receipt_proof = refuse
    error = await client.error("shard_getReceiptProof", WANTED)
    assert error == (-32000, "no proof of this receipt: 40000 ids, at most 32768")
    assert client.observer.limits == ["receipt_proof_max"]


class Elsewhere:
    """A peer that hosts shard 1."""

    def __init__(self, told):
        self.told, self.asked = told, []

    async def call(self, shard, name, calls):
        self.asked.append((shard, name, calls))
        return [self.told]


async def test_a_peer_is_asked_for_a_shard_that_is_not_hosted(client):
    proof = {"id": WANTED, "proof": "0x03"}
    client.node.shards[1] = None
    peers = Elsewhere(msgspec.Raw(msgspec.json.encode(proof)))
    client.app = Application(
        client.node, version="test", allowed_hosts=["node.example"], observe=client.observer, elsewhere=peers
    )
    assert await client.result("shard_getReceiptProof", WANTED) == proof
    assert peers.asked == [(1, "shard_getReceiptProof", [[WANTED]])]
    peers.told = msgspec.Raw(b"null")
    assert await client.result("shard_getReceiptProof", WANTED) is None
    peers.told = RpcError(-32005, "busy: try again")
    assert (await client.error("shard_getReceiptProof", WANTED))[0] == -32005

"""Proofs of receipts as a node makes them, on the real core over changing committees."""

import pytest

from consensus.beacon.receipt_proof import verify_receipt_proof
from node.receipt_proofs import ReceiptProofs
from node.store import NodeStore
from primitives.errors import InvalidProof
from shard.executor.reads import ShardReader
from tests.simulation.test_instances import make_world, run_past_epoch


class Link:
    """The executor as `ReceiptProofs` asks it."""

    def __init__(self, reader):
        self.reader = reader

    async def outgoing_path(self, receipt_id, count):
        return self.reader.outgoing_path(receipt_id, count, lambda: None)


async def test_every_message_of_a_network_whose_committees_change_is_proven_by_every_node():
    world = make_world(1, second_epoch=frozenset({0, 1, 2, 3}))
    run_past_epoch(world, 2)
    committees, proofs = set(), 0
    for node in world.nodes:
        readers = {shard: ShardReader(executor) for shard, executor in node.executors.items()}
        store = NodeStore(node.store.database, world.genesis.root, "memory")
        made = ReceiptProofs(node.core, {shard: Link(reader) for shard, reader in readers.items()}, store)
        for reader in readers.values():
            recorded = reader.resolve("finalized").result.number
            for height in range(recorded + 1):
                for sent in reader.outgoing_in(reader.block(height).hash):
                    proof = await made.prove(sent)
                    proven = verify_receipt_proof(proof.encode(), world.genesis, node.core.context.scheme)
                    assert (proven.id, proven.receipt.nonce) == (sent.id, sent.nonce)
                    committees.add(proven.committees)
                    proofs += 1
            unrecorded = [reader.outgoing_in(reader.block(h).hash) for h in range(recorded + 1, reader.resolve("latest").result.number + 1)]
            for sent in (one for many in unrecorded for one in many):
                assert await made.prove(sent) is None
    assert proofs > 10 * len(world.nodes)
    assert {1, 3} <= committees, "before the changes and after them"
    other = world.genesis.model_copy(update={"timestamp": world.genesis.timestamp + 1})
    with pytest.raises(InvalidProof):
        verify_receipt_proof(proof.encode(), type(other).model_validate(other.model_dump()), node.core.context.scheme)

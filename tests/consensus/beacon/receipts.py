"""Proofs of receipts on the beacon chain of `network`, made as a node makes them."""

from dataclasses import replace

from consensus.beacon.committees import committee_of, instance_of
from consensus.beacon.lineage import Handover, header_of, prove_set
from consensus.beacon.receipt_proof import build_receipt_proof
from primitives.receipts import CrossShardReceipt
from primitives.votes import VoteKind
from tests.consensus.beacon.network import Network


def receipt_of(nonce, destination=1, data=b""):
    return CrossShardReceipt(0, destination, nonce, 1 if data else 0, b"\xaa" * 20, b"\xbb" * 20, 10 + nonce, 0, 1, b"\xaa" * 20, data)


class Prover(Network):
    """A network whose shard 0 sends real receipts, and what a node would have kept to prove them."""

    def __init__(self, **options):
        super().__init__(**options)
        self.sent = {1: [], 2: []}
        self.blocks = {}
        self.handovers = []
        self.final = {}
        """Finalizations by height."""

    def send(self, count, destination=1, data=b""):
        new = [receipt_of(len(self.sent[destination]) + i, destination, data) for i in range(count)]
        self.sent[destination] += new
        ledger = self.shards[0]
        totals = list(ledger.summary.outgoing)
        totals[destination] = totals[destination].add(new, self.parameters.chain_id_base)
        ledger.summary = replace(ledger.summary, outgoing=tuple(totals))

    def accept(self, block):
        instance, committee = instance_of(self.state, self.state.beacon), committee_of(self.state, self.state.beacon)
        state = super().accept(block)
        self.blocks[block.height] = block
        self.final[block.height] = self.certificate(instance, block.view, VoteKind.FINALIZE, self.root, committee)
        follower = instance_of(state, state.beacon)
        if follower != instance:
            proof = prove_set(state, follower.epoch)
            self.handovers.append(Handover(header_of(block), self.final[block.height], proof))
        return state

    def prove(self, nonce, height, final_height, destination=1):
        """Of a receipt that the beacon block at `height` is the first to record."""
        base = self.parameters.chain_id_base
        crosslink = next(link for link in self.blocks[height].crosslinks if link.shard == 0)
        count = next(change.totals.count for change in crosslink.outgoing if change.chain == destination)
        before = self.state.own.outgoing[0].add(self.sent[destination][:nonce], base).accumulator
        following = [receipt.identity(base) for receipt in self.sent[destination][nonce + 1 : count]]
        path = [self.blocks[at] for at in range(height, final_height + 1)]
        handovers = [one for one in self.handovers if one.successor.members.epoch <= self.final[final_height].instance.epoch]
        return build_receipt_proof(self.sent[destination][nonce], before, following, path, self.final[final_height], handovers)

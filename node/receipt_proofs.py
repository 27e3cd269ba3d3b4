"""Proofs that cross-shard receipts are final, put together from the executors' ids and the beacon chain's records."""

from __future__ import annotations

from collections.abc import Mapping

import trio

from consensus.beacon.lineage import Handover, SetProof, header_of
from consensus.beacon.receipt_proof import PROOF_HEADERS_MAX, PROOF_IDS_MAX, ReceiptProof, build_receipt_proof
from node.core.core import Core
from node.core.records import beacon_block_key, certificate_key, crosslink_key, set_proof_key
from node.executors.executor import Executor
from node.store import NodeStore
from primitives.blocks import BeaconBlock
from primitives.errors import InvalidProof, ProofReason
from primitives.receipts import CrossShardReceipt
from primitives.votes import Certificate
from shard.views import OutgoingReceipt

_CHAIN_PREFIX_BYTES = 5
"""Of a record's key: its kind and chain."""


class ReceiptProofs:
    """Makes proofs of receipts that the shards hosted here have sent (docs/decisions/0012)."""

    def __init__(self, core: Core, links: Mapping[int, Executor], store: NodeStore) -> None:
        self._core, self._links, self._store = core, links, store
        self._beacon = core.beacon.number

    async def prove(self, receipt: OutgoingReceipt) -> ReceiptProof | None:
        """The proof; None while no final beacon block has recorded the receipt.

        Raises:
            InvalidProof: TOO_LARGE.
            Interrupted, Unavailable: as `Executor.outgoing_path`.
        """
        height = self._recorded_at(receipt)
        if height is None:
            return None
        blocks, finalization = await self._up_to_a_finalization(height)
        crosslink = next(link for link in blocks[0].crosslinks if link.shard == receipt.source)
        count = next(change.totals.count for change in crosslink.outgoing if change.chain == receipt.destination)
        followed = count - receipt.nonce - 1
        if followed > PROOF_IDS_MAX:
            raise InvalidProof(ProofReason.TOO_LARGE, f"{followed} receipts followed up to its crosslink, at most {PROOF_IDS_MAX}")
        path = await self._links[receipt.source].outgoing_path(receipt.id, count)
        if path is None:
            return None
        sent = CrossShardReceipt.decode(path.receipt)
        handovers = await self._handovers(finalization.instance.epoch)
        return build_receipt_proof(sent, path.accumulator_before, path.following, blocks, finalization, handovers)

    def _recorded_at(self, receipt: OutgoingReceipt) -> int | None:
        """Height of the beacon block with the first crosslink at or above the source block."""
        start = crosslink_key(receipt.source, receipt.block_number)
        found = self._store.first_from(start, start[:_CHAIN_PREFIX_BYTES])
        return None if found is None else int.from_bytes(found[1][:8], "big")

    async def _up_to_a_finalization(self, height: int) -> tuple[list[BeaconBlock], Certificate]:
        """Final beacon blocks from a height up to the next one that has a finalization of its own."""
        start = certificate_key(self._beacon, height)
        found = self._store.first_from(start, start[:_CHAIN_PREFIX_BYTES])
        assert found is not None, "the final head has a finalization of its own"
        last = int.from_bytes(found[0][_CHAIN_PREFIX_BYTES:], "big")
        count = last - height + 1
        if count > PROOF_HEADERS_MAX:
            raise InvalidProof(ProofReason.TOO_LARGE, f"{count} beacon blocks up to a finalization, at most {PROOF_HEADERS_MAX}")
        return [await self._block(at) for at in range(height, last + 1)], Certificate.decode(found[1])

    async def _block(self, height: int) -> BeaconBlock:
        # decoding one may take 20 ms
        await trio.lowlevel.checkpoint()
        stored = self._store.read(beacon_block_key(self._beacon, height))
        assert stored is not None, "final blocks are kept"
        return BeaconBlock.decode(stored)

    async def _handovers(self, epoch: int) -> list[Handover]:
        """From genesis up to the instance that began in `epoch`, in order."""
        handovers = []
        prefix = set_proof_key(self._beacon, 0)[:_CHAIN_PREFIX_BYTES]
        for key, record in self._store.scan(prefix).items():
            began = int.from_bytes(key[_CHAIN_PREFIX_BYTES:], "big")
            if began > epoch:
                break
            boundary = began * self._core.context.parameters.epoch_length
            certificate = self._store.read(certificate_key(self._beacon, boundary))
            assert certificate is not None, "a boundary has a finalization of its own"
            handovers.append(Handover(header_of(await self._block(boundary)), Certificate.decode(certificate), SetProof.decode(record)))
        return handovers

"""Finality across the network, and the lives of cross-shard receipts, as subscribers are told of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import trio

from node.rpc.backend import BlockRef, NetworkBackend, RpcObserver, ShardBackend
from node.rpc.forms import data, quantity
from node.rpc.limits import ITEMS_PER_TURN, RECEIPTS_REMEMBERED_MAX
from node.rpc.subscriptions.session import Topic
from primitives.headers import ShardHeader
from primitives.receipts import RECEIPT_TRANSACTION_TYPE, CrossShardReceipt
from shard.views import BlockView, OutgoingReceipt, big

_encode = msgspec.json.Encoder().encode
Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class ReceiptFilter:
    """Which receipts a subscriber wants to hear of; None: any."""

    source: int | None = None
    destination: int | None = None
    sender: bytes | None = None
    id: bytes | None = None

    def takes(self, receipt: CrossShardReceipt | OutgoingReceipt, id: bytes) -> bool:
        """Whether a receipt is one of them."""
        return (
            self.source in (None, receipt.source)
            and self.destination in (None, receipt.destination)
            and self.sender in (None, receipt.sender)
            and self.id in (None, id)
        )


class Crossings:
    """Tells of shards' finalized blocks, and of receipts that were sent, crosslinked or delivered."""

    def __init__(self, backend: NetworkBackend, observe: RpcObserver) -> None:
        self._backend, self._observe = backend, observe
        self.finalized: Topic[int | None] = {}
        """By the shard that is wanted; None: all."""
        self.receipts: Topic[ReceiptFilter] = {}
        shards = range(backend.genesis.parameters.shard_count)
        self._sent: dict[int, deque[OutgoingReceipt]] = {shard: deque() for shard in shards}
        self._told = [crosslink.block.number for crosslink in backend.beacon_head().crosslinks]

    def on_beacon_head(self) -> None:
        """The beacon chain has a new final block, and with it shards may have."""
        head = self._backend.beacon_head()
        for shard, crosslink in enumerate(head.crosslinks):
            if crosslink.block.number <= self._told[shard]:
                continue
            self._told[shard] = crosslink.block.number
            result: Json = {"shard": hex(shard), **_place(crosslink.block), "beacon": _place(head.block), "timestamp": hex(head.timestamp)}
            for subscription in list(self.finalized.values()):
                if subscription.wanted in (None, shard):
                    subscription.notify(_encode(result))
            self._tell_crosslinked(shard)

    async def on_block(self, shard: ShardBackend, view: BlockView, header: ShardHeader, sent: Sequence[OutgoingReceipt]) -> None:
        """A block of a hosted shard is final: what it sent, and what it delivered."""
        place: Json = {"block": _place(BlockRef(header.number, view.hash)), "timestamp": hex(header.timestamp)}
        for i, receipt in enumerate(sent):
            self._tell("sent", receipt, receipt.id, place | {"transactionHash": data(receipt.transaction_hash)})
            self._remember(receipt)
            if i % ITEMS_PER_TURN == ITEMS_PER_TURN - 1:
                await trio.lowlevel.checkpoint()
        if sent:
            self._tell_crosslinked(sent[0].source)
        for transaction in view.transactions:
            if transaction.raw[0] != RECEIPT_TRANSACTION_TYPE:
                break  # deliveries come first
            delivered = CrossShardReceipt.from_transaction_bytes(transaction.raw, self._backend.genesis.parameters.chain_id_base)
            if any(s.wanted.takes(delivered, transaction.hash) for s in self.receipts.values()):
                result = await shard.receipt(transaction.hash)
                status = None if result is None else hex(result.status)
                self._tell("delivered", delivered, transaction.hash, place | {"transactionHash": data(transaction.hash), "status": status})

    def _remember(self, receipt: OutgoingReceipt) -> None:
        remembered = self._sent[receipt.source]
        if len(remembered) >= RECEIPTS_REMEMBERED_MAX:
            self._observe.limit_hit("receipts_remembered_max")
            remembered.popleft()
        remembered.append(receipt)

    def _tell_crosslinked(self, source: int) -> None:
        remembered, head = self._sent[source], self._backend.beacon_head()
        while remembered and remembered[0].block_number <= self._told[source]:
            receipt = remembered.popleft()
            self._tell("crosslinked", receipt, receipt.id, {"block": _place(head.block), "timestamp": hex(head.timestamp)})

    def _tell(self, event: str, receipt: CrossShardReceipt | OutgoingReceipt, id: bytes, place: Json) -> None:
        matching = [s for s in self.receipts.values() if s.wanted.takes(receipt, id)]
        if not matching:
            return
        amount = receipt.amount if isinstance(receipt.amount, bytes) else big(receipt.amount)
        result = _encode({
            "event": event, "id": data(id), "source": hex(receipt.source), "destination": hex(receipt.destination),
            "nonce": hex(receipt.nonce), "kind": hex(receipt.kind), "sender": data(receipt.sender), "to": data(receipt.to),
            "amount": quantity(amount), **place,
        })  # fmt: skip
        for subscription in matching:
            subscription.notify(result)


def _place(block: BlockRef) -> Json:
    return {"number": hex(block.number), "hash": data(block.hash)}

"""Finality across the network, and the lives of cross-shard receipts, as subscribers are told of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import msgspec

from node.rpc.backend import BlockRef, NetworkBackend, RpcObserver, ShardBackend
from node.rpc.forms import data, moment, quantity
from node.rpc.limits import ITEMS_PER_TURN, RECEIPTS_REMEMBERED_MAX, SUBSCRIBERS_PER_TURN
from node.rpc.subscriptions.session import Subscription, Topic
from node.rpc.subscriptions.turns import Turns
from primitives.headers import ShardHeader
from primitives.receipts import RECEIPT_TRANSACTION_TYPE, CrossShardReceipt
from shard.views import BlockView, OutgoingReceipt, big

_encode = msgspec.json.Encoder().encode
Json = dict[str, object]
_ITEM_COUNT = SUBSCRIBERS_PER_TURN // ITEMS_PER_TURN
"""Subscribers that cost as much as decoding a receipt or looking for those it concerns."""


class ReceiptFilter(NamedTuple):
    """Which receipts a subscriber wants to hear of; None: any."""

    source: int | None = None
    destination: int | None = None
    sender: bytes | None = None
    id: bytes | None = None


class ReceiptTopic(Topic[ReceiptFilter]):
    """Subscriptions to receipts by what they want, so that a receipt finds its own without a look at the others."""

    def __init__(self) -> None:
        super().__init__()
        self._wanting: dict[ReceiptFilter, dict[str, Subscription[ReceiptFilter]]] = {}

    def add(self, subscription: Subscription[ReceiptFilter]) -> None:
        """See `Topic`."""
        super().add(subscription)
        self._wanting.setdefault(subscription.wanted, {})[subscription.id] = subscription

    def discard(self, subscription: Subscription[ReceiptFilter]) -> None:
        """See `Topic`."""
        super().discard(subscription)
        wanting = self._wanting.get(subscription.wanted, {})
        wanting.pop(subscription.id, None)
        if not wanting:
            self._wanting.pop(subscription.wanted, None)

    def matching(self, receipt: CrossShardReceipt | OutgoingReceipt, id: bytes) -> list[Subscription[ReceiptFilter]]:
        """Those that are to be told of a receipt."""
        choices = product((receipt.source, None), (receipt.destination, None), (receipt.sender, None), (id, None))
        return [subscription for choice in choices for subscription in self._wanting.get(ReceiptFilter(*choice), {}).values()]


class Crossings:
    """Tells of shards' finalized blocks, and of receipts that were sent, crosslinked, received or delivered."""

    def __init__(self, backend: NetworkBackend, observe: RpcObserver) -> None:
        self._backend, self._observe = backend, observe
        self.finalized: Topic[int | None] = Topic()
        """By the shard that is wanted; None: all."""
        self.receipts = ReceiptTopic()
        shards = range(backend.genesis.parameters.shard_count)
        self._beacon = backend.genesis.parameters.beacon
        self._sent: dict[int, deque[OutgoingReceipt]] = {shard: deque() for shard in shards}
        self._awaited: dict[int, deque[OutgoingReceipt]] = {shard: deque() for shard in shards}
        """By destination: crosslinked, and not told as received."""
        self._told = [crosslink.block.number for crosslink in backend.beacon_head().crosslinks]

    def go_back(self) -> None:
        """The past is another: receipts of what is no more are forgotten."""
        for receipts in (*self._sent.values(), *self._awaited.values()):
            receipts.clear()
        self._told = [crosslink.block.number for crosslink in self._backend.beacon_head().crosslinks]

    async def on_beacon_head(self) -> None:
        """The beacon chain has a new final block, and with it shards may have."""
        head, turns = self._backend.beacon_head(), Turns()
        for shard, crosslink in enumerate(head.crosslinks):
            if crosslink.block.number <= self._told[shard]:
                continue
            self._told[shard] = crosslink.block.number
            if self.finalized:
                place = {"shard": hex(shard), **_place(crosslink.block)}
                result = _encode({**place, "beacon": _place(head.block), "timestamp": hex(head.timestamp)})
                await turns.tell((s for s in self.finalized if s.wanted in (None, shard)), result)
            await self._tell_crosslinked(shard, turns)
        for shard in self._awaited:
            await self._tell_received(shard, turns)

    async def on_block(
        self, number: int, shard: ShardBackend, view: BlockView, header: ShardHeader, sent: Sequence[OutgoingReceipt], turns: Turns
    ) -> None:
        """A block of a hosted shard is final: what it sent, and what it delivered."""
        place: Json = {"block": _place(BlockRef(header.number, view.hash)), "timestamp": hex(header.timestamp)}
        for receipt in sent:
            queued = moment(self._backend.queued_at(receipt.transaction_hash))
            told = place | {"transactionHash": data(receipt.transaction_hash), "queued": queued}
            await self._tell("sent", receipt, receipt.id, told | self._final(receipt.source, header.number), turns)
            self._remember(self._sent[receipt.source], receipt)
        if sent:
            await self._tell_crosslinked(sent[0].source, turns)
        await self._tell_received(number, turns)
        for transaction in view.transactions:
            if transaction.raw[0] != RECEIPT_TRANSACTION_TYPE:
                break  # deliveries come first
            delivered = CrossShardReceipt.from_transaction_bytes(transaction.raw, self._backend.genesis.parameters.chain_id_base)
            await turns.spend(count=_ITEM_COUNT)
            if self.receipts.matching(delivered, transaction.hash):
                result = await shard.receipt(transaction.hash)
                status = None if result is None else hex(result.status)
                told = place | {"transactionHash": data(transaction.hash), "status": status} | self._final(number, header.number)
                await self._tell("delivered", delivered, transaction.hash, told, turns)

    def _final(self, chain: int, height: int) -> Json:
        return {"final": moment(self._backend.final_at(chain, height))}

    def _remember(self, remembered: deque[OutgoingReceipt], receipt: OutgoingReceipt) -> None:
        if len(remembered) >= RECEIPTS_REMEMBERED_MAX:
            self._observe.limit_hit("receipts_remembered_max")
            remembered.popleft()
        remembered.append(receipt)

    async def _tell_crosslinked(self, source: int, turns: Turns) -> None:
        remembered, head = self._sent[source], self._backend.beacon_head()
        while remembered and remembered[0].block_number <= self._told[source]:
            receipt = remembered.popleft()
            told = {"block": _place(head.block), "timestamp": hex(head.timestamp)} | self._final(self._beacon, head.block.number)
            if receipt.destination in self._awaited and self._backend.shard(receipt.destination) is not None:
                self._remember(self._awaited[receipt.destination], receipt)
            await self._tell("crosslinked", receipt, receipt.id, told, turns)

    async def _tell_received(self, destination: int, turns: Turns) -> None:
        """What of the crosslinked receipts has come here, or can no longer come: it has been delivered."""
        waiting, self._awaited[destination] = self._awaited[destination], deque()
        for receipt in waiting:
            at = moment(self._backend.arrived_at(receipt.source, destination, receipt.nonce))
            if at is not None:
                await self._tell("received", receipt, receipt.id, at, turns)
            elif self._backend.channels.view(receipt.source, destination).delivered <= receipt.nonce:
                self._awaited[destination].append(receipt)
                await turns.spend(count=_ITEM_COUNT)

    async def _tell(self, event: str, receipt: CrossShardReceipt | OutgoingReceipt, id: bytes, place: Json, turns: Turns) -> None:
        matching = self.receipts.matching(receipt, id)
        await turns.spend(count=_ITEM_COUNT)
        if not matching:
            return
        amount = receipt.amount if isinstance(receipt.amount, bytes) else big(receipt.amount)
        result = _encode({
            "event": event, "id": data(id), "source": hex(receipt.source), "destination": hex(receipt.destination),
            "nonce": hex(receipt.nonce), "kind": hex(receipt.kind), "sender": data(receipt.sender), "to": data(receipt.to),
            "amount": quantity(amount), **place,
        })  # fmt: skip
        await turns.tell(matching, result)


def _place(block: BlockRef) -> Json:
    return {"number": hex(block.number), "hash": data(block.hash)}

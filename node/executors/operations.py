"""The operations of a shard executor: what each takes and gives as MessagePack, and which lane does it.

Containers of the protocol travel in their own encoding (SSZ, headers RLP), 256-bit quantities as `shard.views.Big`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

import msgspec

from shard.results import BlockResult, Built, FinalizedBlock, HeadInfo
from shard.simulations import BlockToSimulate, SimulatedBlock
from shard.views import (
    AccessOutcome,
    AccountProof,
    AccountView,
    BalancePage,
    Big,
    BlockSelector,
    BlockView,
    CallOutcome,
    CallRequest,
    Estimate,
    FeeHistoryBlock,
    LogView,
    OutgoingPath,
    OutgoingReceipt,
    ReceiptView,
    SearchPage,
    TraceConfig,
    TransactionView,
)

HASH_BYTES = 32
Selector = int | bytes
"""A `BlockSelector` as it travels: a tag is its ASCII bytes, and never 32 long."""
Receipts = dict[int, tuple[bytes, ...]]
"""By source, SSZ of CrossShardReceipt."""
Topics = tuple[tuple[bytes, ...] | None, ...]


class Lane(StrEnum):
    """A queue and its thread."""

    BLOCK = "block"
    """Everything that writes, in the order asked."""
    OWN = "own"
    """Quick questions of the node itself and its peers, so that no client's keep them waiting."""
    READ = "read"
    """Quick questions of clients."""
    CONTROL = "control"
    """What closes the database for others' use of its files, opens it again, or takes block work back: none may wait for other lanes."""
    CALL = "call"
    """Questions that may take long: they stand still while block work runs, and end at a deadline."""


CLIENTS = frozenset({Lane.READ, Lane.CALL})
"""What anybody may ask for, so that a bug met there must not end what validates."""
QUEUE_MAX = {Lane.BLOCK: 256, Lane.OWN: 256, Lane.READ: 256, Lane.CONTROL: 4, Lane.CALL: 8}
"""Operations a lane holds besides the one it is at; one more is refused as busy."""


def queue_limit(lane: Lane) -> str:
    """Name of the limit of a lane's queue."""
    return f"{lane}_queue_max"


@dataclass(frozen=True)
class Operation:
    """What travels for one operation."""

    lane: Lane
    arguments: Any
    """Type of the tuple of arguments."""
    result: Any
    """Type of the result."""

    @cached_property
    def decode_arguments(self) -> Any:
        """From MessagePack to the arguments."""
        return msgspec.msgpack.Decoder(self.arguments).decode

    @cached_property
    def decode_result(self) -> Any:
        """From MessagePack to the result."""
        return msgspec.msgpack.Decoder(self.result).decode


OPERATIONS = {
    "build": Operation(
        Lane.BLOCK,
        tuple[bytes, bytes, bytes, int, int, int, int, Receipts, tuple[tuple[bytes, bytes], ...], float],
        Built,
    ),
    "execute": Operation(Lane.BLOCK, tuple[bytes, bytes, bytes, Receipts | None, int | None], BlockResult),
    "finalize": Operation(Lane.BLOCK, tuple[bytes], tuple[FinalizedBlock, ...]),
    "truncate": Operation(Lane.BLOCK, tuple[bytes], tuple[FinalizedBlock, ...]),
    "set_finalized": Operation(Lane.BLOCK, tuple[int], None),
    "prune_outgoing": Operation(Lane.BLOCK, tuple[int, int], None),
    "settle": Operation(Lane.BLOCK, tuple[()], None),
    "withdraw_executions": Operation(Lane.CONTROL, tuple[int], None),
    "hold": Operation(Lane.CONTROL, tuple[()], None),
    "resume": Operation(Lane.CONTROL, tuple[()], HeadInfo),
    "head": Operation(Lane.OWN, tuple[()], HeadInfo),
    "result": Operation(Lane.OWN, tuple[bytes], BlockResult | None),
    "body": Operation(Lane.OWN, tuple[bytes], bytes | None),
    "blocks": Operation(Lane.OWN, tuple[int, int], tuple[bytes, ...]),
    "user_transactions": Operation(Lane.OWN, tuple[bytes], tuple[tuple[bytes, bytes], ...]),
    "outgoing": Operation(Lane.OWN, tuple[int, int, int], bytes | None),
    "header": Operation(Lane.READ, tuple[Selector], bytes | None),
    "block": Operation(Lane.READ, tuple[Selector], BlockView | None),
    "transaction": Operation(Lane.READ, tuple[bytes], TransactionView | None),
    "transaction_at": Operation(Lane.READ, tuple[Selector, int], TransactionView | None),
    "receipt": Operation(Lane.READ, tuple[bytes], ReceiptView | None),
    "block_receipts": Operation(Lane.READ, tuple[Selector], tuple[ReceiptView, ...] | None),
    "block_logs": Operation(Lane.READ, tuple[bytes], tuple[LogView, ...]),
    "account": Operation(Lane.READ, tuple[Selector, bytes], AccountView | None),
    "accounts": Operation(Lane.READ, tuple[tuple[tuple[Selector, bytes], ...]], tuple[AccountView | None, ...]),
    "code": Operation(Lane.READ, tuple[Selector, bytes], bytes | None),
    "storage": Operation(Lane.READ, tuple[Selector, bytes, Big], bytes | None),
    "outgoing_receipt": Operation(Lane.READ, tuple[bytes], OutgoingReceipt | None),
    "outgoing_of": Operation(Lane.READ, tuple[bytes], tuple[OutgoingReceipt, ...]),
    "outgoing_in": Operation(Lane.READ, tuple[bytes], tuple[OutgoingReceipt, ...]),
    "proof": Operation(Lane.CALL, tuple[Selector, bytes, tuple[Big, ...]], AccountProof | None),
    "outgoing_path": Operation(Lane.CALL, tuple[bytes, int], OutgoingPath | None),
    "logs": Operation(Lane.CALL, tuple[Selector, Selector, bytes | None, tuple[bytes, ...], Topics], tuple[LogView, ...]),
    "call": Operation(Lane.CALL, tuple[Selector, CallRequest], CallOutcome),
    "create_access_list": Operation(Lane.CALL, tuple[Selector, CallRequest], AccessOutcome),
    "estimate_gas": Operation(Lane.CALL, tuple[Selector, CallRequest], Estimate),
    "search": Operation(Lane.CALL, tuple[bytes, int, int, bool], SearchPage),
    "sent_by": Operation(Lane.CALL, tuple[bytes, int], bytes | None),
    "creator": Operation(Lane.CALL, tuple[bytes], tuple[bytes, bytes] | None),
    "simulate": Operation(Lane.CALL, tuple[Selector, tuple[BlockToSimulate, ...], bool, bool], tuple[SimulatedBlock, ...]),
    "trace_call": Operation(Lane.CALL, tuple[Selector, CallRequest, TraceConfig], bytes),
    "trace_transaction": Operation(Lane.CALL, tuple[bytes, TraceConfig], bytes | None),
    "trace_block": Operation(Lane.CALL, tuple[Selector, TraceConfig], bytes | None),
    "fee_history": Operation(Lane.CALL, tuple[int, Selector, tuple[float, ...]], tuple[FeeHistoryBlock, ...]),
    "page": Operation(Lane.READ, tuple[Selector, bytes | None, int], BalancePage),
}


def to_selector(selector: BlockSelector) -> Selector:
    """A selector as it travels."""
    return selector.encode() if isinstance(selector, str) else selector


def from_selector(selector: Selector) -> BlockSelector:
    """The selector that travelled."""
    return selector if isinstance(selector, int) or len(selector) == HASH_BYTES else selector.decode(errors="replace")

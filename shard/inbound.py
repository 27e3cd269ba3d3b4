"""Which inbound receipts a block takes in, and in which order (PROTOCOL 5, "Inbound order").

Nothing here is a proposer's choice but the set of sources it marks missing, so no receipt can be censored and no silent or
flooding source stops another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from primitives.blocks import INBOUND_PER_BLOCK_MAX
from primitives.errors import BlockReason, InvalidBlock
from primitives.parameters import Parameters
from primitives.receipts import (
    CALL_KINDS,
    RECEIPT_FIXED_BYTES,
    ChannelTotals,
    CrossShardReceipt,
    ReceiptKind,
)

CREDIT_GAS = 21_000
"""Gas counted for a credit, an unknown kind, or a call or callback that does not run."""
PRICE_FLOOR_QUOTIENT = 8
"""A call or callback that offers less than this part of the base fee a gas does not run."""

PRECOMPILE_GAS_FACTORS: Mapping[int, int] = MappingProxyType(
    {0x07: 3, 0x08: 6, 0x09: 10, 0x0A: 64, 0x0C: 4, 0x0D: 2, 0x0E: 8, 0x0F: 16, 0x11: 6}
)
"""What a precompiled contract, by address, costs in a call from another shard: this many times its gas in a user's transaction.

Inbound calls are obligatory and carry no time limit, so that their gas has to bound their time; see docs/decisions/0009.
"""


def is_call(receipt: CrossShardReceipt) -> bool:
    """Whether the receipt may run code: a call, or a result, whose callback has no more gas than the receipt names."""
    return receipt.kind in CALL_KINDS or receipt.kind == ReceiptKind.RESULT


def counted_gas(receipt: CrossShardReceipt, receipt_gas_max: int) -> int:
    """Gas a receipt counts in the inbound order; known before it is executed."""
    if not is_call(receipt):
        return CREDIT_GAS
    return min(max(receipt.gas_limit, CREDIT_GAS), receipt_gas_max)


def is_covered(taken: ChannelTotals, receipt: CrossShardReceipt, recorded: ChannelTotals) -> bool:
    """Whether what is recorded as sent pays for the next receipt after `taken`.

    The accumulator commits to receipts and not to their sum, so a corrupted source may record another sum than its receipts
    carry. What it did not pay for is not taken in, or the beacon chain would refuse every crosslink of the shard that did.
    """
    return _covers(recorded, taken.count + 1, taken.value + receipt.amount + receipt.fee)


def _covers(recorded: ChannelTotals, count: int, value: int) -> bool:
    return value == recorded.value if count == recorded.count else value <= recorded.value


@dataclass(slots=True)
class Room:
    """What a block still has left for inbound receipts."""

    receipt_gas_max: int
    gas: int
    call_gas: int
    """Part of `gas` that calls may count."""
    size: int
    """Bytes."""

    @classmethod
    def of(cls, parameters: Parameters) -> Room:
        """The room of an empty block."""
        return cls(parameters.receipt_gas_max, parameters.inbound_gas_max, parameters.inbound_call_gas_max, parameters.inbound_bytes_max)

    @property
    def fits_none(self) -> bool:
        """Whether no receipt fits, however small."""
        return self.gas < CREDIT_GAS or self.size < RECEIPT_FIXED_BYTES

    def take(self, receipt: CrossShardReceipt) -> bool:
        """Takes a receipt in; False, and nothing happens, where it does not fit."""
        gas, size = counted_gas(receipt, self.receipt_gas_max), RECEIPT_FIXED_BYTES + len(receipt.data)
        call_gas = gas if is_call(receipt) else 0
        if gas > self.gas or call_gas > self.call_gas or size > self.size:
            return False
        self.gas -= gas
        self.call_gas -= call_gas
        self.size -= size
        return True


def choose_inbound(
    height: int,
    taken: Sequence[ChannelTotals],
    recorded: Sequence[ChannelTotals],
    available: Mapping[int, Sequence[CrossShardReceipt]],
    parameters: Parameters,
) -> tuple[tuple[CrossShardReceipt, ...], int]:
    """The receipts of a block, in order, and the bit field of the sources passed over because their next receipt is not here.

    Args:
        height: of the block.
        taken: by source, what the parent's Inbox holds.
        recorded: by source, what the referenced beacon block records as sent here (`ShardReference.inbound`).
        available: by source, receipts held here: contiguous, and known to fold to a recorded accumulator.
        parameters: give the number of sources (the beacon chain is the last), and the gas and bytes that receipts may count.
    """
    missing = 0

    def next_of(source: int, nonce: int, _room: Room) -> CrossShardReceipt | None:
        nonlocal missing
        receipt = _held(available, source, nonce)
        if receipt is None:
            missing |= 1 << source
        return receipt

    return tuple(_in_order(height, taken, recorded, next_of, parameters)), missing


def check_inbound(
    height: int,
    taken: Sequence[ChannelTotals],
    recorded: Sequence[ChannelTotals],
    receipts: Sequence[CrossShardReceipt],
    missing: int,
    parameters: Parameters,
    *,
    shard: int,
    available: Mapping[int, Sequence[CrossShardReceipt]],
) -> dict[int, int]:
    """Checks that a block's inbound receipts are genuine, and in the order its `missing` field leaves.

    A source marked missing is passed over from where its receipts in this block end. A receipt is genuine if it is held
    here, or if with those after it in this block it folds to the recorded accumulator.

    A block known to be final needs no such check; for one that is proposed, what is held here has to decide.

    Args: as `choose_inbound`; further `receipts` and `missing` of the block, and `shard`, its chain.

    Returns:
        By source, nonce of the first receipt that must be held here to decide. Empty: valid. Otherwise the block is
        undecided, not invalid: pull those bundles and check again (PROTOCOL 2, rule 1).

    Raises:
        InvalidBlock: BAD_INBOUND.
    """
    queues = _by_source(receipts, shard, parameters.shard_count)
    if missing >> (parameters.shard_count + 1):
        raise _bad("missing marks a chain that does not exist")
    needed: dict[int, int] = {}
    marked = 0

    # one that is not here may be one that nothing recorded pays for: whether it is rightly left out shows when it is
    def next_of(source: int, nonce: int, room: Room) -> CrossShardReceipt | None:
        nonlocal marked
        queue = queues.get(source, ())
        position = nonce - taken[source].count
        if position < len(queue):
            return queue[position]
        if missing >> source & 1:
            marked |= 1 << source
            return None
        receipt = _held(available, source, nonce)
        if receipt is None and not room.fits_none:
            needed.setdefault(source, nonce)
        return receipt

    if _in_order(height, taken, recorded, next_of, parameters) != list(receipts):
        raise _bad("not the inbound order")
    if marked != missing:
        raise _bad("missing marks a source that is not passed over")
    for source, queue in queues.items():
        unknown = _first_unknown(queue, available, taken[source], recorded[source], parameters.chain_id_base)
        if unknown is not None:
            needed[source] = min(unknown, needed.get(source, unknown))
    return needed


def _in_order(
    height: int,
    taken: Sequence[ChannelTotals],
    recorded: Sequence[ChannelTotals],
    next_of: Callable[[int, int, Room], CrossShardReceipt | None],
    parameters: Parameters,
) -> list[CrossShardReceipt]:
    """One receipt a source, round after round; a source that cannot go on is out for the rest of the block."""
    sources, room = parameters.shard_count + 1, Room.of(parameters)
    nonces, values = [totals.count for totals in taken], [totals.value for totals in taken]
    active = [source for source in ((height + i) % sources for i in range(sources)) if nonces[source] < recorded[source].count]
    chosen: list[CrossShardReceipt] = []
    while active:
        going_on = []
        for source in active:
            if len(chosen) == INBOUND_PER_BLOCK_MAX:
                return chosen
            receipt = next_of(source, nonces[source], room)
            if receipt is None:
                continue
            value = values[source] + receipt.amount + receipt.fee
            if not _covers(recorded[source], nonces[source] + 1, value) or not room.take(receipt):
                continue
            chosen.append(receipt)
            nonces[source], values[source] = nonces[source] + 1, value
            if nonces[source] < recorded[source].count:
                going_on.append(source)
        active = going_on
    return chosen


def _held(available: Mapping[int, Sequence[CrossShardReceipt]], source: int, nonce: int) -> CrossShardReceipt | None:
    held = available.get(source, ())
    index = nonce - held[0].nonce if held else -1
    if not 0 <= index < len(held):
        return None
    assert held[index].nonce == nonce, "receipts held are contiguous"
    return held[index]


def _by_source(receipts: Sequence[CrossShardReceipt], shard: int, shard_count: int) -> dict[int, list[CrossShardReceipt]]:
    queues: dict[int, list[CrossShardReceipt]] = {}
    for receipt in receipts:
        if receipt.destination != shard or receipt.source == shard or receipt.source > shard_count:
            raise _bad(f"a receipt from {receipt.source} to {receipt.destination} in a block of shard {shard}")
        queues.setdefault(receipt.source, []).append(receipt)
    return queues


def _first_unknown(
    queue: Sequence[CrossShardReceipt],
    available: Mapping[int, Sequence[CrossShardReceipt]],
    taken: ChannelTotals,
    recorded: ChannelTotals,
    chain_id_base: int,
) -> int | None:
    """Nonce of the first receipt of `queue` that may or may not be what its source sent."""
    unknown = None
    for nonce, receipt in enumerate(queue, taken.count):
        held = _held(available, receipt.source, nonce)
        if receipt.nonce != nonce or (held is not None and held != receipt):
            raise _bad(f"receipt {nonce} of source {receipt.source} is not what the source sent")
        if held is None and unknown is None:
            unknown = nonce
    if unknown is None:
        return None
    after = taken.add(queue, chain_id_base)
    if after.count == recorded.count:
        if after != recorded:
            raise _bad(f"receipts of source {queue[0].source} do not fold to the recorded accumulator and sum")
        return None
    if after.value > recorded.value:
        raise _bad(f"receipts of source {queue[0].source} carry more than the source sent")
    return unknown


def _bad(message: str) -> InvalidBlock:
    return InvalidBlock(BlockReason.BAD_INBOUND, message)

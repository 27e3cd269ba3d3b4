"""shard: messages on their way from shard to shard, and the calls that send them; the same at every address."""

from __future__ import annotations

from typing import Any

import msgspec

from node.rpc.backend import BlockRef, ShardBackend
from node.rpc.errors import SERVER, RpcError, invalid_params
from node.rpc.forms import data, moment, parse_address, parse_data, parse_hash, parse_quantity, quantity
from node.rpc.limits import CROSSINGS_PER_TRANSACTION_MAX
from node.rpc.methods.beacon import ref
from node.rpc.methods.callbacks import callback_of
from node.rpc.methods.context import Context, Method
from primitives.callbacks import CALLBACK_GAS_BYTES
from primitives.receipts import BUNDLE_RECEIPTS_MAX, CrossShardReceipt
from shard.contracts import CLOSED, OUTBOX, OUTBOX_CONTRACT, RETURN_CLOSED
from shard.engine.interface import Log
from shard.system import receipt_of_log
from shard.transactions import read_transaction
from shard.transactions.model import FLOOR_TOKEN_GAS, NONZERO_BYTE_TOKENS, TRANSACTION_GAS
from shard.views import OutgoingReceipt, ReceiptView

Json = dict[str, object]
FEE_FACTOR = 2
"""Outbox asks for this many times the newest known base fee of the destination (PROTOCOL 6)."""
FEE_MARGIN_PERCENT = 25
"""Added to a quote, because the base fee may rise before the call is in a block; what is not used comes back."""
_DATA_BYTE_GAS = FLOOR_TOKEN_GAS * NONZERO_BYTE_TOKENS


async def _time_of(shard: ShardBackend, block_hash: bytes) -> str | None:
    header = await shard.header(block_hash)
    return None if header is None else hex(header.timestamp)


def _delivery(context: Context, delivered: ReceiptView, shard: int, destination: ShardBackend) -> Json:
    transaction = delivered.transaction
    return {
        "final": moment(context.backend.final_at(shard, transaction.block_number)),
        "block": ref(BlockRef(transaction.block_number, transaction.block_hash)),
        "timestamp": hex(transaction.timestamp),
        "transactionHash": data(transaction.hash),
        "status": hex(delivered.status),
        "gasUsed": hex(delivered.gas_used),
        "finalized": transaction.block_number <= destination.heads().finalized.number,
    }


async def _returned(context: Context, receipt: OutgoingReceipt, destination: ShardBackend, delivered: ReceiptView) -> Json | None:
    """The life of the credit that a delivered call sent home, which only the network itself sends: its last one of all."""
    for log in reversed(delivered.logs):
        sent = receipt_of_log(Log(log.address, log.topics, log.data), receipt.destination)
        if sent is not None and sent.sender == OUTBOX and sent.destination == receipt.source:
            outgoing = await destination.outgoing_receipt(log.topics[1])
            if outgoing is None:
                return None
            return await _life(context, outgoing, await _time_of(destination, outgoing.block_hash))
    return None


async def _life(context: Context, receipt: OutgoingReceipt, sent_at: str | None) -> Json:
    crossing = await context.backend.crossing(receipt)
    shard_count = context.backend.genesis.parameters.shard_count
    destination = context.backend.shard(receipt.destination) if receipt.destination < shard_count else None
    delivered = None if destination is None else await destination.delivered_receipt(receipt.id)
    delivery: Json | None = None
    outcome, returned = None, None
    if destination is not None and delivered is not None:
        delivery = _delivery(context, delivered, receipt.destination, destination)
        returned = await _returned(context, receipt, destination, delivered)
        outcome = "success" if delivered.status else "refunded" if returned else "failed"
    crosslink = None if crossing.crosslink is None or crossing.crosslink_timestamp is None else {
        "block": ref(crossing.crosslink), "timestamp": hex(crossing.crosslink_timestamp),
        "final": moment(context.backend.final_at(shard_count, crossing.crosslink.number)),
    }  # fmt: skip
    return {
        "id": data(receipt.id),
        "state": "delivered" if delivery else "crosslinked" if crosslink else "sent",
        "outcome": outcome,
        "source": hex(receipt.source),
        "destination": hex(receipt.destination),
        "nonce": hex(receipt.nonce),
        "kind": hex(receipt.kind),
        "sender": data(receipt.sender),
        "to": data(receipt.to),
        "amount": quantity(receipt.amount),
        "gasLimit": hex(receipt.gas_limit),
        "fee": quantity(receipt.fee),
        "refundTo": data(receipt.refund_to),
        "data": data(receipt.data),
        "queued": moment(context.backend.queued_at(receipt.transaction_hash)),
        "sent": {
            "final": moment(context.backend.final_at(receipt.source, receipt.block_number)),
            "block": ref(BlockRef(receipt.block_number, receipt.block_hash)),
            "timestamp": sent_at,
            "transactionHash": data(receipt.transaction_hash),
            "finalized": crosslink is not None,
        },
        "crosslink": crosslink,
        "bundle": moment(crossing.bundle_ms),
        "delivery": delivery,
        "returned": returned,
        "callback": callback_of(receipt, delivery, returned),
    }


async def get_cross_shard_transaction(context: Context, arguments: list[object]) -> object:
    """shard_getCrossShardTransaction: the life of what a transaction sent, or of one receipt by its id."""
    wanted = parse_hash(arguments[0], "argument 0")
    found = await _crossing_here(context, wanted)
    if found is not None and all(receipt["delivery"] is not None for receipt in found["receipts"]):
        return found
    for number, shard in context.hosted():
        if shard is None and context.elsewhere is not None:
            try:
                (told,) = await context.elsewhere.call(number, "shard_getCrossShardTransaction", [[data(wanted)]])
            except RpcError:
                if found is None:
                    raise
                break
            if isinstance(told, msgspec.Raw) and bytes(told) != b"null":
                return told
    return found


async def _crossing_here(context: Context, wanted: bytes) -> dict[str, Any] | None:
    shards = [shard for _, shard in context.hosted() if shard is not None]
    # Ids first: the transaction that delivers a receipt has its id for a hash, and may have sent others.
    for shard in shards:
        outgoing = await shard.outgoing_receipt(wanted)
        if outgoing is not None:
            life = await _life(context, outgoing, await _time_of(shard, outgoing.block_hash))
            return {"transactionHash": data(outgoing.transaction_hash), "receipts": [life]}
    for shard in shards:
        sent = await shard.outgoing_of(wanted)
        if sent:
            sent_at = await _time_of(shard, sent[0].block_hash)
            lives = [await _life(context, receipt, sent_at) for receipt in sent[:CROSSINGS_PER_TRANSACTION_MAX]]
            return {"transactionHash": data(wanted), "receipts": lives}
    return await _waiting(context, shards, wanted)


async def _waiting(context: Context, shards: list[ShardBackend], wanted: bytes) -> dict[str, Any] | None:
    """A transaction that calls Outbox and is in no block yet: it has sent nothing so far."""
    for shard in shards:
        pooled = await shard.pooled_transaction(wanted)
        if pooled is not None and read_transaction(pooled.raw).to == OUTBOX:
            return {"transactionHash": data(wanted), "queued": moment(context.backend.queued_at(wanted)), "receipts": []}
    return None


def _channel(context: Context, arguments: list[object]) -> tuple[int, int]:
    """Source and destination, two shards of the network."""
    source, destination = (parse_quantity(arguments[i], f"argument {i}", 32) for i in (0, 1))
    shard_count = context.backend.genesis.parameters.shard_count
    for i, chain in enumerate((source, destination)):
        if chain >= shard_count:
            raise invalid_params(f"invalid argument {i}: this network has shards 0 to {shard_count - 1}")
    if source == destination:
        raise invalid_params(f"invalid argument 1: a message goes to another shard, and this is shard {source} itself")
    return source, destination


def _pending(context: Context, receipt: CrossShardReceipt, recorded: int) -> Json:
    return {
        "id": data(receipt.identity(context.backend.genesis.parameters.chain_id_base)),
        "state": "crosslinked" if receipt.nonce < recorded else "sent",
        "nonce": hex(receipt.nonce),
        "kind": hex(receipt.kind),
        "sender": data(receipt.sender),
        "to": data(receipt.to),
        "amount": hex(receipt.amount),
        "gasLimit": hex(receipt.gas_limit),
        "fee": hex(receipt.fee),
        "refundTo": data(receipt.refund_to),
        "data": data(receipt.data),
    }


async def get_pending_receipts(context: Context, arguments: list[object]) -> object:
    """shard_getPendingReceipts: what one shard has sent to another and is not delivered yet, by rising nonce."""
    source, destination = _channel(context, arguments)
    channel = context.backend.channels.view(source, destination)
    first = channel.delivered
    if arguments[2] is not None:
        first = max(first, parse_quantity(arguments[2], "argument 2", 64))
    found = await context.backend.channels.pending(source, destination, first, BUNDLE_RECEIPTS_MAX)
    if found is None:
        raise RpcError(SERVER, f"neither shard {source} nor shard {destination} is hosted by this node: ask a node that hosts one")
    end = first + len(found)
    return {
        "source": hex(source),
        "destination": hex(destination),
        "sent": hex(channel.sent),
        "crosslinked": hex(channel.recorded),
        "delivered": hex(channel.delivered),
        "closed": channel.is_closed,
        "receipts": [_pending(context, receipt, channel.recorded) for receipt in found],
        "next": hex(end) if found and end < channel.sent else None,
    }


async def _base_fee(context: Context, source: int, destination: int, *, returns: bool = False) -> int:
    """Of the destination, wei a gas, as Outbox of the source knows it; the beacon chain's where the source is not hosted.

    With `returns` for a call whose result is to come back.

    Raises:
        RpcError: the channel takes nothing now.
    """
    shard = context.backend.shard(source)
    if shard is None:
        return context.backend.beacon_head().crosslinks[destination].base_fee
    word = await shard.storage(OUTBOX, OUTBOX_CONTRACT.slots["terms"] + destination, "latest")
    terms = int.from_bytes(word or b"", "big")
    if terms & CLOSED:
        raise RpcError(SERVER, f"the channel from shard {source} to shard {destination} is closed until its backlog is delivered")
    if returns and terms & RETURN_CLOSED:
        raise RpcError(SERVER, f"the channel from shard {destination} back to shard {source} is closed until its backlog is delivered")
    return terms & ~RETURN_CLOSED


def _own_base_fee(context: Context, source: int) -> int:
    """Of the source's next block, wei a gas; as of the newest crosslink where the source is not hosted."""
    shard = context.backend.shard(source)
    return context.backend.beacon_head().crosslinks[source].base_fee if shard is None else shard.heads().next_base_fee


def _call(context: Context, source: int, payload: bytes, value: int) -> Json:
    if value >= 2**256:
        raise invalid_params("invalid argument 3: amount and fee together exceed 256 bits")
    chain_id = context.backend.genesis.parameters.chain_id(source)
    return {"chainId": hex(chain_id), "to": data(OUTBOX), "data": data(payload), "value": hex(value)}


async def build_transfer(context: Context, arguments: list[object]) -> object:
    """shard_buildTransfer: the call, to be sent on the source, that takes wei to an account of another shard."""
    source, destination = _channel(context, arguments)
    to, amount = parse_address(arguments[2], "argument 2"), parse_quantity(arguments[3], "argument 3")
    await _base_fee(context, source, destination)
    return _call(context, source, OUTBOX_CONTRACT.encode_call("transfer", destination, to), amount) | {"fee": "0x0"}


async def build_call(context: Context, arguments: list[object]) -> object:
    """shard_buildCall: the call, to be sent on the source, that calls a contract of another shard, with or without a callback."""
    source, destination = _channel(context, arguments)
    to, amount = parse_address(arguments[2], "argument 2"), parse_quantity(arguments[3], "argument 3")
    payload, gas = parse_data(arguments[4], "argument 4"), parse_quantity(arguments[5], "argument 5", 64)
    refund_to = parse_address(arguments[6], "argument 6")
    callback_gas = None if arguments[7] is None else parse_quantity(arguments[7], "argument 7", 64)
    parameters = context.backend.genesis.parameters
    data_max = parameters.data_max - (0 if callback_gas is None else CALLBACK_GAS_BYTES)
    if len(payload) > data_max:
        raise invalid_params(f"invalid argument 4: {len(payload)} bytes, a message carries at most {data_max}")
    least = TRANSACTION_GAS + _DATA_BYTE_GAS * len(payload)
    if not least <= gas <= parameters.receipt_gas_max:
        raise invalid_params(f"invalid argument 5: with this data, a gas limit from {least} to {parameters.receipt_gas_max}")
    if callback_gas is not None and not TRANSACTION_GAS <= callback_gas <= parameters.receipt_gas_max:
        raise invalid_params(f"invalid argument 7: a callback has a gas limit from {TRANSACTION_GAS} to {parameters.receipt_gas_max}")
    quote = FEE_FACTOR * gas * await _base_fee(context, source, destination, returns=callback_gas is not None)
    sent = OUTBOX_CONTRACT.encode_call("send", destination, to, amount, gas, refund_to, payload)
    if callback_gas is not None:
        quote += FEE_FACTOR * callback_gas * _own_base_fee(context, source)
        sent = OUTBOX_CONTRACT.encode_call("sendWithCallback", destination, to, gas, callback_gas, refund_to, payload)
    fee = quote + quote * FEE_MARGIN_PERCENT // 100
    return _call(context, source, sent, amount + fee) | {"fee": hex(fee), "quote": hex(quote)}


METHODS = {
    "shard_getCrossShardTransaction": Method(get_cross_shard_transaction, 1),
    "shard_getPendingReceipts": Method(get_pending_receipts, 2, 1),
    "shard_buildTransfer": Method(build_transfer, 4),
    "shard_buildCall": Method(build_call, 7, 1),
}

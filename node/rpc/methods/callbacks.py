"""The last step of a call with a callback, as shard_getCrossShardTransaction tells it."""

from __future__ import annotations

from node.rpc.forms import data
from primitives.callbacks import Outcome, callback_gas_in
from primitives.receipts import RECEIPT_DATA_BYTES_MAX, ReceiptKind
from shard.views import OutgoingReceipt

Json = dict[str, object]


def callback_of(receipt: OutgoingReceipt, delivery: Json | None, returned: Json | None) -> object:
    """What became of the callback that a call asks for, or a result brings; None for any other receipt, and a result that tells nothing."""
    if receipt.kind == ReceiptKind.CALL_WITH_CALLBACK:
        awaited = {"gas": hex(callback_gas_in(receipt.data)), "callSucceeded": None, "returnData": None}
        return returned["callback"] if returned is not None else awaited | _ran(None)
    told = Outcome.decode(receipt.data, RECEIPT_DATA_BYTES_MAX) if receipt.kind == ReceiptKind.RESULT else None
    if told is None:
        return None
    return {"gas": hex(receipt.gas_limit), "callSucceeded": told.success, "returnData": data(told.returned)} | _ran(delivery)


def _ran(delivery: Json | None) -> Json:
    if delivery is None:
        return {"outcome": None, "block": None, "transactionHash": None}
    outcome = "success" if delivery["status"] == "0x1" else "failed"
    return {"outcome": outcome, "block": delivery["block"], "transactionHash": delivery["transactionHash"]}

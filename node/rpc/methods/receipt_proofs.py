"""shard: proofs of messages, for whoever trusts nothing but the genesis file (docs/decisions/0012)."""

from __future__ import annotations

import msgspec

from node.rpc.errors import SERVER, RpcError, invalid_params
from node.rpc.forms import data, parse_hash
from node.rpc.methods.context import Context, Method
from primitives.errors import InvalidProof
from shard.views import OutgoingReceipt

Json = dict[str, object]


async def get_receipt_proof(context: Context, arguments: list[object]) -> object:
    """shard_getReceiptProof: that a receipt was sent and is final, to be checked offline; null while it is not final.

    The receipt is named by its id, or by the hash of a transaction that sent no other.
    """
    wanted = parse_hash(arguments[0], "argument 0")
    for number, shard in context.hosted():
        if shard is not None:
            receipt = await shard.outgoing_receipt(wanted)
            sent = (receipt,) if receipt is not None else await shard.outgoing_of(wanted)
            if len(sent) > 1:
                raise invalid_params(f"the transaction sent {len(sent)} receipts: name one by its id (shard_getCrossShardTransaction)")
            if sent:
                return await _prove(context, sent[0])
        elif context.elsewhere is not None:
            (told,) = await context.elsewhere.call(number, "shard_getReceiptProof", [[data(wanted)]])
            if isinstance(told, RpcError):
                raise told
            if isinstance(told, msgspec.Raw) and bytes(told) != b"null":
                return told
    return None


async def _prove(context: Context, receipt: OutgoingReceipt) -> Json | None:
    try:
        proof = await context.backend.receipt_proof(receipt)
    except InvalidProof as error:
        context.observe.limit_hit("receipt_proof_max")
        raise RpcError(SERVER, f"no proof of this receipt: {error.message}") from error
    if proof is None:
        return None
    return {
        "id": data(receipt.id),
        "source": hex(receipt.source),
        "destination": hex(receipt.destination),
        "nonce": hex(receipt.nonce),
        "proof": data(proof),
    }


METHODS = {"shard_getReceiptProof": Method(get_receipt_proof, 1)}

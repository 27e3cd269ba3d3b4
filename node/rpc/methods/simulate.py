"""eth_simulateV1: blocks of calls on top of a block, as they would be."""

from __future__ import annotations

from node.rpc.errors import OVER_LIMIT, RpcError, header_not_found, of_outcome, of_simulation
from node.rpc.forms import data, parse_block, quantity
from node.rpc.methods.context import Context, Method
from node.rpc.render import Json, render_header, render_logs
from node.rpc.simulations import parse_simulation, place
from primitives.errors import InvalidQuery, InvalidTransaction, QueryReason
from primitives.headers import ShardHeader
from shard.simulations import SimulatedBlock, SimulatedCall, SimulatedTransaction

FAILED = -32015
"""Of a call that failed without reverting."""


def _transaction(transaction: SimulatedTransaction, block: SimulatedBlock, header: ShardHeader, index: int, chain_id: int) -> Json:
    body: Json = {
        "blockHash": data(block.hash), "blockNumber": hex(header.number), "blockTimestamp": hex(header.timestamp),
        "transactionIndex": hex(index), "from": data(transaction.sender), "hash": data(transaction.hash), "type": hex(transaction.type),
        "nonce": hex(transaction.nonce), "gas": hex(transaction.gas), "gasPrice": quantity(transaction.price),
        "maxFeePerGas": quantity(transaction.max_fee), "maxPriorityFeePerGas": quantity(transaction.tip),
        "to": None if transaction.to is None else data(transaction.to), "value": quantity(transaction.value),
        "input": data(transaction.data), "chainId": hex(chain_id), "v": "0x0", "r": "0x0", "s": "0x0", "yParity": "0x0",
        "accessList": [{"address": data(a), "storageKeys": [data(key) for key in keys]} for a, keys in transaction.access_list],
    }  # fmt: skip
    if transaction.authorizations:
        body["authorizationList"] = [
            {
                "chainId": quantity(a.chain_id), "address": data(a.address), "nonce": hex(a.nonce), "yParity": hex(a.y_parity),
                "r": quantity(a.r), "s": quantity(a.s),
            }
            for a in transaction.authorizations
        ]  # fmt: skip
    return body


async def _call(call: SimulatedCall) -> Json:
    outcome = call.outcome
    body: Json = {
        "returnData": data(outcome.output) if outcome.success else "0x",
        "logs": await render_logs(call.logs),
        "gasUsed": hex(outcome.gas_used),
        "maxUsedGas": hex(call.gas_before_refunds),
        "status": hex(outcome.success),
    }
    if not outcome.success:
        error = of_outcome(outcome)
        reverted = error.data is not None
        body["error"] = error.body() if reverted else {"code": FAILED, "message": f"vm execution error: {error.message}"}
    return body


async def _block(block: SimulatedBlock, full: bool, chain_id: int) -> Json:
    header = ShardHeader.decode(block.header)
    transactions = [
        _transaction(t, block, header, i, chain_id) if full else data(t.hash) for i, t in enumerate(block.transactions)
    ]
    return render_header(block.hash, header) | {
        "size": hex(block.size),
        "uncles": [],
        "withdrawals": [],
        "transactions": transactions,
        "calls": [await _call(call) for call in block.calls],
    }


async def simulate(context: Context, arguments: list[object]) -> object:
    """eth_simulateV1."""
    request, selector = parse_simulation(arguments[0], "argument 0"), parse_block(arguments[1], "argument 1")
    shard = context.shard()
    header = await shard.header(selector)
    if header is None:
        raise header_not_found()
    blocks = place(request, header, context.chain_id, "argument 0")
    try:
        with context.execution():
            made = await shard.simulate(blocks, header.hash(), request.validation, request.transfers)
    except InvalidTransaction as error:
        raise of_simulation(error) from error
    except InvalidQuery as error:
        if error.reason is not QueryReason.OVER_LIMIT:
            raise
        context.observe.limit_hit("query_max")
        raise RpcError(OVER_LIMIT, error.message) from error
    return [await _block(block, request.full, context.chain_id) for block in made]


METHODS = {
    "eth_simulateV1": Method(simulate, 1, 1),
}

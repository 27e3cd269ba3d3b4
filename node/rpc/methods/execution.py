"""eth: simulated calls, fees, and taking in transactions."""

from __future__ import annotations

from node.rpc.calls import parse_call
from node.rpc.errors import SERVER, RpcError, header_not_found, invalid_params, of_outcome
from node.rpc.forms import data, parse_block, parse_data, parse_number_or_tag, parse_quantity, quantity
from node.rpc.limits import FEE_HISTORY_BLOCKS_MAX, FEE_HISTORY_PERCENTILES_MAX
from node.rpc.methods.context import Context, Method
from shard.views import BlockSelector, CallRequest, small

TIP_DEFAULT_WEI = 1_000_000_000
"""Suggested tip a gas while recent blocks hold no transactions; the pool asks for none."""
TIP_SUGGESTED_MAX_WEI = 500_000_000_000
TIP_BLOCKS = 20
"""Recent blocks the suggested tip is taken from."""
TIP_PERCENTILE = 60.0
BLOB_BASE_FEE_WEI = 1
"""Of a chain that never had a blob (EIP-4844, MIN_BASE_FEE_PER_BLOB_GAS)."""


def _prepare(context: Context, arguments: list[object]) -> tuple[CallRequest, BlockSelector]:
    request = parse_call(arguments[0], "argument 0", context.chain_id, context.shard().heads().base_fee, arguments[2])
    return request, parse_block(arguments[1], "argument 1")


async def call(context: Context, arguments: list[object]) -> object:
    """eth_call: what a message call would return."""
    request, selector = _prepare(context, arguments)
    with context.execution():
        outcome = await context.shard().call(request, selector)
    if outcome is None:
        raise header_not_found()
    if not outcome.success:
        raise of_outcome(outcome)
    return data(outcome.output)


async def estimate_gas(context: Context, arguments: list[object]) -> object:
    """eth_estimateGas: the least gas limit with which a call succeeds."""
    request, selector = _prepare(context, arguments)
    with context.execution():
        estimate = await context.shard().estimate_gas(request, selector)
    if estimate is None:
        raise header_not_found()
    if estimate.gas is None:
        assert estimate.failure is not None
        raise of_outcome(estimate.failure)
    return hex(estimate.gas)


async def create_access_list(context: Context, arguments: list[object]) -> object:
    """eth_createAccessList: what a call accesses, and the gas it uses when that is its access list."""
    request, selector = _prepare(context, arguments)
    with context.execution():
        found = await context.shard().create_access_list(request, selector)
    if found is None:
        raise header_not_found()
    entries = [{"address": data(address), "storageKeys": [data(key) for key in keys]} for address, keys in found.access_list]
    answer: dict[str, object] = {"accessList": entries, "gasUsed": hex(found.outcome.gas_used)}
    if not found.outcome.success:
        answer["error"] = of_outcome(found.outcome).message
    return answer


async def _suggested_tip(context: Context) -> int:
    """The median over recent blocks with transactions of a percentile of the tips paid in them."""
    shard, memory = context.shard(), context.memory
    latest = shard.heads().latest
    if memory.tip is not None and memory.tip[0] == latest.hash:
        return memory.tip[1]
    history = await shard.fee_history(min(TIP_BLOCKS, latest.number + 1), latest.number, (TIP_PERCENTILE,))
    tips = sorted(small(block.rewards[0]) for block in history if block.gas_used)
    tip = min(tips[len(tips) // 2], TIP_SUGGESTED_MAX_WEI) if tips else TIP_DEFAULT_WEI
    memory.tip = (latest.hash, tip)
    return tip


async def gas_price(context: Context, arguments: list[object]) -> object:
    """eth_gasPrice: the next block's base fee and the suggested tip."""
    tip = await _suggested_tip(context)
    return hex(context.shard().heads().next_base_fee + tip)


async def base_fee(context: Context, arguments: list[object]) -> object:
    """eth_baseFee: of the next block, wei a gas."""
    return hex(context.shard().heads().next_base_fee)


async def max_priority_fee_per_gas(context: Context, arguments: list[object]) -> object:
    """eth_maxPriorityFeePerGas: the suggested tip."""
    return hex(await _suggested_tip(context))


async def blob_base_fee(context: Context, arguments: list[object]) -> object:
    """eth_blobBaseFee: the least there is, as there are no blobs."""
    return hex(BLOB_BASE_FEE_WEI)


def _count(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        count = value
    elif isinstance(value, str) and value.isascii() and value.isdecimal():
        count = int(value[:20])
    else:
        count = parse_quantity(value, "argument 0", 64)
    if count < 0:
        raise invalid_params("invalid argument 0: a block count is not negative")
    return min(count, FEE_HISTORY_BLOCKS_MAX)


def _percentiles(value: object) -> tuple[float, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise invalid_params("invalid argument 2: want an array of percentiles")
    if len(value) > FEE_HISTORY_PERCENTILES_MAX:
        raise invalid_params(f"invalid argument 2: over {FEE_HISTORY_PERCENTILES_MAX} percentiles")
    last = 0.0
    for i, item in enumerate(value):
        if isinstance(item, bool) or not isinstance(item, int | float) or not 0 <= item <= 100:
            raise invalid_params(f"invalid argument 2[{i}]: invalid reward percentile: want a number from 0 to 100")
        if item < last:
            raise invalid_params(f"invalid argument 2[{i}]: invalid reward percentile: percentiles must not fall: {item} after {last}")
        last = item
    return tuple(float(item) for item in value)


async def fee_history(context: Context, arguments: list[object]) -> object:
    """eth_feeHistory."""
    count, percentiles = _count(arguments[0]), _percentiles(arguments[2])
    newest, shard = parse_number_or_tag(arguments[1], "argument 1"), context.shard()
    heads = shard.heads()
    tags = {"earliest": 0, "latest": heads.latest.number, "safe": heads.safe.number, "finalized": heads.finalized.number}
    number = tags[newest] if isinstance(newest, str) else newest
    if number > heads.latest.number:
        raise RpcError(SERVER, f"request beyond head block: requested {number}, head {heads.latest.number}")
    if count == 0:
        return {"oldestBlock": "0x0", "baseFeePerGas": [], "gasUsedRatio": []}
    blocks = await shard.fee_history(min(count, number + 1), number, percentiles)
    if not blocks:
        raise header_not_found()
    fees = [quantity(block.base_fee) for block in blocks] + [quantity(blocks[-1].next_base_fee)]
    out: dict[str, object] = {
        "oldestBlock": hex(blocks[0].number),
        "baseFeePerGas": fees,
        "gasUsedRatio": [block.gas_used / block.gas_limit for block in blocks],
        "baseFeePerBlobGas": [hex(BLOB_BASE_FEE_WEI)] * len(fees),
        "blobGasUsedRatio": [0.0] * len(blocks),
    }
    if percentiles:
        out["reward"] = [[quantity(reward) for reward in block.rewards] for block in blocks]
    return out


async def send_raw_transaction(context: Context, arguments: list[object]) -> object:
    """eth_sendRawTransaction: into the pool; the answer is the transaction's hash."""
    return data(await context.shard().submit(parse_data(arguments[0], "argument 0")))


METHODS = {
    "eth_call": Method(call, 1, 2),
    "eth_estimateGas": Method(estimate_gas, 1, 2),
    "eth_createAccessList": Method(create_access_list, 1, 2),
    "eth_gasPrice": Method(gas_price),
    "eth_baseFee": Method(base_fee),
    "eth_maxPriorityFeePerGas": Method(max_priority_fee_per_gas),
    "eth_blobBaseFee": Method(blob_base_fee),
    "eth_feeHistory": Method(fee_history, 2, 1),
    "eth_sendRawTransaction": Method(send_raw_transaction, 1),
}

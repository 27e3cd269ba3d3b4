"""debug: what transactions and calls do while they run, in the forms of geth's tracers (docs/json-rpc.md, Traces)."""

from __future__ import annotations

import msgspec

from node.rpc.calls import parse_call
from node.rpc.errors import SERVER, RpcError, header_not_found, invalid_params
from node.rpc.forms import kind_of, parse_block, parse_bool, parse_hash, parse_number_or_tag
from node.rpc.methods.context import Context, Method
from shard.views import BlockSelector, TraceConfig

TRACERS = ("callTracer", "prestateTracer")
_STEPS_MAX = 2**53


def _options(value: object, where: str) -> dict[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid_params(f"invalid {where}: want an object, this is {kind_of(value)}")
    return value


def parse_config(value: object, where: str) -> TraceConfig:
    """A trace configuration as geth takes it; what is not known here is ignored, as there."""
    options = _options(value, where)
    tracer = options.get("tracer") or ""
    if tracer not in ("", *TRACERS):
        raise invalid_params(f"invalid {where}, field tracer: want one of {', '.join(TRACERS)}, or none for every step")
    inner = _options(options.get("tracerConfig"), f"{where}, field tracerConfig")
    limit = options.get("limit") or 0
    if not isinstance(limit, int) or isinstance(limit, bool) or not 0 <= limit < _STEPS_MAX:
        raise invalid_params(f"invalid {where}, field limit: want a number of steps")

    def flag(source: dict[str, object], name: str) -> bool:
        return parse_bool(source.get(name), f"{where}, field {name}")

    return TraceConfig(
        tracer=str(tracer),
        only_top_call=flag(inner, "onlyTopCall"),
        with_log=flag(inner, "withLog"),
        diff_mode=flag(inner, "diffMode"),
        disable_code=flag(inner, "disableCode"),
        disable_storage=flag(inner if tracer else options, "disableStorage"),
        disable_stack=flag(options, "disableStack"),
        enable_memory=flag(options, "enableMemory"),
        enable_return_data=flag(options, "enableReturnData"),
        limit=limit,
    )


async def trace_transaction(context: Context, arguments: list[object]) -> object:
    """debug_traceTransaction: a transaction or a delivery, run again after those before it in its block."""
    wanted, config = parse_hash(arguments[0], "argument 0"), parse_config(arguments[1], "argument 1")
    with context.execution():
        trace = await context.shard().trace_transaction(wanted, config)
    if trace is None:
        raise RpcError(SERVER, "transaction not found")
    return msgspec.Raw(trace)


async def trace_call(context: Context, arguments: list[object]) -> object:
    """debug_traceCall: a simulated call, as eth_call's."""
    config, selector = parse_config(arguments[2], "argument 2"), parse_block(arguments[1], "argument 1")
    options = _options(arguments[2], "argument 2")
    if options.get("blockOverrides"):
        raise invalid_params("invalid argument 2, field blockOverrides: calls with it are traced by none here: see eth_simulateV1")
    base_fee = context.shard().heads().base_fee
    request = parse_call(arguments[0], "argument 0", context.chain_id, base_fee, options.get("stateOverrides"))
    with context.execution():
        trace = await context.shard().trace_call(request, selector, config)
    if trace is None:
        raise header_not_found()
    return msgspec.Raw(trace)


async def _block(context: Context, selector: BlockSelector, config: object) -> object:
    parsed = parse_config(config, "argument 1")
    with context.execution():
        traces = await context.shard().trace_block(selector, parsed)
    if traces is None:
        raise header_not_found()
    return msgspec.Raw(traces)


async def trace_block_by_number(context: Context, arguments: list[object]) -> object:
    """debug_traceBlockByNumber: every transaction of a block."""
    return await _block(context, parse_number_or_tag(arguments[0], "argument 0"), arguments[1])


async def trace_block_by_hash(context: Context, arguments: list[object]) -> object:
    """debug_traceBlockByHash: every transaction of a block."""
    return await _block(context, parse_hash(arguments[0], "argument 0"), arguments[1])


METHODS = {
    "debug_traceTransaction": Method(trace_transaction, 1, 1),
    "debug_traceCall": Method(trace_call, 1, 2),
    "debug_traceBlockByNumber": Method(trace_block_by_number, 1, 1),
    "debug_traceBlockByHash": Method(trace_block_by_hash, 1, 1),
}

"""ots, and erigon_getHeaderByNumber: what the explorer Otterscan asks (its API level 8)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from node.rpc.errors import header_not_found, invalid_params
from node.rpc.forms import data, parse_address, parse_block, parse_hash, parse_number_or_tag, parse_quantity
from node.rpc.limits import OTS_PAGE_MAX
from node.rpc.methods.context import Context, Method
from node.rpc.render import Json, render_block, render_header, render_receipt, render_transaction
from shard.views import BlockSelector, BlockView, ReceiptView, TraceConfig, TransactionView, small

API_LEVEL = 8
SELECTOR_CHARACTERS = 2 + 8
"""Of a transaction's input that lists show: `0x` and four bytes."""
_HEIGHT_BITS = 63


def _number(value: object, where: str) -> int:
    """A number as JSON has it, which is what Otterscan sends, or as a quantity."""
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value < 2**_HEIGHT_BITS:
            raise invalid_params(f"invalid {where}: {value} is no number that is asked for")
        return value
    return parse_quantity(value, where, _HEIGHT_BITS)


def _selector(value: object, where: str) -> BlockSelector:
    return parse_number_or_tag(value, where) if isinstance(value, str) else _number(value, where)


def _page_size(value: object, where: str) -> int:
    size = _number(value, where)
    if not 1 <= size <= OTS_PAGE_MAX:
        raise invalid_params(f"invalid {where}: a page has 1 to {OTS_PAGE_MAX} transactions, {size} are asked for")
    return size


async def api_level(context: Context, arguments: list[object]) -> object:
    """ots_getApiLevel."""
    return API_LEVEL


async def has_code(context: Context, arguments: list[object]) -> object:
    """ots_hasCode: whether an account has code, that of a delegation too."""
    address = parse_address(arguments[0], "argument 0")
    at = arguments[1]
    selector = _number(at, "argument 1") if isinstance(at, int) else parse_block(at, "argument 1")
    code = await context.shard().code(address, selector)
    if code is None:
        raise header_not_found()
    return bool(code)


async def _traced(context: Context, value: object, tracer: str) -> object:
    wanted = parse_hash(value, "argument 0")
    with context.execution():
        trace = await context.shard().trace_transaction(wanted, TraceConfig(tracer=tracer))
    return None if trace is None else msgspec.Raw(trace)


async def transaction_error(context: Context, arguments: list[object]) -> object:
    """ots_getTransactionError: the raw output of a transaction that failed."""
    return await _traced(context, arguments[0], "error")


async def trace_transaction(context: Context, arguments: list[object]) -> object:
    """ots_traceTransaction: its frames one after another."""
    return await _traced(context, arguments[0], "flat")


async def internal_operations(context: Context, arguments: list[object]) -> object:
    """ots_getInternalOperations: value that moved, and contracts that were made or ended, within a transaction."""
    return await _traced(context, arguments[0], "internal")


async def _summary(view: BlockView) -> Json:
    block = await render_block(view, full=False)
    return block | {"transactionCount": len(view.transactions), "logsBloom": None}


async def _details(context: Context, selector: BlockSelector) -> object:
    shard = context.shard()
    view = await shard.block(selector)
    receipts = None if view is None else await shard.block_receipts(view.hash)
    if view is None or receipts is None:
        return None
    block = await _summary(view)
    del block["transactions"]
    fees = sum(receipt.gas_used * small(receipt.effective_gas_price) for receipt in receipts)
    issuance = {"blockReward": "0x0", "uncleReward": "0x0", "issuance": "0x0"}
    return {"block": block, "issuance": issuance, "totalFees": hex(fees)}


async def block_details(context: Context, arguments: list[object]) -> object:
    """ots_getBlockDetails."""
    return await _details(context, _selector(arguments[0], "argument 0"))


async def block_details_by_hash(context: Context, arguments: list[object]) -> object:
    """ots_getBlockDetailsByHash."""
    return await _details(context, parse_hash(arguments[0], "argument 0"))


def _listed(view: TransactionView) -> Json:
    body = render_transaction(view)
    return body | {"input": str(body["input"])[:SELECTOR_CHARACTERS]}


async def block_transactions(context: Context, arguments: list[object]) -> object:
    """ots_getBlockTransactions: a page of a block's transactions, counted from its end."""
    selector, page = _selector(arguments[0], "argument 0"), _number(arguments[1], "argument 1")
    size = _page_size(arguments[2], "argument 2")
    shard = context.shard()
    view = await shard.block(selector)
    receipts = None if view is None else await shard.block_receipts(view.hash)
    if view is None or receipts is None:
        return None
    end = max(0, len(view.transactions) - page * size)
    part = slice(max(0, end - size), end)
    block = await _summary(view)
    block["transactions"] = [_listed(transaction) for transaction in view.transactions[part]]
    told = [await render_receipt(receipt) | {"logs": None, "logsBloom": None} for receipt in receipts[part]]
    return {"fullblock": block, "receipts": told}


async def _found(receipts: Sequence[ReceiptView], *, is_first: bool, is_last: bool) -> Json:
    return {
        "txs": [render_transaction(receipt.transaction) for receipt in receipts],
        "receipts": [await render_receipt(receipt) | {"timestamp": receipt.transaction.timestamp} for receipt in receipts],
        "firstPage": is_first,
        "lastPage": is_last,
    }


async def search_before(context: Context, arguments: list[object]) -> object:
    """ots_searchTransactionsBefore: an account's transactions in blocks before one, newest first; 0 stands for all blocks."""
    address, height = parse_address(arguments[0], "argument 0"), _number(arguments[1], "argument 1")
    size, shard = _page_size(arguments[2], "argument 2"), context.shard()
    above = height or shard.heads().latest.number + 1
    with context.execution():
        page = await shard.search(address, above, size, before=True)
    return await _found(page.receipts, is_first=height == 0, is_last=page.is_last)


async def search_after(context: Context, arguments: list[object]) -> object:
    """ots_searchTransactionsAfter: those in blocks after one, newest first; 0 stands for all blocks."""
    address, height = parse_address(arguments[0], "argument 0"), _number(arguments[1], "argument 1")
    size = _page_size(arguments[2], "argument 2")
    with context.execution():
        page = await context.shard().search(address, height, size, before=False)
    return await _found(page.receipts[::-1], is_first=page.is_last, is_last=height == 0)


async def by_sender_and_nonce(context: Context, arguments: list[object]) -> object:
    """ots_getTransactionBySenderAndNonce: a hash."""
    address, nonce = parse_address(arguments[0], "argument 0"), _number(arguments[1], "argument 1")
    with context.execution():
        found = await context.shard().sent_by(address, nonce)
    return None if found is None else data(found)


async def contract_creator(context: Context, arguments: list[object]) -> object:
    """ots_getContractCreator."""
    address = parse_address(arguments[0], "argument 0")
    with context.execution():
        found = await context.shard().creator(address)
    return None if found is None else {"hash": data(found[0]), "creator": data(found[1])}


async def header_by_number(context: Context, arguments: list[object]) -> object:
    """erigon_getHeaderByNumber."""
    header = await context.shard().header(_selector(arguments[0], "argument 0"))
    return None if header is None else render_header(header.hash(), header)


METHODS = {
    "ots_getApiLevel": Method(api_level),
    "ots_hasCode": Method(has_code, 1, 1),
    "ots_getTransactionError": Method(transaction_error, 1),
    "ots_traceTransaction": Method(trace_transaction, 1),
    "ots_getInternalOperations": Method(internal_operations, 1),
    "ots_getBlockDetails": Method(block_details, 1),
    "ots_getBlockDetailsByHash": Method(block_details_by_hash, 1),
    "ots_getBlockTransactions": Method(block_transactions, 3),
    "ots_searchTransactionsBefore": Method(search_before, 3),
    "ots_searchTransactionsAfter": Method(search_after, 3),
    "ots_getTransactionBySenderAndNonce": Method(by_sender_and_nonce, 2),
    "ots_getContractCreator": Method(contract_creator, 1),
    "erigon_getHeaderByNumber": Method(header_by_number, 1),
}

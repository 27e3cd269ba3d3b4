"""Blocks, transactions, receipts and logs as JSON-RPC objects.

Source: the Ethereum execution API specification; docs/json-rpc.md for `0x7d` transactions.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import trio
from eth_abi import decode as abi_decode

from node.rpc.backend import PooledTransaction
from node.rpc.forms import data, quantity
from node.rpc.limits import ITEMS_PER_TURN, RENDERED_BYTES_PER_TURN
from primitives.headers import ShardHeader
from primitives.receipts import RECEIPT_TRANSACTION_TYPE, ReceiptKind
from shard.transactions import Transaction, read_transaction
from shard.views import BlockView, LogView, ReceiptView, TransactionView, small

Json = dict[str, object]
_RECEIPT_ABI = ("uint256", "uint32", "uint64", "uint8", "address", "address", "uint256", "uint64", "uint256", "address", "bytes")
_CREDIT_GAS = 21_000
_encode = msgspec.json.Encoder().encode


def transaction_type(raw: bytes) -> int:
    """The EIP-2718 type of an encoded transaction."""
    return raw[0] if raw[0] < 0xC0 else 0


def render_transaction(view: TransactionView) -> Json:
    """A transaction of a block."""
    place: Json = {
        "blockHash": data(view.block_hash),
        "blockNumber": hex(view.block_number),
        "blockTimestamp": hex(view.timestamp),
        "transactionIndex": hex(view.index),
        "from": data(view.sender),
        "hash": data(view.hash),
    }
    base_fee = small(view.base_fee)
    if view.raw[0] == RECEIPT_TRANSACTION_TYPE:
        return place | _delivered(view, base_fee)
    transaction = read_transaction(view.raw)
    return place | _signed(transaction, base_fee + transaction.effective_tip(base_fee))


def render_pooled(pooled: PooledTransaction) -> Json:
    """A transaction that is in no block yet."""
    transaction = read_transaction(pooled.raw)
    place: Json = {
        "blockHash": None, "blockNumber": None, "blockTimestamp": None, "transactionIndex": None,
        "from": data(pooled.sender), "hash": data(transaction.hash),
    }  # fmt: skip
    return place | _signed(transaction, transaction.max_fee_per_gas)


def _signed(transaction: Transaction, price: int) -> Json:
    kind, signature = transaction.type, transaction.signature
    body: Json = {
        "type": hex(kind),
        "nonce": hex(transaction.nonce),
        "gas": hex(transaction.gas_limit),
        "gasPrice": hex(price),
        "to": None if transaction.to is None else data(transaction.to),
        "value": hex(transaction.value),
        "input": data(transaction.data),
        "r": hex(signature.r),
        "s": hex(signature.s),
    }
    chain_id = transaction.chain_id
    if kind == 0:
        body["v"] = hex(27 + signature.y_parity if chain_id is None else 35 + 2 * chain_id + signature.y_parity)
    else:
        body["v"] = body["yParity"] = hex(signature.y_parity)
        body["accessList"] = [{"address": data(a), "storageKeys": [data(key) for key in keys]} for a, keys in transaction.access_list]
    if chain_id is not None:
        body["chainId"] = hex(chain_id)
    if kind >= 2:
        body["maxFeePerGas"] = hex(transaction.max_fee_per_gas)
        body["maxPriorityFeePerGas"] = hex(transaction.max_priority_fee_per_gas)
    if kind == 4:
        body["authorizationList"] = [
            {
                "chainId": hex(a.chain_id), "address": data(a.address), "nonce": hex(a.nonce),
                "yParity": hex(a.signature.y_parity), "r": hex(a.signature.r), "s": hex(a.signature.s),
            }
            for a in transaction.authorization_list
        ]  # fmt: skip
    return body


def _delivered(view: TransactionView, base_fee: int) -> Json:
    """A cross-shard receipt's delivery: no signature, but every field that clients read (PROTOCOL 6)."""
    chain_id, source, nonce, kind, _, to, amount, gas, fee, _, calldata = abi_decode(_RECEIPT_ABI, view.raw[1:])
    is_credit = kind == ReceiptKind.CREDIT
    return {
        "type": hex(RECEIPT_TRANSACTION_TYPE),
        "chainId": hex(chain_id),
        "nonce": hex(nonce),
        "gas": hex(_CREDIT_GAS if is_credit else gas),
        "gasPrice": hex(base_fee),
        "to": str(to).lower(),
        "value": hex(amount + fee if is_credit else amount),
        "input": data(calldata),
        "v": "0x0",
        "r": "0x0",
        "s": "0x0",
        "sourceShard": hex(source),
        "receiptId": data(view.hash),
        "kind": hex(kind),
    }


def render_log(log: LogView) -> Json:
    """One log of a block."""
    return {
        "address": data(log.address),
        "topics": [data(topic) for topic in log.topics],
        "data": data(log.data),
        "blockNumber": hex(log.block_number),
        "blockHash": data(log.block_hash),
        "blockTimestamp": hex(log.block_timestamp),
        "transactionHash": data(log.transaction_hash),
        "transactionIndex": hex(log.transaction_index),
        "logIndex": hex(log.log_index),
        "removed": False,
    }


async def render_logs(logs: Sequence[LogView]) -> msgspec.Raw:
    """Logs in order, as JSON: written out part by part, because what is left for the end is one stretch without a turn of the loop."""
    parts: list[bytes] = []
    size = 0
    for i, log in enumerate(logs, 1):
        parts.append(_encode(render_log(log)))
        size += len(parts[-1])
        if i % ITEMS_PER_TURN == 0 or size >= RENDERED_BYTES_PER_TURN or i == len(logs):
            size = 0
            await trio.lowlevel.checkpoint()
    return msgspec.Raw(b"[" + b",".join(parts) + b"]")


async def render_receipt(view: ReceiptView) -> Json:
    """What the EVM left for a transaction."""
    transaction = view.transaction
    return {
        "type": hex(transaction_type(transaction.raw)),
        "transactionHash": data(transaction.hash),
        "transactionIndex": hex(transaction.index),
        "blockHash": data(transaction.block_hash),
        "blockNumber": hex(transaction.block_number),
        "from": data(transaction.sender),
        "to": None if view.to is None else data(view.to),
        "cumulativeGasUsed": hex(view.cumulative_gas_used),
        "gasUsed": hex(view.gas_used),
        "contractAddress": None if view.contract_address is None else data(view.contract_address),
        "logs": await render_logs(view.logs),
        "logsBloom": data(view.logs_bloom),
        "status": hex(view.status),
        "effectiveGasPrice": quantity(view.effective_gas_price),
    }


async def render_receipts(views: Sequence[ReceiptView]) -> list[Json]:
    """What the EVM left for each transaction of a block."""
    receipts = []
    for i, view in enumerate(views, 1):
        receipts.append(await render_receipt(view))
        if i % ITEMS_PER_TURN == 0:
            await trio.lowlevel.checkpoint()
    return receipts


def render_header(block_hash: bytes, header: ShardHeader) -> Json:
    """The fields of a header."""
    return {
        "hash": data(block_hash),
        "number": hex(header.number),
        "parentHash": data(header.parent_hash),
        "sha3Uncles": data(header.uncles_hash),
        "miner": data(header.coinbase),
        "stateRoot": data(header.state_root),
        "transactionsRoot": data(header.transactions_root),
        "receiptsRoot": data(header.receipts_root),
        "logsBloom": data(header.logs_bloom),
        "difficulty": hex(header.difficulty),
        "gasLimit": hex(header.gas_limit),
        "gasUsed": hex(header.gas_used),
        "timestamp": hex(header.timestamp),
        "extraData": data(header.extra_data),
        "mixHash": data(header.prev_randao),
        "nonce": data(header.nonce),
        "baseFeePerGas": hex(header.base_fee_per_gas),
        "withdrawalsRoot": data(header.withdrawals_root),
        "blobGasUsed": hex(header.blob_gas_used),
        "excessBlobGas": hex(header.excess_blob_gas),
        "parentBeaconBlockRoot": data(header.parent_beacon_block_root),
        "requestsHash": data(header.requests_hash),
    }


async def render_block(view: BlockView, full: bool) -> Json:
    """A block with the hashes of its transactions, or with the transactions themselves."""
    header = ShardHeader.decode(view.header)
    transactions: list[object] = []
    for start in range(0, len(view.transactions), ITEMS_PER_TURN):
        part = view.transactions[start : start + ITEMS_PER_TURN]
        transactions.extend(render_transaction(t) if full else data(t.hash) for t in part)
        if full:
            await trio.lowlevel.checkpoint()
    return render_header(view.hash, header) | {
        "size": hex(view.size),
        "uncles": [],
        "withdrawals": [],
        "transactions": transactions,
    }

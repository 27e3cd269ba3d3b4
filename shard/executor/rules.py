"""Rules of a shard header that need no execution (PROTOCOL 5)."""

from __future__ import annotations

from primitives.blocks import BLOCK_VERSION, ExtraData, ShardReference
from primitives.errors import BlockReason, InvalidBlock, InvalidEncoding
from primitives.hashing import keccak256
from primitives.headers import EMPTY_TRIE_ROOT, EMPTY_UNCLES_HASH, ShardHeader
from primitives.parameters import Parameters
from primitives.receipts import Summary
from primitives.types import ZERO_ADDRESS, ZERO_ROOT
from shard.engine.interface import ExecutionResult

ELASTICITY = 2
"""Gas limit over gas target (EIP-1559)."""
BASE_FEE_CHANGE_DENOMINATOR = 8
EMPTY_BLOOM = b"\0" * 256
EMPTY_NONCE = b"\0" * 8


def next_base_fee(parent: ShardHeader) -> int:
    """Base fee of a child of `parent`, wei a gas (EIP-1559), over all gas used, inbound receipts included."""
    target = parent.gas_limit // ELASTICITY
    fee, used = parent.base_fee_per_gas, parent.gas_used
    if used == target:
        return fee
    change = fee * abs(used - target) // target // BASE_FEE_CHANGE_DENOMINATOR
    return fee + max(change, 1) if used > target else fee - change


def genesis_header(parameters: Parameters, timestamp: int, state_root: bytes, summary: Summary) -> ShardHeader:
    """Header of a shard's block 0; `timestamp` in seconds since 1970."""
    return ShardHeader(
        parent_hash=ZERO_ROOT, uncles_hash=EMPTY_UNCLES_HASH, coinbase=ZERO_ADDRESS, state_root=state_root,
        transactions_root=EMPTY_TRIE_ROOT, receipts_root=EMPTY_TRIE_ROOT, logs_bloom=EMPTY_BLOOM, difficulty=0, number=0,
        gas_limit=parameters.gas_limit, gas_used=0, timestamp=timestamp, extra_data=b"", prev_randao=ZERO_ROOT, nonce=EMPTY_NONCE,
        base_fee_per_gas=parameters.base_fee_initial, withdrawals_root=EMPTY_TRIE_ROOT, blob_gas_used=0, excess_blob_gas=0,
        parent_beacon_block_root=ZERO_ROOT, requests_hash=summary.requests_hash(),
    )  # fmt: skip


def child_header(
    parent: ShardHeader, *, coinbase: bytes, timestamp: int, extra: ExtraData, reference: ShardReference, executed: ExecutionResult
) -> ShardHeader:
    """Header of the block that `executed` describes, a child of `parent`."""
    return ShardHeader(
        parent_hash=parent.hash(), uncles_hash=EMPTY_UNCLES_HASH, coinbase=coinbase, state_root=executed.state_root,
        transactions_root=executed.transactions_root, receipts_root=executed.receipts_root, logs_bloom=executed.logs_bloom,
        difficulty=0, number=parent.number + 1, gas_limit=parent.gas_limit, gas_used=executed.gas_used, timestamp=timestamp,
        extra_data=extra.encode(), prev_randao=reference.mix, nonce=EMPTY_NONCE, base_fee_per_gas=next_base_fee(parent),
        withdrawals_root=EMPTY_TRIE_ROOT, blob_gas_used=0, excess_blob_gas=0, parent_beacon_block_root=reference.root,
        requests_hash=executed.requests_hash,
    )  # fmt: skip


def _refuse(reason: BlockReason, message: str) -> InvalidBlock:
    return InvalidBlock(reason, message)


def decode_header(data: bytes) -> ShardHeader:
    """The header encoded by `data`.

    Raises:
        InvalidBlock: MALFORMED.
    """
    try:
        return ShardHeader.decode(data)
    except InvalidEncoding as error:
        raise _refuse(BlockReason.MALFORMED, str(error)) from error


def check_header(header: ShardHeader, parent: ShardHeader, reference: ShardReference, coinbase: bytes, parameters: Parameters) -> ExtraData:
    """Checks all that a header says before execution; returns its part for the agreement.

    Raises:
        InvalidBlock: WRONG_HEIGHT, BAD_TIMESTAMP, BAD_REFERENCE, BAD_RANDAO, WRONG_PROPOSER (the coinbase is not the
            proposer's registered address) or BAD_HEADER.
    """
    if header.number != parent.number + 1:
        raise _refuse(BlockReason.WRONG_HEIGHT, f"number {header.number} on a parent of number {parent.number}")
    if not parent.timestamp <= header.timestamp < 2**63:
        raise _refuse(BlockReason.BAD_TIMESTAMP, f"timestamp {header.timestamp}, parent's is {parent.timestamp}")
    if header.parent_beacon_block_root != reference.root:
        raise _refuse(BlockReason.BAD_REFERENCE, "the header references another beacon block than the one it is checked against")
    if header.prev_randao != reference.mix:
        raise _refuse(BlockReason.BAD_RANDAO, "prev_randao is not the referenced beacon block's mix")
    if header.coinbase != coinbase:
        raise _refuse(BlockReason.WRONG_PROPOSER, f"coinbase 0x{header.coinbase.hex()} is not the proposer's 0x{coinbase.hex()}")
    expected = {
        "gas_limit": parameters.gas_limit,
        "base_fee_per_gas": next_base_fee(parent),
        "uncles_hash": EMPTY_UNCLES_HASH,
        "withdrawals_root": EMPTY_TRIE_ROOT,
        "difficulty": 0,
        "nonce": EMPTY_NONCE,
        "blob_gas_used": 0,
        "excess_blob_gas": 0,
    }
    for name, value in expected.items():
        if getattr(header, name) != value:
            raise _refuse(BlockReason.BAD_HEADER, f"{name} is {getattr(header, name)!r}, not {value!r}")
    if header.gas_used > header.gas_limit:
        raise _refuse(BlockReason.BAD_HEADER, f"gas_used {header.gas_used} is over the gas limit")
    return _extra(header, parameters)


def _extra(header: ShardHeader, parameters: Parameters) -> ExtraData:
    try:
        extra = header.extra()
    except InvalidEncoding as error:
        raise _refuse(BlockReason.BAD_HEADER, f"extra_data: {error}") from error
    if extra.version != BLOCK_VERSION:
        raise _refuse(BlockReason.BAD_HEADER, f"version {extra.version}, this network is at {BLOCK_VERSION}")
    if extra.missing >> parameters.shard_count + 1:
        raise _refuse(BlockReason.BAD_HEADER, "extra_data marks sources as missing that do not exist")
    return extra


_RESULTS = (
    ("transactions_root", BlockReason.BAD_BODY),
    ("gas_used", BlockReason.BAD_STATE_ROOT),
    ("receipts_root", BlockReason.BAD_STATE_ROOT),
    ("logs_bloom", BlockReason.BAD_STATE_ROOT),
    ("requests_hash", BlockReason.BAD_STATE_ROOT),
    ("state_root", BlockReason.BAD_STATE_ROOT),
)


def check_results(header: ShardHeader, executed: ExecutionResult) -> None:
    """Checks what the header says of its execution.

    Raises:
        InvalidBlock: BAD_BODY (transactions root) or BAD_STATE_ROOT.
    """
    for name, reason in _RESULTS:
        said, found = getattr(header, name), getattr(executed, name)
        if said != found:
            raise _refuse(reason, f"{name}: the header says {_short(said)}, execution gives {_short(found)}")


def _short(value: int | bytes) -> str:
    if isinstance(value, int):
        return str(value)
    return f"0x{value.hex()}" if len(value) <= 32 else f"a value with hash 0x{keccak256(value).hex()}"

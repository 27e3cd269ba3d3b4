"""The argument of eth_simulateV1: blocks of calls with overrides, put in order (execution API specification)."""

from __future__ import annotations

from dataclasses import dataclass

from node.rpc.calls import (
    NOT_SIMULATED,
    OverrideBudget,
    is_built_in,
    parse_access_list,
    parse_authorizations,
    parse_input,
    parse_overrides,
)
from node.rpc.errors import BLOCK_NUMBER_ORDER, BLOCK_TIME_ORDER, MOVED_TO_ITSELF, MOVED_TWICE, OVER_LIMIT, SERVER, RpcError, invalid_params
from node.rpc.forms import data, kind_of, parse_address, parse_bool, parse_data, parse_quantity
from node.rpc.limits import SIMULATED_BLOCKS_MAX, SIMULATED_CALLS_MAX
from primitives.headers import ShardHeader
from shard.simulations import BlockToSimulate, CallToSimulate
from shard.views import big

SECONDS_BETWEEN = 1
"""Of blocks whose time is not given: an idle chain's blocks follow no sooner."""
NUMBER_MAX = 2**64 - 1
"""Of a block's time."""
_BLOCK_FIELDS = frozenset({
    "number", "time", "gasLimit", "feeRecipient", "prevRandao", "baseFeePerGas", "withdrawals", "blobBaseFee",
})  # fmt: skip
_PASSED_OVER = ("withdrawals", "blobBaseFee")
"""There are none of them here."""
_WORD_BYTES = 32


@dataclass(frozen=True, slots=True)
class SimulationRequest:
    """What is asked, before it is known what it lies on."""

    blocks: tuple[dict[str, object], ...]
    validation: bool
    transfers: bool
    full: bool


def parse_simulation(value: object, where: str) -> SimulationRequest:
    """The request, with its blocks still to be read by `place`."""
    if not isinstance(value, dict):
        raise invalid_params(f"invalid {where}: want an object, this is {kind_of(value)}")
    blocks = value.get("blockStateCalls")
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise invalid_params(f"invalid {where}, field blockStateCalls: want an array of objects")
    if not blocks:
        raise invalid_params("empty input")
    if len(blocks) > SIMULATED_BLOCKS_MAX:
        raise RpcError(OVER_LIMIT, f"too many blocks: {len(blocks)}, at most {SIMULATED_BLOCKS_MAX}")
    names = ("validation", "traceTransfers", "returnFullTransactions")
    return SimulationRequest(tuple(blocks), *(parse_bool(value.get(name), f"{where}, field {name}") for name in names))


def place(request: SimulationRequest, base: ShardHeader, chain_id: int, where: str) -> tuple[BlockToSimulate, ...]:
    """The blocks in order on top of `base`, those between them too."""
    number, timestamp, calls = base.number, base.timestamp, 0
    placed: list[BlockToSimulate] = []
    budget = OverrideBudget(where)
    for i, given in enumerate(request.blocks):
        at = f"{where}, block {i}"
        overrides = _object(given.get("blockOverrides"), f"{at}, field blockOverrides")
        wanted = _number(overrides, "number", at, number + 1)
        if wanted <= number:
            raise RpcError(BLOCK_NUMBER_ORDER, f"block numbers must be in order: {wanted} <= {number}")
        if wanted - base.number > SIMULATED_BLOCKS_MAX:
            raise RpcError(OVER_LIMIT, f"too many blocks: {wanted - base.number}, at most {SIMULATED_BLOCKS_MAX}")
        while number + 1 < wanted:
            number, timestamp = number + 1, timestamp + SECONDS_BETWEEN
            placed.append(BlockToSimulate(number, timestamp))
        time = _number(overrides, "time", at, timestamp + SECONDS_BETWEEN)
        if time > NUMBER_MAX:
            raise RpcError(BLOCK_TIME_ORDER, f"block timestamps must be in order: none comes after {timestamp}")
        if time <= timestamp:
            raise RpcError(BLOCK_TIME_ORDER, f"block timestamps must be in order: {time} <= {timestamp}")
        number, timestamp = wanted, time
        block = _block(number, timestamp, given, overrides, chain_id, at, budget)
        calls += len(block.calls)
        if calls > SIMULATED_CALLS_MAX:
            raise RpcError(OVER_LIMIT, f"too many calls: at most {SIMULATED_CALLS_MAX}")
        placed.append(block)
    return tuple(placed)


def _object(value: object, where: str) -> dict[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid_params(f"invalid {where}: want an object, this is {kind_of(value)}")
    return {name: field for name, field in value.items() if field is not None}


def _number(source: dict[str, object], name: str, where: str, default: int, bits: int = 64) -> int:
    return parse_quantity(source[name], f"{where}, field {name}", bits) if name in source else default


def _block(
    number: int, timestamp: int, given: dict[str, object], overrides: dict[str, object], chain_id: int, where: str, budget: OverrideBudget
) -> BlockToSimulate:
    for name in overrides.keys() - _BLOCK_FIELDS:
        raise invalid_params(f"invalid {where}, field blockOverrides: no field {name[:40]}")
    for name in _PASSED_OVER:
        if overrides.get(name):
            raise invalid_params(f"invalid {where}, field {name}: a shard has none")
    calls = given.get("calls")
    if not isinstance(calls, list | None):
        raise invalid_params(f"invalid {where}, field calls: want an array, this is {kind_of(calls)}")
    recipient, fee, mix = overrides.get("feeRecipient"), overrides.get("baseFeePerGas"), overrides.get("prevRandao")
    accounts = given.get("stateOverrides")
    return BlockToSimulate(
        number, timestamp,
        coinbase=None if recipient is None else parse_address(recipient, f"{where}, field feeRecipient"),
        gas_limit=_number(overrides, "gasLimit", where, 0) if "gasLimit" in overrides else None,
        base_fee=None if fee is None else big(parse_quantity(fee, f"{where}, field baseFeePerGas")),
        prev_randao=bytes(_WORD_BYTES) if mix is None else _word(mix, f"{where}, field prevRandao"),
        overrides=() if accounts is None else parse_overrides(accounts, f"{where}, field stateOverrides", budget),
        moves=_moves(accounts, where),
        calls=tuple(_call(call, f"{where}, call {k}", chain_id) for k, call in enumerate(calls or [])),
    )  # fmt: skip


def _word(value: object, where: str) -> bytes:
    """A word, as a quantity or as 32 bytes: the specification says one and its examples the other."""
    if isinstance(value, str) and len(value) == 2 + 2 * _WORD_BYTES:
        return parse_data(value, where, _WORD_BYTES)
    return parse_quantity(value, where).to_bytes(_WORD_BYTES, "big")


def _moves(accounts: object, where: str) -> tuple[tuple[bytes, bytes], ...]:
    moves: dict[bytes, bytes] = {}
    for key, account in accounts.items() if isinstance(accounts, dict) else ():
        wanted = account.get("movePrecompileToAddress") if isinstance(account, dict) else None
        if wanted is None:
            continue
        address, to = parse_address(key, where), parse_address(wanted, f"{where}, account {key}, field movePrecompileToAddress")
        if not is_built_in(address):
            raise RpcError(SERVER, f"account {data(address)} is not a precompile")
        if address == to:
            raise RpcError(MOVED_TO_ITSELF, f"MovePrecompileToAddress referenced itself in replacement: {data(address)}")
        if to in moves.values():
            raise RpcError(MOVED_TWICE, f"multiple MovePrecompileToAddress referencing the same address to replace: {data(to)}")
        moves[address] = to
    return tuple(moves.items())


_NUMBERS = {
    "gas": 64, "gasPrice": 256, "maxFeePerGas": 256, "maxPriorityFeePerGas": 256, "value": 256, "chainId": 256, "nonce": 64, "type": 8,
}  # fmt: skip


def _call(value: object, where: str, chain_id: int) -> CallToSimulate:
    if not isinstance(value, dict):
        raise invalid_params(f"invalid {where}: want a call object, this is {kind_of(value)}")
    given = _object(value, where)
    for name in NOT_SIMULATED:
        if given.get(name):
            raise invalid_params(f"invalid {where}, field {name}: calls with it are not simulated here")
    numbers = {name: parse_quantity(given[name], f"{where}, field {name}", bits) for name, bits in _NUMBERS.items() if name in given}
    if numbers.get("chainId", chain_id) != chain_id:
        raise RpcError(SERVER, f"chainId does not match node's (have={numbers['chainId']}, want={chain_id})")
    if "gasPrice" in numbers and ("maxFeePerGas" in numbers or "maxPriorityFeePerGas" in numbers):
        raise RpcError(SERVER, "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")
    price = numbers.get("gasPrice", 0)
    sender, to = given.get("from"), given.get("to")
    access_list, authorizations = given.get("accessList"), given.get("authorizationList")
    return CallToSimulate(
        sender=bytes(20) if sender is None else parse_address(sender, f"{where}, field from"),
        to=None if to is None else parse_address(to, f"{where}, field to"),
        nonce=numbers.get("nonce"),
        gas=numbers.get("gas"),
        max_fee=big(numbers.get("maxFeePerGas", price)),
        tip=big(numbers.get("maxPriorityFeePerGas", price)),
        value=big(numbers.get("value", 0)),
        data=parse_input(given, where),
        access_list=() if access_list is None else parse_access_list(access_list, f"{where}, field accessList"),
        authorizations=() if authorizations is None else parse_authorizations(authorizations, f"{where}, field authorizationList"),
    )

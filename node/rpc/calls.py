"""Call objects and what may come with them: access lists, authorizations and state overrides, within bounds."""

from __future__ import annotations

from node.rpc.errors import SERVER, RpcError, invalid_params
from node.rpc.forms import kind_of, parse_address, parse_data, parse_hash, parse_quantity
from node.rpc.limits import ACCESS_LIST_ENTRIES_MAX, AUTHORIZATIONS_MAX, OVERRIDE_BYTES_MAX, OVERRIDE_ENTRIES_MAX
from shard.views import AccessList, AccountOverride, CallRequest, SignedAuthorization, big


def parse_access_list(value: object, where: str) -> AccessList:
    """An access list (EIP-2930), within bounds."""
    if not isinstance(value, list):
        raise invalid_params(f"invalid {where}: want an array, this is {kind_of(value)}")
    entries, count = [], 0
    for i, entry in enumerate(value):
        keys = entry.get("storageKeys") if isinstance(entry, dict) else None
        if not isinstance(entry, dict) or not isinstance(keys, list | None):
            raise invalid_params(f"invalid {where}[{i}]: want an object with address and storageKeys")
        keys = keys or []
        count += 1 + len(keys)
        if count > ACCESS_LIST_ENTRIES_MAX:
            raise invalid_params(f"invalid {where}: over {ACCESS_LIST_ENTRIES_MAX} addresses and keys")
        address = parse_address(entry.get("address"), f"{where}[{i}].address")
        entries.append((address, tuple(parse_hash(key, f"{where}[{i}].storageKeys[{k}]") for k, key in enumerate(keys))))
    return tuple(entries)


_CALL_NUMBERS = {
    "gas": 64, "gasPrice": 256, "maxFeePerGas": 256, "maxPriorityFeePerGas": 256, "value": 256, "chainId": 256, "nonce": 64, "type": 8,
}  # fmt: skip
"""Quantities of a call object, and their bits."""
NOT_SIMULATED = ("blobVersionedHashes", "blobs", "maxFeePerBlobGas")


def parse_call(value: object, where: str, chain_id: int, base_fee: int, overrides: object = None) -> CallRequest:
    """A call object.

    Args:
        value: the argument.
        where: what to call it in an error.
        chain_id: that a `chainId` in it must equal.
        base_fee: wei a gas, from which the effective price of EIP-1559 fields follows.
        overrides: argument 2 of the method, or None.
    """
    if not isinstance(value, dict):
        raise invalid_params(f"invalid {where}: want a call object, this is {kind_of(value)}")
    for name in NOT_SIMULATED:
        if value.get(name):
            raise invalid_params(f"invalid {where}, field {name}: calls with it are not simulated here")
    numbers: dict[str, int | None] = {}
    for name, bits in _CALL_NUMBERS.items():
        given = value.get(name)
        numbers[name] = None if given is None else parse_quantity(given, f"{where}, field {name}", bits)
    if numbers["chainId"] not in (None, chain_id):
        raise RpcError(SERVER, f"chainId does not match node's (have={numbers['chainId']}, want={chain_id})")
    sender, to, access_list, authorizations = value.get("from"), value.get("to"), value.get("accessList"), value.get("authorizationList")
    return CallRequest(
        sender=bytes(20) if sender is None else parse_address(sender, f"{where}, field from"),
        to=None if to is None else parse_address(to, f"{where}, field to"),
        gas=numbers["gas"],
        gas_price=big(_price(numbers, base_fee)),
        value=big(numbers["value"] or 0),
        data=parse_input(value, where),
        access_list=() if access_list is None else parse_access_list(access_list, f"{where}, field accessList"),
        authorizations=() if authorizations is None else parse_authorizations(authorizations, f"{where}, field authorizationList"),
        overrides=() if overrides is None else parse_overrides(overrides, "argument 2"),
    )


def parse_input(value: dict[str, object], where: str) -> bytes:
    """A call object's `data` and `input`, which are the same where both are there."""
    given = [parse_data(value[name], f"{where}, field {name}") for name in ("input", "data") if value.get(name) is not None]
    if len(given) == 2 and given[0] != given[1]:
        raise RpcError(SERVER, 'both "data" and "input" are set and not equal. Please use "input" to pass transaction call data')
    return given[0] if given else b""


def _price(numbers: dict[str, int | None], base_fee: int) -> int:
    price, fee, tip = numbers["gasPrice"], numbers["maxFeePerGas"], numbers["maxPriorityFeePerGas"]
    if price is not None:
        if fee is not None or tip is not None:
            raise RpcError(SERVER, "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")
        return price
    if not fee:
        return 0
    if (tip or 0) > fee:
        raise RpcError(SERVER, f"max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: {tip}, maxFeePerGas: {fee}")
    return min(fee, base_fee + (tip or 0))


def parse_authorizations(value: object, where: str) -> tuple[SignedAuthorization, ...]:
    """Authorizations (EIP-7702), within bounds."""
    if not isinstance(value, list):
        raise invalid_params(f"invalid {where}: want an array, this is {kind_of(value)}")
    if len(value) > AUTHORIZATIONS_MAX:
        raise invalid_params(f"invalid {where}: over {AUTHORIZATIONS_MAX} authorizations")
    return tuple(_authorization(item, f"{where}[{i}]") for i, item in enumerate(value))


def _authorization(value: object, where: str) -> SignedAuthorization:
    if not isinstance(value, dict):
        raise invalid_params(f"invalid {where}: want an object, this is {kind_of(value)}")
    parity = value.get("v") if value.get("yParity") is None else value["yParity"]
    return SignedAuthorization(
        chain_id=big(parse_quantity(value.get("chainId"), f"{where}.chainId")),
        address=parse_address(value.get("address"), f"{where}.address"),
        nonce=parse_quantity(value.get("nonce"), f"{where}.nonce", 64),
        y_parity=parse_quantity(parity, f"{where}.yParity", 8),
        r=big(parse_quantity(value.get("r"), f"{where}.r")),
        s=big(parse_quantity(value.get("s"), f"{where}.s")),
    )


_OVERRIDE_FIELDS = frozenset({"balance", "nonce", "code", "state", "stateDiff"})
PRECOMPILE_LAST = 0x11
"""Contracts 0x1 to this one are built in (Prague)."""


def is_built_in(address: bytes) -> bool:
    """Whether a built-in contract lies at an address."""
    return 0 < int.from_bytes(address, "big") <= PRECOMPILE_LAST


def parse_overrides(value: object, where: str, budget: OverrideBudget | None = None) -> tuple[AccountOverride, ...]:
    """State overrides: an object of accounts by address, as geth's.

    Args:
        value: the object.
        where: what to call it in an error.
        budget: of a simulation of blocks, in which built-in contracts may be replaced; None: of a call.
    """
    if not isinstance(value, dict):
        raise invalid_params(f"invalid {where}: state overrides are an object of accounts by address, this is {kind_of(value)}")
    is_simulation, budget = budget is not None, budget or OverrideBudget(where)
    parsed = {parse_address(key, where): _override(key, account, where, budget, is_simulation) for key, account in value.items()}
    if len(parsed) < len(value):
        raise invalid_params(f"invalid {where}: an address is given twice")
    return tuple(parsed.values())


class OverrideBudget:
    """What all overrides of one call may hold together."""

    def __init__(self, where: str) -> None:
        self._where, self._entries, self._bytes = where, 0, 0

    def take(self, entries: int, size: int = 0) -> None:
        """Counts accounts and words, and bytes of code."""
        self._entries, self._bytes = self._entries + entries, self._bytes + size
        if self._entries > OVERRIDE_ENTRIES_MAX:
            raise invalid_params(f"invalid {self._where}: over {OVERRIDE_ENTRIES_MAX} accounts and storage words")
        if self._bytes > OVERRIDE_BYTES_MAX:
            raise invalid_params(f"invalid {self._where}: over {OVERRIDE_BYTES_MAX} bytes of code")


def _override(key: str, value: object, where: str, budget: OverrideBudget, is_simulation: bool) -> AccountOverride:
    address, where = parse_address(key, where), f"{where}, account {key}"
    if not isinstance(value, dict):
        raise invalid_params(f"invalid {where}: want an object, this is {kind_of(value)}")
    given = {name: field for name, field in value.items() if field is not None}
    if is_simulation:
        given.pop("movePrecompileToAddress", None)
    if "movePrecompileToAddress" in given:
        raise invalid_params(f"invalid {where}: movePrecompileToAddress is not supported: built-in contracts stay where they are")
    for name in given.keys() - _OVERRIDE_FIELDS:
        raise invalid_params(f"invalid {where}: no field {name[:40]}: there are {', '.join(sorted(_OVERRIDE_FIELDS))}")
    if "state" in given and "stateDiff" in given:
        raise invalid_params(f"invalid {where}: both state and stateDiff are given")
    balance, nonce, code = given.get("balance"), given.get("nonce"), given.get("code")
    if code is not None and not is_simulation and is_built_in(address):
        raise invalid_params(f"invalid {where}: the code of a built-in contract cannot be replaced")
    code_bytes = None if code is None else parse_data(code, f"{where}, field code")
    budget.take(1, len(code_bytes or b""))
    words = given.get("state", given.get("stateDiff", {}))
    return AccountOverride(
        address=address,
        balance=None if balance is None else big(parse_quantity(balance, f"{where}, field balance")),
        nonce=None if nonce is None else parse_quantity(nonce, f"{where}, field nonce", 64),
        code=code_bytes,
        words=_words(words, f"{where}, field {'state' if 'state' in given else 'stateDiff'}", budget),
        is_whole_storage="state" in given,
    )


def _words(value: object, where: str, budget: OverrideBudget) -> tuple[tuple[bytes, bytes], ...]:
    if not isinstance(value, dict):
        raise invalid_params(f"invalid {where}: want an object of words by slot, this is {kind_of(value)}")
    budget.take(len(value))
    return tuple((parse_hash(slot, where), parse_hash(word, where)) for slot, word in value.items())

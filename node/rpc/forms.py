"""The forms of JSON-RPC values: quantities in minimal hex, data in whole bytes, block parameters, call objects.

Parsing is strict and says in geth's manner which argument is wrong and why.
Source: the Ethereum execution API specification; EIP-1898 for block parameters.
"""

from __future__ import annotations

import re

from node.rpc.errors import SERVER, RpcError, invalid_params
from node.rpc.limits import ACCESS_LIST_ENTRIES_MAX, LOGS_ADDRESSES_MAX, LOGS_TOPICS_MAX, TOPIC_POSITIONS_MAX
from shard.views import BlockSelector, CallRequest, LogFilter, big

TAGS = frozenset({"latest", "safe", "finalized", "earliest", "pending"})
_QUANTITY = re.compile(r"0x(?:0|[1-9a-fA-F][0-9a-fA-F]*)", re.ASCII)
_HEX = re.compile(r"0x[0-9a-fA-F]*", re.ASCII)
_SHOWN_CHARACTERS_MAX = 80

AccessList = tuple[tuple[bytes, tuple[bytes, ...]], ...]


def quantity(value: bytes) -> str:
    """A `Big` of shard/views.py as a quantity."""
    return hex(int.from_bytes(value, "big"))


def data(value: bytes) -> str:
    """Bytes as data."""
    return "0x" + value.hex()


def _shown(value: object) -> str:
    text = f'"{value}"' if isinstance(value, str) else _kind(value)
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else text[:_SHOWN_CHARACTERS_MAX] + '..."'


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    return "a string" if isinstance(value, str) else "an array" if isinstance(value, list) else "an object"


def parse_quantity(value: object, where: str, bits: int = 256) -> int:
    """An unsigned integer of at most `bits` bits."""
    if not isinstance(value, str):
        raise invalid_params(f"invalid {where}: a quantity is a hex string, this is {_kind(value)}")
    if not _QUANTITY.fullmatch(value):
        if not value.startswith("0x"):
            why = "hex string without 0x prefix"
        elif value == "0x":
            why = 'hex string "0x" is no number (zero is "0x0")'
        elif not _HEX.fullmatch(value):
            why = "invalid hex string"
        else:
            why = "hex number with leading zero digits"
        raise invalid_params(f"invalid {where}: {why}: {_shown(value)}")
    if (len(value) - 2) * 4 > bits + 3 or (number := int(value, 16)) >> bits:
        raise invalid_params(f"invalid {where}: hex number over {bits} bits: {_shown(value)}")
    return number


def parse_data(value: object, where: str, size: int | None = None, noun: str = "data") -> bytes:
    """Bytes; exactly `size` of them if given."""
    if not isinstance(value, str):
        raise invalid_params(f"invalid {where}: {noun} is a hex string, this is {_kind(value)}")
    if not value.startswith("0x"):
        raise invalid_params(f"invalid {where}: hex string without 0x prefix: {_shown(value)}")
    if size is not None and len(value) != 2 + 2 * size:
        raise invalid_params(f"invalid {where}: hex string has length {len(value) - 2}, want {2 * size} for {noun}")
    if len(value) % 2:
        raise invalid_params(f"invalid {where}: hex string of odd length: {_shown(value)}")
    if not _HEX.fullmatch(value):
        raise invalid_params(f"invalid {where}: invalid hex string: {_shown(value)}")
    return bytes.fromhex(value[2:])


def parse_address(value: object, where: str) -> bytes:
    """An account's 20 bytes, in any mix of cases."""
    return parse_data(value, where, 20, "an address")


def parse_hash(value: object, where: str) -> bytes:
    """A hash's 32 bytes."""
    return parse_data(value, where, 32, "a hash")


def parse_slot(value: object, where: str) -> int:
    """A storage key: hex of at most 32 bytes, padded or not."""
    if not isinstance(value, str):
        raise invalid_params(f"invalid {where}: a storage key is a hex string, this is {_kind(value)}")
    if not _HEX.fullmatch(value) or value == "0x":
        raise invalid_params(f"invalid {where}: invalid hex in storage key: {_shown(value)}")
    if len(value) > 66:
        raise invalid_params(f"invalid {where}: storage key too long (want at most 32 bytes): {_shown(value)}")
    return int(value, 16)


def parse_bool(value: object, where: str) -> bool:
    """True or false; absent is false."""
    if value is None:
        return False
    if not isinstance(value, bool):
        raise invalid_params(f"invalid {where}: want true or false, this is {_kind(value)}")
    return value


def parse_number_or_tag(value: object, where: str) -> int | str:
    """A height or a tag (`pending` reads as `latest`)."""
    if isinstance(value, str) and value in TAGS:
        return "latest" if value == "pending" else value
    if isinstance(value, str) and not value.startswith("0x"):
        raise invalid_params(f"invalid {where}: want a block number in hex or one of {', '.join(sorted(TAGS))}: {_shown(value)}")
    return parse_quantity(value, where, 64)


def parse_block(value: object, where: str) -> BlockSelector:
    """A block parameter: number, tag, hash, or EIP-1898 object; absent is `latest`."""
    if value is None:
        return "latest"
    if isinstance(value, dict):
        by_hash, by_number = value.get("blockHash"), value.get("blockNumber")
        if (by_hash is None) == (by_number is None):
            raise invalid_params(f"invalid {where}: a block object has either blockHash or blockNumber")
        if by_hash is not None:
            parse_bool(value.get("requireCanonical"), f"{where}, field requireCanonical")
            return parse_hash(by_hash, f"{where}, field blockHash")
        return parse_number_or_tag(by_number, f"{where}, field blockNumber")
    if isinstance(value, str) and len(value) == 66:
        return parse_hash(value, where)
    return parse_number_or_tag(value, where)


def _access_list(value: object, where: str) -> AccessList:
    if not isinstance(value, list):
        raise invalid_params(f"invalid {where}: want an array, this is {_kind(value)}")
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
_NOT_SIMULATED = ("authorizationList", "blobVersionedHashes", "blobs", "maxFeePerBlobGas")


def parse_call(value: object, where: str, chain_id: int, base_fee: int) -> CallRequest:
    """A call object.

    Args:
        value: the argument.
        where: what to call it in an error.
        chain_id: that a `chainId` in it must equal.
        base_fee: wei a gas, from which the effective price of EIP-1559 fields follows.
    """
    if not isinstance(value, dict):
        raise invalid_params(f"invalid {where}: want a call object, this is {_kind(value)}")
    for name in _NOT_SIMULATED:
        if value.get(name):
            raise invalid_params(f"invalid {where}, field {name}: calls with it are not simulated here")
    numbers: dict[str, int | None] = {}
    for name, bits in _CALL_NUMBERS.items():
        given = value.get(name)
        numbers[name] = None if given is None else parse_quantity(given, f"{where}, field {name}", bits)
    if numbers["chainId"] not in (None, chain_id):
        raise RpcError(SERVER, f"chainId does not match node's (have={numbers['chainId']}, want={chain_id})")
    sender, to, access_list = value.get("from"), value.get("to"), value.get("accessList")
    return CallRequest(
        sender=bytes(20) if sender is None else parse_address(sender, f"{where}, field from"),
        to=None if to is None else parse_address(to, f"{where}, field to"),
        gas=numbers["gas"],
        gas_price=big(_price(numbers, base_fee)),
        value=big(numbers["value"] or 0),
        data=_input(value, where),
        access_list=() if access_list is None else _access_list(access_list, f"{where}, field accessList"),
    )


def _input(value: dict[str, object], where: str) -> bytes:
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


def parse_filter(value: object, where: str) -> LogFilter:
    """A log filter: a range of blocks or one block's hash, addresses, topics by position."""
    if not isinstance(value, dict):
        raise invalid_params(f"invalid {where}: want a filter object, this is {_kind(value)}")
    first, last, block_hash = value.get("fromBlock"), value.get("toBlock"), value.get("blockHash")
    if block_hash is not None and (first is not None or last is not None):
        raise invalid_params("cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other")
    address, topics = value.get("address"), value.get("topics")
    addresses = [] if address is None else address if isinstance(address, list) else [address]
    if len(addresses) > LOGS_ADDRESSES_MAX:
        raise invalid_params(f"invalid {where}, field address: over {LOGS_ADDRESSES_MAX} addresses")
    if not isinstance(topics, list | None):
        raise invalid_params(f"invalid {where}, field topics: want an array, this is {_kind(topics)}")
    if len(topics or []) > TOPIC_POSITIONS_MAX:
        raise invalid_params(f"invalid {where}, field topics: a log has at most {TOPIC_POSITIONS_MAX} topics")
    return LogFilter(
        block_hash=None if block_hash is None else parse_hash(block_hash, f"{where}, field blockHash"),
        first="latest" if first is None else parse_number_or_tag(first, f"{where}, field fromBlock"),
        last="latest" if last is None else parse_number_or_tag(last, f"{where}, field toBlock"),
        addresses=tuple(parse_address(item, f"{where}, field address[{i}]") for i, item in enumerate(addresses)),
        topics=tuple(_topic(item, f"{where}, field topics[{i}]") for i, item in enumerate(topics or [])),
    )


def _topic(value: object, where: str) -> tuple[bytes, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        return (parse_data(value, where, 32, "a topic"),)
    if len(value) > LOGS_TOPICS_MAX:
        raise invalid_params(f"invalid {where}: over {LOGS_TOPICS_MAX} topics")
    if None in value:
        return ()
    return tuple(parse_data(item, f"{where}[{i}]", 32, "a topic") for i, item in enumerate(value))

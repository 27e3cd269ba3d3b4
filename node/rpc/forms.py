"""The forms of JSON-RPC values: quantities in minimal hex, data in whole bytes, block parameters, filters.

Parsing is strict and says in geth's manner which argument is wrong and why.
Source: the Ethereum execution API specification; EIP-1898 for block parameters.
"""

from __future__ import annotations

import re

from node.rpc.errors import invalid_params
from node.rpc.limits import LOGS_ADDRESSES_MAX, LOGS_TOPICS_MAX, TOPIC_POSITIONS_MAX
from shard.views import BlockSelector, LogFilter

TAGS = frozenset({"latest", "safe", "finalized", "earliest", "pending"})
_QUANTITY = re.compile(r"0x(?:0|[1-9a-fA-F][0-9a-fA-F]*)", re.ASCII)
_HEX = re.compile(r"0x[0-9a-fA-F]*", re.ASCII)
_SHOWN_CHARACTERS_MAX = 80



def quantity(value: bytes) -> str:
    """A `Big` of shard/views.py as a quantity."""
    return hex(int.from_bytes(value, "big"))


def data(value: bytes) -> str:
    """Bytes as data."""
    return "0x" + value.hex()


def _shown(value: object) -> str:
    text = f'"{value}"' if isinstance(value, str) else kind_of(value)
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else text[:_SHOWN_CHARACTERS_MAX] + '..."'


def kind_of(value: object) -> str:
    """What a value of JSON is, for a sentence."""
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
        raise invalid_params(f"invalid {where}: a quantity is a hex string, this is {kind_of(value)}")
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
        raise invalid_params(f"invalid {where}: {noun} is a hex string, this is {kind_of(value)}")
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
        raise invalid_params(f"invalid {where}: a storage key is a hex string, this is {kind_of(value)}")
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
        raise invalid_params(f"invalid {where}: want true or false, this is {kind_of(value)}")
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


def parse_filter(value: object, where: str) -> LogFilter:
    """A log filter: a range of blocks or one block's hash, addresses, topics by position."""
    if not isinstance(value, dict):
        raise invalid_params(f"invalid {where}: want a filter object, this is {kind_of(value)}")
    first, last, block_hash = value.get("fromBlock"), value.get("toBlock"), value.get("blockHash")
    if block_hash is not None and (first is not None or last is not None):
        raise invalid_params("cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other")
    address, topics = value.get("address"), value.get("topics")
    addresses = [] if address is None else address if isinstance(address, list) else [address]
    if len(addresses) > LOGS_ADDRESSES_MAX:
        raise invalid_params(f"invalid {where}, field address: over {LOGS_ADDRESSES_MAX} addresses")
    if not isinstance(topics, list | None):
        raise invalid_params(f"invalid {where}, field topics: want an array, this is {kind_of(topics)}")
    if len(topics or []) > TOPIC_POSITIONS_MAX:
        raise invalid_params(f"invalid {where}, field topics: a log has at most {TOPIC_POSITIONS_MAX} topics")
    return LogFilter(
        block_hash=None if block_hash is None else parse_hash(block_hash, f"{where}, field blockHash"),
        first="latest" if first is None else parse_number_or_tag(first, f"{where}, field fromBlock"),
        last="latest" if last is None else parse_number_or_tag(last, f"{where}, field toBlock"),
        addresses=tuple(parse_address(item, f"{where}, field address[{i}]") for i, item in enumerate(addresses)),
        topics=tuple(_topic(item, f"{where}, field topics[{i}]") for i, item in enumerate(topics or [])),
    )


def moment(at_ms: int | None) -> dict[str, object] | None:
    """A time by this node's clock, in seconds like a block's and in milliseconds; None where it is not known."""
    return None if at_ms is None else {"timestamp": hex(at_ms // 1000), "timestampMs": hex(at_ms)}


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

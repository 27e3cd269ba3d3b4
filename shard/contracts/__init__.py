"""The system contracts as genesis code: Outbox and Inbox (PROTOCOL 6), and those of EIP-4788 and EIP-2935."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from eth_abi import encode as abi_encode

from primitives.hashing import keccak256
from primitives.types import Address

SYSTEM_ADDRESS = Address(bytes.fromhex("fffffffffffffffffffffffffffffffffffffffe"))
"""Caller of system calls (EIP-4788); it has no account."""
OUTBOX = Address(0x5A01.to_bytes(20, "big"))
INBOX = Address(0x5A02.to_bytes(20, "big"))
DEVELOPER = Address(0x5A03.to_bytes(20, "big"))
"""No contract: the account that a developer's operations come from and go to (shard/operations.py)."""
CLOSED = 1 << 255
"""Bit of a channel's terms in Outbox: the channel refuses `transfer`, `send` and `sendWithCallback`."""
RETURN_CLOSED = 1 << 254
"""Likewise: it refuses `sendWithCallback`, because the channel that results come back on is closed."""

BEACON_ROOTS = Address(bytes.fromhex("000f3df6d732807ef1319fb7b8bb8522d0beac02"))
BEACON_ROOTS_CODE = bytes.fromhex(
    "3373fffffffffffffffffffffffffffffffffffffffe14604d57602036146024575f5ffd5b5f35801560495762001fff810690815414603c575f5ffd5b62001f"
    "ff01545f5260205ff35b5f5ffd5b62001fff42064281555f359062001fff015500"
)
"""EIP-4788, section "Bytecode"."""
BLOCK_HASHES = Address(bytes.fromhex("0000f90827f1c53a10cb7a02335b175320002935"))
BLOCK_HASHES_CODE = bytes.fromhex(
    "3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257611fff9006545f5260205f"
    "f35b5f5ffd5b5f35611fff60014303065500"
)
"""EIP-2935, section "Bytecode"."""


@dataclass(frozen=True, slots=True)
class Contract:
    """A compiled system contract."""

    address: Address
    code: bytes
    """Runtime code."""
    slots: dict[str, int]
    """First storage slot of each variable."""
    abi: tuple[dict[str, object], ...]
    methods: dict[str, tuple[bytes, tuple[str, ...]]]
    """Selector and argument types by name."""
    topics: dict[str, bytes]
    """First topic of each event by name."""

    def encode_call(self, name: str, *arguments: object) -> bytes:
        """Call data of a method."""
        selector, kinds = self.methods[name]
        return selector + abi_encode(kinds, arguments)


def _load(name: str, address: Address) -> Contract:
    artefact = json.loads((Path(__file__).parent / f"{name}.json").read_text())
    methods: dict[str, tuple[bytes, tuple[str, ...]]] = {}
    topics: dict[str, bytes] = {}
    for entry in artefact["abi"]:
        kinds = tuple(argument["type"] for argument in entry["inputs"])
        digest = keccak256(f"{entry['name']}({','.join(kinds)})".encode())
        if entry["type"] == "function":
            methods[entry["name"]] = (digest[:4], kinds)
        elif entry["type"] == "event":
            topics[entry["name"]] = digest
    code = bytes.fromhex(artefact["runtime_code"].removeprefix("0x"))
    return Contract(address, code, artefact["slots"], tuple(artefact["abi"]), methods, topics)


OUTBOX_CONTRACT = _load("outbox", OUTBOX)
INBOX_CONTRACT = _load("inbox", INBOX)

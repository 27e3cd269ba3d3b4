"""The EVM's errors in geth's words, for calls and traces (docs/json-rpc.md)."""

from __future__ import annotations

from eth_abi import decode as abi_decode
from eth_abi.exceptions import DecodingError

_WORDS = {
    "Revert": "execution reverted",
    "OutOfGas": "out of gas",
    "InvalidInstruction": "invalid opcode",
    "InvalidJumpDestination": "invalid jump destination",
    "InsufficientStack": "stack underflow",
    "FullStack": "stack limit reached 1024 (1023)",
    "WriteProtection": "write protection",
    "ContractCreationCollision": "contract address collision",
    "OutOfBoundsRead": "return data out of bounds",
    "VMError": "invalid input of a precompiled contract",
    "InsufficientFunds": "insufficient balance for transfer",
    "StackDepthLimit": "max call depth exceeded",
    "IncorrectContractCreationAddress": "contract address does not follow from its creator",
    "ReservedBytesInCode": "invalid code: must not begin with 0xef",
}
_ERROR_SELECTOR = bytes.fromhex("08c379a0")


def words_of(error: str) -> str:
    """An error of the EVM by the name of its class, which it stays where geth has no words for it."""
    return _WORDS.get(error, error)


def reason_of(output: bytes) -> str | None:
    """The text of Solidity's `Error(string)`."""
    if output[:4] != _ERROR_SELECTOR:
        return None
    try:
        return str(abi_decode(("string",), output[4:])[0])
    except (DecodingError, UnicodeDecodeError, OverflowError):
        return None

"""JSON-RPC errors: geth's codes and words, because clients match on them (docs/json-rpc.md, errors)."""

from __future__ import annotations

import math

from eth_abi import decode as abi_decode
from eth_abi.exceptions import DecodingError

from node.rpc.allowances import Overrun
from primitives.errors import Interrupted, InvalidControl, InvalidQuery, InvalidTransaction, QueryReason, TransactionReason, Unavailable
from shard.views import CallOutcome

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL = -32603
SERVER = -32000
TIMEOUT = -32002
RESPONSE_TOO_LARGE = -32003
BUSY = -32005
REVERTED = 3
BLOCK_NUMBER_ORDER = -38020
BLOCK_TIME_ORDER = -38021
MOVED_TO_ITSELF = -38022
MOVED_TWICE = -38023
OVER_LIMIT = -38026
"""These and `SIMULATION_CODES` are eth_simulateV1's alone."""
SIMULATION_CODES = {
    TransactionReason.NONCE_TOO_LOW: -38010,
    TransactionReason.NONCE_TOO_HIGH: -38011,
    TransactionReason.FEE_BELOW_BASE: -38012,
    TransactionReason.INTRINSIC_GAS: -38013,
    TransactionReason.INSUFFICIENT_FUNDS: -38014,
    TransactionReason.GAS_LIMIT: -38015,
    TransactionReason.SENDER_HAS_CODE: -38024,
    TransactionReason.INIT_CODE_SIZE: -38025,
    TransactionReason.NONCE_MAX: INTERNAL,
}
"""Of a call that is no transaction; any other reason is -32602."""
CODES = frozenset(
    {PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL, SERVER, TIMEOUT, RESPONSE_TOO_LARGE, BUSY, REVERTED}
    | {BLOCK_NUMBER_ORDER, BLOCK_TIME_ORDER, MOVED_TO_ITSELF, MOVED_TWICE, OVER_LIMIT}
    | set(SIMULATION_CODES.values())
)
"""All that this node answers with by itself."""


class RpcError(Exception):
    """A call's error as it is answered: `code`, `message` and, where clients expect it, `data`."""

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def body(self) -> dict[str, object]:
        """The `error` member of the answer."""
        body: dict[str, object] = {"code": self.code, "message": self.message}
        if self.data is not None:
            body["data"] = self.data
        return body


class OverRate(RpcError):
    """A request that is not let in, as its client asks too much (EIP-1474's "limit exceeded"); `seconds` later it may be sent again."""

    def __init__(self, overrun: Overrun) -> None:
        self.limit = overrun.limit
        self.seconds = max(1, math.ceil(overrun.seconds))
        rate = overrun.rate
        super().__init__(
            BUSY,
            f"limit exceeded: one {overrun.whose} may make {rate.per_second:g} calls a second, {rate.burst:g} after a pause; "
            f"nothing of this request was done, send it again in {self.seconds} s",
        )


def invalid_params(message: str) -> RpcError:
    """The parameters are not what the method takes; `message` says in words what is wrong and where."""
    return RpcError(INVALID_PARAMS, message)


def batch_too_slow() -> RpcError:
    """The calls before this one took the time that a batch has."""
    return RpcError(TIMEOUT, "batch too slow: its time was up before this call was begun, send it again in a smaller batch")


def header_not_found() -> RpcError:
    """A block parameter names no block known here."""
    return RpcError(SERVER, "header not found")


_REASON = TransactionReason
_WORDS: dict[TransactionReason, tuple[str, ...]] = {
    _REASON.UNSUPPORTED_TYPE: ("transaction type not supported",),
    _REASON.BAD_SIGNATURE: ("invalid sender",),
    _REASON.WRONG_CHAIN_ID: ("invalid chain id for signer", "only replay-protected (EIP-155) transactions allowed"),
    _REASON.NONCE_TOO_LOW: ("nonce too low",),
    _REASON.NONCE_TOO_HIGH: ("nonce too high",),
    _REASON.NONCE_MAX: ("nonce has max value",),
    _REASON.INSUFFICIENT_FUNDS: ("insufficient funds for gas * price + value",),
    _REASON.INTRINSIC_GAS: ("intrinsic gas too low",),
    _REASON.GAS_LIMIT: ("exceeds block gas limit",),
    _REASON.FEE_BELOW_BASE: ("max fee per gas less than block base fee",),
    _REASON.TIP_ABOVE_FEE: ("max priority fee per gas higher than max fee per gas",),
    _REASON.FEE_OVERFLOW: ("max fee per gas higher than 2^256-1", "gas * price + value exceeds 256 bits"),
    _REASON.SENDER_HAS_CODE: ("sender not an eoa",),
    _REASON.INIT_CODE_SIZE: ("max initcode size exceeded",),
    _REASON.AUTHORIZATION_LIST: ("EIP-7702 transaction",),
    _REASON.SENDER_LIMIT: ("account limit exceeded",),
    _REASON.TOO_LARGE: ("oversized data",),
    _REASON.MALFORMED: ("rlp", "typed transaction", "invalid transaction"),
}
"""How geth's message begins; the first is put before a message that begins with none of them."""
_SENTENCES: dict[TransactionReason, tuple[int, str]] = {
    _REASON.ALREADY_KNOWN: (SERVER, "already known"),
    _REASON.REPLACEMENT_UNDERPRICED: (SERVER, "replacement transaction underpriced"),
    _REASON.UNDERPRICED: (SERVER, "transaction underpriced"),
    _REASON.POOL_FULL: (SERVER, "txpool is full"),
    _REASON.TOO_SLOW: (SERVER, "execution too slow for this network"),
}
"""Messages that are always the same."""


def of_transaction(error: InvalidTransaction) -> RpcError:
    """How a refused transaction is answered."""
    reason = error.reason
    assert isinstance(reason, TransactionReason)
    if reason in _SENTENCES:
        return RpcError(*_SENTENCES[reason])
    words, message = _WORDS[reason], error.message
    if not message.startswith(words):
        message = f"{words[0]}: {message}" if message else words[0]
    return RpcError(SERVER, message)


def of_simulation(error: InvalidTransaction) -> RpcError:
    """How a simulation is answered one of whose calls is no transaction."""
    reason = error.reason
    assert isinstance(reason, TransactionReason)
    return RpcError(SIMULATION_CODES.get(reason, INVALID_PARAMS), f"err: {of_transaction(error).message}")


def of_interruption(error: Interrupted) -> RpcError:
    """How work whose time was up is answered."""
    return RpcError(TIMEOUT, f"execution aborted: it ran over the time that a call may take ({error.limit})")


def of_unavailable(error: Unavailable) -> RpcError:
    """How a shard that cannot be asked now is answered."""
    message = str(error)
    return RpcError(BUSY, message if message.startswith("busy") else f"busy: {message or 'try again'}")


def of_control(error: InvalidControl) -> RpcError:
    """How a developer's order that is not carried out is answered: its sentence, and the reason's name as data."""
    return RpcError(SERVER, error.message, error.reason.code)


def of_query(error: InvalidQuery) -> RpcError:
    """How a question that the shard refuses is answered."""
    if error.reason is QueryReason.UNKNOWN_BLOCK:
        return header_not_found()
    return invalid_params(error.message or error.reason.code)


_PANICS = {
    0x00: "generic panic",
    0x01: "assert(false)",
    0x11: "arithmetic underflow or overflow",
    0x12: "division or modulo by zero",
    0x21: "enum overflow",
    0x22: "invalid encoded storage byte array accessed",
    0x31: "out-of-bounds array access; popping on an empty array",
    0x32: "out-of-bounds access of an array or bytesN",
    0x41: "out of memory",
    0x51: "uninitialized function",
}
_ERROR_SELECTOR = bytes.fromhex("08c379a0")
_PANIC_SELECTOR = bytes.fromhex("4e487b71")


def revert_reason(output: bytes) -> str | None:
    """The text of a Solidity `Error(string)` or `Panic(uint256)`; None for anything else."""
    try:
        if output[:4] == _ERROR_SELECTOR:
            return str(abi_decode(("string",), output[4:])[0])
        if output[:4] == _PANIC_SELECTOR:
            code = int(abi_decode(("uint256",), output[4:])[0])
            return _PANICS.get(code, f"unknown panic code: {code:#x}")
    except (DecodingError, UnicodeDecodeError, OverflowError):
        return None
    return None


def of_outcome(outcome: CallOutcome) -> RpcError:
    """How a simulated call that failed is answered."""
    if not outcome.error.startswith("execution reverted"):
        return RpcError(SERVER, outcome.error)
    reason = revert_reason(outcome.output)
    message = f"execution reverted: {reason}" if reason else "execution reverted"
    return RpcError(REVERTED, message, "0x" + outcome.output.hex())

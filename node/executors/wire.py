"""Frames between a node and an executor process: a length of four bytes, big-endian, then MessagePack; and errors as data."""

from __future__ import annotations

import msgspec

from primitives.errors import (
    BlockReason,
    Busy,
    EncodingReason,
    Interrupted,
    InvalidBlock,
    InvalidEncoding,
    InvalidQuery,
    InvalidTransaction,
    QueryReason,
    QuestionFailed,
    Reason,
    ShardnetError,
    StartupRefused,
    StorageFailed,
    TransactionReason,
)
from shard.views import Big, big, small

FRAME_BYTES_MAX = 128 * 1024 * 1024
"""Above the genesis file's limit, which travels in the first frame."""
LENGTH_BYTES = 4


class Opening(msgspec.Struct, frozen=True, array_like=True):
    """The first frame to a child."""

    genesis: bytes
    """JSON, already checked."""
    shard: int
    path: str
    """Folder of the shard's database."""
    call_deadline_ms: int
    engine: str
    """Of `ENGINES`."""
    parent: int
    """Process id of the node."""


class Question(msgspec.Struct, frozen=True, array_like=True):
    """An operation to do."""

    id: int
    operation: str
    """`WITHDRAW` takes back the question with this id, if it still waits."""
    arguments: msgspec.Raw


class Failure(msgspec.Struct, frozen=True, array_like=True):
    """A typed error as it travels."""

    kind: str
    code: str
    """Of its reason, or the name of its limit."""
    message: str
    details: dict[str, Big]


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What came of a question."""

    id: int
    failure: Failure | None
    result: msgspec.Raw


WITHDRAW = "withdraw"
OPENING_ID = 0
"""Id of the answer to `Opening`."""

encode = msgspec.msgpack.Encoder().encode
decode_opening = msgspec.msgpack.Decoder(Opening).decode
decode_question = msgspec.msgpack.Decoder(Question).decode
_decode_answer = msgspec.msgpack.Decoder(Answer).decode

_REASONS: dict[str, dict[str, Reason]] = {
    "InvalidBlock": {reason.code: reason for reason in BlockReason},
    "InvalidTransaction": {reason.code: reason for reason in TransactionReason},
    "InvalidQuery": {reason.code: reason for reason in QueryReason},
}
_NOTHING = msgspec.Raw(encode(None))


def frame(message: msgspec.Struct) -> bytes:
    """A message as a frame.

    Raises:
        Interrupted: it is over `FRAME_BYTES_MAX`.
    """
    body = encode(message)
    if len(body) > FRAME_BYTES_MAX:
        raise Interrupted("frame_bytes_max", f"{len(body)} bytes, at most {FRAME_BYTES_MAX}")
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def withdrawal(question: int) -> bytes:
    """Frame that takes a question back; it has no answer."""
    return frame(Question(question, WITHDRAW, _NOTHING))


def frame_length(prefix: bytes) -> int:
    """Bytes of the frame's body.

    Raises:
        InvalidEncoding: more than `FRAME_BYTES_MAX`.
    """
    length = int.from_bytes(prefix, "big")
    if length > FRAME_BYTES_MAX:
        raise InvalidEncoding(EncodingReason.TOO_LARGE, f"a frame of {length} bytes, at most {FRAME_BYTES_MAX}")
    return length


def decode_answer(data: bytes) -> Answer:
    """What a child answered.

    Raises:
        InvalidEncoding: not an answer.
    """
    try:
        return _decode_answer(data)
    except msgspec.MsgspecError as error:
        raise InvalidEncoding(EncodingReason.MALFORMED, f"an executor's answer: {error}") from error


def success(question: int, result: object) -> bytes:
    """Frame of an answer; one that is too large becomes a failure."""
    try:
        return frame(Answer(question, None, msgspec.Raw(encode(result))))
    except Interrupted as error:
        return failure(question, error)


def failure(question: int, error: ShardnetError) -> bytes:
    """Frame of an answer that is an error."""
    return frame(Answer(question, _failure_of(error), _NOTHING))


def _failure_of(error: ShardnetError) -> Failure:
    kind = type(error).__name__
    match error:
        case InvalidTransaction():
            return Failure(kind, error.reason.code, error.message, {name: big(value) for name, value in error.details.items()})
        case InvalidBlock() | InvalidQuery():
            return Failure(kind, error.reason.code, error.message, {})
        case Interrupted() | Busy():
            return Failure(kind, error.limit, str(error), {})
        case StartupRefused() | StorageFailed() | QuestionFailed():
            return Failure(kind, "", str(error), {})
    raise AssertionError(f"a shard executor raises no {kind}") from error


def error_of(failure: Failure) -> ShardnetError:
    """The error that travelled.

    Raises:
        InvalidEncoding: there is no such error.
    """
    reason = _REASONS.get(failure.kind, {}).get(failure.code)
    match failure.kind, reason:
        case "InvalidTransaction", TransactionReason():
            return InvalidTransaction(reason, failure.message, **{name: small(value) for name, value in failure.details.items()})
        case "InvalidBlock", BlockReason():
            return InvalidBlock(reason, failure.message)
        case "InvalidQuery", QueryReason():
            return InvalidQuery(reason, failure.message)
        case "Interrupted", _:
            return Interrupted(failure.code, failure.message)
        case "Busy", _:
            return Busy(failure.code, failure.message)
        case "StartupRefused", _:
            return StartupRefused(failure.message)
        case "StorageFailed", _:
            return StorageFailed(failure.message)
        case "QuestionFailed", _:
            return QuestionFailed(failure.message)
    raise InvalidEncoding(EncodingReason.UNKNOWN_KIND, f"an error {failure.kind} {failure.code}")

"""Frames and typed errors between a node and its executors."""

import pytest

from node.executors import wire
from node.executors.operations import OPERATIONS, from_selector, to_selector
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
    StartupRefused,
    StorageFailed,
    TransactionReason,
)

ERRORS = [
    *(InvalidBlock(reason, "block") for reason in BlockReason),
    *(InvalidTransaction(reason, "transaction", balance=2**200, cost=0) for reason in TransactionReason),
    *(InvalidQuery(reason, "query") for reason in QueryReason),
    Interrupted("call_deadline_ms", "too long"),
    Busy("call_queue_max"),
    QuestionFailed("the question call met a bug"),
    StartupRefused("another network"),
    StorageFailed("no room"),
]


def answer_of(frame):
    assert wire.frame_length(frame[: wire.LENGTH_BYTES]) == len(frame) - wire.LENGTH_BYTES
    return wire.decode_answer(frame[wire.LENGTH_BYTES :])


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: f"{type(error).__name__}-{getattr(error, 'reason', '')}")
def test_errors_arrive_as_they_left(error):
    answer = answer_of(wire.failure(7, error))
    arrived = wire.error_of(answer.failure)
    assert answer.id == 7
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    for field in ("reason", "message", "details", "limit"):
        assert getattr(arrived, field, None) == getattr(error, field, None)


def test_an_answer_that_is_too_large_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(wire, "FRAME_BYTES_MAX", 1000)
    assert answer_of(wire.success(1, bytes(900))).failure is None
    failure = answer_of(wire.success(1, bytes(1000))).failure
    assert wire.error_of(failure).limit == "frame_bytes_max"
    with pytest.raises(InvalidEncoding) as refused:
        wire.frame_length((1001).to_bytes(4, "big"))
    assert refused.value.reason is EncodingReason.TOO_LARGE


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x93\x01\xc0", wire.encode([1, ["InvalidBlock"], None]), wire.encode("text")])
def test_bytes_that_are_no_answer_are_a_typed_error(data):
    with pytest.raises(InvalidEncoding) as refused:
        wire.decode_answer(data)
    assert refused.value.reason is EncodingReason.MALFORMED


@pytest.mark.parametrize(("kind", "code"), [("InvalidBlock", "no such code"), ("InvalidWeather", "rain")])
def test_an_error_of_no_known_kind_is_a_typed_error(kind, code):
    with pytest.raises(InvalidEncoding) as refused:
        wire.error_of(wire.Failure(kind, code, "", {}))
    assert refused.value.reason is EncodingReason.UNKNOWN_KIND


@pytest.mark.parametrize("selector", [0, 2**40, "latest", "no such block", b"\xff" * 32, b"latest".ljust(32, b"\0")])
def test_selectors_arrive_as_they_left(selector):
    assert from_selector(to_selector(selector)) == selector


def test_every_operation_can_travel():
    for operation in OPERATIONS.values():
        assert callable(operation.decode_arguments)
        assert callable(operation.decode_result)

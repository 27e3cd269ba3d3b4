"""The frames of a transaction: callTracer, and the flat forms that explorers ask for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
from eth.abc import ComputationAPI, MessageAPI
from eth.exceptions import Revert

from shard.engine.reference.tracing.computation import FramesComputation, InboundFramesComputation
from shard.engine.reference.tracing.tracer import Budget, Traced
from shard.engine.reference.tracing.words import reason_of, words_of
from shard.views import TraceConfig

FRAME_BYTES = 320
"""What a frame comes to in JSON, but for its data."""
LOG_BYTES = 192
_encode = msgspec.json.Encoder().encode
_VALUELESS = ("STATICCALL",)
_CREATIONS = ("CREATE", "CREATE2")
_INTERNAL = {"CREATE": 2, "CREATE2": 3, "SELFDESTRUCT": 1, "CALL": 0}
"""Otterscan's kinds of internal operations: transfer, SELFDESTRUCT, CREATE, CREATE2."""


def _data(value: bytes) -> str:
    return "0x" + value.hex()


@dataclass(slots=True)
class Frame:
    """One frame."""

    kind: str
    depth: int
    sender: bytes
    to: bytes | None
    """Of a creation the new contract's address, which callers are not told, as geth's, where it failed."""
    value: int
    gas: int
    data: bytes
    gas_used: int = 0
    output: bytes = b""
    error: str = ""
    inner: int = 0
    """Frames directly within it, so far."""
    logs: list[dict[str, object]] = field(default_factory=list)

    def body(self, with_logs: bool) -> dict[str, object]:
        """Its JSON, without the frames within."""
        body: dict[str, object] = {"from": _data(self.sender), "gas": hex(self.gas), "gasUsed": hex(self.gas_used)}
        if self.to is not None and not (self.error and self.kind in _CREATIONS):
            body["to"] = _data(self.to)
        body["input"] = _data(self.data)
        if self.output:
            body["output"] = _data(self.output)
        if self.error:
            body["error"] = self.error
            reason = reason_of(self.output)
            if reason is not None:
                body["revertReason"] = reason
        if with_logs and self.logs:
            body["logs"] = self.logs
        if self.kind not in _VALUELESS:
            body["value"] = hex(self.value)
        body["type"] = self.kind
        return body


class FramesTracer:
    """Keeps every frame, in the order they began."""

    user_class = FramesComputation
    inbound_class = InboundFramesComputation

    def __init__(self, config: TraceConfig, budget: Budget) -> None:
        self._config, self._budget = config, budget
        self._frames: list[Frame] = []
        self._open: list[tuple[Frame, int]] = []
        """Frames that run, each with its place."""
        self._skipped = 0
        """Frames that run and are not kept."""
        self._logs = 0
        self.next_call: tuple[str, bytes | None] = ("CALL", None)
        """What the instruction that runs calls, and as what."""

    def enter(self, message: MessageAPI, parent: ComputationAPI | None) -> None:
        """See `Tracer`."""
        if self._skipped or (self._config.only_top_call and self._open):
            self._skipped += 1
            return
        kind, to = self.next_call if parent is not None else ("CREATE" if message.is_create else "CALL", None)
        data = bytes(message.code if message.is_create else message.data)
        self._budget.take(FRAME_BYTES + 2 * len(data))
        target = message.storage_address if message.is_create or to is None else to
        frame = Frame(kind, len(self._open), message.sender, target, message.value, message.gas, data)
        if kind == "DELEGATECALL" and parent is not None:
            # a message carries on its caller's sender, and geth tells who calls
            frame.sender = parent.msg.storage_address
        if self._open:
            self._open[-1][0].inner += 1
        self._open.append((frame, len(self._frames)))
        self._frames.append(frame)

    def leave(self, computation: ComputationAPI) -> None:
        """See `Tracer`."""
        if self._skipped:
            self._skipped -= 1
            return
        frame, place = self._open.pop()
        frame.gas_used = computation.get_gas_used()
        if computation.is_success:
            frame.output = bytes(computation.output)
        else:
            frame.error = words_of(type(computation.error).__name__)
            if isinstance(computation.error, Revert):
                frame.output = bytes(computation.output)
            for failed in self._frames[place:]:
                failed.logs = []
        self._budget.take(2 * len(frame.output))

    def log(self, address: bytes, topics: tuple[int, ...], data: bytes) -> None:
        """See `Tracer`."""
        if not self._config.with_log or self._skipped:
            return
        self._budget.take(LOG_BYTES + 2 * len(data) + 70 * len(topics))
        frame = self._open[-1][0]
        told: dict[str, object] = {"address": _data(address), "topics": [f"0x{topic:064x}" for topic in topics], "data": _data(data)}
        frame.logs.append({"index": hex(self._logs), **told, "position": hex(frame.inner)})
        self._logs += 1

    def destroyed(self, address: bytes, beneficiary: bytes, balance: int) -> None:
        """A contract ends itself: to callers it is one more frame."""
        if self._skipped or self._config.only_top_call:
            return
        self._budget.take(FRAME_BYTES)
        self._open[-1][0].inner += 1
        self._frames.append(Frame("SELFDESTRUCT", len(self._open), address, beneficiary, balance, 0, b""))

    def ending(self) -> None:
        """See `Tracer`."""

    def frames(self, traced: Traced) -> Sequence[Frame]:
        """All frames, the transaction's own first, with its gas as a whole."""
        if not self._frames:
            kind = "CREATE" if traced.to is None else "CALL"
            self._frames.append(Frame(kind, 0, traced.sender, traced.to, traced.value, 0, traced.data, error=traced.error))
        top = self._frames[0]
        top.gas, top.gas_used = traced.gas, traced.gas_used
        return self._frames

    def result(self, traced: Traced) -> bytes:
        """See `Tracer`."""
        return b"".join(_nested(self.frames(traced), self._config.with_log))


def _nested(frames: Sequence[Frame], with_logs: bool) -> Iterator[bytes]:
    """Frames within frames; a thousand levels are more than an encoder that recurses should be given."""
    depth = 0
    for i, frame in enumerate(frames):
        if frame.depth > depth:
            yield b',"calls":['
        elif i:
            yield b"}" + b"]}" * (depth - frame.depth) + b","
        depth = frame.depth
        yield _encode(frame.body(with_logs))[:-1]
    yield b"}" + b"]}" * depth


class FlatTracer(FramesTracer):
    """ots_traceTransaction: the frames one after another, with their depth, and an address in each, of a creation that failed too."""

    def result(self, traced: Traced) -> bytes:
        """See `Tracer`."""
        return _encode([
            {
                "type": frame.kind,
                "depth": frame.depth,
                "from": _data(frame.sender),
                "to": None if frame.to is None else _data(frame.to),
                "value": None if frame.kind in (*_VALUELESS, "DELEGATECALL") else hex(frame.value),
                "input": _data(frame.data),
                "output": _data(frame.output),
            }
            for frame in self.frames(traced)
        ])  # fmt: skip


class InternalTracer(FramesTracer):
    """ots_getInternalOperations: transfers of value, creations and ends of contracts within a transaction, but for what failed."""

    def result(self, traced: Traced) -> bytes:
        """See `Tracer`."""
        found: list[dict[str, Any]] = []
        failed: int | None = None
        for frame in self.frames(traced):
            if failed is not None and frame.depth > failed:
                continue
            failed = frame.depth if frame.error else None
            if failed is not None or not frame.depth or frame.kind not in _INTERNAL or (frame.kind == "CALL" and not frame.value):
                continue
            to = _data(cast(bytes, frame.to))
            found.append({"type": _INTERNAL[frame.kind], "from": _data(frame.sender), "to": to, "value": hex(frame.value)})
        return _encode(found)


class ErrorTracer(FramesTracer):
    """ots_getTransactionError: the raw output of a transaction that failed."""

    def result(self, traced: Traced) -> bytes:
        """See `Tracer`."""
        top = self.frames(traced)[0]
        return _encode(_data(top.output if top.error else b""))

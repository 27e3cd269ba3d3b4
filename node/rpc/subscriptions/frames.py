"""Frames as a server sends them (RFC 6455): whole, and not masked."""

from __future__ import annotations

TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA
"""Opcodes of RFC 6455."""
HEAD_BYTES_MAX = 10
_CLOSE_NO_CODE = 1005
_REASON_BYTES_MAX = 123


def frame_head(opcode: int, size: int) -> bytes:
    """What precedes a payload in a whole, unmasked frame, as a server sends them (RFC 6455, section 5.2)."""
    if size < 126:
        return bytes((0x80 | opcode, size))
    if size < 1 << 16:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big")
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big")


def _frame(opcode: int, payload: bytes) -> bytes:
    return frame_head(opcode, len(payload)) + payload


def close_frame(code: int, reason: str) -> bytes:
    """The frame that ends a connection; an answer to one without a code has none either."""
    if code == _CLOSE_NO_CODE:
        return _frame(_CLOSE, b"")
    text = reason.encode()[:_REASON_BYTES_MAX].decode(errors="ignore").encode()
    return _frame(_CLOSE, code.to_bytes(2, "big") + text)


def ping_frame() -> bytes:
    """Asks whether the client is there."""
    return _frame(_PING, b"")


def pong_frame(payload: bytes) -> bytes:
    """The answer to a ping."""
    return _frame(_PONG, payload)

"""A contract whose every text would run as a script in a page that took it for markup."""

from __future__ import annotations

from eth_abi import encode

HOSTILE = """"><img src=x onerror="window.hacked = 1"><script>window.hacked = 1</script>"""
NAME, SYMBOL, LOG = 0x06, 0x95, 0xFF
"""First bytes of call data: those of `name()` and `symbol()` are answered with `HOSTILE`, LOG logs it, all else reverts with it."""
_TEXT = encode(("string",), (HOSTILE,))
_ERROR = bytes.fromhex("08c379a0") + _TEXT
_PUSH1, _PUSH2, _PUSH32, _JUMPI, _JUMPDEST, _EQ, _DUP1 = 0x60, 0x61, 0x7F, 0x57, 0x5B, 0x14, 0x80
_CODECOPY, _LOG1, _RETURN, _REVERT, _STOP = 0x39, 0xA1, 0xF3, 0xFD, 0x00


def _push(value: int) -> bytes:
    return bytes([_PUSH2]) + value.to_bytes(2, "big")


def _copy(start: int, size: int) -> bytes:
    """Puts part of the code at 0 of the memory."""
    return _push(size) + _push(start) + _push(0) + bytes([_CODECOPY])


def _runtime() -> bytes:
    def assemble(tell: int, log: int, data: int) -> tuple[bytes, bytes, bytes]:
        start = bytes.fromhex("5f3560f81c")  # the first byte of the call data
        for byte, target in ((NAME, tell), (SYMBOL, tell), (LOG, log)):
            start += bytes([_DUP1, _PUSH1, byte, _EQ]) + _push(target) + bytes([_JUMPI])
        start += _copy(data, len(_ERROR)) + _push(len(_ERROR)) + _push(0) + bytes([_REVERT])
        told = bytes([_JUMPDEST]) + _copy(data + 4, len(_TEXT)) + _push(len(_TEXT)) + _push(0) + bytes([_RETURN])
        topic = bytes([_PUSH32]) + HOSTILE.encode()[:32]
        logged = bytes([_JUMPDEST]) + _copy(data + 4, len(_TEXT)) + topic + _push(len(_TEXT)) + _push(0) + bytes([_LOG1, _STOP])
        return start, told, logged

    sizes = [len(part) for part in assemble(0, 0, 0)]
    return b"".join(assemble(sizes[0], sizes[0] + sizes[1], sum(sizes))) + _ERROR


def init_code() -> bytes:
    """What creates the contract."""
    runtime = _runtime()
    head = _copy(0, len(runtime)) + _push(len(runtime)) + _push(0) + bytes([_RETURN])
    return _copy(len(head), len(runtime)) + head[len(_copy(0, 0)) :] + runtime

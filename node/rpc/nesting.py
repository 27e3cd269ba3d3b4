"""How deep JSON nests, found without recursion and in short stretches: decoders recurse in C, and the stack must not end first."""

from __future__ import annotations

import itertools

import trio

SLICE_BYTES = 64 * 1024
"""Looked at between two turns of the event loop."""
_OTHERS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


async def is_deeper(body: bytes, levels_max: int) -> bool:
    """Whether arrays and objects nest deeper than `levels_max`, in a body that is JSON or up to where it is none."""
    if body.count(b"[") + body.count(b"{") <= levels_max:
        return False
    # Outside strings a backslash is where a decoder stops, so what comes of the rest does not matter.
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    level, in_string = 0, False
    for start in range(0, len(unescaped), SLICE_BYTES):
        await trio.lowlevel.checkpoint()
        parts = unescaped[start : start + SLICE_BYTES].split(b'"')
        brackets = b"".join(parts[in_string::2]).translate(None, _OTHERS)
        in_string ^= len(parts) % 2 == 0
        levels = list(itertools.accumulate(map(_STEPS.__getitem__, brackets), initial=level))
        if max(levels) > levels_max:
            return True
        level = levels[-1]
    return False

"""Nesting found by looking agrees with what a decoder would go through."""

import json
import random

import pytest
import trio

from node.rpc import nesting
from node.rpc.nesting import is_deeper

PIECES = ["[", "]", "{", "}", '"', "\\", "\\\\", '\\"', "a", "[[", "]]"]


def levels(body: bytes) -> int:
    """Byte by byte, and only as far as a string or a bracket makes sense."""
    depth = deepest = 0
    in_string = is_escaped = False
    for byte in body.decode():
        if in_string:
            in_string = is_escaped or byte != '"'
            is_escaped = not is_escaped and byte == "\\"
        elif byte == "\\":
            break
        elif byte == '"':
            in_string = True
        else:
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(byte, 0)
            deepest = max(deepest, depth)
    return deepest


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64 * 1024])
async def test_any_body_in_any_slices(monkeypatch, size):
    monkeypatch.setattr(nesting, "SLICE_BYTES", size)
    draw = random.Random(size)
    for _ in range(300):
        body = "".join(draw.choices(PIECES, k=draw.randrange(40))).encode()
        deepest = levels(body)
        assert not await is_deeper(b'["]"' + json.dumps(body.decode()).encode() * 2 + b"]", 1)
        if deepest:
            assert await is_deeper(body, deepest - 1), body
        if b"\\" not in body:
            assert not await is_deeper(body, deepest), body


async def test_others_have_their_turn_every_few_bytes():
    body, turns = b"[],[" + b'"",' * 500_000 + b"]", 0

    async def count():
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count)
        assert not await is_deeper(body, 1)
        nursery.cancel_scope.cancel()
    assert turns > len(body) // nesting.SLICE_BYTES // 2

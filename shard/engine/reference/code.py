"""Code as a computation reads it, with its jump destinations found once and in linear time.

The library looks back from every destination for the instructions before it, anew in each frame: a call that costs a hundred
gas could take 50 ms.
"""

from __future__ import annotations

import functools
import re

from eth.vm.code_stream import CodeStream
from eth.vm.opcode_values import JUMPDEST, PUSH1, PUSH32

ANALYSES_MAX = 512
"""Contracts whose instructions are remembered, 24 KiB each at most, or 48 KiB of init code. An account that is touched first costs 2,600
gas, so the calls of a block cannot come to as many at the default parameters."""
_PUSHES = re.compile(b"|".join(b"\\x%02x[\\s\\S]{0,%d}" % (opcode, opcode - PUSH1 + 1) for opcode in range(PUSH1, PUSH32 + 1)))
_ZEROS = tuple(bytes(length) for length in range(PUSH32 - PUSH1 + 3))


@functools.lru_cache(maxsize=ANALYSES_MAX)
def without_pushes(code: bytes) -> bytes:
    """The code, every PUSH and what it pushes overwritten with zeros: what is JUMPDEST in it can be jumped to."""
    return _PUSHES.sub(lambda push: _ZEROS[push.end() - push.start()], code)


class Code(CodeStream):
    """The code of one frame."""

    __slots__ = ()

    def is_valid_opcode(self, position: int) -> bool:
        """Whether a jump can go to `position`; asked only where the byte is JUMPDEST."""
        return position < len(self) and without_pushes(self._raw_code_bytes)[position] == JUMPDEST

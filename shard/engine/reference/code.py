"""Code as a computation reads it, with its jump destinations found once and in linear time.

The library looks back from every destination for the instructions before it, anew in each frame: a call that costs a hundred
gas could take 50 ms.
"""

from __future__ import annotations

import functools
import re

from eth.vm.code_stream import CodeStream
from eth.vm.opcode_values import JUMPDEST, PUSH1, PUSH32

from shard.transactions.model import INIT_CODE_BYTES_MAX

ANALYSES_MAX = 512
"""Contracts whose instructions are remembered, 24 KiB each at most, or 48 KiB of init code. An account that is touched first costs 2,600
gas, so the calls of a block cannot come to as many at the default parameters."""
LARGE_ANALYSES_MAX = 21
"""The same of code that no block can hold: a simulated call brings along 1 MiB of code at most, so as many such contracts."""
_PUSHES = re.compile(b"|".join(b"\\x%02x[\\s\\S]{0,%d}" % (opcode, opcode - PUSH1 + 1) for opcode in range(PUSH1, PUSH32 + 1)))
_ZEROS = tuple(bytes(length) for length in range(PUSH32 - PUSH1 + 3))


def _without_pushes(code: bytes) -> bytes:
    """The code, every PUSH and what it pushes overwritten with zeros: what is JUMPDEST in it can be jumped to."""
    return _PUSHES.sub(lambda push: _ZEROS[push.end() - push.start()], code)


without_pushes = functools.lru_cache(maxsize=ANALYSES_MAX)(_without_pushes)
"""For code that a block may hold: up to `INIT_CODE_BYTES_MAX`."""
without_pushes_of_large = functools.lru_cache(maxsize=LARGE_ANALYSES_MAX)(_without_pushes)
"""For what the state overrides of a simulated call bring along; apart, so that it takes no memory and no places of blocks."""


class Code(CodeStream):
    """The code of one frame."""

    __slots__ = ()

    def is_valid_opcode(self, position: int) -> bool:
        """Whether a jump can go to `position`; asked only where the byte is JUMPDEST."""
        code = self._raw_code_bytes
        if position >= len(code):
            return False
        analysed = without_pushes if len(code) <= INIT_CODE_BYTES_MAX else without_pushes_of_large
        return analysed(code)[position] == JUMPDEST

"""What is known of contracts' code: how often its parts ran, and their translations.

Nothing here changes what a computation comes to, only how long it takes. A translation costs some 10 us an instruction, so it has to be
earned, and whoever sends code that is never worth it must not slow the others down: see `Programs.come_to`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from shard.engine.fast.interpreter import END as END
from shard.engine.fast.translation import translate
from shard.engine.reference.code import without_pushes
from shard.transactions.model import INIT_CODE_BYTES_MAX

PROGRAMS_MAX = 512
"""Contracts remembered, the least recently run forgotten first. Their code is at most 24 KiB each."""
TRANSLATED_SIZE_MAX = 131_072
"""Size of the translations that are kept, over all contracts, as `TRANSLATION_SIZE_MAX` counts it."""
ENTRIES_MAX = 4096
"""Places in a contract whose runs are counted; code has at most as many jump destinations that matter."""
HOT_RUNS = 8
"""A place is translated once it has run so often."""
RUN_PER_TRANSLATED = 16
"""Instructions that must have been interpreted for each that is translated. The library would take longer for these 16 than translating one
does, so whatever is run, translating never makes up for what interpreting gains."""
CREDIT_MAX = 32_768
"""Instructions interpreted that still count: what they allow to be translated in one go, with one translation on top, takes about 0.1 s."""

END_PADDING = bytes(33)
"""What code reads as beyond its end: STOP, and zeros where a PUSH is cut off."""
Translation = Callable[[Any, list[int], Any], int]
"""Runs from one place on, over a computation, its stack and its gas meter; returns where to go on, or `END`."""


class Program:
    """The code of one contract."""

    __slots__ = ("code", "is_kept", "marks", "padded", "runs", "translated_size", "translations")

    def __init__(self, code: bytes) -> None:
        self.code = code
        self.padded = code + END_PADDING
        self.marks = without_pushes(code) if len(code) <= INIT_CODE_BYTES_MAX else b""
        """The code without what is pushed; empty for code that no block can hold."""
        self.runs: dict[int, int] = {}
        """How often the place was come to while it was interpreted."""
        self.translations: dict[int, Translation] = {}
        self.translated_size = 0
        self.is_kept = True
        """Not forgotten, which a program may be while frames still run it: then no more of it is translated, as nothing counts it."""


class Programs:
    """Programs of one engine, bounded; for one thread."""

    def __init__(self, hot_runs: int = HOT_RUNS, run_per_translated: int = RUN_PER_TRANSLATED) -> None:
        """Tests lower both, so that everything is translated at once."""
        self._hot_runs, self._run_per_translated = hot_runs, run_per_translated
        self._programs: OrderedDict[bytes, Program] = OrderedDict()
        self._translated_size = 0
        self._credit = 0
        self.translations = 0
        """Places translated."""
        self.forgotten = 0
        """Programs forgotten because there were too many, or too much of them was translated."""

    def of(self, code: bytes) -> Program:
        """The program of a contract's code, kept for its next run."""
        program = self._programs.get(code)
        if program is None:
            program = self._programs[code] = Program(code)
            if len(self._programs) > PROGRAMS_MAX:
                self._forget()
        else:
            self._programs.move_to_end(code)
        return program

    def earn(self, count: int) -> None:
        """So many instructions were interpreted."""
        self._credit = min(self._credit + count, CREDIT_MAX)

    def come_to(self, program: Program, place: int) -> Translation | None:
        """Counts a run of a place that is not translated; its translation, if it is worth one by now."""
        runs = program.runs
        count = runs.get(place, 0)
        if not count and len(runs) >= ENTRIES_MAX:
            return None
        runs[place] = count + 1
        # The last translation is paid for. That this one may cost more than there is keeps the first places of a contract, which lead to
        # all the others and earn little by themselves, from waiting longest.
        if count < self._hot_runs or self._credit < 0 or not program.is_kept:
            return None
        return self._translate(program, place)

    def _translate(self, program: Program, place: int) -> Translation:
        translation: Translation
        translation, size = translate(program, place, self._hot_runs // 2)
        self._credit -= size * self._run_per_translated
        program.translations[place] = translation
        program.translated_size += size
        self._translated_size += size
        self.translations += 1
        while self._translated_size > TRANSLATED_SIZE_MAX:
            self._forget()
        return translation

    def _forget(self) -> None:
        _, program = self._programs.popitem(last=False)
        program.is_kept = False
        self._translated_size -= program.translated_size
        self.forgotten += 1

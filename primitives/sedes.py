"""SSZ types of the `ssz` library that know what the library's own do not: their limit, and the class of their values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ssz.sedes as sedes


class BoundedBytes(sedes.ByteList):  # type: ignore[misc]
    """A byte string of at most `limit` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


class Structure(sedes.Container):  # type: ignore[misc]
    """The type of one class: its fields by name, in order."""

    def __init__(self, cls: type[object], names: Sequence[str], field_sedes: Sequence[Any]) -> None:
        super().__init__(field_sedes)
        self.cls, self.names = cls, tuple(names)

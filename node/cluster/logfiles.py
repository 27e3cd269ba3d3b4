"""Reads the logs of a network: across the parts of each node's log, and all nodes by time."""

from __future__ import annotations

import heapq
import json
import os
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NamedTuple

from node.cluster.layout import Layout
from node.logs import rotated

FOLLOW_SECONDS = 0.25
"""Between two looks at a log."""
READ_BYTES_MAX = 1024 * 1024
"""Read of one log at once while it is followed."""
BRACKETS_MAX = 500
"""Opening brackets of a line that is parsed; a log's own lines nest lists at most."""
_TIME = re.compile(r'(?:\{"time": ")?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)')
"""At the start of a line, in either format."""


class Line(NamedTuple):
    """What one node said."""

    time: str
    """Of the line, or of the last line before it that has one."""
    node: int
    text: str


def parse_line(text: str) -> str | dict[str, object]:
    """The object that a line of a JSON log is; any other line as it stands."""
    # the parser goes as deep as it is led, and libraries have raised the limit that would stop it
    if not text.startswith('{"time": ') or text.count("[") + text.count("{") > BRACKETS_MAX:
        return text
    try:
        parsed = json.loads(text)
    except ValueError:
        return text
    return parsed if isinstance(parsed, dict) else text


def has_said(layout: Layout, node: int) -> bool:
    """Whether there is anything to read of a node."""
    return bool(rotated(layout.log(node))) or any(path.exists() and path.stat().st_size for path in (layout.log(node), layout.output(node)))


def read_lines(layout: Layout, nodes: Iterable[int], count: int) -> list[Line]:
    """The last lines of each node, merged by time."""
    return list(heapq.merge(*(_lines_of(layout, node, count) for node in nodes)))


def _lines_of(layout: Layout, node: int, count: int) -> list[Line]:
    texts: deque[str] = deque()
    for path in [layout.log(node), *rotated(layout.log(node))]:
        if len(texts) < count:
            texts.extendleft(reversed(_tail(path, count - len(texts))))
    lines, last = [], ""
    for text in texts:
        found = _TIME.match(text)
        last = found[1] if found else last
        lines.append(Line(last, node, text))
    output = layout.output(node)
    printed = _tail(output, count)
    if printed:
        # printed by a process that ended with it
        at = datetime.fromtimestamp(output.stat().st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        lines = sorted([*lines, *(Line(at, node, text) for text in printed)], key=lambda line: line.time)
    return lines[-count:] if count else []


def _tail(path: Path, count: int) -> list[str]:
    try:
        with path.open(errors="replace") as file:
            return [line.rstrip("\n") for line in deque((line for line in file if line.strip()), maxlen=count)]
    except FileNotFoundError:
        return []


class Follower:
    """Goes on reading where each node's log ends now, and from one part of it to the next."""

    def __init__(self, layout: Layout, nodes: Iterable[int]) -> None:
        self._logs = {node: _Followed(layout.log(node)) for node in nodes}

    def lines(self) -> Iterator[tuple[int, str]]:
        """Line after line, without end."""
        while True:
            for node, log in self._logs.items():
                for text in log.new_lines():
                    yield node, text
            time.sleep(FOLLOW_SECONDS)

    def close(self) -> None:
        """Ends reading."""
        for log in self._logs.values():
            log.close()


class _Followed:
    """A log that is followed, wherever its file is moved to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None
        self._partial = ""
        if self._reopen() and self._file is not None:
            self._file.seek(0, os.SEEK_END)

    def new_lines(self) -> list[str]:
        """What was said since."""
        lines = self._read()
        # set aside: what was still written to it is read, then the new one from its start
        if not lines and self._was_set_aside() and self._reopen():
            lines = self._read()
        return lines

    def close(self) -> None:
        """Ends reading."""
        if self._file is not None:
            self._file.close()

    def _read(self) -> list[str]:
        if self._file is None:
            return []
        *lines, self._partial = (self._partial + self._file.read(READ_BYTES_MAX)).split("\n")
        return lines

    def _was_set_aside(self) -> bool:
        try:
            return self._file is None or os.fstat(self._file.fileno()).st_ino != self._path.stat().st_ino
        except FileNotFoundError:
            return False

    def _reopen(self) -> bool:
        try:
            file = self._path.open(errors="replace")
        except FileNotFoundError:
            return False
        self.close()
        self._file = file
        return True

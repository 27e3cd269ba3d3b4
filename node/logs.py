"""Logs: an event name and key=value fields, or one JSON object a line; to standard error, or to a file of bounded size.

Lines go through a queue to a thread of their own: whoever logs never waits for a disk. Whatever else the process and its
executors print (a traceback, a C library's complaint) is taken up line by line and goes the same way.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import queue
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from primitives.errors import UserError

QUEUE_LINES_MAX = 10_000
"""Lines that wait for the disk; those that find no room there or on it are dropped, and counted under this limit's name."""
BATCH_LINES_MAX = 256
"""Lines written at once."""
TEXT_CHARACTERS_MAX = 64 * 1024
"""Of a message, and of an exception; what is longer is cut."""
OUTPUT_LINE_BYTES_MAX = 4 * 1024
"""Of a line that something else than the logger prints; what is longer is cut into more lines."""
EXIT_BUG = 70
CLOSE_SECONDS_MAX = 1.0
"""For what is queued to be written at the end."""
_LOG = logging.getLogger("shardnet.chain")
_OUTPUT = logging.getLogger("shardnet.output")
_QUIET = ("libp2p", "hypercorn", "multiaddr", "noiseprotocol", "async_service", "anyio", "eth")
"""Libraries that log for their own authors; their warnings and worse stay."""
_FIELD = r"([a-z0-9_]+)=(\[[^\]\n]{0,1000}\]|[^ \n]*)"
_EVENT = re.compile(rf"[a-z0-9_]+(?: {_FIELD})*")
_EACH_FIELD = re.compile(f" {_FIELD}")
_WHOLE_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})", re.ASCII)
"""What every reader of JSON takes for the same number."""
_FRACTION = re.compile(r"-?\d{1,15}\.\d{1,15}", re.ASCII)
_TEXTS = frozenset({"error", "genesis_root", "hash", "host", "message", "path", "peer", "peer_id", "reason", "why"})
"""Fields that are text whatever they look like."""


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


class TextFormatter(logging.Formatter):
    """Time, level, event and fields."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and those of an exception after it."""
        line = f"{_time(record)} {record.levelname.lower():7s} {record.getMessage()[:TEXT_CHARACTERS_MAX]}"
        return f"{line}\n{self.formatException(record.exc_info)[:TEXT_CHARACTERS_MAX]}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """The same for machines: the event, and its fields as numbers, lists of whole numbers, or strings."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object."""
        message = record.getMessage()[:TEXT_CHARACTERS_MAX]
        event = message.partition(" ")[0]
        line: dict[str, object] = {"time": _time(record), "level": record.levelname.lower(), "logger": record.name, "event": event}
        if _EVENT.fullmatch(message):
            line |= {key: value if key in _TEXTS else _typed(value) for key, value in _EACH_FIELD.findall(message)}
        else:
            line["message"] = message
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)[:TEXT_CHARACTERS_MAX]
        return json.dumps(line)


def _typed(text: str) -> object:
    if _WHOLE_NUMBER.fullmatch(text):
        return int(text)
    if _FRACTION.fullmatch(text):
        return float(text)
    if text.startswith("[") and text.endswith("]"):
        items = [item.strip() for item in text[1:-1].split(",")] if text != "[]" else []
        if all(_WHOLE_NUMBER.fullmatch(item) for item in items):
            return [int(item) for item in items]
    return text


class Sink(Protocol):
    """Where lines end up."""

    def write(self, data: bytes) -> None:
        """Writes whole lines.

        Raises:
            OSError: they were not written, or not all.
        """
        ...

    def close(self) -> None:
        """After the last line."""
        ...


class StreamSink:
    """A file descriptor that is open already, and stays so."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        """See `Sink`."""
        while data:
            data = data[os.write(self._descriptor, data):]

    def close(self) -> None:
        """See `Sink`."""


class RotatingFile:
    """A file that is set aside as `.1`, and `.1` as `.2`, before it grows over its limit; the oldest is deleted.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path, bytes_max: int, files_max: int) -> None:
        """`bytes_max` of each file, `files_max` with the one that is written."""
        self._path, self._bytes_max, self._files_max = path, bytes_max, files_max
        path.parent.mkdir(parents=True, exist_ok=True)
        self._open()

    def write(self, data: bytes) -> None:
        """See `Sink`."""
        if self._size > 0 and self._size + len(data) > self._bytes_max:
            self._rotate()
        self._size += len(data)
        StreamSink(self._descriptor).write(data)

    def close(self) -> None:
        """See `Sink`."""
        os.close(self._descriptor)

    def _open(self) -> None:
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._size = os.fstat(self._descriptor).st_size

    def _rotate(self) -> None:
        # what was kept under another setting goes too
        for path in rotated(self._path)[self._files_max - 1 :]:
            path.unlink(missing_ok=True)
        for number in range(self._files_max - 1, 0, -1):
            younger = self._path if number == 1 else aside(self._path, number - 1)
            if younger.exists():
                younger.replace(aside(self._path, number))
        if self._files_max == 1:
            self._path.unlink(missing_ok=True)
        before = self._descriptor
        self._open()
        os.close(before)


def aside(path: Path, number: int) -> Path:
    """Where a log's n-th last part is."""
    return path.with_name(f"{path.name}.{number}")


def rotated(path: Path) -> list[Path]:
    """The parts of a log that were set aside, youngest first."""
    prefix = path.name + "."
    numbers = (entry.name.removeprefix(prefix) for entry in path.parent.glob(prefix + "*"))
    return [aside(path, number) for number in sorted(int(text) for text in numbers if text.isdecimal())]


class QueuedLines(logging.Handler):
    """Formats where the event happens, and leaves the writing to a thread."""

    def __init__(self, formatter: logging.Formatter, sink: Sink) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.on_drop: Callable[[str], None] = lambda limit: None
        """Told of the limit's name for each line that finds no room; may be called from any thread."""
        self._sink = sink
        self._queue: queue.Queue[str | None] = queue.Queue(QUEUE_LINES_MAX)
        self._dropped = 0
        self._drop_lock = threading.Lock()
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queues a line, or drops it."""
        try:
            self._queue.put_nowait(self.format(record))
        except queue.Full:
            self._count_dropped(1)

    def finish(self) -> None:
        """Writes what is queued, as far as `CLOSE_SECONDS_MAX` allow, and closes the sink."""
        try:
            self._queue.put(None, timeout=CLOSE_SECONDS_MAX)
        except queue.Full:
            return
        self._thread.join(CLOSE_SECONDS_MAX)

    def _write(self) -> None:
        is_open = True
        while is_open:
            lines = [self._queue.get()]
            while len(lines) < BATCH_LINES_MAX and not self._queue.empty():
                lines.append(self._queue.get())
            is_open = None not in lines
            self._write_lines([line for line in lines if line is not None])
        self._sink.close()

    def _write_lines(self, lines: list[str]) -> None:
        dropped = self._dropped
        if dropped:
            record = logging.LogRecord("shardnet.log", logging.WARNING, "", 0, "log_lines_dropped count=%d", (dropped,), None)
            lines.insert(0, self.format(record))
        try:
            self._sink.write("".join(line + "\n" for line in lines).encode(errors="replace"))
        except OSError:
            # a full disk: the node goes on, and says what is missing once there is room again
            self._count_dropped(len(lines) - bool(dropped))
        else:
            self._count_dropped(-dropped)

    def _count_dropped(self, change: int) -> None:
        with self._drop_lock:
            self._dropped += change
        for _ in range(change):
            self.on_drop("log_queue_lines_max")


class _Capture:
    """Takes up what is printed to standard output and standard error, line by line, for the log."""

    def __init__(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self.saved = [os.dup(1), os.dup(2)]
        reading, writing = os.pipe()
        for descriptor in (1, 2):
            os.dup2(writing, descriptor)
        os.close(writing)
        self._thread = threading.Thread(target=self._read, args=(reading,), name="output", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Gives the descriptors back; what was printed until now is in the log."""
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, saved in zip((1, 2), self.saved, strict=True):
            os.dup2(saved, descriptor)
        self._thread.join(CLOSE_SECONDS_MAX)

    def free(self) -> None:
        for saved in self.saved:
            os.close(saved)

    def _read(self, reading: int) -> None:
        partial = b""
        while data := os.read(reading, OUTPUT_LINE_BYTES_MAX):
            *lines, partial = (partial + data).split(b"\n")
            if len(partial) >= OUTPUT_LINE_BYTES_MAX:
                lines.append(partial)
                partial = b""
            for line in lines:
                _tell_output(line)
        _tell_output(partial)
        os.close(reading)


def _tell_output(line: bytes) -> None:
    if line.strip():
        _OUTPUT.error("output | %s", line.decode(errors="replace"))


@contextmanager
def logging_to(level: str, log_format: str, file: Path | None, bytes_max: int, files_max: int) -> Iterator[QueuedLines]:
    """Logs as told while it is open; a bug that leaves it is logged, and ends the process with `EXIT_BUG`.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        log_format: `text` or `json`.
        file: where to; None: standard error.
        bytes_max: of the file, before it is set aside.
        files_max: how many are kept, with the one that is written.

    Raises:
        OSError: the file cannot be opened.
    """
    with ExitStack() as stack:
        rotating = None if file is None else RotatingFile(file, bytes_max, files_max)
        capture = _Capture()
        stack.callback(capture.free)
        handler = QueuedLines(JsonFormatter() if log_format == "json" else TextFormatter(), rotating or StreamSink(capture.saved[1]))
        stack.callback(handler.finish)
        logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
        stack.callback(logging.getLogger().removeHandler, handler)
        for name in _QUIET:
            logging.getLogger(name).setLevel(logging.ERROR)
        capture.start()
        stack.callback(capture.end)
        # no thread writes after a crash of the interpreter: that goes where standard error went before
        faulthandler.enable(capture.saved[1])
        stack.callback(faulthandler.disable)
        try:
            yield handler
        except UserError:
            raise
        except (Exception, BaseExceptionGroup) as error:
            logging.getLogger("shardnet.node").critical("crashed", exc_info=True)
            raise SystemExit(EXIT_BUG) from error


def log_observation(name: str, labels: Mapping[str, str]) -> None:
    """The observations a person wants to read: a line a block, and what should not happen."""
    # no white space within a field: what a peer can put into a value must not look like another field or line
    fields = " ".join(f"{key}={'_'.join(value.split())}" for key, value in labels.items())
    match name:
        case "block_final":
            _LOG.info("block_final %s", fields)
        case "chain_halted" | "unsound":
            _LOG.error("%s %s", name, fields)
        case "blocks_rejected" | "crosslinks_refused" | "equivocations" | "builds_failed" | "peers_of_other_networks":
            _LOG.warning("%s %s", name, fields)
        case _:
            _LOG.debug("%s %s", name, fields)

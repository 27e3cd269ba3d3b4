"""Logs: one line an event, for people or machines, and nothing a peer says makes another line."""

import json
import logging
import os
import subprocess
import sys
import threading

import pytest

from node import logs
from node.logs import _QUIET, EXIT_BUG, JsonFormatter, QueuedLines, RotatingFile, TextFormatter, log_observation, logging_to, rotated
from primitives.errors import StartupRefused

BLOCK = {"chain": "0", "height": "7", "transactions": "3", "execution_ms": "12"}


@pytest.fixture
def lines():
    """Formatted text and JSON of what is logged, and the records."""
    kept: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record):
            kept.append(record)

    logger, handler = logging.getLogger("shardnet.chain"), Keep()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield kept
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture
def restored():
    """Puts back the root logger and those of the libraries."""
    libraries = {name: logging.getLogger(name).level for name in _QUIET}
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    # pytest's own handlers are kept out of what is forced away and closed
    for handler in handlers:
        root.removeHandler(handler)
    yield root
    for handler in list(root.handlers):
        root.removeHandler(handler)
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)
    for name, before in libraries.items():
        logging.getLogger(name).setLevel(before)


def test_a_block_is_a_line_for_people_and_an_object_for_machines(lines):
    log_observation("block_final", BLOCK)
    text = TextFormatter().format(lines[0])
    assert text.endswith("info    block_final chain=0 height=7 transactions=3 execution_ms=12")
    line = json.loads(JsonFormatter().format(lines[0]))
    fields = {key: int(value) for key, value in BLOCK.items()}
    assert {key: line[key] for key in ("level", "event", *BLOCK)} == {"level": "info", "event": "block_final", **fields}


@pytest.mark.parametrize(
    ("name", "level"),
    [("block_final", "INFO"), ("chain_halted", "ERROR"), ("blocks_rejected", "WARNING"), ("penalties", "DEBUG")],
)
def test_what_should_not_happen_stands_out(lines, name, level):
    log_observation(name, {"chain": "1"})
    assert [record.levelname for record in lines] == [level]


def test_a_value_stays_one_field_of_one_line(lines):
    log_observation("blocks_rejected", {"chain": "1", "message": "bad\nroot \r\t chain=9"})
    assert "\n" not in TextFormatter().format(lines[0])
    line = json.loads(JsonFormatter().format(lines[0]))
    assert (line["chain"], line["message"]) == (1, "bad_root_chain=9")


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("-12", -12), ("1.5", 1.5), ("[0, 1]", [0, 1]), ("[]", []), ("[7]", [7]), ("", ""), ("007", "007"), ("1e5", "1e5"),
     ("9" * 16, "9" * 16), ("127.0.0.1", "127.0.0.1"), ("[a]", "[a]"), ("[" * 5_000, "[" * 5_000), ("٣", "٣"), ("a=b", "a=b")],
)  # fmt: skip
def test_a_field_has_its_type_for_machines(text, value):
    record = logging.LogRecord("x", logging.INFO, "", 0, "told peer=12 what=%s port=9000", (text,), None)
    line = json.loads(JsonFormatter().format(record))
    assert (line["event"], line["peer"], line["what"], line["port"]) == ("told", "12", value, 9000)
    assert "message" not in line


def test_a_sentence_stays_whole_for_machines():
    record = logging.LogRecord("x", logging.ERROR, "", 0, "%s ended: starting it anew", ("the executor",), None)
    assert json.loads(JsonFormatter().format(record))["message"] == "the executor ended: starting it anew"


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_an_exception_is_told_whole(formatter):
    try:
        raise KeyError("lost")
    except KeyError:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "fault chain=0", None, sys.exc_info())
    assert "KeyError: 'lost'" in formatter.format(record)


def test_a_long_message_is_cut_and_still_an_object():
    record = logging.LogRecord("x", logging.ERROR, "", 0, "told text=%s", ("y" * 2 * logs.TEXT_CHARACTERS_MAX,), None)
    assert len(json.loads(JsonFormatter().format(record))["text"]) < logs.TEXT_CHARACTERS_MAX
    assert len(TextFormatter().format(record)) < logs.TEXT_CHARACTERS_MAX + 100


def parts(path):
    return [part.read_text() for part in (path, *rotated(path))]


def test_a_file_is_set_aside_before_it_grows_over_its_limit_and_the_oldest_goes(tmp_path):
    path = tmp_path / "deep" / "node.log"
    file = RotatingFile(path, bytes_max=20, files_max=3)
    for number in range(10):
        file.write(b"line %d......\n" % number)
    file.close()
    assert parts(path) == ["line 9......\n", "line 8......\n", "line 7......\n"]
    assert len(list(path.parent.iterdir())) == 3
    again = RotatingFile(path, bytes_max=20, files_max=2)
    again.write(b"line 10.....\n")
    again.close()
    assert parts(path) == ["line 10.....\n", "line 9......\n"]


def test_one_kept_file_is_one_file(tmp_path):
    file = RotatingFile(tmp_path / "a.log", bytes_max=10, files_max=1)
    for word in (b"first....\n", b"second...\n"):
        file.write(word)
    file.close()
    assert parts(tmp_path / "a.log") == ["second...\n"]


def test_a_line_longer_than_a_file_is_kept(tmp_path):
    file = RotatingFile(tmp_path / "a.log", bytes_max=10, files_max=2)
    file.write(b"x" * 30)
    file.write(b"y")
    file.close()
    assert parts(tmp_path / "a.log") == ["y", "x" * 30]


class Stuck:
    """A disk that does not answer until it is freed, or is full."""

    def __init__(self):
        self.free, self.written, self.is_full, self.asked = threading.Event(), b"", False, threading.Event()

    def write(self, data):
        self.asked.set()
        self.free.wait()
        if self.is_full:
            raise OSError(28, "full")
        self.written += data

    def close(self):
        self.written += b"closed"


def tell(handler, message):
    handler.handle(logging.LogRecord("x", logging.INFO, "", 0, message, None, None))


def test_who_logs_never_waits_for_the_disk_and_what_finds_no_room_is_counted(monkeypatch):
    monkeypatch.setattr(logs, "QUEUE_LINES_MAX", 3)
    disk, dropped = Stuck(), []
    handler = QueuedLines(TextFormatter(), disk)
    handler.on_drop = dropped.append
    tell(handler, "first")
    disk.asked.wait()
    for number in range(5):
        tell(handler, f"more {number}")
    assert dropped == ["log_queue_lines_max"] * 2
    disk.free.set()
    handler.finish()
    text = disk.written.decode()
    words = ("first", "more 2", "more 3", "log_lines_dropped count=2", "closed")
    assert [word in text for word in words] == [True, True, False, True, True]


def test_a_full_disk_is_told_of_once_there_is_room(monkeypatch):
    monkeypatch.setattr(logs, "BATCH_LINES_MAX", 1)
    disk, dropped = Stuck(), []
    disk.is_full = True
    handler = QueuedLines(TextFormatter(), disk)

    def on_drop(limit):
        dropped.append(limit)
        disk.is_full = False

    handler.on_drop = on_drop
    disk.free.set()
    tell(handler, "lost")
    tell(handler, "kept")
    handler.finish()
    assert "log_lines_dropped count=1" in disk.written.decode()
    assert ("lost" in disk.written.decode(), "kept" in disk.written.decode()) == (False, True)
    assert dropped == ["log_queue_lines_max"]


def test_all_that_a_process_and_its_children_print_is_in_the_log(restored, tmp_path):
    path = tmp_path / "node.log"
    with logging_to("info", "json", path, 2**20, 2):
        logging.getLogger("shardnet.chain").info("block_final chain=0")
        logging.getLogger("shardnet.chain").debug("unseen")
        os.write(2, b"a library complains\n")
        subprocess.run([sys.executable, "-c", "import sys; print('asked'); sys.exit('told')"], check=False)
        logging.getLogger("libp2p.host").warning("noise")
        assert restored.level == logging.INFO
    objects = [json.loads(line) for line in path.read_text().splitlines()]
    assert objects[0]["event"] == "block_final"
    assert {entry["message"] for entry in objects[1:]} == {f"output | {text}" for text in ("a library complains", "asked", "told")}
    assert {(entry["level"], entry["logger"]) for entry in objects[1:]} == {("error", "shardnet.output")}


def test_without_a_file_the_log_goes_to_standard_error(restored, capfd):
    with logging_to("info", "text", None, 2**20, 2):
        logging.getLogger("shardnet.node").info("started")
    out, error = capfd.readouterr()
    assert out == ""
    assert error.endswith(" info    started\n")


def test_a_bug_is_logged_and_ends_the_process(restored, tmp_path):
    path = tmp_path / "node.log"
    with pytest.raises(SystemExit) as end, logging_to("info", "json", path, 2**20, 2):
        raise ExceptionGroup("tasks", [KeyError("lost")])
    assert end.value.code == EXIT_BUG
    (line,) = path.read_text().splitlines()
    assert json.loads(line)["event"] == "crashed"
    assert "KeyError: 'lost'" in json.loads(line)["exception"]


def test_a_refused_start_is_told_by_whoever_asked_for_it(restored, tmp_path):
    path = tmp_path / "node.log"
    with pytest.raises(StartupRefused), logging_to("info", "json", path, 2**20, 2):
        raise StartupRefused("the port is in use")
    assert path.read_text() == ""

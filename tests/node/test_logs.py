"""Logs: one line an event, for people or machines, and nothing a peer says makes another line."""

import json
import logging
import sys

import pytest

from node.logs import _QUIET, JsonFormatter, TextFormatter, configure_logging, log_observation

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
    assert {key: line[key] for key in ("level", "event", *BLOCK)} == {"level": "info", "event": "block_final", **BLOCK}


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
    assert (line["chain"], line["message"]) == ("1", "bad_root_chain=9")


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


@pytest.mark.parametrize(("log_format", "formatter"), [("text", TextFormatter), ("json", JsonFormatter)])
def test_configuration_goes_to_standard_error_and_quiets_libraries(restored, log_format, formatter):
    configure_logging("info", log_format)
    (handler,) = restored.handlers
    assert isinstance(handler.formatter, formatter)
    assert handler.stream is sys.stderr
    assert restored.level == logging.INFO
    assert not logging.getLogger("libp2p.host").isEnabledFor(logging.WARNING)

"""Logs: stdlib logging, an event name and key=value fields, or one JSON object a line."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

_LOG = logging.getLogger("shardnet.chain")
_QUIET = ("libp2p", "hypercorn", "multiaddr", "noiseprotocol", "async_service", "anyio", "eth")
"""Libraries that log for their own authors; their warnings and worse stay."""


class TextFormatter(logging.Formatter):
    """Time, level, event and fields."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        at = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        line = f"{at}Z {record.levelname.lower():7s} {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """The same for machines: the event, its fields as strings, and what happened to whom."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object."""
        event, *fields = record.getMessage().split(" ")
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": event,
        }
        pairs = [field.partition("=") for field in fields]
        if all(separator for _, separator, _ in pairs):
            line |= {key: value for key, _, value in pairs}
        else:
            line["message"] = record.getMessage()
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def configure_logging(level: str, log_format: str) -> None:
    """Sends everything to standard error; `log_format` is `text` or `json`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)


def log_observation(name: str, labels: Mapping[str, str]) -> None:
    """The observations a person wants to read: a line a block, and what should not happen."""
    # no white space within a field: what a peer can put into a value must not look like another field or line
    fields = " ".join(f"{key}={'_'.join(value.split())}" for key, value in labels.items())
    match name:
        case "block_final":
            _LOG.info("block_final %s", fields)
        case "chain_halted":
            _LOG.error("chain_halted %s", fields)
        case "blocks_rejected" | "crosslinks_refused" | "equivocations" | "builds_failed":
            _LOG.warning("%s %s", name, fields)
        case _:
            _LOG.debug("%s %s", name, fields)

"""A small JSON-RPC client for the commands: one connection to one node, nothing to import that is slow."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from node.cluster.command import Place
from primitives.errors import InvalidConfig, UserError

ANSWER_BYTES_MAX = 32 * 1024 * 1024
CALL_SECONDS_MAX = 15.0
ADVICE = {
    -32601: "the node is of another version, or its network not for development",
    -32002: "it takes longer than the node may spend on it",
    -32005: "the node is busy, try again in a moment",
}
"""What to do about an error, by its code (docs/json-rpc.md, errors); most messages say it themselves."""


_WHERE = "the status command shows the addresses of a local network's nodes"
_HERE = Place()


class Unreachable(UserError):
    """The node does not answer, or not with JSON-RPC."""


class CallRefused(UserError):
    """The node answered with an error."""

    def __init__(self, method: str, code: int, message: str) -> None:
        self.method, self.code, self.message = method, code, message
        advice = f": {ADVICE[self.code]}" if self.code in ADVICE else ""
        super().__init__(f"{method} was refused: {self.message} ({self.code}){advice}")


class Client:
    """Calls one address; a connection that was lost is opened again by the next call."""

    def __init__(
        self, url: str, seconds_max: float = CALL_SECONDS_MAX, place: Place = _HERE, hint: Callable[[], str] | None = None,
        option: str = "--rpc",
    ) -> None:  # fmt: skip
        """`place` is where the command acts that asks; `hint` tells what to do when nobody answers; `option` gave the address.

        Raises:
            InvalidConfig: it is no address.
        """
        parts = urlsplit(url)
        self.url, self.place, self._hint = url, place, hint
        self._path = parts.path or "/"
        try:
            port = parts.port
        except ValueError as error:
            raise InvalidConfig(option, f"{url} is not an address of JSON-RPC: write http://HOST:PORT") from error
        if parts.scheme != "http" or not parts.hostname:
            raise InvalidConfig(option, f"{url} is not an address of JSON-RPC: write http://HOST:PORT")
        self._connection = http.client.HTTPConnection(parts.hostname, port or 80, timeout=seconds_max)

    def call(self, method: str, *arguments: object) -> Any:
        """The result of one call.

        Raises:
            CallRefused: the node answered with an error.
            Unreachable: it did not answer.
        """
        return self.batch([(method, arguments)])[0]

    def batch(self, calls: Sequence[tuple[str, Sequence[object]]], path: str | None = None) -> list[Any]:
        """The results of several calls, asked and answered together, at the client's own address or another path of it.

        Raises:
            CallRefused: one of them was answered with an error.
            Unreachable: there was no answer.
        """
        body = [{"jsonrpc": "2.0", "id": i, "method": method, "params": list(arguments)} for i, (method, arguments) in enumerate(calls)]
        answer = self._exchange(path or self._path, json.dumps(body).encode())
        try:
            given = json.loads(answer)
            if isinstance(given, dict) and given.get("id") is None and "error" in given:
                error = given["error"]  # of the request as a whole
                raise CallRefused(calls[0][0], int(error["code"]), str(error["message"]))
            by_id = {entry["id"]: entry for entry in (given if isinstance(given, list) else [given])}
            entries = [_outcome(by_id[i]) for i in range(len(calls))]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise Unreachable(f"{self.url} answers, but not as JSON-RPC does: it may be another of the node's ports; {_WHERE}") from error
        for (method, _), (_, refusal) in zip(calls, entries, strict=True):
            if refusal is not None:
                raise CallRefused(method, *refusal)
        return [result for result, _ in entries]

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def _exchange(self, path: str, body: bytes) -> bytes:
        # A kept connection may have been closed by a server that restarted: that says nothing of it now.
        tries = 2 if self._connection.sock is not None else 1
        for left in reversed(range(tries)):
            try:
                return self._once(path, body)
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                if left == 0 or isinstance(error, TimeoutError):
                    hint = _WHERE if self._hint is None else self._hint()
                    raise Unreachable(f"{self.url} does not answer ({_why(error)}): {hint}") from error
        raise AssertionError("one try is the last")

    def _once(self, path: str, body: bytes) -> bytes:
        self._connection.request("POST", path, body, {"Content-Type": "application/json"})
        content = self._connection.getresponse().read(ANSWER_BYTES_MAX + 1)
        if len(content) > ANSWER_BYTES_MAX:
            raise http.client.HTTPException(f"an answer over {ANSWER_BYTES_MAX} bytes")
        return content


def _outcome(entry: dict[str, Any]) -> tuple[Any, tuple[int, str] | None]:
    """Result, or code and message; raises what a wrong form makes Python raise."""
    if "error" not in entry:
        return entry["result"], None
    return None, (int(entry["error"]["code"]), str(entry["error"]["message"]))


def _why(error: Exception) -> str:
    """In words, without the number of the system's error."""
    number = error.errno if isinstance(error, OSError) else None
    return (os.strerror(number) if number is not None and number > 0 else str(error)).lower() or type(error).__name__

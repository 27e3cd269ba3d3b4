"""From the bytes of a request to the bytes of its answer: envelopes, batches, and errors of every kind.

Source: JSON-RPC 2.0; docs/json-rpc.md for the form rules.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import msgspec
import trio

from node.rpc.errors import (
    CODES,
    INTERNAL,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    RESPONSE_TOO_LARGE,
    RpcError,
    batch_too_slow,
    invalid_params,
    of_control,
    of_interruption,
    of_query,
    of_transaction,
    of_unavailable,
)
from node.rpc.limits import (
    BATCH_CALLS_AT_ONCE_MAX,
    BATCH_CALLS_MAX,
    BATCH_CALLS_PER_TURN,
    BATCH_SECONDS_MAX,
    BRACKETS_UNCHECKED_MAX,
    COMMAS_FREE_MAX,
    COMMAS_PER_CALL,
    HEAVY_CALL_COST,
    NESTING_MAX,
    RESPONSE_BYTES_MAX,
)
from node.rpc.methods.context import Context, Method
from node.rpc.methods.registry import HEAVY
from node.rpc.nesting import is_deeper
from node.rpc.subscriptions.session import Notifier
from primitives.errors import (
    Busy,
    ControlReason,
    Interrupted,
    InvalidControl,
    InvalidQuery,
    InvalidTransaction,
    QueryReason,
    QuestionFailed,
    Unavailable,
)

_LOG = logging.getLogger(__name__)
_NULL = b"null"
_NAME_CHARACTERS_MAX = 100
CONTROL_LIMITS = frozenset(
    {ControlReason.TOO_MANY_BLOCKS, ControlReason.TOO_MANY_SNAPSHOTS, ControlReason.SNAPSHOTS_TOO_LARGE, ControlReason.TOO_MANY_ACCOUNTS}
)
"""Reasons of a developer's refused orders that are limits which were met."""
_NOT_FOUND = object()
"""In place of a result that is yet to be found."""
Result = TypeVar("Result")
Charge = Callable[[int], None]
"""Told what a request costs besides the call that it has been let in for; raises OverRate, and nothing of the request is carried out."""


class _Call(msgspec.Struct):
    """A request object; nothing is checked but that it is an object, so that its id can be told even when it is wrong."""

    jsonrpc: object = None
    id: msgspec.Raw = msgspec.Raw(b"")
    """As written, so that it is echoed digit by digit; empty for a notification."""
    method: object = None
    params: object = None


_CALL = msgspec.json.Decoder(_Call)
_CALLS = msgspec.json.Decoder(list[msgspec.Raw])
_ANYTHING = msgspec.json.Decoder(msgspec.Raw)
_ENCODER = msgspec.json.Encoder()
_SPACE = b" \t\r\n"
_ID_STARTS = b'"-0123456789n'
"""How a string, a number or null begins."""


def _failure(identity: bytes, error: RpcError) -> bytes:
    return b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (identity, _ENCODER.encode(error.body()))


def error_answer(error: RpcError) -> bytes:
    """The answer to a request that did not get as far as having an id."""
    return _failure(_NULL, error)


def _parse_error(error: Exception) -> RpcError:
    return RpcError(PARSE_ERROR, f"parse error: {error}")


def _outcome(error: RpcError) -> str:
    """The label of a metric; what peers make up must not become one."""
    return str(error.code) if error.code in CODES else "peer_error"


def _decode(body: bytes) -> _Call:
    """One call.

    Raises:
        RpcError: not JSON, or JSON that is no object.
    """
    try:
        call = _CALL.decode(body)
        # It is echoed as it is, and the decoder has looked at its form only.
        str(call.id, "utf-8")
        return call
    except msgspec.ValidationError as error:
        if body.lstrip(_SPACE)[:1] == b"{":
            raise _parse_error(error) from error
        try:
            _ANYTHING.decode(body)
        except (msgspec.DecodeError, RecursionError) as malformed:
            raise _parse_error(malformed) from error
        raise RpcError(INVALID_REQUEST, "invalid request: a request is an object, or an array of objects") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _parse_error(error) from error


async def _is_too_deep(body: bytes) -> bool:
    """Whether a body nests deeper than `NESTING_MAX`.

    The decoder recurses in C as deep as Python's recursion limit allows, and the EVM library raises that limit so far that the
    stack would end first: one request could end the process.
    """
    return body.count(b"[") + body.count(b"{") > BRACKETS_UNCHECKED_MAX and await is_deeper(body, NESTING_MAX)


class Dispatcher:
    """Answers the requests of one address."""

    def __init__(
        self,
        context: Context,
        methods: dict[str, Method],
        response_bytes_max: int | None = None,
        batch_seconds_max: float = BATCH_SECONDS_MAX,
    ) -> None:
        self._response_bytes_max = RESPONSE_BYTES_MAX if response_bytes_max is None else response_bytes_max
        self._batch_seconds_max = batch_seconds_max
        self._context = context
        self._methods = methods
        self._observe = context.observe

    def with_notifier(self, notifier: Notifier) -> Dispatcher:
        """The same for one message of a WebSocket connection, whose calls may subscribe."""
        return Dispatcher(replace(self._context, notifier=notifier), self._methods)

    async def answer(self, body: bytes, charge: Charge | None = None) -> bytes:
        """The answer to a request's body; empty when it holds only notifications.

        Raises:
            OverRate: by `charge`.
        """
        if charge is not None and (commas := body.count(b",")) > COMMAS_FREE_MAX:
            charge(commas // COMMAS_PER_CALL)
        if await _is_too_deep(body):
            self._observe.limit_hit("nesting_max")
            return self._refused(RpcError(PARSE_ERROR, f"parse error: arrays and objects nest deeper than {NESTING_MAX} levels"))
        if body.lstrip(_SPACE)[:1] == b"[":
            return await self._batch(body, charge)
        try:
            call = _decode(body)
        except RpcError as error:
            return self._refused(error)
        if charge is not None and (cost := _cost([call])) > 1:
            charge(cost - 1)
        answer = await self._call(call)
        if len(answer) > self._response_bytes_max:
            return self._too_large(call)
        return answer

    async def refusal(self, body: bytes, error: RpcError) -> bytes:
        """The answer to a body of which nothing is carried out: the error, for each of the calls that have an id."""
        if await _is_too_deep(body):
            return error_answer(error)
        is_batch = body.lstrip(_SPACE)[:1] == b"["
        try:
            items = [bytes(item) for item in _CALLS.decode(body)] if is_batch else [body]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return error_answer(error)
        if len(items) > BATCH_CALLS_MAX:
            return error_answer(error)
        calls = [call for call in map(_try_decode, items) if isinstance(call, _Call)]
        identities = [identity for identity in (bytes(call.id) for call in calls) if identity and identity[:1] in _ID_STARTS]
        if not identities:
            return error_answer(error)  # for notifications, too: nobody is to think that they were carried out
        answers = [_failure(identity, error) for identity in identities]
        return b"[" + b",".join(answers) + b"]" if is_batch else b"".join(answers)

    async def _batch(self, body: bytes, charge: Charge | None) -> bytes:
        try:
            items = _CALLS.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return self._refused(_parse_error(error))
        if not items:
            return self._refused(RpcError(INVALID_REQUEST, "empty batch"))
        if len(items) > BATCH_CALLS_MAX:
            self._observe.limit_hit("batch_calls_max")
            return self._refused(RpcError(INVALID_REQUEST, f"batch too large: {len(items)} calls, at most {BATCH_CALLS_MAX}"))
        calls = [_try_decode(bytes(item)) for item in items]
        if charge is not None and (cost := _cost(calls)) > 1:
            charge(cost - 1)
        answers: list[bytes] = []
        room = self._response_bytes_max
        found: list[object] = []
        late: RpcError | None = None
        deadline = trio.current_time() + self._batch_seconds_max
        for i, call in enumerate(calls):
            if i % BATCH_CALLS_PER_TURN == BATCH_CALLS_PER_TURN - 1:
                await trio.lowlevel.checkpoint()
            if not found and late is None and trio.current_time() >= deadline:
                late = self._too_slow()
            if not found:
                found = [late] if late else await self._many(calls, i) if room > 0 else []
            answer, room = await self._item(call, room, found.pop() if found else _NOT_FOUND)
            if answer:
                answers.append(answer)
        return b"[" + b",".join(answers) + b"]" if answers else b""

    async def _many(self, calls: Sequence[_Call | RpcError], first: int) -> list[object]:
        """What came of the calls from `first` on that can be answered at once, the first one last; nothing for a call by itself."""
        call = calls[first]
        name = call.method if isinstance(call, _Call) else None
        method = self._methods.get(name) if isinstance(name, str) else None
        if method is None or method.many is None:
            return []
        results: list[object] = []
        good: list[tuple[int, list[object]]] = []
        for i in range(first, min(len(calls), first + BATCH_CALLS_AT_ONCE_MAX)):
            call = calls[i]
            if not isinstance(call, _Call) or call.method != name:
                break
            results.append(None)
            try:
                good.append((i - first, self._prepare(call)[1]))
            except RpcError as error:
                results[-1] = error
        if len(results) < 2:
            return []
        try:
            found = await self._guarded(str(name), method, method.many(self._context, [arguments for _, arguments in good]))
        except RpcError as error:
            found = [error] * len(good)
        for (place, _), result in zip(good, found, strict=True):
            results[place] = result
        return results[::-1]

    async def _item(self, call: _Call | RpcError, room: int, found: object) -> tuple[bytes, int]:
        """The answer to one call of a batch, and the bytes left for those after it."""
        if isinstance(call, RpcError):
            return self._refused(call), room
        if room <= 0:
            return (self._too_large(call) if call.id else b""), room
        answer = await self._call(call, found)
        if len(answer) + 1 > room:
            return self._too_large(call), 0
        return answer, room - len(answer) - 1

    def _too_slow(self) -> RpcError:
        self._observe.limit_hit("batch_seconds_max")
        return batch_too_slow()

    def _refused(self, error: RpcError) -> bytes:
        self._observe.request("unknown", _outcome(error))
        return error_answer(error)

    def _too_large(self, call: _Call) -> bytes:
        self._observe.limit_hit("response_bytes_max")
        return _failure(bytes(call.id), RpcError(RESPONSE_TOO_LARGE, f"response too large: over {self._response_bytes_max} bytes"))

    async def _call(self, call: _Call, found: object = _NOT_FOUND) -> bytes:
        """The answer to one call, whose result or error may have been found already; empty for a notification."""
        identity = bytes(call.id)
        if identity and identity[:1] not in _ID_STARTS:
            return self._refused(RpcError(INVALID_REQUEST, "invalid request: an id is a string, a number or null"))
        name = call.method
        known = name if isinstance(name, str) and name in self._methods else "unknown"
        try:
            if found is _NOT_FOUND:
                found = await self._result(call)
            elif isinstance(found, RpcError):
                raise found
            result = _ENCODER.encode(found)
        except RpcError as error:
            self._observe.request(known, _outcome(error))
            # A request that is not one is answered even without an id (JSON-RPC 2.0, section 5).
            if not identity and error.code != INVALID_REQUEST:
                return b""
            return _failure(identity or _NULL, error)
        self._observe.request(known, "ok")
        return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (identity, result) if identity else b""

    def _prepare(self, call: _Call) -> tuple[Method, list[object]]:
        if call.jsonrpc != "2.0":
            raise RpcError(INVALID_REQUEST, 'invalid request: jsonrpc must be "2.0"')
        name = call.method
        if not isinstance(name, str):
            raise RpcError(INVALID_REQUEST, "invalid request: method must be a string")
        method = self._methods.get(name)
        if method is None:
            raise RpcError(METHOD_NOT_FOUND, f"the method {name[:_NAME_CHARACTERS_MAX]} does not exist/is not available")
        return method, _arguments(method, call.params)

    async def _result(self, call: _Call) -> object:
        method, arguments = self._prepare(call)
        return await self._guarded(str(call.method), method, method.handler(self._context, arguments))

    async def _passed(self, method: Method, work: Coroutine[Any, Any, Result]) -> Result:
        if method.is_order:
            return await work
        try:
            async with self._context.door.passed():
                return await work
        finally:
            work.close()

    async def _guarded(self, name: str, method: Method, work: Coroutine[Any, Any, Result]) -> Result:
        """What comes of a handler's work; whatever it raises becomes an error to answer with."""
        try:
            return await self._passed(method, work)
        except RpcError:
            raise
        except InvalidTransaction as error:
            raise of_transaction(error) from error
        except InvalidControl as error:
            if error.reason in CONTROL_LIMITS:
                self._observe.limit_hit(error.reason.code)
            raise of_control(error) from error
        except InvalidQuery as error:
            if error.reason is QueryReason.OVER_LIMIT:
                self._observe.limit_hit("query_max")
            raise of_query(error) from error
        except Interrupted as error:
            self._observe.limit_hit(error.limit)
            raise of_interruption(error) from error
        except Unavailable as error:
            if isinstance(error, QuestionFailed):
                raise _fault(name, error) from error
            if isinstance(error, Busy):
                self._observe.limit_hit(error.limit)
            raise of_unavailable(error) from error
        except Exception as error:
            raise _fault(name, error) from error


def _fault(name: str, error: Exception) -> RpcError:
    """A fault in answering one reader must not stop a validator: it is logged whole, and told as what it is."""
    _LOG.error("rpc_fault method=%s", name, exc_info=error)
    return RpcError(INTERNAL, "internal error: the node's log tells what happened")


def _cost(calls: Sequence[_Call | RpcError]) -> int:
    names = (call.method if isinstance(call, _Call) else None for call in calls)
    return sum(HEAVY_CALL_COST if isinstance(name, str) and name in HEAVY else 1 for name in names)


def _try_decode(item: bytes) -> _Call | RpcError:
    try:
        return _decode(item)
    except RpcError as error:
        return error


def _arguments(method: Method, params: object) -> list[object]:
    """The arguments, padded with None to the most the method takes."""
    if params is None:
        params = []
    if not isinstance(params, list):
        raise invalid_params("non-array args: params is an array of arguments by position")
    most = method.required + method.optional
    if len(params) > most:
        raise invalid_params(f"too many arguments, want at most {most}")
    for i in range(method.required):
        if i >= len(params) or params[i] is None:
            raise invalid_params(f"missing value for required argument {i}")
    return params + [None] * (most - len(params))

"""JSON-RPC between nodes: calls for a shard that this node does not host go to a peer that does, over libp2p (PROTOCOL 8).

Whoever answers is not trusted with anything but the answer: its form is checked, and the next peer is asked where it is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Protocol

import msgspec
import trio

from node.core.core import Core
from node.core.ranges import is_far
from node.rpc.app import Application
from node.rpc.errors import BUSY, SERVER, TIMEOUT, RpcError, batch_too_slow
from node.rpc.limits import BATCH_SECONDS_MAX
from node.rpc.methods.registry import SLOW
from node.rpc.nesting import is_deeper
from p2p.messages import RPC_BODY_BYTES_MAX, RpcAnswer, RpcCall, decode_response, encode_request
from p2p.network import PeerId, RequestFailed, RequestFailure
from primitives.errors import EncodingReason, InvalidEncoding, Reason
from primitives.hashing import keccak256

CALLS_PER_REQUEST_MAX = 100
"""Calls of one batch that travel together."""
FORWARDED_MAX = 64
"""Requests passed on at once."""
FORWARDED_PER_PEER_MAX = 8
"""Requests at once with one peer; half of what the network allows, so that there is always room for blocks."""
SERVED_MAX = 64
"""Requests of peers that are answered at once."""
SERVED_PER_PEER_MAX = 8
PEERS_TRIED_MAX = 3
ANSWER_SECONDS_MAX = 10.0
"""For one peer to answer; a simulated call may take it five, and `SERVED_BATCH_SECONDS_MAX` those before it."""
MESSAGE_CHARACTERS_MAX = 4096
"""Of an error that is passed on; the rest is cut off."""
ANSWER_NESTING_MAX = 2048
"""Levels of arrays and objects in an answer: the decoder recurses, and the stack must not end first."""

Observe = Callable[[str, Mapping[str, str], float], None]


class Asked(Protocol):
    """What is asked of the network; `p2p.adapter.host.Network` is it."""

    def peers(self) -> list[PeerId]:
        """The connected peers."""
        ...

    async def request(self, peer: PeerId, payload: bytes, timeout_s: float) -> bytes:
        """One request; raises RequestFailed."""
        ...


class _Error(msgspec.Struct):
    code: Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]
    message: str
    data: str | None = None


class _Answer(msgspec.Struct, forbid_unknown_fields=True):
    jsonrpc: str
    id: int
    result: msgspec.Raw = msgspec.Raw(b"")
    error: _Error | None = None


class _Refusal(msgspec.Struct, forbid_unknown_fields=True):
    """The answer to a request that did not get as far as its calls: its users asked what no node answers."""

    jsonrpc: str
    id: None
    error: _Error


_ANSWERS = msgspec.json.Decoder(list[_Answer])
_REFUSAL = msgspec.json.Decoder(_Refusal)


class Forwarder:
    """Passes calls on; see `node.rpc.methods.context.Elsewhere`."""

    def __init__(self, network: Asked, core: Core, observe: Observe, penalize: Callable[[str, Reason], None]) -> None:
        self._network, self._core, self._observe, self._penalize = network, core, observe, penalize
        self._under_way = 0
        self._per_peer: Counter[PeerId] = Counter()
        self._last: dict[int, PeerId] = {}
        """Who answered last, by shard: as long as it does it is asked, so that what one call saw the next one sees too."""

    async def call(self, shard: int, name: str, calls: Sequence[Sequence[object]]) -> list[object]:
        """See `Elsewhere`."""
        results: list[object] = []
        deadline = trio.current_time() + BATCH_SECONDS_MAX
        for body, count in _bodies(shard, name, calls):
            if trio.current_time() >= deadline:
                self._observe("limit_hits", {"limit": "batch_seconds_max"}, 1)
                results += [batch_too_slow()] * (len(calls) - len(results))
                break
            if self._under_way >= FORWARDED_MAX:
                self._observe("limit_hits", {"limit": "rpc_forwarded_max"}, 1)
                raise RpcError(BUSY, f"busy: {FORWARDED_MAX} requests for shards of other nodes are under way, try again")
            self._under_way += 1
            try:
                found, is_repeated = await self._ask(shard, name, body, count)
            finally:
                self._under_way -= 1
            if is_repeated and name == "eth_sendRawTransaction":
                found = [_accepted(arguments, result) for arguments, result in zip(calls[len(results) :], found, strict=False)]
            results += found
        return results

    async def _ask(self, shard: int, name: str, body: bytes, count: int) -> tuple[list[object], bool]:
        """What a peer answered, and whether another had been asked the same before."""
        peers = self._hosts(shard)
        if not peers:
            raise RpcError(SERVER, f"shard {shard} is not hosted by this node, nor by a peer of it: ask a node that hosts it, or try again")
        is_busy = is_repeated = False
        for peer in peers[:PEERS_TRIED_MAX]:
            if self._per_peer[peer] >= FORWARDED_PER_PEER_MAX:
                self._observe("limit_hits", {"limit": "rpc_forwarded_per_peer_max"}, 1)
                is_busy = True
                continue
            self._per_peer[peer] += 1
            try:
                results = await self._exchange(peer, shard, body, count)
            except TimeoutError:
                if name in SLOW:
                    raise RpcError(
                        TIMEOUT, f"the peer that was asked for shard {shard} has not answered in {ANSWER_SECONDS_MAX:g} s"
                    ) from None
                results = None
            finally:
                self._per_peer[peer] -= 1
                if not self._per_peer[peer]:
                    del self._per_peer[peer]
            if results is not None:
                self._last[shard] = peer
                return results, is_repeated
            is_repeated = True
        if is_busy:
            raise RpcError(BUSY, f"busy: the peers that host shard {shard} have as many requests of this node as they take, try again")
        raise RpcError(SERVER, f"shard {shard} is not hosted by this node, and no peer that hosts it has answered: try again")

    def _hosts(self, shard: int) -> list[PeerId]:
        """Peers to ask, the best first: none that is still catching up, the one that answered last, those that say they host it."""
        connected, fetcher = set(self._network.peers()), self._core.context.fetcher
        state = self._core.beacon.tree.head.outcome
        assert state is not None
        recorded = state.shards[shard].height

        def rank(peer: PeerId) -> tuple[bool, bool, bool]:
            height = fetcher.height_of(peer, shard)
            return height is not None and is_far(recorded, height), peer != self._last.get(shard), height is None

        return sorted((PeerId(peer) for peer in fetcher.followers(shard) if peer in connected), key=rank)

    async def _exchange(self, peer: PeerId, shard: int, body: bytes, count: int) -> list[object] | None:
        """What a peer answered; None where the next one is to be asked.

        Raises:
            TimeoutError: it has not answered in time.
        """
        request = RpcCall(shard, body)
        try:
            answer = decode_response(request, await self._network.request(peer, encode_request(request), ANSWER_SECONDS_MAX))
            if not isinstance(answer, RpcAnswer):
                self._observe("rpc_forwarded", {"result": "refused"}, 1)
                return None
            results = await read_answers(answer.body, count)
        except RequestFailed as error:
            self._observe("rpc_forwarded", {"result": error.reason.value}, 1)
            if error.reason is RequestFailure.TIMEOUT:
                raise TimeoutError from error
            return None
        except InvalidEncoding as error:
            self._observe("rpc_forwarded", {"result": "malformed"}, 1)
            self._penalize(peer, error.reason)
            return None
        self._observe("rpc_forwarded", {"result": "ok"}, 1)
        return results


def _accepted(arguments: Sequence[object], result: object) -> object:
    """Of a transaction sent twice: a peer that did not answer may have passed it on, and then it is no error that others know it."""
    raw = arguments[0]
    if not isinstance(result, RpcError) or result.message != "already known" or not isinstance(raw, str):
        return result
    return "0x" + keccak256(bytes.fromhex(raw.removeprefix("0x"))).hex()


def _bodies(shard: int, name: str, calls: Sequence[Sequence[object]]) -> Iterator[tuple[bytes, int]]:
    """Batches to pass on, with the number of calls in each; ids count from 0."""
    group: list[bytes] = []
    size = 0
    for arguments in calls:
        call = b'"jsonrpc":"2.0","method":%b,"params":%b}' % (msgspec.json.encode(name), msgspec.json.encode(arguments))
        if len(call) + 64 > RPC_BODY_BYTES_MAX:
            raise RpcError(
                SERVER, f"shard {shard} is not hosted by this node, and a call over {RPC_BODY_BYTES_MAX} bytes is not passed on: "
                "ask a node that hosts it"
            )  # fmt: skip
        if group and (size + len(call) + 64 > RPC_BODY_BYTES_MAX or len(group) >= CALLS_PER_REQUEST_MAX):
            yield b"[" + b",".join(group) + b"]", len(group)
            group, size = [], 0
        group.append(b'{"id":%d,%b' % (len(group), call))
        size += len(group[-1]) + 1
    if group:
        yield b"[" + b",".join(group) + b"]", len(group)


async def read_answers(body: bytes, count: int) -> list[object]:
    """Results and errors in the order of the calls, whose ids were 0 to `count - 1`.

    Raises:
        InvalidEncoding: it is not the answer to such a batch.
    """
    if await is_deeper(body, ANSWER_NESTING_MAX):
        raise InvalidEncoding(EncodingReason.TOO_LARGE, f"an answer of more than {ANSWER_NESTING_MAX} levels")
    try:
        if body[:1] == b"{":
            return [_error(_REFUSAL.decode(body).error)] * count
        answers = _ANSWERS.decode(body)
        # The decoder has looked at the form of a result only, and it is written out as it is.
        str(body, "utf-8")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEncoding(EncodingReason.MALFORMED, f"not a JSON-RPC answer: {error}") from error
    if [answer.id for answer in answers] != list(range(count)):
        raise InvalidEncoding(EncodingReason.MALFORMED, "the ids are not those of the calls")
    results: list[object] = []
    for answer in answers:
        if answer.jsonrpc != "2.0" or (answer.error is None) != bool(answer.result):
            raise InvalidEncoding(EncodingReason.MALFORMED, "an answer has either a result or an error")
        results.append(answer.result if answer.error is None else _error(answer.error))
    return results


def _error(told: _Error) -> RpcError:
    return RpcError(told.code, told.message[:MESSAGE_CHARACTERS_MAX], told.data)


class PeerRpc:
    """Answers what peers pass on, as many at once as there is room for."""

    def __init__(self, app: Application, observe: Observe) -> None:
        self._app, self._observe = app, observe
        self._serving: Counter[str] = Counter()

    async def answer(self, peer: str, chain: int, body: bytes) -> bytes:
        """An encoded `RpcAnswer`; nothing where the shard is not hosted here, or there is no room."""
        if self._serving[peer] >= SERVED_PER_PEER_MAX or self._serving.total() >= SERVED_MAX:
            limit = "rpc_served_per_peer_max" if self._serving[peer] >= SERVED_PER_PEER_MAX else "rpc_served_max"
            self._observe("limit_hits", {"limit": limit}, 1)
            return b""
        self._serving[peer] += 1
        try:
            answer = await self._app.answer_peer(chain, body)
        finally:
            self._serving[peer] -= 1
            if not self._serving[peer]:
                del self._serving[peer]
        return b"" if answer is None else RpcAnswer(answer).encode()

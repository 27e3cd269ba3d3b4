"""Requests and responses, one stream each, always with an end.

On a stream: one frame with the request, then one with the response. The empty request is the liveness ping and is
answered with an empty response without asking the node.
Source: LIBP2P, "Structure" 2 and traps 2, 13, 20.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import trio
from libp2p.abc import IHost, INetStream
from libp2p.custom_types import TProtocol
from libp2p.io.exceptions import IOException
from libp2p.network.exceptions import SwarmException
from libp2p.peer.id import ID
from libp2p.protocol_muxer.exceptions import MultiselectClientError
from libp2p.protocol_muxer.multiselect_client import MultiselectClient
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator

from p2p.adapter.frames import FrameReader, MalformedFrameError, StreamEndedError, frame_of
from p2p.adapter.guard import Guard
from p2p.adapter.identity import peer_id_from
from p2p.limits import MessageLimit
from p2p.network import (
    REQUEST_BYTES_MAX,
    REQUESTS_PER_PEER_MAX,
    RESPONSE_BYTES_MAX,
    Observe,
    RequestFailed,
    RequestFailure,
    RequestHandler,
)
from primitives.errors import EncodingReason, PeerReason, Rejection

log = logging.getLogger(__name__)

SYNC_PROTOCOL: Final = TProtocol("/shardnet/sync/1")
_WIND_UP_SECONDS: Final = 5.0
_OPEN_SECONDS_MAX: Final = 5.0
_NEGOTIATION_SECONDS: Final = 10


class Requests:
    """Both sides of the request protocol of one host."""

    def __init__(
        self,
        host: IHost,
        handler: RequestHandler,
        guard: Guard,
        limit_of: Callable[[bytes], MessageLimit],
        observe: Observe,
        on_activity: Callable[[ID], None],
        answer_timeout_seconds: float,
    ) -> None:
        self._host = host
        self._guard, self._limit_of = guard, limit_of
        self._handler = handler
        self._observe = observe
        self._on_activity = on_activity
        self._answer_timeout_seconds = answer_timeout_seconds
        self._asking: dict[ID, trio.CapacityLimiter] = {}
        self._answering: dict[ID, int] = {}
        self._negotiator = MultiselectClient()
        host.set_stream_handler(SYNC_PROTOCOL, self.answer)

    def forget(self, peer: ID) -> None:
        """Drop what is kept of a peer that is gone."""
        self._asking.pop(peer, None)

    async def ask(self, peer: ID, payload: bytes, timeout_seconds: float) -> bytes:
        """Send a request and wait for the response, `timeout_seconds` in all.

        Raises:
            RequestFailed: see `RequestFailure`.
        """
        try:
            response = await self._ask(peer, payload, timeout_seconds)
        except RequestFailed as error:
            self._observe("p2p_requests", {"side": "asked", "result": error.reason.value}, 1)
            raise
        self._observe("p2p_requests", {"side": "asked", "result": "ok"}, 1)
        return response

    async def _ask(self, peer: ID, payload: bytes, timeout_seconds: float) -> bytes:
        if len(payload) > REQUEST_BYTES_MAX:
            raise RequestFailed(RequestFailure.TOO_LARGE, f"a request of {len(payload)} bytes")
        limit = self._limit_of(payload)
        if not self._guard.asks(peer, limit, len(payload)):
            raise RequestFailed(RequestFailure.OVER_RATE, f"{limit.name} asked of this peer as often as it allows")
        slots = self._asking.setdefault(peer, trio.CapacityLimiter(REQUESTS_PER_PEER_MAX))
        with trio.move_on_after(timeout_seconds):
            async with slots:
                response = await self._exchange(peer, payload)
            self._guard.answered(peer, limit, len(response))
            return response
        raise RequestFailed(RequestFailure.TIMEOUT, f"no response within {timeout_seconds} s")

    async def _exchange(self, peer: ID, payload: bytes) -> bytes:
        stream = None
        finished = False
        try:
            stream = await self._open(peer)
            await self._negotiator.select_one_of([SYNC_PROTOCOL], MultiselectCommunicator(stream), _NEGOTIATION_SECONDS)
            await stream.write(frame_of(payload))
            response = await FrameReader(stream, RESPONSE_BYTES_MAX).read_frame()
            finished = True
        except MalformedFrameError as error:
            raise RequestFailed(RequestFailure.TOO_LARGE, str(error)) from error
        except (StreamEndedError, MultiselectClientError, SwarmException, IOException, ValueError) as error:
            raise RequestFailed(RequestFailure.REFUSED, repr(error)) from error
        finally:
            if stream is not None:
                await _end(stream, politely=finished)
        self._on_activity(peer)
        return response

    async def _open(self, peer: ID) -> INetStream:
        """Open a bare stream; not cancelled in the middle, for libp2p would keep the place of a stream half open (trap 20)."""
        with trio.CancelScope(deadline=trio.current_time() + _OPEN_SECONDS_MAX, shield=True):
            return await self._host.get_network().new_stream(peer)
        raise RequestFailed(RequestFailure.TIMEOUT, "no stream could be opened")

    async def answer(self, stream: INetStream) -> None:
        """Answer one request of a peer; whatever happens, the stream ends (trap 20) and nothing escapes (trap 2)."""
        peer = stream.muxed_conn.peer_id
        busy = self._answering.get(peer, 0)
        if busy >= REQUESTS_PER_PEER_MAX:
            self._observe("p2p_limit_hits", {"limit": "requests_per_peer"}, 1)
            await _end(stream, politely=False)
            return
        self._answering[peer] = busy + 1
        result = "timeout"
        try:
            with trio.move_on_after(self._answer_timeout_seconds):
                result = await self._answer(peer, stream)
        finally:
            self._answering[peer] -= 1
            if not self._answering[peer]:
                del self._answering[peer]
            await _end(stream, politely=result == "ok")
        self._observe("p2p_requests", {"side": "answered", "result": result}, 1)

    async def _answer(self, peer: ID, stream: INetStream) -> str:
        try:
            request = await FrameReader(stream, REQUEST_BYTES_MAX).read_frame()
            limit = self._limit_of(request)
            if len(request) > limit.bytes_max + 1:
                # The kind takes a byte of its own.
                self._guard.blame(peer, EncodingReason.TOO_LARGE)
                return "too_large"
            if not self._guard.allows(peer, limit, len(request)):
                return "over_rate"
            self._on_activity(peer)
            response = await self._handler(peer_id_from(peer), request) if request else b""
            if len(response) > RESPONSE_BYTES_MAX:
                self._observe("p2p_limit_hits", {"limit": "response_bytes"}, 1)
                return "too_large"
            self._guard.charge(peer, limit, len(response))
            await stream.write(frame_of(response))
        except Rejection as error:
            self._guard.blame(peer, error.reason)
            return error.reason.code
        except MalformedFrameError:
            self._guard.blame(peer, PeerReason.MALFORMED_FRAME)
            return "malformed"
        except (StreamEndedError, IOException):
            return "aborted"
        except Exception:
            # The bug is ours, but a peer must not be able to end the node with it (trap 2).
            log.exception("request_handler_failed peer=%s", peer)
            return "failed"
        return "ok"


async def _end(stream: INetStream, *, politely: bool) -> None:
    """Close the stream, or reset it; without either, 256 streams later no new one can be opened (trap 20)."""
    with trio.CancelScope(deadline=trio.current_time() + _WIND_UP_SECONDS, shield=True):
        if politely:
            try:
                await stream.close()
            except IOException as error:
                log.debug("close_failed error=%r", error)
            else:
                return
        await stream.reset()

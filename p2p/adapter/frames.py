"""Length-prefixed frames over streams, and the bounded queue in front of a peer's stream.

Source: LIBP2P, "Figures" (read buffer, coalescing) and traps 1, 4, 7.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol

import trio
from libp2p.utils.varint import encode_uvarint

from p2p.network import OUTBOUND_BYTES_MAX, OUTBOUND_FRAMES_MAX

READ_CHUNK_BYTES: Final = 64 * 1024
COALESCED_BYTES_MAX: Final = 256 * 1024
"""Frames are written together up to this many bytes."""
CONTROL_FRAMES_MAX: Final = 1024
"""Room kept for mesh control beside the messages, so that a flood of messages cannot break the mesh."""
_LENGTH_BYTES_MAX: Final = 5


class ByteStream(Protocol):
    """The part of a libp2p stream that frames need."""

    async def read(self, n: int | None = None) -> bytes:
        """Some bytes, at most `n`; empty at the end."""

    async def write(self, data: bytes) -> None:
        """Write all of `data`."""


class MalformedFrameError(Exception):
    """The peer's bytes are no frame, or one over the limit. Never leaves the adapter."""


class StreamEndedError(Exception):
    """The peer closed the stream. Never leaves the adapter."""


class FrameReader:
    """Reads frames off one stream with one buffer, so that small frames cost one read for many."""

    def __init__(self, stream: ByteStream, frame_bytes_max: int) -> None:
        self._stream = stream
        self._frame_bytes_max = frame_bytes_max
        self._buffer = bytearray()

    async def read_frame(self) -> bytes:
        """The next frame's content.

        Raises:
            MalformedFrameError: the length is no varint or over the limit.
            StreamEndedError: nothing more comes.
        """
        while True:
            header = self._parse_length()
            if header is not None:
                start, length = header
                if len(self._buffer) >= start + length:
                    content = bytes(self._buffer[start : start + length])
                    del self._buffer[: start + length]
                    return content
            chunk = await self._stream.read(READ_CHUNK_BYTES)
            if not chunk:
                raise StreamEndedError
            self._buffer += chunk

    def _parse_length(self) -> tuple[int, int] | None:
        """Where the content starts and how long it is, or None while the length is incomplete."""
        length = 0
        for index, byte in enumerate(self._buffer[:_LENGTH_BYTES_MAX]):
            length |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                if length > self._frame_bytes_max:
                    raise MalformedFrameError(f"{length} bytes announced, the limit is {self._frame_bytes_max}")
                return index + 1, length
        if len(self._buffer) >= _LENGTH_BYTES_MAX:
            raise MalformedFrameError("the length is no varint")
        return None


def frame_of(content: bytes) -> bytes:
    """`content` with its length before it."""
    return encode_uvarint(len(content)) + content


class OutboundQueue:
    """What waits to be written to one peer; its task is the only writer of the stream (trap 4)."""

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()
        self._control: deque[bytes] = deque()
        self._message_bytes = 0
        self._wake = trio.Event()
        self._closed = False

    def push(self, frame: bytes, *, control: bool = False) -> bool:
        """Queue a frame; False if it was dropped because the queue is full or closed."""
        if self._closed:
            return False
        if control:
            if len(self._control) >= CONTROL_FRAMES_MAX:
                return False
            self._control.append(frame)
        else:
            if len(self._messages) >= OUTBOUND_FRAMES_MAX or self._message_bytes + len(frame) > OUTBOUND_BYTES_MAX:
                return False
            self._messages.append(frame)
            self._message_bytes += len(frame)
        self._wake.set()
        return True

    async def take(self) -> bytes | None:
        """Frames to write together, control first; waits for some. None once the queue is closed."""
        while not (self._control or self._messages):
            if self._closed:
                return None
            self._wake = trio.Event()
            await self._wake.wait()
        if self._closed:
            return None
        taken = bytearray()
        while self._control and len(taken) < COALESCED_BYTES_MAX:
            taken += self._control.popleft()
        while self._messages and len(taken) < COALESCED_BYTES_MAX:
            frame = self._messages.popleft()
            self._message_bytes -= len(frame)
            taken += frame
        return bytes(taken)

    def close(self) -> None:
        """Drop what waits and let the writer end."""
        self._closed = True
        self._messages.clear()
        self._control.clear()
        self._message_bytes = 0
        self._wake.set()

    def __len__(self) -> int:
        return len(self._messages) + len(self._control)

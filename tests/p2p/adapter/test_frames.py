"""Frames and the queue in front of a peer's stream."""

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from p2p.adapter.frames import CONTROL_FRAMES_MAX, FrameReader, MalformedFrameError, OutboundQueue, StreamEndedError, frame_of
from p2p.network import OUTBOUND_BYTES_MAX, OUTBOUND_FRAMES_MAX


class Chunks:
    """A stream that brings its bytes in given pieces."""

    def __init__(self, chunks):
        self.chunks = list(chunks)

    async def read(self, n=None):
        return self.chunks.pop(0) if self.chunks else b""

    async def write(self, data):
        raise NotImplementedError


async def read_all(chunks, limit=1000):
    reader = FrameReader(Chunks(chunks), limit)
    contents = []
    while True:
        try:
            contents.append(await reader.read_frame())
        except StreamEndedError:
            return contents


@given(st.lists(st.binary(max_size=300)), st.integers(1, 50))
def test_frames_come_out_as_they_went_in_however_they_are_cut(contents, piece):
    sent = b"".join(map(frame_of, contents))
    chunks = [sent[start : start + piece] for start in range(0, len(sent), piece)]
    assert trio.run(read_all, chunks) == contents


async def test_frame_over_the_limit_is_refused_before_its_content_comes():
    with pytest.raises(MalformedFrameError, match="1001 bytes"):
        await FrameReader(Chunks([frame_of(b"x" * 1001)[:2]]), 1000).read_frame()


@pytest.mark.parametrize("prefix", [b"\xff" * 5, b"\x80" * 9])
async def test_length_without_end_is_refused(prefix):
    with pytest.raises(MalformedFrameError):
        await FrameReader(Chunks([prefix]), 1000).read_frame()


async def test_control_overtakes_messages_and_all_are_written_together():
    queue = OutboundQueue()
    assert queue.push(b"one")
    assert queue.push(b"two")
    assert queue.push(b"control", control=True)
    assert await queue.take() == b"controlonetwo"


async def test_queue_is_bounded_in_number_and_bytes_and_keeps_room_for_control():
    queue = OutboundQueue()
    assert all(queue.push(b"x") for _ in range(OUTBOUND_FRAMES_MAX))
    assert not queue.push(b"x")
    assert all(queue.push(b"x", control=True) for _ in range(CONTROL_FRAMES_MAX))
    assert not queue.push(b"x", control=True)
    heavy = OutboundQueue()
    assert heavy.push(b"x" * OUTBOUND_BYTES_MAX)
    assert not heavy.push(b"x")
    assert await heavy.take() == b"x" * OUTBOUND_BYTES_MAX
    assert heavy.push(b"x")


async def test_closed_queue_takes_nothing_and_lets_its_writer_end():
    queue = OutboundQueue()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(queue.take)
        await trio.testing.wait_all_tasks_blocked()
        queue.close()
    assert not queue.push(b"x")
    assert await queue.take() is None

"""Sockets that notice soon that nobody is there."""

import errno
import socket

import pytest
import trio
from libp2p.transport.exceptions import OpenConnectionError
from multiaddr import Multiaddr

from p2p.adapter import transport
from p2p.adapter.transport import SocketTcp, bind_exclusively, limit_silence
from p2p.network import NetworkSettings

pytestmark = pytest.mark.network


async def test_a_dial_that_nobody_answers_ends_in_time(monkeypatch, autojump_clock):
    listening = bind_exclusively("127.0.0.1", 0)
    tcp = SocketTcp(listening, lambda address: True, NetworkSettings())

    async def never(*arguments, **options):
        await trio.sleep_forever()

    monkeypatch.setattr(trio, "open_tcp_stream", never)
    began = trio.current_time()
    with pytest.raises(OpenConnectionError, match="within 2 s"):
        await tcp.dial(Multiaddr("/ip4/127.0.0.1/tcp/9"))
    assert trio.current_time() - began == NetworkSettings().dial_timeout_seconds
    tcp.close_sockets()


async def test_a_connection_notices_silence():
    listening = bind_exclusively("127.0.0.1", 0)
    tcp = SocketTcp(listening, lambda address: True, NetworkSettings(unacknowledged_seconds_max=3.0))
    dialled = await tcp.dial(Multiaddr(f"/ip4/127.0.0.1/tcp/{listening.getsockname()[1]}"))
    assert dialled.stream.stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 3000
    await dialled.close()
    tcp.close_sockets()


def test_a_system_that_limits_no_pause_is_good_enough():
    class OldSystem:
        def __init__(self):
            self.options = {}

        def setsockopt(self, level, option, value):
            if option == transport._TCP_RTO_MAX_MS:
                raise OSError(errno.ENOPROTOOPT, "not here")
            self.options[option] = value

    stream = OldSystem()
    limit_silence(stream, NetworkSettings())
    assert stream.options == {socket.TCP_USER_TIMEOUT: 6000}

"""Whose a connection is, and how many are one client's."""

import socket
import struct

import pytest
import trio

from node import shares
from node.shares import Shares, client_of


@pytest.mark.parametrize(("host", "client"), [
    ("192.0.2.7", "192.0.2.7"), ("10.1.2.3", "10.1.2.3"), ("::ffff:192.0.2.7", "192.0.2.7"),
    ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), ("2001:db8:1:2::9", "2001:db8:1:2::/64"), ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
    ("fe80::1%eth0", "fe80::/64"),
    ("127.0.0.1", None), ("127.9.9.9", None), ("::1", None), ("::ffff:127.0.0.1", None), ("::ffff:127.9.9.9", None),
])  # fmt: skip
def test_whose_an_address_is(monkeypatch, host, client):
    monkeypatch.setattr(shares, "_host_of", lambda stream: host)
    assert client_of(None) == client


@pytest.mark.network
async def test_who_is_gone_before_it_is_asked_for_is_not_taken_for_a_friend():
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    peer = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
    await peer.send_all(b"POST / HTTP/1.1")
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.socket.close()
    async with await listener.accept() as stream, listener:
        assert client_of(stream) == ""


def test_a_share_is_held_and_given_back():
    counted = Shares()
    with counted.hold("a", 2) as first, counted.hold("a", 2) as second, counted.hold("a", 2) as third:
        assert (first, second, third) == (True, True, False)
        with counted.hold("192.0.2.7", 2) as other, counted.hold(None, 0) as own:
            assert other
            assert own
    with counted.hold("a", 1) as again:
        assert again
    with pytest.raises(ValueError, match="broken"), counted.hold("192.0.2.7", 1):
        raise ValueError("broken")
    assert not counted._held  # nothing is kept of whoever has left

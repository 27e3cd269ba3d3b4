"""Whose a connection is, and how many are one client's."""

import pytest

from node import shares
from node.shares import Shares, client_of


@pytest.mark.parametrize(("host", "client"), [
    ("192.0.2.7", "192.0.2.7"), ("10.1.2.3", "10.1.2.3"), ("::ffff:192.0.2.7", "192.0.2.7"),
    ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), ("2001:db8:1:2::9", "2001:db8:1:2::/64"), ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
    ("fe80::1%eth0", "fe80::/64"),
    ("127.0.0.1", None), ("127.9.9.9", None), ("::1", None), ("::ffff:127.0.0.1", None), ("", None), ("no address", None),
])  # fmt: skip
def test_whose_an_address_is(host, client):
    assert client_of(host) == client


def test_a_share_is_held_and_given_back(monkeypatch):
    monkeypatch.setattr(shares, "_host_of", lambda stream: stream)
    counted = Shares()
    with counted.hold("2001:db8::1", 2) as first, counted.hold("2001:db8::2", 2) as second, counted.hold("2001:db8::3", 2) as third:
        assert (first, second, third) == (True, True, False)
        with counted.hold("192.0.2.7", 2) as other, counted.hold("::1", 0) as own:
            assert other
            assert own
    with counted.hold("2001:db8::3", 1) as again:
        assert again
    with pytest.raises(ValueError, match="broken"), counted.hold("192.0.2.7", 1):
        raise ValueError("broken")
    assert not counted._held  # nothing is kept of whoever has left

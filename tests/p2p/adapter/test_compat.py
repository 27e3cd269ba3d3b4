"""The adapter refuses to run on a libp2p it does not know."""

import pytest
from libp2p.pubsub.pubsub import Pubsub

from p2p.adapter import compat
from p2p.network import UnsupportedLibp2p


def test_installed_libp2p_has_every_name():
    compat.check_libp2p()


def test_another_version_is_refused():
    with pytest.raises(UnsupportedLibp2p, match=r"libp2p 0\.8\.1 is needed, 0\.8\.2 is installed"):
        compat.check_libp2p("0.8.2")


@pytest.mark.parametrize("table", ["_METHODS", "_ATTRIBUTES"])
def test_missing_name_is_told(monkeypatch, table):
    monkeypatch.setattr(compat, table, ((Pubsub, ("no_such_name",)),))
    with pytest.raises(UnsupportedLibp2p, match="Pubsub lacks no_such_name"):
        compat.check_libp2p()

"""Why a dial fails is found out, and told of a configured peer once a minute for each reason."""

import logging
import socket

import pytest
import trio
from libp2p.transport.exceptions import OpenConnectionError

from p2p.adapter.dialing import COMPLAINT_SECONDS, PATIENCE_SECONDS, Complaints, DialFailure, dial, failure_of
from p2p.network import PeerAddress
from tests.p2p.adapter.harness import Node, running

PEER = PeerAddress("node.example", 9000, "16Uiu2HAmPeer")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def said(caplog):
    return [record.getMessage().rpartition("reason=")[2] for record in caplog.records if record.levelno == logging.WARNING]


async def try_to_reach(node, host, port, peer_id):
    return await dial(node.network._libp2p, PeerAddress(host, port, peer_id), node._observe)


async def test_each_failure_has_its_reason(tmp_path, monkeypatch):
    one, two, third = (Node(tmp_path / f"node{i}.key") for i in range(3))
    async with running(one, two):
        other = two.network.port
        assert await try_to_reach(one, "127.0.0.1", free_port(), two.peer_id) is DialFailure.REFUSED
        assert await try_to_reach(one, "127.0.0.1", other, third.peer_id) is DialFailure.OTHER_PEER_ID
        assert await try_to_reach(one, "127.0.0.1", other, two.peer_id) is None

        async def unknown(*arguments, **options):
            raise socket.gaierror(-2, "Name or service not known")

        monkeypatch.setattr(trio.socket, "getaddrinfo", unknown)
        assert await try_to_reach(one, "nowhere.invalid", other, two.peer_id) is DialFailure.UNRESOLVED


async def test_who_speaks_something_else_fails_the_handshake(tmp_path):
    one, two = (Node(tmp_path / f"node{i}.key") for i in range(2))

    async def hang_up(stream):
        await stream.receive_some(1)
        await stream.aclose()

    async with running(one), trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, hang_up, 0)
        assert await try_to_reach(one, "127.0.0.1", listeners[0].socket.getsockname()[1], two.peer_id) is DialFailure.HANDSHAKE
        nursery.cancel_scope.cancel()


def test_the_cause_is_found_through_causes_and_groups():
    inner = OSError("all attempts to connect failed")
    inner.__cause__ = ExceptionGroup("", [ConnectionRefusedError(111, "refused")])
    outer = RuntimeError("no addresses")
    outer.__cause__ = inner
    assert failure_of(outer) is DialFailure.REFUSED
    outer.__cause__ = trio.TooSlowError()
    assert failure_of(outer) is DialFailure.TIMEOUT
    outer.__cause__ = OpenConnectionError("no route to host")
    assert failure_of(outer) is DialFailure.UNREACHABLE
    outer.__cause__ = outer
    assert failure_of(outer) is DialFailure.HANDSHAKE


async def test_each_reason_is_told_once_a_minute_after_some_patience(caplog, autojump_clock):
    complaints = Complaints(PEER, is_configured=True)
    complaints.failed(DialFailure.REFUSED)
    assert said(caplog) == []
    await trio.sleep(PATIENCE_SECONDS)
    for _ in range(3):
        complaints.failed(DialFailure.REFUSED)
        complaints.failed(DialFailure.TIMEOUT)
    assert said(caplog) == ["refused", "timeout"]
    assert caplog.records[-1].getMessage() == "dial_failed peer=16Uiu2HAmPeer host=node.example port=9000 reason=timeout"
    await trio.sleep(COMPLAINT_SECONDS)
    complaints.failed(DialFailure.REFUSED)
    assert said(caplog) == ["refused", "timeout", "refused"]
    complaints.reached()
    await trio.sleep(COMPLAINT_SECONDS)
    complaints.failed(DialFailure.REFUSED)
    assert said(caplog) == ["refused", "timeout", "refused"]


async def test_another_peer_id_is_told_at_once(caplog, autojump_clock):
    Complaints(PEER, is_configured=True).failed(DialFailure.OTHER_PEER_ID)
    assert said(caplog) == ["other_peer_id"]


@pytest.mark.parametrize("failure", DialFailure)
async def test_of_a_peer_that_only_others_told_of_nothing_is_said(caplog, autojump_clock, failure):
    complaints = Complaints(PEER, is_configured=False)
    complaints.failed(failure)
    await trio.sleep(PATIENCE_SECONDS)
    complaints.failed(failure)
    assert said(caplog) == []

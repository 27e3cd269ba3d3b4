"""The metrics port over a real socket: whoever asks, in whatever manner, gets an answer or a closed connection."""

import http.client
import json

import pytest
import trio

from node import http_metrics, shares
from node.explorer.site import Site
from node.http_metrics import CLIENT_CONNECTIONS_MAX, CONNECTIONS_MAX, IDLE_SECONDS_MAX, serve_metrics
from node.metrics import NodeMetrics
from p2p.limits import Rate
from primitives.errors import StartupRefused
from tests.node.rpc.fake import GENESIS
from tests.node.support import make_core


class Backend:
    def __init__(self, problems=(), ready=True):
        self.problems, self.ready, self.faults = list(problems), ready, []

    def health(self):
        return self.problems

    def is_ready(self):
        return self.ready

    def peers(self):
        return 3


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_site() -> Site:
    return Site(GENESIS, {0: 8545, 1: 8546}, "1.2.3", ["node.example"])


async def ask(port, method, path, **headers):
    def blocking():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    return await trio.to_thread.run_sync(blocking)


@pytest.fixture
async def served(nursery):
    backend, port = Backend(), free_port()
    more = lambda: {"faults": backend.faults}  # noqa: E731
    await nursery.start(serve_metrics, backend, NodeMetrics(make_core()), make_site(), "127.0.0.1", port, more)
    return backend, port


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
async def test_a_scrape_is_answered_whether_or_not_the_client_stays(served, connection):
    status, body = await ask(served[1], "GET", "/metrics", Connection=connection)
    assert status == 200
    assert b"shardnet_supply_imbalance_wei 0.0" in body


async def test_health_and_readiness_tell_what_is_wrong(served):
    backend, port = served
    assert (await ask(port, "GET", "/ready"))[0] == 200
    assert (await ask(port, "GET", "/health"))[0] == 200
    backend.faults = [{"kind": "drop"}]
    assert json.loads((await ask(port, "GET", "/health"))[1])["faults"] == [{"kind": "drop"}]
    backend.ready, backend.problems = False, ["the supply invariant is off by 1 wei"]
    assert (await ask(port, "GET", "/ready"))[0] == 503
    status, body = await ask(port, "GET", "/health")
    assert (status, json.loads(body)["problems"]) == (503, backend.problems)


async def test_other_addresses_and_methods_are_told_so(served):
    assert (await ask(served[1], "GET", "/nothing"))[0] == 404
    assert (await ask(served[1], "POST", "/metrics"))[0] == 405
    assert await ask(served[1], "HEAD", "/metrics") == (200, b"")


async def test_the_page_comes_with_its_guards_and_is_asked_again_by_its_tag(served):
    def blocking(method, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", served[1], timeout=10)
        try:
            connection.request(method, "/?anything", headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            connection.close()

    status, body, headers = await trio.to_thread.run_sync(lambda: blocking("GET"))
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in headers["content-security-policy"]
    assert await trio.to_thread.run_sync(lambda: blocking("HEAD")[:2]) == (200, b"")
    tagged = {"If-None-Match": headers["etag"]}
    assert await trio.to_thread.run_sync(lambda: blocking("GET", **tagged)[:2]) == (304, b"")
    rebound = {"Host": "evil.example"}
    assert (await trio.to_thread.run_sync(lambda: blocking("GET", **rebound)))[0] == 403
    assert body.lower().startswith(b"<!doctype html>")


@pytest.mark.parametrize("path", ["/metrics", "/health", "/ready", "/", "/nothing"])
async def test_a_page_that_rebinds_its_name_reads_nothing(served, path):
    status, body = await ask(served[1], "GET", path, Host="evil.example")
    assert (status, body[:13]) == (403, b"invalid host:")


@pytest.mark.parametrize("host", ["127.0.0.1:9100", "[::1]:9100", "localhost", "node.example:9100", "node-0:9100", "shardnet_node_0"])
async def test_whoever_scrapes_may_call_the_node_by_address_configured_name_or_container_name(served, host):
    assert (await ask(served[1], "GET", "/metrics", Host=host))[0] == 200


async def test_the_page_is_not_served_under_a_container_name(served):
    assert (await ask(served[1], "GET", "/", Host="node-0:9100"))[0] == 403


async def test_garbage_ends_its_connection_and_nothing_else(served):
    _, port = served
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    await stream.send_all(b"\0\xff" * 5000)
    with trio.fail_after(10):
        try:
            while await stream.receive_some():
                pass
        except trio.BrokenResourceError:
            pass  # a reset ends the connection as well
    await stream.aclose()
    assert (await ask(port, "GET", "/ready"))[0] == 200


async def test_a_port_in_use_is_refused_with_a_sentence(served):
    with pytest.raises(StartupRefused, match="is in use by another program"):
        await serve_metrics(served[0], NodeMetrics(make_core()), make_site(), "127.0.0.1", served[1], dict)


async def test_a_connection_too_many_is_closed_and_counted(served):
    _, port = served
    streams = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(CONNECTIONS_MAX)]
    for stream in streams:
        await stream.send_all(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await stream.receive_some()
    with trio.fail_after(10):
        extra = await trio.open_tcp_stream("127.0.0.1", port)
        assert await extra.receive_some() == b""
    await extra.aclose()
    await streams[0].send_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    text = b""
    with trio.fail_after(10):
        while data := await streams[0].receive_some():
            text += data
    assert b'shardnet_limit_hits_total{limit="metrics_connections_max"} 1.0' in text
    for stream in streams:
        await stream.aclose()


@pytest.mark.parametrize("sent", [b"", b"GET /ready HTTP/1.1\r\nHost: x\r\n"])
async def test_a_first_request_that_does_not_come_frees_its_connection_soon(served, monkeypatch, sent):
    monkeypatch.setattr(http_metrics, "HEAD_SECONDS_MAX", 0.2)
    _, port = served
    streams = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(CONNECTIONS_MAX)]
    with trio.fail_after(IDLE_SECONDS_MAX / 3):
        for stream in streams:
            if sent:
                await stream.send_all(sent)
        for stream in streams:
            assert await stream.receive_some() == b""
            await stream.aclose()
    status, text = await ask(port, "GET", "/metrics")
    assert status == 200
    assert f'shardnet_limit_hits_total{{limit="metrics_head_seconds_max"}} {CONNECTIONS_MAX}.0'.encode() in text


async def test_a_later_request_may_be_waited_for_but_not_its_rest(served, monkeypatch):
    monkeypatch.setattr(http_metrics, "HEAD_SECONDS_MAX", 0.2)
    stream = await trio.open_tcp_stream("127.0.0.1", served[1])
    with trio.fail_after(IDLE_SECONDS_MAX / 3):
        for _ in range(2):
            await stream.send_all(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
            with trio.move_on_after(0.5) as pause:
                await stream.receive_some()
            assert pause.cancelled_caught  # it is open yet
        await stream.send_all(b"GET /re")
        assert await stream.receive_some() == b""
    await stream.aclose()


async def test_one_address_leaves_room_for_others(served, monkeypatch):
    monkeypatch.setattr(shares, "_host_of", lambda stream: stream.socket.getpeername()[0].replace("127.0.0.2", "192.0.2.2"))
    _, port = served
    streams = [await trio.open_tcp_stream("127.0.0.1", port, local_address="127.0.0.2") for _ in range(CLIENT_CONNECTIONS_MAX)]
    for stream in streams:
        await stream.send_all(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await stream.receive_some()
    with trio.fail_after(10):
        extra = await trio.open_tcp_stream("127.0.0.1", port, local_address="127.0.0.2")
        assert await extra.receive_some() == b""
    await extra.aclose()
    status, text = await ask(port, "GET", "/metrics")
    assert status == 200
    assert b'shardnet_limit_hits_total{limit="metrics_client_connections_max"} 1.0' in text
    for stream in streams:
        await stream.aclose()


async def test_an_address_asks_so_often_and_who_goes_on_is_disconnected(nursery, monkeypatch):
    monkeypatch.setattr(shares, "_host_of", lambda stream: stream.socket.getpeername()[0].replace("127.0.0.2", "192.0.2.2"))
    monkeypatch.setattr(http_metrics, "CALLS_RATE", Rate(1e-3, 4))
    monkeypatch.setattr(http_metrics, "REFUSALS_RATE", Rate(1e-3, 2))
    port, metrics = free_port(), NodeMetrics(make_core())
    await nursery.start(serve_metrics, Backend(), metrics, make_site(), "127.0.0.1", port, dict)
    question, got = b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n", b""
    with trio.fail_after(10):
        stream = await trio.open_tcp_stream("127.0.0.1", port, local_address="127.0.0.2")
        await stream.send_all(question * 10)
        while part := await stream.receive_some():
            got += part
        assert [got.count(b"HTTP/1.1 %d " % status) for status in (200, 429)] == [3, 3]  # the connection has cost one
        assert got.count(b"retry-after: 1000\r\n") + got.count(b"retry-after: 999\r\n") == 3
        again = await trio.open_tcp_stream("127.0.0.1", port, local_address="127.0.0.2")
        assert await again.receive_some() == b""
    for each in (stream, again):
        await each.aclose()
    status, text = await ask(port, "GET", "/metrics")
    assert status == 200
    assert b'shardnet_limit_hits_total{limit="metrics_calls_rate"} 3.0' in text
    assert b'shardnet_limit_hits_total{limit="metrics_refusals_rate"} 2.0' in text

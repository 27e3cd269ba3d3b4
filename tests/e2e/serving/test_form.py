"""What is not JSON-RPC gets the right error, and the connection lives."""

import http.client
import json

import pytest

from tests.e2e.harness import Cluster

CALL = b'{"jsonrpc":"2.0","id":7,"method":"eth_chainId","params":[]}'
GARBAGE = [
    (b"{", -32700),
    (b"\xff\xfe\x00", -32700),
    (b"[]", -32600),
    (b"42", -32600),
    (b'{"jsonrpc":"2.0","id":1}', -32600),
    (b'{"jsonrpc":"2.0","id":1,"method":17}', -32600),
    (b'{"jsonrpc":"2.0","id":1,"method":"eth_nothing"}', -32601),
    (b'{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":["0x12","latest"]}', -32602),
    (b'{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":{"a":1}}', -32602),
    (b'{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x00"]}', None),
    (b"[" * 100_000, -32700),
]


def ask(connection: http.client.HTTPConnection, body: bytes, kind: str = "application/json") -> tuple[int, bytes]:
    connection.request("POST", "/", body, {"Content-Type": kind})
    response = connection.getresponse()
    return response.status, response.read()


@pytest.mark.parametrize(("body", "code"), GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_gets_its_error_and_the_connection_lives(cluster: Cluster, body: bytes, code: int | None) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", cluster.options.rpc_port_of(0), timeout=20)
    try:
        connection.connect()
        socket = connection.sock
        status, answer = ask(connection, body)
        assert status == 200
        error = json.loads(answer)["error"]
        assert code is None or error["code"] == code, error
        assert error["message"]
        status, answer = ask(connection, CALL)
        assert connection.sock is socket, "the connection was closed"
        assert (status, json.loads(answer)) == (200, {"jsonrpc": "2.0", "id": 7, "result": hex(735_700)})
    finally:
        connection.close()


def test_other_refusals_have_their_status(cluster: Cluster) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", cluster.options.rpc_port_of(0), timeout=20)
    try:
        assert ask(connection, CALL, "text/plain")[0] == 415
        connection.request("POST", "/", CALL, {"Content-Type": "application/json", "Host": "rebound.example"})
        response = connection.getresponse()
        response.read()
        assert response.status == 403
        assert ask(connection, CALL)[0] == 200
    finally:
        connection.close()


def test_bytes_that_are_not_http_end_their_own_connection_only(cluster: Cluster) -> None:
    import socket

    with socket.create_connection(("127.0.0.1", cluster.options.rpc_port_of(0)), timeout=20) as stream:
        stream.sendall(b"\x16\x03\x01\x00\xff garbage\r\n\r\n")
        while stream.recv(4096):
            pass
    client = cluster.client()
    assert client.call("eth_chainId") == hex(735_700)
    client.close()

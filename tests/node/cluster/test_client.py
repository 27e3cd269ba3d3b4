"""What a command makes of a node's answers, and of what is no node's."""

import json

import pytest

from node.cluster.client import CallRefused, Client, Unreachable


@pytest.fixture
def client() -> Client:
    return Client("http://127.0.0.1:1")


def answering(client: Client, monkeypatch: pytest.MonkeyPatch, body: bytes) -> Client:
    monkeypatch.setattr(client, "_exchange", lambda path, sent: body)
    return client


def test_results_come_in_the_order_of_the_calls(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps([{"id": 1, "result": "b"}, {"id": 0, "result": None}]).encode()
    assert answering(client, monkeypatch, body).batch([("one", ()), ("two", ())]) == [None, "b"]


@pytest.mark.parametrize(
    ("code", "told"),
    [(-32005, r"\(-32005\): the node is busy, try again in a moment$"), (-32000, r"why not \(-32000\)$")],
)
def test_a_refusal_says_what_to_do_where_its_message_cannot(code: int, told: str, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps([{"id": 0, "error": {"code": code, "message": "why not"}}]).encode()
    with pytest.raises(CallRefused, match=told) as refused:
        answering(client, monkeypatch, body).call("one")
    assert (refused.value.method, refused.value.code) == ("one", code)


def test_a_refusal_of_all_calls_together_is_one(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": None, "error": {"code": -32005, "message": "limit exceeded"}}).encode()
    with pytest.raises(CallRefused, match="one was refused: limit exceeded") as refused:
        answering(client, monkeypatch, body).batch([("one", ()), ("two", ())])
    assert refused.value.code == -32005


@pytest.mark.parametrize(
    "body",
    [
        b"Not Found", b"[]", b"7", b"[7]", b"null", b'{"error": 7}',
        b'[{"id": 0}]', b'[{"id": 1, "result": 7}]', b'[{"id": 0, "error": 7}]',
        b'[{"id": 0, "error": {}}]', b'[{"id": 0, "error": {"code": null, "message": ""}}]', b"\xff",
    ],
)  # fmt: skip
def test_what_is_no_answer_of_a_node(body: bytes, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unreachable, match="another of the node's ports; the status command shows the addresses"):
        answering(client, monkeypatch, body).call("one")

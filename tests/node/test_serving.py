"""Answers to peers: hostile numbers get an empty answer and reach no store and no executor."""

import pytest

from node.serving import Server
from p2p.messages import BlocksByRange, BlocksByRoot, BundleByNonce, CertificatesByView, Finality, Status, encode_request
from primitives.errors import ExecutorLost, InvalidEncoding
from primitives.votes import EMPTY_SIGNATURE, Certificate, Instance, VoteKind
from tests.node.support import make_core

HUGE = 2**64 - 1


class Unreachable:
    """An executor nobody may ask."""

    def __getattr__(self, name):
        raise AssertionError(f"the executor was asked for {name}")


class Store:
    def read(self, key):
        assert len(key) <= 64
        return None


def server(link=None) -> Server:
    core = make_core()
    core.start()
    return Server(core, Store(), {0: link or Unreachable(), 1: link or Unreachable()})


@pytest.mark.parametrize(
    "request_",
    [
        BlocksByRange(0, HUGE, 64), BlocksByRange(0, 0, 64), BlocksByRange(2, HUGE, 2**32 - 1), BlocksByRange(77, 1, 1),
        BlocksByRoot(77, (b"\1" * 32,)), BlocksByRoot(2, (b"\1" * 32,)),
        CertificatesByView(Instance(0, 0), 0, HUGE), CertificatesByView(Instance(0, 9), 0, 1),
        CertificatesByView(Instance(2**32 - 1, 0), 0, 1),
        BundleByNonce(0, 1, HUGE - 1, HUGE), BundleByNonce(0, 2**32 - 1, 0, 1), BundleByNonce(9, 0, 0, 1),
        BundleByNonce(0, 1, 5, 4),
        BundleByNonce(0, 1, 0, 1),
    ],
    ids=str,
)  # fmt: skip
async def test_what_is_not_here_is_an_empty_answer(request_):
    assert await server().answer("peer", encode_request(request_)) == b""


@pytest.mark.parametrize("payload", [b"", b"\xff", b"\x00", b"\x01" * 3, b"\x04" + b"\xff" * 24 + b"x"])
async def test_garbage_is_refused_with_a_type(payload):
    with pytest.raises(InvalidEncoding):
        await server().answer("peer", payload)


async def test_an_executor_that_is_away_is_an_empty_answer():
    class Away:
        async def body(self, root):
            raise ExecutorLost("away")

    assert await server(Away()).answer("peer", encode_request(BlocksByRoot(0, (b"\1" * 32,)))) == b""


async def test_status_names_every_chain():
    status = Status.decode(await server().answer("peer", encode_request(Status(b"\0" * 32, ()))))
    assert [row.chain for row in status.chains] == [0, 1, 2]


async def test_what_a_peer_tells_is_heard_and_not_answered():
    heard = []
    core = make_core()
    core.start()
    newest = Certificate(core.shards[0].instance, 5, VoteKind.FINALIZE, b"\5" * 32, (True,), EMPTY_SIGNATURE)
    server = Server(core, Store(), {}, hear=lambda peer, certificate: heard.append((peer, certificate)))
    assert await server.answer("peer", encode_request(Finality(newest))) == b""
    assert heard == [("peer", newest)]

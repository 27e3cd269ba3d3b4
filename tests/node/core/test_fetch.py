"""Requests to peers: one a need, another peer each time, bounded."""

from node.core.effects import Ask, Observe
from node.core.fetch import IN_FLIGHT_MAX, Fetcher
from p2p.messages import BlocksByRange, BlocksByRoot, BundleByNonce, CertificatesByView
from primitives.votes import Instance

REQUEST = BlocksByRoot(0, (b"\1" * 32,))


def fetcher(*peers: str) -> Fetcher:
    made = Fetcher()
    for peer in peers:
        made.connect(peer)
    return made


def test_a_need_is_asked_once_until_it_ends_and_then_of_another_peer() -> None:
    asking = fetcher("a", "b", "c")
    (first,) = asking.want(("x",), REQUEST, 0, 100)
    assert isinstance(first, Ask)
    assert asking.want(("x",), REQUEST, 1000, 100) == []
    finished = asking.finish(first.request_id)
    assert finished is not None
    assert finished.peer == first.peer
    assert asking.want(("x",), REQUEST, 50, 100) == []
    (second,) = asking.want(("x",), REQUEST, 100, 100)
    assert isinstance(second, Ask)
    assert second.peer != first.peer


def test_an_answer_that_nobody_asked_for_is_nothing() -> None:
    assert fetcher("a").finish(7) is None


def test_without_peers_nothing_is_asked() -> None:
    assert fetcher().want(("x",), REQUEST, 0, 100) == []


def test_requests_in_flight_are_bounded_and_it_shows() -> None:
    asking = fetcher("a")
    for number in range(IN_FLIGHT_MAX):
        assert len(asking.want((number,), REQUEST, 0, 100)) == 1
    assert asking.want(("more",), REQUEST, 0, 100) == [Observe("limit_hits", {"limit": "requests_in_flight_max"})]


def test_the_peer_that_knows_is_asked_first() -> None:
    asking = fetcher("a", "b", "c")
    (ask,) = asking.want(("x",), REQUEST, 0, 100, prefer="c")
    assert isinstance(ask, Ask)
    assert ask.peer == "c"


def test_a_chain_is_asked_of_those_that_follow_it_or_have_not_told() -> None:
    asking = fetcher("a", "b", "c")
    asking.tell("a", {0: 3})
    asking.tell("b", {0: 4, 1: 5})
    asking.tell("stranger", {1: 9})
    assert asking.followers(1) == ["b", "c"]
    assert asking.followers(None) == ["a", "b", "c"]
    assert (asking.height_of("b", 1), asking.height_of("a", 1), asking.height_of("c", 1)) == (5, None, None)
    requests = (BlocksByRange(1, 1, 1), BlocksByRoot(1, (b"\1" * 32,)), CertificatesByView(Instance(1, 0), 1, 2), BundleByNonce(1, 0, 0, 1))
    for number in range(12):
        (ask,) = asking.want((number,), requests[number % 4], 0, 100, prefer="a")
        assert isinstance(ask, Ask)
        assert ask.peer in ("b", "c")
    asking.disconnect("b")
    asking.tell("c", {0: 1})
    assert asking.want(("none",), requests[0], 0, 100) == []
    asking.connect("b")
    assert len(asking.want(("again",), requests[0], 0, 100)) == 1

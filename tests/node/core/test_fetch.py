"""Requests to peers: one a need, another peer each time, bounded."""

from node.core.effects import Ask, Observe
from node.core.fetch import IN_FLIGHT_MAX, Fetcher
from p2p.messages import BlocksByRoot

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

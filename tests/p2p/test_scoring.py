"""Peer scores."""

from p2p.network import PeerId
from p2p.scoring import PeerScores, ScoringParameters, Verdict
from primitives.errors import Fault

PEER = PeerId("peer")


def test_faults_add_up_to_a_drop_and_then_a_ban():
    scores = PeerScores()
    verdicts = [scores.on_fault(PEER, Fault.PEER, 25, 0) for _ in range(4)]
    assert verdicts == [Verdict.KEEP, Verdict.DROP, Verdict.DROP, Verdict.BAN]


def test_only_the_peers_own_fault_costs_points():
    scores = PeerScores()
    assert scores.on_fault(PEER, Fault.SELF, 1000, 0) is Verdict.KEEP
    assert scores.on_fault(PEER, Fault.UNKNOWN, 1000, 0) is Verdict.KEEP
    assert scores.points(PEER, 0) == 0


def test_points_halve_with_the_half_life_and_never_grow_when_time_stands_or_goes_back():
    scores = PeerScores(ScoringParameters(half_life_seconds=10))
    scores.on_fault(PEER, Fault.PEER, 40, 100)
    assert scores.points(PEER, 110) == 20
    assert scores.points(PEER, 120) == 10
    assert scores.points(PEER, 90) == 40
    scores.on_fault(PEER, Fault.PEER, 1, 90)
    assert scores.points(PEER, 100) == 41


def test_slow_trickle_of_faults_is_forgiven():
    scores = PeerScores(ScoringParameters(half_life_seconds=10))
    assert {scores.on_fault(PEER, Fault.PEER, 20, 20 * number) for number in range(100)} == {Verdict.KEEP}


def test_records_are_bounded_and_the_least_guilty_is_forgotten_first():
    scores = PeerScores(ScoringParameters(peers_max=3))
    for name, weight in (("a", 30), ("b", 10), ("c", 20)):
        scores.on_fault(PeerId(name), Fault.PEER, weight, 0)
    scores.on_fault(PeerId("d"), Fault.PEER, 5, 0)
    assert len(scores) == 3
    assert [scores.points(PeerId(name), 0) for name in "abcd"] == [30, 0, 20, 5]


def test_all_forgiven_records_make_room_together():
    scores = PeerScores(ScoringParameters(peers_max=2, half_life_seconds=1))
    scores.on_fault(PeerId("a"), Fault.PEER, 1, 0)
    scores.on_fault(PeerId("b"), Fault.PEER, 1, 0)
    scores.on_fault(PEER, Fault.PEER, 1, 100)
    assert len(scores) == 1


def test_forgotten_peer_starts_anew():
    scores = PeerScores()
    scores.on_fault(PEER, Fault.PEER, 99, 0)
    scores.forget(PEER)
    assert scores.on_fault(PEER, Fault.PEER, 1, 0) is Verdict.KEEP

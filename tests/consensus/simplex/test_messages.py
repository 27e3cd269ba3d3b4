"""What is refused, why and whose fault it is; votes, quorums and evidence."""

from dataclasses import replace

import pytest

from consensus.simplex import events as e
from consensus.simplex import limits
from primitives.errors import ConsensusReason, Fault
from primitives.types import ZERO_ROOT, Root
from primitives.votes import Instance, Proposal, VoteKind, Wake, base_certificate
from tests.consensus.simplex.bench import BASE_CERTIFICATE, FINALIZE, LEADER, NOTARIZE, NULLIFY, OTHERS, A, B, Bench, C, in_view, other
from tests.consensus.simplex.harness import INSTANCE, certificate_of, vote_of

PROPOSAL = Proposal(b"", BASE_CERTIFICATE, vote_of(LEADER, NOTARIZE, 1, A))
FORGED = replace(vote_of(LEADER, NOTARIZE, 1, A), signature=b"\1" * 96)
REFUSALS = {
    "another chain": (vote_of(1, NOTARIZE, 1, A, Instance(5, 0)), ConsensusReason.OTHER_INSTANCE, Fault.UNKNOWN),
    "later instance": (certificate_of((1, 2, 3), NULLIFY, 1, instance=Instance(0, 9)), ConsensusReason.FUTURE_INSTANCE, Fault.SELF),
    "later instance's wake": (Wake(Instance(0, 9), 1), ConsensusReason.FUTURE_INSTANCE, Fault.SELF),
    "vote of base": (vote_of(1, VoteKind.BASE, 1, A), ConsensusReason.MALFORMED_VOTE, Fault.PEER),
    "vote without block": (vote_of(1, NOTARIZE, 1), ConsensusReason.MALFORMED_VOTE, Fault.PEER),
    "nullify with block": (vote_of(1, NULLIFY, 1, A), ConsensusReason.MALFORMED_VOTE, Fault.PEER),
    "view 0": (vote_of(1, NULLIFY, 0), ConsensusReason.MALFORMED_VOTE, Fault.PEER),
    "stranger's vote": (vote_of(9, NULLIFY, 1), ConsensusReason.NOT_IN_COMMITTEE, Fault.PEER),
    "far vote": (vote_of(1, NULLIFY, 99), ConsensusReason.FAR_FUTURE_VIEW, Fault.UNKNOWN),
    "far wake": (Wake(INSTANCE, 99), ConsensusReason.FAR_FUTURE_VIEW, Fault.UNKNOWN),
    "base certificate": (BASE_CERTIFICATE, ConsensusReason.BAD_CERTIFICATE, Fault.PEER),
    "forged certificate": (replace(certificate_of((1, 2, 3), NULLIFY, 1), view=2), ConsensusReason.BAD_CERTIFICATE, Fault.PEER),
    "no quorum": (certificate_of((1, 2), NULLIFY, 1), ConsensusReason.NO_QUORUM, Fault.PEER),
    "proposal with nullify": (replace(PROPOSAL, vote=vote_of(LEADER, NULLIFY, 1)), ConsensusReason.PROPOSAL_WITHOUT_VOTE, Fault.PEER),
    "forged leader": (replace(PROPOSAL, vote=FORGED), ConsensusReason.BAD_VOTE_SIGNATURE, Fault.PEER),
    "wrong leader": (replace(PROPOSAL, vote=vote_of(OTHERS[0], NOTARIZE, 1, A)), ConsensusReason.NOT_THE_LEADER, Fault.PEER),
    "stranger leads": (replace(PROPOSAL, vote=vote_of(9, NOTARIZE, 1, A)), ConsensusReason.NOT_IN_COMMITTEE, Fault.PEER),
    "other base": (replace(PROPOSAL, parent=base_certificate(INSTANCE, A)), ConsensusReason.PARENT_MISMATCH, Fault.PEER),
    "late parent": (replace(PROPOSAL, parent=certificate_of((1, 2, 3), NOTARIZE, 1, B)), ConsensusReason.PARENT_MISMATCH, Fault.PEER),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_say_why_and_whose_fault(name):
    message, reason, fault = REFUSALS[name]
    bench = Bench()
    bench.tell(message, "culprit")
    assert bench.refused() == [("culprit", reason)]
    assert reason.fault is fault
    assert ("simplex_rejected_total", {"reason": reason.code}) in [(f.name, f.labels) for f in bench.of(e.Observe)]
    assert bench.engine.view == 1
    assert not bench.cast()


def test_a_nullified_parent_or_a_forged_parent_is_refused():
    view = other(2)
    bench = in_view(view)
    bench.tell(bench.proposal(view, certificate=certificate_of((1, 2, 3), NULLIFY, 1))[1], "x")
    assert bench.refused() == [("x", ConsensusReason.PARENT_MISMATCH)]
    bench.tell(bench.proposal(view, certificate=replace(certificate_of((1, 2, 3), NOTARIZE, 1, A), root=B))[1], "y")
    assert ("y", ConsensusReason.BAD_CERTIFICATE) in bench.refused()
    assert not bench.of(e.Check)


def test_a_fourth_block_of_one_view_is_refused():
    view = other()
    bench = in_view(view)
    for salt in range(4):
        bench.tell(bench.proposal(view, salt=bytes([salt]), held=False)[1])
    assert bench.refused() == [("p", ConsensusReason.TOO_MANY_PROPOSALS)]
    assert "proposals_per_view_max" in bench.limits()


def test_votes_below_the_floor_are_stale():
    bench = Bench()
    bench.tell(certificate_of((1, 2, 3), NULLIFY, 100))
    bench.tell(vote_of(1, NULLIFY, 100 - limits.VOTE_VIEWS_BEHIND_MAX))
    assert bench.refused() == [("p", ConsensusReason.STALE_VIEW)]


def test_a_quorum_is_verified_once_and_a_forged_vote_is_found():
    bench = Bench(())
    scheme = bench.engine._state.scheme
    for voter in (0, 1, 2):
        bench.tell(vote_of(voter, NULLIFY, 1))
    assert bench.engine.view == 2
    assert scheme.verified == {"aggregate": 1}
    for peer, vote in (("a", vote_of(0, NULLIFY, 2)), ("forger", replace(vote_of(1, NULLIFY, 2), signature=b"\xff" * 96)),
                       ("c", vote_of(2, NULLIFY, 2))):
        bench.tell(vote, peer)
    assert bench.refused() == [("forger", ConsensusReason.BAD_VOTE_SIGNATURE)]
    bench.tell(vote_of(3, NULLIFY, 2))
    assert bench.engine.view == 3


def test_a_second_signature_has_both_verified_and_blames_who_delivered_the_bad_one():
    good, bad = vote_of(1, FINALIZE, 1, A), replace(vote_of(1, FINALIZE, 1, A), signature=b"\1" * 96)
    for order in ((bad, good), (good, bad)):
        bench = Bench()
        blamed = []
        for vote in order:
            bench.tell(vote, "forger" if vote is bad else "honest")
            blamed += bench.refused()
        assert blamed == [("forger", ConsensusReason.BAD_VOTE_SIGNATURE)]
        assert len(bench.engine._state.votes) == 1


@pytest.mark.parametrize(("first", "second", "guilty"), [
    ((NOTARIZE, A), (NOTARIZE, B), True),
    ((FINALIZE, A), (FINALIZE, B), True),
    ((NULLIFY, ZERO_ROOT), (FINALIZE, A), True),
    ((NOTARIZE, A), (FINALIZE, B), False),
    ((NOTARIZE, A), (NULLIFY, ZERO_ROOT), False),
])
def test_evidence(first, second, guilty):
    bench = Bench()
    bench.tell(vote_of(1, first[0], 1, first[1]))
    bench.tell(vote_of(1, second[0], 1, second[1]))
    found = bench.of(e.EvidenceFound)
    assert len(found) == guilty
    if guilty:
        assert {(v.kind, v.root) for v in (found[0].evidence.first, found[0].evidence.second)} == {first, second}
        bench.tell(vote_of(1, second[0], 1, C) if second[1] != ZERO_ROOT else vote_of(1, NULLIFY, 1))
        assert not bench.of(e.EvidenceFound)


def test_a_forged_rival_makes_no_evidence():
    bench = Bench()
    bench.tell(vote_of(1, NOTARIZE, 1, A))
    bench.tell(replace(vote_of(1, NOTARIZE, 1, B), signature=b"\1" * 96), "forger")
    assert not bench.of(e.EvidenceFound)
    assert bench.refused() == [("forger", ConsensusReason.BAD_VOTE_SIGNATURE)]


def test_memory_for_votes_is_bounded_however_many_a_member_sends():
    bench = Bench()
    for number in range(200):
        bench.tell(vote_of(1, NOTARIZE, 1 + number % 40, Root(number.to_bytes(32, "big"))))
    assert len(bench.engine._state.votes) <= limits.ROOTS_PER_VOTER_MAX * (limits.VIEWS_AHEAD_MAX + 1)
    bench.tell(vote_of(1, NOTARIZE, 1, C))
    assert "roots_per_voter_max" in bench.limits()

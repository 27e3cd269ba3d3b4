"""Rules 1 and 2: which proposals are voted for, which views nullified."""

from dataclasses import replace

import pytest

from consensus.simplex import Verdict
from consensus.simplex import events as e
from primitives.errors import ConsensusReason
from primitives.types import ZERO_ROOT
from primitives.votes import Proposal
from tests.consensus.simplex.bench import COMMITTEE, NOTARIZE, NULLIFY, Bench, in_view, other
from tests.consensus.simplex.harness import PARAMETERS, certificate_of, vote_of


def test_the_first_valid_proposal_gets_the_one_notarize_of_a_view():
    view = other()
    bench = in_view(view)
    first, proposal = bench.proposal(view)
    second, rival = bench.proposal(view, salt=b"2")
    bench.tell(proposal)
    assert [(c.root, c.is_reproposal) for c in bench.of(e.Check)] == [(first.root, False)]
    bench.tell(rival)
    assert bench.of(e.EvidenceFound)
    bench.handle(e.BlockChecked(second.root, view, Verdict.VALID))
    assert bench.cast() == [(NOTARIZE, view, second.root)]
    assert bench.of(e.PersistBlock) == [e.PersistBlock(second.root)]
    bench.handle(e.BlockChecked(first.root, view, Verdict.VALID))
    assert bench.cast() == []


@pytest.mark.parametrize("verdict", [Verdict.INVALID, Verdict.REFUSED])
def test_an_invalid_or_refused_proposal_is_nullified_at_once(verdict):
    view = other()
    bench = in_view(view)
    info, proposal = bench.proposal(view)
    bench.tell(proposal)
    bench.handle(e.BlockChecked(info.root, view, verdict))
    assert bench.cast() == [(NULLIFY, view, ZERO_ROOT)]


def test_a_proposal_whose_gap_or_parent_is_missing_is_undecided():
    view = other(3)
    bench = Bench()
    bench.tell(certificate_of((1, 2, 3), NULLIFY, view - 1))
    info, proposal = bench.proposal(view)
    bench.tell(proposal)
    assert not bench.of(e.Check)
    assert not bench.cast()
    assert bench.engine.view == view
    for earlier in range(1, view - 1):
        bench.tell(certificate_of((1, 2, 3), NULLIFY, earlier))
    assert [check.root for check in bench.of(e.Check)] == [info.root]


def test_a_swapped_parent_blames_who_swapped_it_and_costs_the_leader_nothing():
    bench = Bench()
    below, _ = bench.block(1)
    stray, _ = bench.block(2, below)
    bench.tell(certificate_of((1, 2, 3), NOTARIZE, 1, below.root))
    bench.tell(certificate_of((1, 2, 3), NOTARIZE, 2, stray.root))
    view = other(3)
    for earlier in range(2, view):
        bench.tell(certificate_of((1, 2, 3), NULLIFY, earlier))
    right, wrong = (certificate_of((1, 2, 3), NOTARIZE, v, r.root) for v, r in ((1, below), (2, stray)))
    info, proposal = bench.proposal(view, below, right, held=False)
    bench.tell(replace(proposal, parent=wrong), "swapper")
    assert bench.of(e.Check)[0].parent == wrong
    bench.tell(proposal, "honest")
    bench.chain.blocks[info.root] = info
    bench.handle(e.BlockChecked(info.root, view, Verdict.INVALID))
    assert bench.refused() == [("swapper", ConsensusReason.PARENT_MISMATCH)]
    assert bench.cast(NULLIFY) == []
    assert bench.of(e.Check)[0].parent == right
    bench.handle(e.BlockChecked(info.root, view, Verdict.VALID))
    assert bench.cast(NOTARIZE) == [(NOTARIZE, view, info.root)]


def test_a_block_of_another_view_and_a_block_above_a_boundary_are_nullified():
    bench = Bench()
    old, _ = bench.block(1)
    bench.tell(certificate_of((1, 2, 3), NOTARIZE, 1, old.root))
    view = other(2)
    for earlier in range(2, view):
        bench.tell(certificate_of((1, 2, 3), NULLIFY, earlier))
    again = Proposal(b"", certificate_of((1, 2, 3), NOTARIZE, 1, old.root), vote_of(bench.leader(view), NOTARIZE, view, old.root))
    bench.tell(again)
    assert bench.cast() == [(NULLIFY, view, ZERO_ROOT)]
    assert {"reason": ConsensusReason.VIEW_MISMATCH.code} in [f.labels for f in bench.of(e.Observe)]

    bench = Bench()
    boundary, _ = bench.block(1, boundary=1)
    bench.tell(certificate_of((1, 2, 3), NOTARIZE, 1, boundary.root))
    for earlier in range(2, view):
        bench.tell(certificate_of((1, 2, 3), NULLIFY, earlier))
    bench.tell(bench.proposal(view, boundary, certificate_of((1, 2, 3), NOTARIZE, 1, boundary.root))[1])
    assert bench.cast() == [(NULLIFY, view, ZERO_ROOT)]
    assert {"reason": ConsensusReason.NOT_A_REPROPOSAL.code} in [f.labels for f in bench.of(e.Observe)]
    assert bench.refused() == []


def test_a_boundary_again_is_checked_as_such():
    bench = Bench()
    boundary, _ = bench.block(1, boundary=1)
    certificate = certificate_of((1, 2, 3), NOTARIZE, 1, boundary.root)
    bench.tell(certificate)
    view = other(2)
    for earlier in range(2, view):
        bench.tell(certificate_of((1, 2, 3), NULLIFY, earlier))
    bench.tell(Proposal(b"", certificate, vote_of(bench.leader(view), NOTARIZE, view, boundary.root)))
    assert [check.is_reproposal for check in bench.of(e.Check)] == [True]
    bench.handle(e.BlockChecked(boundary.root, view, Verdict.VALID))
    assert bench.cast() == [(NOTARIZE, view, boundary.root)]


def test_the_leaders_nullify_counts_only_with_a_good_signature():
    view = other()
    bench, leader = in_view(view), COMMITTEE.leader(b"seed", 0, view).index
    bench.tell(replace(vote_of(leader, NULLIFY, view), signature=b"\1" * 96), "forger")
    assert bench.refused() == [("forger", ConsensusReason.BAD_VOTE_SIGNATURE)]
    assert not bench.cast()
    bench.tell(vote_of(leader, NULLIFY, view))
    assert bench.cast() == [(NULLIFY, view, ZERO_ROOT)]


def test_timers_nullify_and_a_block_being_checked_waits_for_the_advance_timer():
    view = other()
    bench = in_view(view)
    due = bench.now + PARAMETERS.block_time_ms
    bench.wait(due + 2 * bench.engine._state.delta_ms - 1 - bench.now)
    assert not bench.cast()
    bench.wait(1)
    assert bench.cast() == [(NULLIFY, view, ZERO_ROOT)]

    bench = in_view(view)
    bench.tell(bench.proposal(view)[1])
    delta = bench.engine._state.delta_ms
    bench.wait(due + 3 * delta + PARAMETERS.execution_budget_ms - 1)
    assert not bench.cast()
    bench.wait(1)
    assert bench.cast() == [(NULLIFY, view, ZERO_ROOT)]

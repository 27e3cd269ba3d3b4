"""Leading, waking, skipping and resending."""

from consensus.simplex import events as e
from primitives.types import ZERO_ROOT
from primitives.votes import Wake
from tests.consensus.simplex.bench import COMMITTEE, LEADER, NULLIFY, OTHERS, Bench, other
from tests.consensus.simplex.harness import BASE, INSTANCE, PARAMETERS, certificate_of, vote_of


def test_a_leader_builds_once_at_due_and_only_on_what_it_holds():
    bench = Bench((LEADER,))
    bench.wait(999)
    assert not bench.of(e.Build)
    bench.wait(1)
    assert [(b.parent_root, b.view, b.leader) for b in bench.of(e.Build)] == [(BASE.root, 1, LEADER)]
    bench.wait(1)
    assert not bench.of(e.Build)
    bench.handle(e.BlockBuilt(1, BASE.root, None, None))
    assert not bench.cast()
    bench.wait(2000)
    assert bench.cast() == [(NULLIFY, 1, ZERO_ROOT)]


def test_a_wake_makes_an_idle_leader_build_but_nobody_else():
    for local, expected in ((LEADER, 1), (OTHERS[0], 0)):
        bench = Bench((local,))
        bench.chain.work = False
        bench.handle(e.ChainChanged())
        bench.wait(2000)
        assert not bench.of(e.Build)
        bench.tell(Wake(INSTANCE, 1))
        assert len(bench.of(e.Build)) == expected


def test_due_is_never_in_the_past_when_work_is_first_seen():
    bench = Bench((OTHERS[0],))
    bench.chain.work = False
    bench.handle(e.ChainChanged())
    bench.wait(4000)
    bench.chain.work = True
    bench.handle(e.ChainChanged())
    assert not bench.cast()
    bench.wait(PARAMETERS.delta_ms // 2)
    assert [f.message for f in bench.of(e.Broadcast)] == [Wake(INSTANCE, 1)]
    bench.wait(PARAMETERS.delta_ms)
    assert not bench.of(e.Broadcast)


def test_a_block_that_is_wanted_now_does_not_wait_and_the_view_before_it_is_not_late():
    bench = Bench((LEADER,))
    bench.chain.work = False
    bench.handle(e.ChainChanged())
    bench.wait(4000)  # as long as the proposal timer of a busy view would have taken
    assert not bench.of(e.Build)
    bench.chain.wanted = True
    bench.handle(e.ChainChanged())
    assert [(b.parent_root, b.view) for b in bench.of(e.Build)] == [(BASE.root, 1)]
    assert not bench.cast()
    bench.wait(2 * PARAMETERS.delta_ms - 1)
    assert not bench.cast()
    bench.wait(1)
    assert bench.cast() == [(NULLIFY, 1, ZERO_ROOT)]


def test_a_silent_leader_is_skipped_unless_a_late_vote_of_it_is_here():
    view = other(PARAMETERS.skip_views + 1)
    quiet = COMMITTEE.leader(b"seed", 0, view).index
    quorum = tuple(i for i in range(4) if i != quiet)
    for late in (False, True):
        bench = Bench()
        for earlier in range(1, view - 1):
            bench.tell(certificate_of(quorum, NULLIFY, earlier))
        if late:
            bench.tell(vote_of(quiet, NULLIFY, view - 2))
        bench.tell(certificate_of(quorum, NULLIFY, view - 1))
        assert bench.cast(NULLIFY) == ([] if late else [(NULLIFY, view, ZERO_ROOT)])


def test_resending_every_four_deltas():
    bench = Bench((OTHERS[0],))
    bench.wait(1500)
    vote = bench.cast()
    assert vote == [(NULLIFY, 1, ZERO_ROOT)]
    bench.wait(499)
    assert not bench.cast()
    bench.wait(1)
    assert bench.cast() == vote
    bench.wait(999)
    assert not bench.cast()
    bench.wait(1)
    assert bench.cast() == vote

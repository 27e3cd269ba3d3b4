"""Rules 3 to 7: finalize and nullify exclude each other across restarts, views never go back, what is stale is answered."""

from dataclasses import replace

import pytest

from consensus.simplex import events as e
from primitives.errors import ConsensusReason, InvalidEncoding
from primitives.types import ZERO_ROOT
from primitives.votes import Instance, Wake
from tests.consensus.simplex.bench import FINALIZE, LEADER, NOTARIZE, NULLIFY, OTHERS, A, B, Bench
from tests.consensus.simplex.harness import INSTANCE, PARAMETERS, certificate_of, vote_of


def test_a_notarization_brings_finalize_even_for_a_view_left_meanwhile():
    bench = Bench()
    bench.tell(certificate_of((1, 2, 3), NULLIFY, 1))
    bench.tell(certificate_of((1, 2, 3), NOTARIZE, 1, A))
    assert bench.cast(FINALIZE) == [(FINALIZE, 1, A)]
    bench.tell(certificate_of((1, 2), NOTARIZE, 1, A))
    assert not bench.cast()


def test_no_finalize_after_nullify_not_even_after_a_restart():
    bench = Bench(local=(other_member := OTHERS[0],))
    bench.wait(3000)
    assert bench.cast(NULLIFY) == [(NULLIFY, 1, ZERO_ROOT)]
    back = bench.restart()
    assert back.cast(NULLIFY) == [(NULLIFY, 1, ZERO_ROOT)]
    back.tell(certificate_of(tuple(i for i in range(4) if i != other_member), NOTARIZE, 1, A))
    assert back.engine.view == 2
    assert not back.cast(FINALIZE)


def test_no_nullify_after_finalize_even_when_a_restart_leads_into_the_old_view():
    bench = Bench()
    bench.tell(certificate_of((1, 2, 3), NOTARIZE, 1, A))
    assert bench.cast(FINALIZE) == [(FINALIZE, 1, A)]
    only_votes = {key: value for key, value in bench.records.items() if key.startswith(b"v/")}
    back = Bench(records=only_votes, now=bench.now)
    assert back.engine.view == 1
    for _ in range(10):
        back.wait(1000)
        assert not back.cast(NULLIFY)


def test_pruned_votes_are_not_cast_again_after_a_restart():
    bench = Bench((OTHERS[0],))
    bench.wait(3000)
    assert bench.cast(NULLIFY) == [(NULLIFY, 1, ZERO_ROOT)]
    bench.tell(certificate_of((0, 1, 2, 3), NULLIFY, 1))
    final = certificate_of((0, 1, 2, 3), FINALIZE, 2, bench.block(2)[0].root)
    bench.tell(final)
    bench.handle(e.BlockFinalized(final))
    assert not [key for key in bench.records if key.startswith(b"v/")]
    back = bench.restart()
    back.tell(certificate_of((0, 1, 2, 3), NOTARIZE, 1, A))
    assert not back.cast()


def test_a_restart_enters_the_stored_view_sends_the_same_bytes_and_keeps_certificates():
    bench = Bench((LEADER,))
    bench.wait(1000)
    build = bench.of(e.Build)[0]
    info, body = bench.block(1)
    bench.handle(e.BlockBuilt(1, build.parent_root, body, info))
    sent = [effect.message for effect in bench.of(e.Broadcast)]
    back = bench.restart()
    again = [effect.message for effect in back.of(e.Broadcast)]
    assert [message.encode() for message in again] == [message.encode() for message in sent]
    bench.tell(certificate_of((0, 1, 2, 3), NULLIFY, 5))
    bench.tell(certificate_of((0, 1, 2, 3), NOTARIZE, 3, A))
    back = bench.restart()
    assert back.engine.view == 6
    assert back.engine.certificates(1, 10) == bench.engine.certificates(1, 10)
    assert [held.certificate.view for held in back.of(e.CertificateHeld)] == [3]


def test_damaged_or_foreign_records_are_refused():
    with pytest.raises(InvalidEncoding):
        Bench(records={b"w": b"short"})
    with pytest.raises(InvalidEncoding):
        Bench(records={b"v/x": vote_of(0, NULLIFY, 1, instance=Instance(0, 3)).encode()})


def test_any_certificate_enters_the_next_view_and_none_goes_back():
    bench = Bench()
    bench.tell(certificate_of((1, 2, 3), NULLIFY, 40))
    assert bench.engine.view == 41
    assert e.WantCertificates(1, 39) in bench.effects or e.WantCertificates(1, 40) in bench.effects
    bench.tell(certificate_of((1, 2, 3), NOTARIZE, 7, A))
    assert bench.engine.view == 41
    assert e.WantBlock(A) in bench.effects


def test_an_older_finalization_never_displaces_a_newer_one():
    bench = Bench()
    newer, older = certificate_of((1, 2, 3), FINALIZE, 6, B), certificate_of((1, 2, 3), FINALIZE, 4, A)
    bench.tell(newer)
    bench.tell(older, "behind")
    assert bench.engine.newest_finalization == newer
    assert bench.of(e.SendTo) == [e.SendTo("behind", newer)]


def test_what_is_stale_is_answered_once_a_delta_and_peer():
    bench = Bench()
    final = certificate_of((1, 2, 3), FINALIZE, 6, B)
    bench.tell(final)
    answers = []
    for peer, wait in (("a", 0), ("a", 100), ("b", 0), ("a", 200)):
        bench.now += wait
        bench.tell(vote_of(1, NULLIFY, 2), peer)
        answers.append([answer.peer for answer in bench.of(e.SendTo)])
    assert answers == [["a"], [], ["b"], ["a"]]


def test_an_ended_instance_answers_and_does_nothing_else():
    bench = Bench()
    boundary, _ = bench.block(1, boundary=1)
    final = certificate_of((1, 2, 3), FINALIZE, 1, boundary.root)
    bench.tell(final)
    bench.handle(e.BlockFinalized(final))
    assert bench.engine.ended
    assert bench.engine.deadline_ms is None
    for message in (vote_of(1, NULLIFY, 2), certificate_of((1, 2, 3), NOTARIZE, 2, A), Wake(INSTANCE, 2)):
        bench.now += 1000
        bench.tell(message)
        assert bench.of(e.SendTo) == [e.SendTo("p", final)]
        assert not bench.cast()
        assert bench.engine.view == 2


def test_votes_of_an_old_instance_count_for_nothing():
    bench = Bench()
    for voter in (1, 2, 3):
        bench.tell(vote_of(voter, NULLIFY, 1, instance=Instance(0, 7)))
    assert bench.engine.view == 1
    relabelled = [replace(vote_of(voter, NULLIFY, 1, instance=Instance(0, 7)), instance=INSTANCE) for voter in (1, 2, 3)]
    for vote in relabelled:
        bench.tell(vote)
    assert bench.engine.view == 1
    assert {reason for _, reason in bench.refused()} == {ConsensusReason.BAD_VOTE_SIGNATURE}


def test_delta_backs_off_with_nullified_views_and_a_finalization_resets_it():
    bench = Bench()
    for view in range(1, 40):
        bench.tell(certificate_of((1, 2, 3), NULLIFY, view))
        assert bench.engine._state.delta_ms == min(PARAMETERS.delta_ms * 2 ** (view // 3), 16_000)
    assert bench.engine._state.delta_ms == 16_000
    final = certificate_of((1, 2, 3), FINALIZE, 40, bench.block(40)[0].root)
    bench.tell(final)
    bench.handle(e.BlockFinalized(final))
    assert bench.engine._state.delta_ms == PARAMETERS.delta_ms

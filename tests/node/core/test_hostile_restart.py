"""A node that ended between its executor's word that a block is final and its own note of it."""

from consensus.simplex import events as simplex
from node.core.effects import Persist
from node.core.records import HeadRecord, certificate_key, head_key
from primitives.votes import EMPTY_SIGNATURE, Certificate, VoteKind
from tests.node.support import make_core


def test_the_certificate_of_what_is_final_already_is_noted():
    core = make_core()
    core.start()
    chain = core.shards[0]
    head = chain.tree.head.info
    certificate = Certificate(chain.instance, 3, VoteKind.FINALIZE, head.root, (True,), EMPTY_SIGNATURE)
    core.context.effects.clear()
    chain._certificate_held(certificate)
    assert chain.certificate == certificate
    written = {effect.key: effect.value for effect in core.context.effects if isinstance(effect, Persist)}
    assert HeadRecord.decode(written[head_key(0)]).certificate == certificate
    assert Certificate.decode(written[certificate_key(0, head.height)]) == certificate
    assert simplex.BlockFinalized(certificate) in chain._inbox
    core.context.effects.clear()
    chain._certificate_held(certificate)
    assert not core.context.effects


def test_what_is_open_for_a_view_below_the_final_one_is_closed():
    core = make_core()
    core.start()
    chain = core.shards[0]
    head = chain.tree.head
    certificate = Certificate(chain.instance, 5, VoteKind.FINALIZE, head.info.root, (True,), EMPTY_SIGNATURE)
    for view in (5, 6):
        chain._start_check(simplex.Check(bytes([view]) * 32, b"", view, certificate, 0, False, "peer"))
    assert set(chain._checks) == {b"\5" * 32, b"\6" * 32}
    chain.committed([head], certificate)
    assert set(chain._checks) == {b"\6" * 32}

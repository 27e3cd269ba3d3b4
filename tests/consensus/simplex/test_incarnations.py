"""An engine whose past was taken back: it votes in views that nobody has ever voted in, on what it still holds."""

from consensus.simplex import Simplex, journal
from consensus.simplex import events as e
from primitives.errors import ConsensusReason, Fault
from primitives.types import ZERO_ROOT
from primitives.votes import Vote
from tests.consensus.simplex.bench import FINALIZE, NOTARIZE, NULLIFY, Bench
from tests.consensus.simplex.harness import (
    BASE,
    GENESIS_ROOT,
    INSTANCE,
    PARAMETERS,
    Chain,
    CheapScheme,
    certificate_of,
    committee_of,
    make_block,
)

ALONE = committee_of((1,))
FIRST = (3 << 32) + 1


class Solo(Bench):
    """A validator that is all there is."""

    first_view = 1

    def __init__(self, records=None, blocks=None, now=0, first_view=1):
        self.first_view, self.records, self.now, self.chain, self.committee = first_view, dict(records or {}), now, Chain(), ALONE
        self.chain.blocks = dict(blocks or {})
        self.engine = Simplex(
            INSTANCE, ALONE, b"seed", BASE, (0,), CheapScheme((0,)), GENESIS_ROOT, PARAMETERS, self.chain, dict(self.records),
            first_view=first_view,
        )
        self.effects = self.engine.start(now)
        self.write()

    def make(self):
        """Has the next block made; the votes that were cast, and the block."""
        self.wait(PARAMETERS.block_time_ms)
        (build,) = self.of(e.Build)
        parent = self.chain.blocks.get(build.parent_root, BASE)
        info, body = make_block(parent, build.view, 0, None, b"%d" % self.first_view)
        self.chain.blocks[info.root] = info
        self.handle(e.BlockBuilt(build.view, build.parent_root, body, info))
        return [(v.kind, v.view) for v in (f.message for f in self.of(e.Broadcast)) if isinstance(v, Vote)], info

    def finish(self, info):
        certificate = self.engine.newest_finalization
        assert certificate.root == info.root
        self.handle(e.BlockFinalized(certificate))


def test_a_reverted_engine_goes_on_in_views_that_were_never_there():
    first = Solo()
    for view in (1, 2):
        votes, info = first.make()
        assert votes == [(NOTARIZE, view), (FINALIZE, view)]
        first.finish(info)
    kept = dict(first.records)
    votes, lost = first.make()  # what is taken back
    assert votes == [(NOTARIZE, 3), (FINALIZE, 3)]

    second = Solo(kept, first.chain.blocks, first.now, FIRST)
    assert second.engine.view == FIRST
    assert not second.cast()
    votes, made = second.make()
    assert votes == [(NOTARIZE, FIRST), (FINALIZE, FIRST)]
    assert (made.parent, made.height) == (lost.parent, lost.height)
    second.finish(made)
    votes, info = second.make()
    assert votes == [(NOTARIZE, FIRST + 1), (FINALIZE, FIRST + 1)]
    assert info.parent == made.root

    again = Solo(second.records, second.chain.blocks, second.now, FIRST)
    assert again.engine.view == FIRST + 2
    assert {v.view for v in (f.message for f in again.of(e.Broadcast)) if isinstance(v, Vote)} <= {FIRST + 1}


def test_what_was_notarized_before_is_built_on_but_not_voted_for_again():
    block, _ = make_block(BASE, 1, 0)
    kept = journal.persist_certificate(certificate_of((0,), NOTARIZE, 1, block.root, size=1))
    second = Solo({kept.key: kept.value}, {block.root: block}, first_view=FIRST)
    assert second.cast() == []
    votes, made = second.make()
    assert votes == [(NOTARIZE, FIRST), (FINALIZE, FIRST)]
    assert made.parent == block.root


def test_what_others_still_hold_of_the_past_is_not_taken_up():
    block, _ = make_block(BASE, 5, 0)
    for kind, root in ((NOTARIZE, block.root), (FINALIZE, block.root), (NULLIFY, ZERO_ROOT)):
        old = certificate_of((0,), kind, 5, root, size=1)
        solo = Solo(blocks={block.root: block}, first_view=FIRST)
        solo.tell(old)
        assert solo.refused() == [("p", ConsensusReason.STALE_VIEW)]
        assert ConsensusReason.STALE_VIEW.fault is Fault.UNKNOWN
        assert solo.engine.newest_finalization is None
        solo = Solo(blocks={block.root: block})
        solo.tell(old)
        assert solo.refused() == []


def test_an_engine_that_starts_anew_stands_on_its_base():
    solo = Solo(first_view=FIRST)
    votes, info = solo.make()
    assert votes == [(NOTARIZE, FIRST), (FINALIZE, FIRST)]
    assert info.parent == BASE.root

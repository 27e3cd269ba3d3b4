"""A block may turn out to be the boundary only once it is executed, when a leader has begun to build on it."""

from dataclasses import replace

from consensus.simplex import events as e
from primitives.votes import Proposal
from tests.consensus.simplex.bench import NOTARIZE, NULLIFY, PARAMETERS, Bench
from tests.consensus.simplex.harness import certificate_of


def test_a_leader_that_finds_its_parent_to_be_the_boundary_proposes_it_again():
    bench = Bench()
    view = next(view for view in range(2, 50) if bench.leader(view) == 0)
    info, _ = bench.block(view - 1)
    for earlier in range(1, view - 1):
        bench.tell(certificate_of((1, 2, 3), NULLIFY, earlier))
    notarization = certificate_of((1, 2, 3), NOTARIZE, view - 1, info.root)
    bench.tell(notarization)
    bench.wait(PARAMETERS.block_time_ms)
    assert [build.parent_root for build in bench.of(e.Build)] == [info.root]

    bench.chain.blocks[info.root] = replace(info, is_boundary=True)
    bench.handle(e.BlockBuilt(view, info.root, None, None))
    (proposal,) = [effect.message for effect in bench.of(e.Broadcast) if isinstance(effect.message, Proposal)]
    assert (proposal.vote.root, proposal.vote.view, proposal.parent) == (info.root, view, notarization)

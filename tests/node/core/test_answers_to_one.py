"""Who is behind is told by a message of its own, and only who is connected (PROTOCOL 2, rule 7)."""

import pytest

from consensus.simplex import events as simplex
from node.core.effects import Now, PeerConnected, Publish, Tell
from p2p.messages import Finality
from primitives.votes import EMPTY_SIGNATURE, Certificate, VoteKind
from tests.node.support import make_core


@pytest.mark.parametrize("is_connected", [True, False])
def test_a_finalization_goes_to_the_one_that_is_behind(is_connected):
    core = make_core()
    core.start()
    if is_connected:
        core.handle(PeerConnected("late"), Now(1_000, 1_000_000))
    chain = core.shards[0]
    newest = Certificate(chain.instance, 5, VoteKind.FINALIZE, b"\5" * 32, (True,), EMPTY_SIGNATURE)
    chain.engine.handle_all = lambda events, now_ms: events.clear() or [simplex.SendTo("late", newest)]
    chain.post(simplex.ChainChanged())
    chain.drain()
    effects = core._finish_turn()
    assert [effect for effect in effects if isinstance(effect, Tell)] == [Tell("late", Finality(newest))] * is_connected
    assert not any(isinstance(effect, Publish) for effect in effects)

"""A node whose numbers are wrong, among others whose numbers are right."""

from dataclasses import replace

import msgspec

from node.core.effects import Publish
from p2p.messages import ConsensusBatch
from shard.views import big, small
from tests.simulation.cluster import Cluster


def test_a_node_with_a_wrong_balance_casts_no_vote_and_follows_and_votes_again_once_it_adds_up() -> None:
    cluster = Cluster(nodes=4, shards=2).with_users().run_until_finalized(3)
    node, said = cluster.node(1), []
    cluster.world.checks.spoiled.add(1)
    executor, carry_out = node.executors[0], node._carry_out_one
    execute, build = executor.execute, executor.build

    def wrong(result):
        return msgspec.structs.replace(result, supply=big(small(result.supply) + 1))

    def note(effect):
        if isinstance(effect, Publish) and isinstance(effect.message, ConsensusBatch):
            said.extend((*effect.message.votes, *effect.message.proposals))
        carry_out(effect)

    node._carry_out_one = note  # type: ignore[method-assign]
    cluster.run_until_grown(2)
    assert said
    executor.execute = lambda *arguments: wrong(execute(*arguments))  # type: ignore[method-assign]

    def build_wrong(*arguments):
        built = build(*arguments)
        return msgspec.structs.replace(built, result=wrong(built.result))

    executor.build = build_wrong  # type: ignore[method-assign]
    assert cluster.world.run_until(lambda: bool(node.core.context.unsound), 60_000)
    assert node.core.context.unsound.startswith("the balances of shard 0 are off by 1 wei at block ")
    said.clear()
    cluster.run_until_grown(5)
    assert said == []
    assert not any(chain.halted for chain in node.core.chains)
    cluster.crash(1).run_until_grown(3)
    assert node.boot == 2
    assert node.core.context.unsound == "", "its store is right"
    assert said, "it takes part again"
    cluster.run_until_delivered()


def test_a_node_whose_beacon_state_was_spoiled_casts_no_vote_on_any_chain() -> None:
    cluster = Cluster(nodes=4, shards=1).run_until_finalized(2)
    node = cluster.node(2)
    beacon = node.core.beacon
    for held in (beacon.tree.head, *beacon.tree):
        if held.outcome is not None:
            held.outcome = replace(held.outcome, treasury=held.outcome.treasury + 9)

    def is_found() -> bool:
        cluster.world.checks.violations.clear()  # that the state is not the others' is the point
        return bool(node.core.context.unsound)

    assert cluster.world.run_until(is_found, 60_000)
    assert node.core.context.unsound.startswith("the supply invariant is off by 9 wei at beacon block ")
    assert all(not chain.engine._state.local for chain in node.core.chains)


def test_a_node_that_does_not_add_up_by_itself_is_a_violation() -> None:
    cluster = Cluster(nodes=4, shards=1).run_until_finalized(1)
    cluster.node(3).core.context.doubt("nothing adds up")
    cluster.world.run_until(lambda: False, 2_000)
    assert [violation.split(": ", 1)[1] for violation in cluster.world.checks.violations] == ["node 3: nothing adds up"]

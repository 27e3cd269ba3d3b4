"""Rules broken on purpose, to show that the checks of a simulated network can fail: `make mutations` prints the table.

Each mutation replaces one function for as long as it is applied; a run catches it by a violation, or by an assertion of the code.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from consensus.beacon import building, crosslinks, transition
from consensus.committee import Committee
from consensus.simplex import certificates, intake, journal, proposals, state, votebook, voting
from consensus.simplex.events import Observe
from node.core import beacon_chain, channels, evidence, shard_chain
from node.core import effects as fx
from node.simulator.executors import ledger, standin
from node.simulator.node import SYNC_MS, SimulatedNode
from node.simulator.personas import draw_personas
from node.simulator.world import World, play
from primitives.parameters import Parameters
from primitives.receipts import ReceiptKind
from primitives.votes import VoteKind
from shard.contracts import OUTBOX
from shard.inbound import choose_inbound

SEEDS_MAX = 200


@dataclass(frozen=True)
class Scenario:
    """Where a mutation is looked for."""

    nodes: int = 4
    shards: int = 1
    views: int = 16
    faults: str = "heavy"
    persona: str | None = None
    """Of node `seed % nodes`; None: personas are drawn."""
    parameters: Mapping[str, int] = field(default_factory=dict)
    second_epoch: frozenset[int] | None = None

    def run(self, seed: int) -> list[str]:
        """What is found broken."""
        world = World(
            seed, self.nodes, self.shards, self.faults, executors="stand-in",
            parameters=Parameters(shard_count=self.shards, **self.parameters), second_epoch=self.second_epoch,
        )  # fmt: skip
        chosen = draw_personas(world.rng, self.nodes) if self.persona is None else {seed % self.nodes: self.persona}
        world = World(
            seed, self.nodes, self.shards, self.faults, executors="stand-in", personas=chosen,
            parameters=Parameters(shard_count=self.shards, **self.parameters), second_epoch=self.second_epoch,
        )  # fmt: skip
        world.plan(self.views)
        return play(world, self.views, "").violations


@dataclass(frozen=True)
class Mutation:
    """One broken rule."""

    rule: str
    how: Callable[[], contextlib.AbstractContextManager[Any]]
    scenario: Scenario = Scenario()


PLAIN = Scenario()
CALM = Scenario(faults="light")
CRASHING = Scenario(faults="crashing")
CROSSING = Scenario(shards=2, faults="light")
HANDOVER = Scenario(
    nodes=5, shards=1, views=20, faults="heavy", parameters={"epoch_length": 6}, second_epoch=frozenset({0, 1, 2, 3})
)


def replaced(owner: Any, name: str, value: Any) -> Callable[[], contextlib.AbstractContextManager[Any]]:
    """Replaces one function."""
    return lambda: mock.patch.object(owner, name, value)


def together(*changes: Callable[[], contextlib.AbstractContextManager[Any]]) -> Callable[[], contextlib.AbstractContextManager[Any]]:
    """Several changes that are one mutation."""

    @contextlib.contextmanager
    def applied() -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for change in changes:
                stack.enter_context(change())
            yield

    return applied


def half(committee: Committee, positions: Any) -> bool:
    return 2 * committee.stake_of(positions) >= committee.total


def sign_anything(state: Any, turn: Any, kind: Any, view: int, root: Any) -> Any:
    """As `voting.sign`, without the assertions that would end the node first."""
    state.decided[kind, view] = root
    message = state.votes.message(view, kind, root)
    votes = []
    for index, position in sorted(state.local.items()):
        vote = voting.Vote(state.instance, view, kind, root, index, state.scheme.sign(index, message))
        state.own_votes[view, kind, index] = vote
        state.votes.add(vote, position, None, verified=True)
        turn.add(journal.persist_vote(vote))
        votes.append(vote)
    state.ripe.append((view, kind, root))
    return tuple(votes)


unasserted = replaced(voting, "sign", sign_anything)


def finalize_always(state: Any, turn: Any, notarization: Any) -> None:
    if notarization.view > state.certificates.final and not state.has_voted(VoteKind.FINALIZE, notarization.view):
        voting.cast(state, turn, VoteKind.FINALIZE, notarization.view, notarization.root)


def notarize_always(state: Any, turn: Any, root: Any) -> None:
    voting.cast(state, turn, VoteKind.NOTARIZE, state.view, root)


def forgotten(*_: Any) -> Observe:
    return Observe("nothing", 0, {})


def send_first(node: SimulatedNode) -> None:
    """As `SimulatedNode._go_on`, but what was written is synced after all else."""
    node._is_busy = True
    while node._turns:
        effects = node._turns.popleft()()
        records = [(effect.key, effect.value) for effect in effects if isinstance(effect, fx.Persist)]
        node.store.database.write_batch(records, sync=False)
        node._carry_out([effect for effect in effects if not isinstance(effect, fx.Persist)])
        if node._doom is not None:
            node.world.crash(node, node._doom[1])
            return
        node.later(SYNC_MS, node.store.database.sync)
    node._is_busy = False


def choose_again(height: int, taken: Any, *rest: Any) -> Any:
    """The inbound order from one receipt before the cursor."""
    back = [dataclasses.replace(totals, count=max(0, totals.count - 1)) for totals in taken]
    return choose_inbound(height, back, *rest)


def available_again(self: Any, cursor: int, end: int) -> Any:
    found = [receipt for page in self._pages for receipt in page.receipts if receipt.nonce < end]
    return tuple(found)


def xored(state: Any, block: Any, *rest: Any, **named: Any) -> Any:
    after = plain_apply(state, block, *rest, **named)
    mixed = bytes(a ^ b for a, b in zip(state.mix, block.randao_reveal[:32], strict=True))
    return dataclasses.replace(after, mix=mixed)


plain_apply = transition.apply_block


def spends_what_it_lacks(self: Any, destination: int, kind: Any, sender: bytes, to: bytes, amount: int, *rest: Any) -> Any:
    return plain_send(self, destination, kind, sender, to, amount * 10**6 if kind == ReceiptKind.CREDIT else amount, *rest)


plain_send = ledger.Ledger._send


def settles_and_keeps(self: Any, receipt: Any) -> None:
    before = self.account(OUTBOX)[1]
    plain_settle(self, receipt)
    self.pay(OUTBOX, before - self.account(OUTBOX)[1])


plain_settle = ledger.Ledger.settle


def book_below_nothing(state: Any, shard: int, new: Any) -> Any:
    """As `crosslinks._book`, for a shard that may spend what it lacks."""
    rich = dataclasses.replace(state.shards[shard], supply=state.shards[shard].supply + 10**30)
    return plain_book(dataclasses.replace(state, shards=(*state.shards[:shard], rich, *state.shards[shard + 1 :])), shard, new)


plain_book = crosslinks._book


def take_in_unfolded(self: Any, bundle: Any, now_ms: int) -> bool:
    with mock.patch.object(type(bundle), "accumulator_after", lambda page, base: self._known(page.first_nonce + len(page.receipts))):
        return bool(plain_offer(self, bundle, now_ms))


plain_offer = channels.InboundChannel.offer


def no_burn(self: Any) -> Any:
    self.burned = 0
    return plain_finish(self)


plain_finish = ledger.Ledger.finish

MUTATIONS: dict[str, Mutation] = {
    "quorum of a half": Mutation("certificates need two thirds of the stake", replaced(Committee, "has_quorum", half)),
    "votes not persisted": Mutation("votes are on disk before they are sent", replaced(journal, "persist_vote", forgotten), CRASHING),
    "votes sent before they are synced": Mutation("persisting comes first", replaced(SimulatedNode, "_go_on", send_first), CRASHING),
    "certificates not persisted": Mutation(
        "certificates above the newest finalization are on disk", replaced(journal, "persist_certificate", forgotten), CRASHING
    ),
    "finalize after nullify": Mutation(
        "no finalize vote in a view that was nullified", together(unasserted, replaced(voting, "finalize", finalize_always))
    ),
    "notarize twice": Mutation(
        "one notarize vote a view", together(unasserted, replaced(voting, "notarize", notarize_always)),
        Scenario(faults="light", persona="equivocating-proposer"),
    ),
    "certificates not verified": Mutation(
        "a certificate carries a quorum's signature", replaced(intake, "verify_certificate", lambda *_: None),
        Scenario(faults="light", persona="certificate-forger"),
    ),
    "gaps not checked": Mutation(
        "every view between a parent and its child is nullified",
        replaced(certificates.CertificateBook, "missing_nullification", lambda self, above, below: None),
        Scenario(views=24, persona="fork-builder"),
    ),
    "nothing sent again": Mutation("rule 6: what may be lost is sent again", replaced(voting, "resend", lambda state, turn: None)),
    "state root not compared": Mutation(
        "a block's state root is what executing it gives", replaced(standin, "check_results", lambda header, executed: None),
        Scenario(faults="light", persona="invalid-root-proposer"),
    ),
    "boundary skipped": Mutation(
        "the last block of an instance ends it",
        together(
            replaced(beacon_chain.BeaconChain, "ends_instance", lambda self, held: False),
            replaced(shard_chain.ShardChain, "ends_instance", lambda self, held: False),
        ),
        HANDOVER,
    ),
    "build on a boundary": Mutation(
        "above a boundary only the boundary is proposed again", replaced(state.State, "is_boundary", lambda self, block: False), HANDOVER
    ),
    "blocks of a closed instance kept": Mutation(
        "a forced close leaves what was not crosslinked void",
        replaced(shard_chain.ShardChain, "reaches", lambda self, opening: True),
        dataclasses.replace(HANDOVER, parameters={"epoch_length": 6, "handover_blocks": 1}),
    ),
    "evidence ignored": Mutation(
        "who contradicts itself is slashed", replaced(evidence.EvidenceBook, "add", lambda self, *_: False),
        Scenario(faults="light", persona="double-voter"),
    ),
    "RANDAO xored": Mutation(
        "randomness is hashed, not combined",
        together(replaced(transition, "apply_block", xored), replaced(building, "apply_block", xored)), CALM,
    ),
    "cursor not checked": Mutation(
        "a receipt is delivered once",
        together(
            replaced(standin, "choose_inbound", choose_again), replaced(shard_chain, "check_inbound", lambda *_, **__: {}),
            replaced(channels.InboundChannel, "available", available_again),
            replaced(channels.InboundChannel, "advance_base", lambda self, base: None),
        ),
        CROSSING,
    ),
    "receipts not folded": Mutation(
        "receipts fold to what their source's chain committed to", replaced(channels.InboundChannel, "offer", take_in_unfolded),
        Scenario(shards=2, faults="light", persona="bundle-withholder"),
    ),
    "refund forgotten": Mutation("a failed call is paid back", replaced(ledger.Ledger, "refund", lambda *_, **__: None), CROSSING),
    "escrow kept": Mutation(
        "what is paid for a callback is spent once", replaced(ledger.Ledger, "settle", settles_and_keeps), CROSSING
    ),
    "base fee not burned": Mutation("what leaves accounts is counted", replaced(ledger.Ledger, "finish", no_burn), CALM),
    "containment off": Mutation(
        "no shard spends more than it holds (with a shard that does)",
        together(replaced(ledger.Ledger, "_send", spends_what_it_lacks), replaced(crosslinks, "_book", book_below_nothing)), CROSSING,
    ),
    "old proposals kept": Mutation(
        "books are pruned", replaced(proposals.ProposalBook, "prune", lambda self, below: None),
        Scenario(faults="light", views=40),
    ),
    "old votes kept": Mutation(
        "books are pruned", replaced(votebook.VoteBook, "prune", lambda self, below: None), Scenario(faults="none", views=110)
    ),
}


def seeds_until_caught(mutation: Mutation, seeds_max: int = SEEDS_MAX) -> tuple[int, str] | None:
    """Seeds it takes, and what was found; None where it is not caught."""
    with mutation.how():
        for seed in range(1, seeds_max + 1):
            try:
                found = mutation.scenario.run(seed)
            except Exception as error:
                return seed, f"{type(error).__name__}: {error}"[:90]
            if found:
                return seed, found[0].split(": ", 1)[-1][:90]
    return None


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="How many seeds it takes until a broken rule is noticed.")
    parser.add_argument("--seeds", type=int, default=SEEDS_MAX, help="seeds to try for each")
    parser.add_argument("--only", default="", help="mutations whose name holds this")
    wanted = parser.parse_args()
    print("| broken | rule | seeds until caught | what was found |\n|---|---|---|---|")
    missed = 0
    for name, mutation in MUTATIONS.items():
        if wanted.only in name:
            caught = seeds_until_caught(mutation, wanted.seeds)
            missed += caught is None
            seeds, what = caught or (f"more than {wanted.seeds}", "")
            print(f"| {name} | {mutation.rule} | {seeds} | {what} |", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

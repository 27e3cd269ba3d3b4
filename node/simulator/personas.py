"""Validators that break the rules: each wraps the honest core of its node at the boundary where effects leave it.

A persona has its own validator's key and nobody else's, changes what its node says, when, to whom, and what it answers;
the core behind it is the honest one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from consensus.beacon.transition import apply_block
from node import lies
from node.core import effects as fx
from node.core import tree
from p2p.messages import Blocks, BlocksByRange, BlocksByRoot, BundleByNonce, Certificates, ConsensusBatch, GossipPayload, Status
from p2p.topics import Topic, TopicKind
from primitives.blocks import BeaconBlock, ShardBlock
from primitives.errors import InvalidConfig
from primitives.hashing import sha256
from primitives.headers import ShardHeader
from primitives.receipts import Bundle
from primitives.types import ZERO_ROOT
from primitives.votes import Certificate, Instance, Proposal, Vote, VoteKind, vote_signing_root
from shard.executor.context import BuildContext

if TYPE_CHECKING:
    from node.simulator.node import SimulatedNode

ALTERNATIVES_MAX = 64
"""Second blocks an equivocating proposer remembers until it proposes."""
BODY_WITHHELD_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class Said:
    """A message on its way out."""

    topic: Topic
    message: GossipPayload
    targets: frozenset[int] | None = None
    """Nodes it goes to; None: all."""
    delay_ms: int = 0
    """On top of the network's."""


class Persona:
    """An honest node; what differs is overridden."""

    def __init__(self, node: SimulatedNode) -> None:
        self.node, self.world = node, node.world
        self.rng = random.Random(f"persona {self.world.seed} {node.index}")

    def says(self, said: Said) -> Iterator[Said]:
        """What is sent in place of a message of the honest core."""
        if isinstance(said.message, ConsensusBatch):
            yield from self.agrees(said, said.message)
        else:
            yield said

    def agrees(self, said: Said, batch: ConsensusBatch) -> Iterator[Said]:
        """What is sent in place of a batch of consensus messages."""
        yield said

    def answers(self, request: object, response: Any) -> Any:
        """What is answered in place of the honest answer; None: nothing."""
        return response

    def lag_ms(self) -> int:
        """How much later than the others it hears."""
        return 0

    def builds(self, effect: fx.Build, context: BuildContext) -> None:
        """Its core is about to build a block of a shard."""

    # -- what personas are made of

    def vote(self, instance: Instance, view: int, kind: VoteKind, root: bytes) -> Vote:
        """A vote with the own key."""
        genesis, index = self.world.genesis, self.node.index
        message = vote_signing_root(genesis.parameters.fork_version, genesis.root, instance, view, kind, root)
        return Vote(instance, view, kind, root, index, self.world.keys.scheme(index).sign(index, message))

    def is_own(self, vote: Vote) -> bool:
        """Whether it is this validator's."""
        return vote.validator == self.node.index

    def half(self) -> frozenset[int]:
        """Some of the nodes."""
        everyone = range(len(self.world.nodes))
        return frozenset(self.rng.sample(everyone, len(everyone) // 2))


def changed(said: Said, batch: ConsensusBatch, **fields: Any) -> Said:
    """The same message with another batch."""
    return replace(said, message=replace(batch, **fields))


class EquivocatingProposer(Persona):
    """Proposes two valid blocks for one view, each to some of the others or both to all."""

    def __init__(self, node: SimulatedNode) -> None:
        super().__init__(node)
        self._second: dict[tuple[int, bytes, int], bytes] = {}

    def builds(self, effect: fx.Build, context: BuildContext) -> None:
        """See `Persona`: builds a second one, empty and with its parent's time."""
        if len(self._second) >= ALTERNATIVES_MAX:
            self._second.clear()
        built = self.node.executors[effect.shard].build(effect.parent, replace(context, timestamp=0), (), 1000)
        self._second[effect.shard, effect.parent, effect.view] = built.block

    def _alternative(self, chain: int, proposal: Proposal) -> tuple[bytes, bytes] | None:
        """Another block for the same view, and its root."""
        if not proposal.block:
            return None
        if chain != self.world.genesis.parameters.beacon:
            header = ShardHeader.decode(ShardBlock.decode(proposal.block).header)
            data = self._second.get((chain, header.parent_hash, proposal.vote.view))
            return None if data is None else (data, ShardHeader.decode(ShardBlock.decode(data).header).hash())
        block = BeaconBlock.decode(proposal.block)
        parent = self.node.core.beacon.tree.get(block.parent_root)
        if parent is None or parent.outcome is None:
            return None
        bare = replace(block, crosslinks=(), evidence=(), timestamp=parent.outcome.timestamp, state_root=ZERO_ROOT)
        bare = replace(bare, state_root=apply_block(parent.outcome, bare, self.world.genesis.parameters).hash_tree_root())
        return bare.encode(), bare.hash_tree_root()

    def agrees(self, said: Said, batch: ConsensusBatch) -> Iterator[Said]:
        """See `Persona`."""
        for proposal in batch.proposals:
            second = self._alternative(said.topic.chain, proposal)
            if second is None or second[1] == proposal.vote.root:
                continue
            vote = self.vote(proposal.vote.instance, proposal.vote.view, VoteKind.NOTARIZE, second[1])
            other = ConsensusBatch((), (Proposal(second[0], proposal.parent, vote),), (vote,), (), ())
            some = self.half()
            both = self.rng.random() < 0.3
            yield replace(said, targets=None if both else some)
            yield Said(said.topic, other, None if both else frozenset(range(len(self.world.nodes))) - some)
            return
        yield said


class ForkBuilder(Persona):
    """Builds a shard's block on the parent of the block it should build on, as if that one had been nullified."""

    def __init__(self, node: SimulatedNode) -> None:
        super().__init__(node)
        self._forks: dict[tuple[int, int], Proposal] = {}

    def builds(self, effect: fx.Build, context: BuildContext) -> None:
        """See `Persona`."""
        chain = self.node.core.shards[effect.shard]
        parent = chain.tree.get(effect.parent)
        below = None if parent is None else chain.tree.get(parent.info.parent)
        certificates = () if below is None else chain.engine.certificates(below.info.view, below.info.view)
        notarized = [one for one in certificates if below is not None and one.root == below.info.root]
        if below is None or below.status is not tree.Status.VALID or not notarized:
            return
        built = self.node.executors[effect.shard].build(below.info.root, replace(context, available={}), (), 1000)
        vote = self.vote(chain.instance, effect.view, VoteKind.NOTARIZE, built.result.hash)
        if len(self._forks) >= ALTERNATIVES_MAX:
            self._forks.clear()
        self._forks[effect.shard, effect.view] = Proposal(built.block, notarized[0], vote)

    def agrees(self, said: Said, batch: ConsensusBatch) -> Iterator[Said]:
        """See `Persona`: instead of its own block and its vote for that."""
        for proposal in filter(lambda proposal: self.is_own(proposal.vote), batch.proposals):
            fork = self._forks.get((said.topic.chain, proposal.vote.view))
            if fork is not None:
                others = tuple(vote for vote in batch.votes if vote != proposal.vote)
                said = changed(said, batch, proposals=(fork,), votes=(*others, fork.vote))
        yield said


class DoubleVoter(Persona):
    """Votes for a block that is not there beside every vote for one, and to finalize views that it nullifies."""

    def agrees(self, said: Said, batch: ConsensusBatch) -> Iterator[Said]:
        """See `Persona`."""
        votes = list(batch.votes)
        for vote in filter(self.is_own, batch.votes):
            if vote.kind == VoteKind.NULLIFY:
                votes.append(self.vote(vote.instance, vote.view, VoteKind.FINALIZE, sha256(b"a block nobody has")))
            else:
                votes.append(self.vote(vote.instance, vote.view, VoteKind(vote.kind), sha256(b"another block" + vote.root)))
        yield changed(said, batch, votes=tuple(votes))


class VoteWithholder(Persona):
    """Votes only in its own proposals, and to some of the others."""

    def agrees(self, said: Said, batch: ConsensusBatch) -> Iterator[Said]:
        """See `Persona`."""
        yield changed(said, batch, votes=())
        if batch.votes and self.rng.random() < 0.3:
            yield replace(changed(said, batch, certificates=(), proposals=(), wakes=()), targets=self.half())


class BlockWithholder(Persona):
    """Proposes blocks whose body it gives to few of the others, if to any, and serves none."""

    def agrees(self, said: Said, batch: ConsensusBatch) -> Iterator[Said]:
        """See `Persona`."""
        bare = tuple(replace(proposal, block=b"") if self.is_own(proposal.vote) else proposal for proposal in batch.proposals)
        some = self.half()
        if bare != batch.proposals and self.rng.random() > BODY_WITHHELD_SHARE:
            yield replace(said, targets=some)
            yield replace(changed(said, batch, proposals=bare), targets=frozenset(range(len(self.world.nodes))) - some)
        else:
            yield changed(said, batch, proposals=bare)

    def answers(self, request: object, response: Any) -> Any:
        """See `Persona`."""
        return None if isinstance(request, BlocksByRoot | BlocksByRange) else response


class Lagger(Persona):
    """Hears and says everything late."""

    def says(self, said: Said) -> Iterator[Said]:
        """See `Persona`."""
        yield replace(said, delay_ms=self.rng.randint(*lies.LAG_MS))

    def lag_ms(self) -> int:
        """See `Persona`."""
        return self.rng.randint(*lies.LAG_MS)


class HeightLiar(Persona):
    """Claims to be far ahead, or at the start, and has no blocks for those who believe it."""

    def answers(self, request: object, response: Any) -> Any:
        """See `Persona`."""
        if isinstance(response, Status):
            return lies.elsewhere(response, self.rng)
        if isinstance(request, BlocksByRange) and isinstance(response, Blocks):
            return lies.cut_short(response, self.rng)
        return response


class BundleWithholder(Persona):
    """Keeps receipts to itself, and answers who asks for them with nothing or with forged ones."""

    def says(self, said: Said) -> Iterator[Said]:
        """See `Persona`."""
        if said.topic.kind is not TopicKind.RECEIPTS:
            yield said
        elif isinstance(said.message, Bundle) and self.rng.random() < 0.5:
            yield replace(said, message=lies.forged(said.message))

    def answers(self, request: object, response: Any) -> Any:
        """See `Persona`."""
        if isinstance(request, BundleByNonce) and isinstance(response, Bundle):
            return lies.kept_or_forged(response, self.rng)
        return response


class InvalidRootProposer(Persona):
    """Proposes blocks that claim another state than their execution leads to."""

    def agrees(self, said: Said, batch: ConsensusBatch) -> Iterator[Said]:
        """See `Persona`."""
        proposals, votes = [], [vote for vote in batch.votes if not self._is_for_own(vote, batch)]
        for proposal in batch.proposals:
            if self.is_own(proposal.vote) and proposal.block:
                is_beacon = said.topic.chain == self.world.genesis.parameters.beacon
                data, root = lies.spoiled(proposal.block, is_beacon=is_beacon)
                vote = self.vote(proposal.vote.instance, proposal.vote.view, VoteKind.NOTARIZE, root)
                proposals.append(Proposal(data, proposal.parent, vote))
                votes.append(vote)
            else:
                proposals.append(proposal)
        yield changed(said, batch, proposals=tuple(proposals), votes=tuple(votes))

    @staticmethod
    def _is_for_own(vote: Vote, batch: ConsensusBatch) -> bool:
        return any(proposal.vote == vote for proposal in batch.proposals)


class CertificateForger(Persona):
    """Sends certificates that nobody signed, and votes in the names of the others."""

    def agrees(self, said: Said, batch: ConsensusBatch) -> Iterator[Said]:
        """See `Persona`."""
        yield said
        for vote in batch.votes[:1]:
            kind = self.rng.choice((VoteKind.NOTARIZE, VoteKind.FINALIZE, VoteKind.NULLIFY))
            root = ZERO_ROOT if kind == VoteKind.NULLIFY else sha256(b"forged" + vote.root)
            view = max(1, vote.view + self.rng.randint(-2, 3))
            own = self.vote(vote.instance, view, kind, root)
            members = len(self.world.genesis.validators)
            forged = Certificate(vote.instance, view, kind, root, (True,) * members, own.signature)
            yield Said(said.topic, ConsensusBatch((forged,), (), (), (), ()))
            victim = self.rng.randrange(members)
            if victim != self.node.index:
                yield Said(said.topic, ConsensusBatch((), (), (replace(own, validator=victim),), (), ()))

    def answers(self, request: object, response: Any) -> Any:
        """See `Persona`."""
        if isinstance(response, Certificates):
            spoiled = tuple(replace(one, signature=sha256(one.signature) * 3) for one in response.certificates)
            return replace(response, certificates=spoiled)
        return response


class SlowProposer(Persona):
    """Proposes around the moment at which the others give its view up."""

    def agrees(self, said: Said, batch: ConsensusBatch) -> Iterator[Said]:
        """See `Persona`."""
        is_proposal = any(self.is_own(proposal.vote) for proposal in batch.proposals)
        yield replace(said, delay_ms=self.rng.randint(*lies.SLOW_BLOCK_MS)) if is_proposal else said


PERSONAS: dict[str, type[Persona]] = {
    "equivocating-proposer": EquivocatingProposer,
    "fork-builder": ForkBuilder,
    "double-voter": DoubleVoter,
    "vote-withholder": VoteWithholder,
    "block-withholder": BlockWithholder,
    "lagger": Lagger,
    "height-liar": HeightLiar,
    "bundle-withholder": BundleWithholder,
    "invalid-root-proposer": InvalidRootProposer,
    "certificate-forger": CertificateForger,
    "slow-proposer": SlowProposer,
}


def check_personas(personas: dict[int, str], nodes: int) -> None:
    """Whether the rules promise anything with these validators, of equal stake.

    Raises:
        InvalidConfig: an unknown name or node, or a third of the stake or more.
    """
    for index, name in personas.items():
        if name not in PERSONAS:
            raise InvalidConfig("--persona", f"there is no persona {name!r}: take one of {', '.join(PERSONAS)}")
        if not 0 <= index < nodes:
            raise InvalidConfig("--persona", f"there is no node {index} with a validator: take one of 0 to {nodes - 1}")
    if 3 * len(personas) >= nodes:
        most, given = (nodes - 1) // 3, f"{len(personas)} of {nodes} validators are a third or more"
        raise InvalidConfig("--persona", f"{given}, which no agreement survives: name at most {most}")


def draw_personas(rng: random.Random, nodes: int) -> dict[int, str]:
    """Some validators that break the rules, fewer than a third, often none."""
    count = rng.randint(0, (nodes - 1) // 3)
    return {index: rng.choice(tuple(PERSONAS)) for index in sorted(rng.sample(range(nodes), count))}

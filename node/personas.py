"""Validators that break the rules, for networks for development: what leaves an honest core is changed on its way out.

The core behind a persona is the honest one and knows nothing of it; what is added is signed with the node's own keys.
Source: docs/operating.md, "Misbehave on purpose".
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from consensus.signatures import SignatureScheme
from node import lies
from node.core.effects import Ask, Effect, Publish
from p2p.messages import Blocks, BlocksByRange, BlocksByRoot, BundleByNonce, ConsensusBatch, Status, request_type
from p2p.topics import Topic
from primitives.genesis import Genesis
from primitives.hashing import sha256
from primitives.receipts import Bundle
from primitives.types import ZERO_ROOT, Root
from primitives.votes import Certificate, Instance, Proposal, Vote, VoteKind, vote_signing_root

SPOILED_MAX = 2048
"""Blocks whose false twins are remembered, so that what is said of them again is the same."""
INSTANCES_MAX = 128
"""Of which it is remembered where the persona began."""


@dataclass(frozen=True, slots=True)
class Late:
    """Something that is gossiped later than it could be."""

    publish: Publish
    seconds: float


class Persona:
    """Honest; what differs is overridden."""

    def __init__(self, genesis: Genesis, scheme: SignatureScheme, chance: lies.Chance) -> None:
        """`scheme` signs for the node's validators and for nobody else."""
        self._genesis, self._scheme, self._chance = genesis, scheme, chance

    def alter(self, effect: Effect) -> Iterator[Effect | Late]:
        """What happens in place of an effect of the honest core."""
        if isinstance(effect, Publish) and isinstance(effect.message, ConsensusBatch):
            yield from self.say(effect, effect.message)
        else:
            yield effect

    def say(self, honest: Publish, batch: ConsensusBatch) -> Iterator[Effect | Late]:
        """What is gossiped in place of consensus messages."""
        yield honest

    def refuses(self, request: bytes) -> bool:
        """Whether an encoded request of a peer is answered with nothing, whatever it is."""
        return False

    def answer(self, request: bytes, honest: bytes) -> bytes:
        """What a peer's encoded request is answered with in place of the honest answer; empty: nothing."""
        return honest

    def lag_seconds(self) -> float:
        """How much later than it comes a message is heard."""
        return 0.0

    def is_own(self, vote: Vote) -> bool:
        """Whether a validator of this node cast it."""
        return self._scheme.can_sign(vote.validator)

    def vote(self, like: Vote, kind: VoteKind, root: bytes) -> Vote:
        """A vote of the same validator in the same view."""
        message = vote_signing_root(self._genesis.parameters.fork_version, self._genesis.root, like.instance, like.view, kind, root)
        return Vote(like.instance, like.view, kind, root, like.validator, self._scheme.sign(like.validator, message))


def _publish(topic: Topic, batch: ConsensusBatch) -> Iterator[Publish]:
    if batch != ConsensusBatch((), (), (), (), ()):
        yield Publish(topic, batch)


class DoubleVoter(Persona):
    """Votes for a block that is not there beside every vote for one, and to finalize views that it nullifies."""

    def say(self, honest: Publish, batch: ConsensusBatch) -> Iterator[Effect | Late]:
        """See `Persona`."""
        yield honest
        seconds = []
        for vote in filter(self.is_own, batch.votes):
            kind = VoteKind.FINALIZE if vote.kind == VoteKind.NULLIFY else VoteKind(vote.kind)
            seconds.append(self.vote(vote, kind, sha256(b"another block" + vote.root)))
        yield from _publish(honest.topic, ConsensusBatch((), (), tuple(seconds), (), ()))


class EquivocatingProposer(Persona):
    """Proposes a second block in each of its views, whose body nobody has."""

    def say(self, honest: Publish, batch: ConsensusBatch) -> Iterator[Effect | Late]:
        """See `Persona`."""
        yield honest
        for proposal in batch.proposals:
            if self.is_own(proposal.vote):
                vote = self.vote(proposal.vote, VoteKind.NOTARIZE, sha256(b"another block" + proposal.vote.root))
                yield from _publish(honest.topic, ConsensusBatch((), (Proposal(b"", proposal.parent, vote),), (vote,), (), ()))


class VoteWithholder(Persona):
    """Proposes, and keeps every other vote to itself."""

    def say(self, honest: Publish, batch: ConsensusBatch) -> Iterator[Effect | Late]:
        """See `Persona`."""
        yield from _publish(honest.topic, replace(batch, votes=()))


class BlockWithholder(Persona):
    """Proposes blocks without their body, and serves nobody a block."""

    def say(self, honest: Publish, batch: ConsensusBatch) -> Iterator[Effect | Late]:
        """See `Persona`."""
        proposals = tuple(replace(one, block=b"") if self.is_own(one.vote) else one for one in batch.proposals)
        yield from _publish(honest.topic, replace(batch, proposals=proposals))

    def refuses(self, request: bytes) -> bool:
        """See `Persona`."""
        return request_type(request) in (BlocksByRange, BlocksByRoot)


class Lagger(Persona):
    """Hears and says everything late."""

    def alter(self, effect: Effect) -> Iterator[Effect | Late]:
        """See `Persona`."""
        yield Late(effect, self.lag_seconds()) if isinstance(effect, Publish) else effect

    def lag_seconds(self) -> float:
        """See `Persona`."""
        return self._chance.randint(*lies.LAG_MS) / 1000


class HeightLiar(Persona):
    """Claims to be far ahead, or at the start, and lacks a block for those who believe it."""

    def alter(self, effect: Effect) -> Iterator[Effect | Late]:
        """See `Persona`: who asks for heights tells its own."""
        if isinstance(effect, Ask) and isinstance(effect.request, Status):
            effect = replace(effect, request=lies.elsewhere(effect.request, self._chance))
        yield effect

    def answer(self, request: bytes, honest: bytes) -> bytes:
        """See `Persona`."""
        kind = request_type(request)
        if honest and kind is Status:
            return lies.elsewhere(Status.decode(honest), self._chance).encode()
        if honest and kind is BlocksByRange:
            told = lies.cut_short(Blocks.decode(honest), self._chance)
            return b"" if told is None else told.encode()
        return honest


class BundleWithholder(Persona):
    """Keeps receipts to itself, and gives forged ones to half of those who would have got some."""

    def alter(self, effect: Effect) -> Iterator[Effect | Late]:
        """See `Persona`."""
        if not (isinstance(effect, Publish) and isinstance(effect.message, Bundle)):
            yield effect
        elif (told := lies.kept_or_forged(effect.message, self._chance)) is not None:
            yield replace(effect, message=told)

    def answer(self, request: bytes, honest: bytes) -> bytes:
        """See `Persona`."""
        if not honest or request_type(request) is not BundleByNonce:
            return honest
        told = lies.kept_or_forged(Bundle.decode(honest), self._chance)
        return b"" if told is None else told.encode()


class InvalidRootProposer(Persona):
    """Proposes blocks that claim another state than their execution leads to.

    It votes as if its core had built the false block, its twin, so that nothing can be proven. What it said before a restart is
    forgotten, so it keeps the first vote for a block that it has to say of each instance to itself, and what is older: it may be for an
    honest block whose twin it voted for.
    """

    def __init__(self, genesis: Genesis, scheme: SignatureScheme, chance: lies.Chance) -> None:
        """See `Persona`."""
        super().__init__(genesis, scheme, chance)
        self._twins: OrderedDict[tuple[Instance, int], Root | None] = OrderedDict()
        """By instance and view of an own proposal; None: it was kept back."""
        self._before: OrderedDict[Instance, int] = OrderedDict()
        """The view up to which votes without a known twin are kept back."""

    def say(self, honest: Publish, batch: ConsensusBatch) -> Iterator[Effect | Late]:
        """See `Persona`."""
        proposals = tuple([changed for one in batch.proposals if (changed := self._proposed(one)) is not None])
        newest: dict[Instance, int] = {}
        for vote in filter(self.is_own, batch.votes):
            newest[vote.instance] = max(vote.view, newest.get(vote.instance, 0))
        for instance, view in newest.items():
            self._before.setdefault(instance, view)
            self._before.move_to_end(instance)
        while len(self._before) > INSTANCES_MAX:
            self._before.popitem(last=False)
        votes = tuple([told for vote in batch.votes if (told := self._told(vote)) is not None])
        yield from _publish(honest.topic, replace(batch, proposals=proposals, votes=votes))

    def _proposed(self, proposal: Proposal) -> Proposal | None:
        """What is proposed in place of a proposal; nothing where its block is pulled from here and would be honest."""
        vote, is_again = proposal.vote, proposal.parent.root == proposal.vote.root
        if not self.is_own(vote) or is_again:
            return proposal
        if not proposal.block:
            self._remember(vote, None)
            return None
        data, root = lies.spoiled(proposal.block, is_beacon=vote.instance.chain == self._genesis.parameters.beacon)
        self._remember(vote, root)
        return Proposal(data, proposal.parent, self.vote(vote, VoteKind.NOTARIZE, root))

    def _remember(self, vote: Vote, twin: Root | None) -> None:
        self._twins[vote.instance, vote.view] = twin
        if len(self._twins) > SPOILED_MAX:
            (instance, view), _ = self._twins.popitem(last=False)
            self._before[instance] = max(view, self._before.get(instance, 0))

    def _told(self, vote: Vote) -> Vote | None:
        """What is said in place of a vote."""
        if vote.kind != VoteKind.NOTARIZE or not self.is_own(vote):
            return vote
        if (place := (vote.instance, vote.view)) in self._twins:
            twin = self._twins[place]
            return None if twin is None else self.vote(vote, VoteKind.NOTARIZE, twin)
        return vote if vote.view > self._before[vote.instance] else None


class CertificateForger(Persona):
    """Beside each of its votes sends a certificate that only it has signed, in the names of all."""

    def say(self, honest: Publish, batch: ConsensusBatch) -> Iterator[Effect | Late]:
        """See `Persona`."""
        yield honest
        for vote in filter(self.is_own, batch.votes):
            root = ZERO_ROOT if vote.kind == VoteKind.NULLIFY else vote.root
            everyone = (True,) * len(self._genesis.validators)
            forged = Certificate(vote.instance, vote.view, vote.kind, root, everyone, vote.signature)
            yield from _publish(honest.topic, ConsensusBatch((forged,), (), (), (), ()))


class SlowProposer(Persona):
    """Proposes around the moment at which the others give its view up."""

    def say(self, honest: Publish, batch: ConsensusBatch) -> Iterator[Effect | Late]:
        """See `Persona`."""
        is_late = any(self.is_own(proposal.vote) for proposal in batch.proposals)
        yield Late(honest, self._chance.randint(*lies.SLOW_BLOCK_MS) / 1000) if is_late else honest


PERSONAS: dict[str, type[Persona]] = {
    "double-voter": DoubleVoter,
    "equivocating-proposer": EquivocatingProposer,
    "vote-withholder": VoteWithholder,
    "block-withholder": BlockWithholder,
    "lagger": Lagger,
    "height-liar": HeightLiar,
    "bundle-withholder": BundleWithholder,
    "invalid-root-proposer": InvalidRootProposer,
    "certificate-forger": CertificateForger,
    "slow-proposer": SlowProposer,
}
"""By the name that `shardnet up --persona` takes."""

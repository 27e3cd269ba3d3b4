"""Validators that break the rules, for networks for development: what leaves an honest core is changed on its way out.

The core behind a persona is the honest one and knows nothing of it; what is added is signed with the node's own keys.
Source: docs/operating.md, "Misbehave on purpose".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from consensus.signatures import SignatureScheme
from node.core.effects import Effect, Publish
from p2p.messages import BlocksByRange, BlocksByRoot, ConsensusBatch, request_type
from p2p.topics import Topic
from primitives.genesis import Genesis
from primitives.hashing import sha256
from primitives.types import ZERO_ROOT
from primitives.votes import Certificate, Proposal, Vote, VoteKind, vote_signing_root


class Persona:
    """Honest; what differs is overridden."""

    def __init__(self, genesis: Genesis, scheme: SignatureScheme) -> None:
        """`scheme` signs for the node's validators and for nobody else."""
        self._genesis, self._scheme = genesis, scheme

    def alter(self, effect: Effect) -> Iterator[Effect]:
        """What happens in place of an effect of the honest core."""
        if isinstance(effect, Publish) and isinstance(effect.message, ConsensusBatch):
            yield from self.say(effect, effect.message)
        else:
            yield effect

    def say(self, honest: Publish, batch: ConsensusBatch) -> Iterator[Effect]:
        """What is gossiped in place of consensus messages."""
        yield honest

    def refuses(self, request: bytes) -> bool:
        """Whether an encoded request of a peer is answered with nothing."""
        return False

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

    def say(self, honest: Publish, batch: ConsensusBatch) -> Iterator[Effect]:
        """See `Persona`."""
        yield honest
        seconds = []
        for vote in filter(self.is_own, batch.votes):
            kind = VoteKind.FINALIZE if vote.kind == VoteKind.NULLIFY else VoteKind(vote.kind)
            seconds.append(self.vote(vote, kind, sha256(b"another block" + vote.root)))
        yield from _publish(honest.topic, ConsensusBatch((), (), tuple(seconds), (), ()))


class EquivocatingProposer(Persona):
    """Proposes a second block in each of its views, whose body nobody has."""

    def say(self, honest: Publish, batch: ConsensusBatch) -> Iterator[Effect]:
        """See `Persona`."""
        yield honest
        for proposal in batch.proposals:
            if self.is_own(proposal.vote):
                vote = self.vote(proposal.vote, VoteKind.NOTARIZE, sha256(b"another block" + proposal.vote.root))
                yield from _publish(honest.topic, ConsensusBatch((), (Proposal(b"", proposal.parent, vote),), (vote,), (), ()))


class VoteWithholder(Persona):
    """Proposes, and keeps every other vote to itself."""

    def say(self, honest: Publish, batch: ConsensusBatch) -> Iterator[Effect]:
        """See `Persona`."""
        yield from _publish(honest.topic, replace(batch, votes=()))


class BlockWithholder(Persona):
    """Proposes blocks without their body, and serves nobody a block."""

    def say(self, honest: Publish, batch: ConsensusBatch) -> Iterator[Effect]:
        """See `Persona`."""
        proposals = tuple(replace(one, block=b"") if self.is_own(one.vote) else one for one in batch.proposals)
        yield from _publish(honest.topic, replace(batch, proposals=proposals))

    def refuses(self, request: bytes) -> bool:
        """See `Persona`."""
        return request_type(request) in (BlocksByRange, BlocksByRoot)


class CertificateForger(Persona):
    """Beside each of its votes sends a certificate that only it has signed, in the names of all."""

    def say(self, honest: Publish, batch: ConsensusBatch) -> Iterator[Effect]:
        """See `Persona`."""
        yield honest
        for vote in filter(self.is_own, batch.votes):
            root = ZERO_ROOT if vote.kind == VoteKind.NULLIFY else vote.root
            everyone = (True,) * len(self._genesis.validators)
            forged = Certificate(vote.instance, vote.view, vote.kind, root, everyone, vote.signature)
            yield from _publish(honest.topic, ConsensusBatch((forged,), (), (), (), ()))


PERSONAS: dict[str, type[Persona]] = {
    "double-voter": DoubleVoter,
    "equivocating-proposer": EquivocatingProposer,
    "vote-withholder": VoteWithholder,
    "block-withholder": BlockWithholder,
    "certificate-forger": CertificateForger,
}
"""By the name that `shardnet up --persona` takes."""

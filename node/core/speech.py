"""What a node says in one turn, packed into as few gossip messages as their bounds allow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from p2p.messages import GOSSIP_BYTES_MAX, PROPOSAL_INLINE_BYTES_MAX, TRANSACTIONS_PER_BATCH_MAX, ConsensusBatch, TransactionBatch
from primitives.blocks import EVIDENCE_PER_BLOCK_MAX, Evidence
from primitives.votes import Certificate, Proposal, Vote, Wake

_CERTIFICATES_MAX, _PROPOSALS_MAX, _VOTES_MAX, _WAKES_MAX = 64, 1, 512, 16
_ROOM_BYTES = GOSSIP_BYTES_MAX - 16 * 1024


def consensus_batches(messages: Iterable[Proposal | Vote | Certificate | Wake | Evidence]) -> Iterator[ConsensusBatch]:
    """The messages of one chain, each once, in batches; a block too large to gossip is left out of its proposal."""
    certificates: list[Certificate] = []
    proposals: list[Proposal] = []
    votes: list[Vote] = []
    wakes: list[Wake] = []
    evidence: list[Evidence] = []
    size = 0

    def flush() -> ConsensusBatch:
        batch = ConsensusBatch(tuple(certificates), tuple(proposals), tuple(votes), tuple(wakes), tuple(evidence))
        for group in (certificates, proposals, votes, wakes, evidence):
            group.clear()
        return batch

    for message in dict.fromkeys(messages):
        if isinstance(message, Proposal) and len(message.block) > PROPOSAL_INLINE_BYTES_MAX:
            message = Proposal(b"", message.parent, message.vote)
        weight = (len(message.block) if isinstance(message, Proposal) else 0) + 1024
        full = (
            size + weight > _ROOM_BYTES or len(certificates) >= _CERTIFICATES_MAX or len(votes) >= _VOTES_MAX
            or len(wakes) >= _WAKES_MAX or len(evidence) >= EVIDENCE_PER_BLOCK_MAX
            or (isinstance(message, Proposal) and len(proposals) >= _PROPOSALS_MAX)
        )
        if full:
            yield flush()
            size = 0
        size += weight
        match message:
            case Certificate():
                certificates.append(message)
            case Proposal():
                proposals.append(message)
            case Vote():
                votes.append(message)
            case Wake():
                wakes.append(message)
            case Evidence():
                evidence.append(message)
    if certificates or proposals or votes or wakes or evidence:
        yield flush()


def transaction_batches(raws: Iterable[bytes]) -> Iterator[TransactionBatch]:
    """User transactions in batches."""
    group: list[bytes] = []
    size = 0
    for raw in raws:
        if group and (size + len(raw) + 4 > _ROOM_BYTES or len(group) >= TRANSACTIONS_PER_BATCH_MAX):
            yield TransactionBatch(tuple(group))
            group, size = [], 0
        group.append(raw)
        size += len(raw) + 4
    if group:
        yield TransactionBatch(tuple(group))

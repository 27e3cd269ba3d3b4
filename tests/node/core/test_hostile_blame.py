"""A bad body is held against whoever delivered it, also when the parent it is checked on came from an honest peer."""

from consensus.simplex.proposals import ProposalBook
from primitives.votes import EMPTY_SIGNATURE, Certificate, Instance, Proposal, Vote, VoteKind

INSTANCE = Instance(0, 0)
VOTE = Vote(INSTANCE, 5, VoteKind.NOTARIZE, b"\1" * 32, 0, EMPTY_SIGNATURE)


def parent(view: int) -> Certificate:
    return Certificate(INSTANCE, view, VoteKind.NOTARIZE, bytes([view]) * 32, (True,), EMPTY_SIGNATURE)


def test_the_body_keeps_its_own_deliverer():
    book = ProposalBook()
    assert book.add(Proposal(b"swapped", parent(3), VOTE), "relay")
    assert book.add(Proposal(b"good", parent(4), VOTE), "leader")
    entry = book.find(5, VOTE.root)
    assert entry is not None
    assert entry.parents[0] == (parent(4), "leader")
    assert (entry.block, entry.block_from) == (b"swapped", "relay")

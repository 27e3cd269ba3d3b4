"""What a node says fits the bounds of gossip, and nothing is said twice."""

from hypothesis import given
from hypothesis import strategies as st

from node.core.speech import consensus_batches, transaction_batches
from p2p.messages import GOSSIP_BYTES_MAX, PROPOSAL_INLINE_BYTES_MAX
from primitives.votes import Instance, Proposal, Vote, Wake, base_certificate

INSTANCE = Instance(0, 0)


def vote(view: int) -> Vote:
    return Vote(INSTANCE, view, 1, b"\1" * 32, 0, b"\2" * 96)


def proposal(size: int, view: int = 1) -> Proposal:
    return Proposal(b"x" * size, base_certificate(INSTANCE, b"\3" * 32), vote(view))  # type: ignore[arg-type]


def test_a_block_too_large_to_gossip_is_left_out() -> None:
    (batch,) = consensus_batches([proposal(PROPOSAL_INLINE_BYTES_MAX + 1)])
    assert batch.proposals[0].block == b""
    assert batch.proposals[0].vote == vote(1)


def test_nothing_is_said_twice() -> None:
    (batch,) = consensus_batches([vote(1), vote(1), Wake(INSTANCE, 2), Wake(INSTANCE, 2)])
    assert (batch.votes, batch.wakes) == ((vote(1),), (Wake(INSTANCE, 2),))


def test_nothing_to_say_is_nothing_said() -> None:
    assert list(consensus_batches([])) == []
    assert list(transaction_batches([])) == []


@given(st.lists(st.integers(0, 150_000), max_size=6), st.integers(0, 700))
def test_every_batch_fits(proposals: list[int], votes: int) -> None:
    said = [proposal(size, view) for view, size in enumerate(proposals, 1)] + [vote(view) for view in range(votes)]
    batches = list(consensus_batches(said))
    assert all(len(batch.encode()) <= GOSSIP_BYTES_MAX for batch in batches)
    assert sum(len(batch.proposals) for batch in batches) == len(proposals)
    assert sum(len(batch.votes) for batch in batches) == votes


@given(st.lists(st.binary(min_size=1, max_size=120_000), max_size=8))
def test_every_transaction_batch_fits(raws: list[bytes]) -> None:
    batches = list(transaction_batches(raws))
    assert all(len(batch.encode()) <= GOSSIP_BYTES_MAX for batch in batches)
    assert [raw for batch in batches for raw in batch.transactions] == raws

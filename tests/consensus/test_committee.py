"""Weights, quorums, leaders, and whether a certificate holds."""

from collections import Counter
from dataclasses import replace

import pytest

from consensus.committee import Committee, Member, positions_of
from consensus.signatures import BlsScheme, VerifiedCertificates, verify_certificate
from primitives.bls import derive_secret_key
from primitives.errors import ConsensusReason, InvalidConsensusMessage
from primitives.types import Root
from primitives.votes import Certificate, Instance, VoteKind, base_certificate, vote_signing_root

KEYS = {10 + i: derive_secret_key(bytes([i]) * 32) for i in range(4)}
COMMITTEE = Committee(tuple(Member(index, key.public_key, 1) for index, key in KEYS.items()))
SCHEME = BlsScheme(KEYS)
INSTANCE, GENESIS, ROOT = Instance(0, 0), Root(b"g" * 32), Root(b"r" * 32)


def members(*stakes):
    return Committee(tuple(Member(i, bytes([i]) * 48, stake) for i, stake in enumerate(stakes)))


def test_quorum_is_more_than_two_thirds_of_the_stake():
    even = members(1, 1, 1)
    assert not even.has_quorum([0, 1])
    assert even.has_quorum([0, 1, 2])
    assert not even.has_quorum([0, 0, 0, 1])
    weighted = members(7, 1, 1, 1)
    assert weighted.has_quorum([0])
    assert not weighted.has_quorum([1, 2, 3])
    huge = members(2 * 10**30, 10**30)
    assert not huge.has_quorum([0])


def test_places_and_equality():
    assert COMMITTEE.position(12) == 2
    assert COMMITTEE.position(2) is None
    assert members(1, 2) == members(1, 2)
    assert members(1, 2) != members(2, 1)
    assert members(1, 2).digest != members(2, 1).digest
    assert positions_of((True, False, True)) == (0, 2)


def test_leaders_are_drawn_by_stake_and_differ_by_seed_chain_and_view():
    committee = members(6, 3, 1, 0)
    draws = Counter(committee.leader(b"seed", 0, view).index for view in range(1, 4001))
    assert draws[3] == 0
    assert abs(draws[0] - 2400) < 160
    assert abs(draws[1] - 1200) < 160
    line = [[committee.leader(seed, chain, v).index for v in range(1, 60)] for seed, chain in ((b"a", 0), (b"b", 0), (b"a", 1))]
    assert line[0] != line[1]
    assert line[0] != line[2]
    assert [committee.leader(b"a", 0, v).index for v in range(1, 60)] == line[0]


def certificate(signers=(10, 11, 12), kind=VoteKind.NOTARIZE, view=3, root=ROOT, signed=None):
    message = vote_signing_root(1, GENESIS, INSTANCE, *(signed or (view, kind, root)))
    signature = SCHEME.aggregate(tuple(SCHEME.sign(index, message) for index in signers))
    return Certificate(INSTANCE, view, kind, root, tuple(m.index in signers for m in COMMITTEE.members), signature)


def reason_of(cert, committee=COMMITTEE, fork_version=1, genesis=GENESIS, verified=None):
    with pytest.raises(InvalidConsensusMessage) as caught:
        verify_certificate(cert, committee, SCHEME, fork_version, genesis, verified)
    return caught.value.reason


def test_a_certificate_holds_and_is_verified_once():
    class Counting(BlsScheme):
        calls = 0

        def fast_aggregate_verify(self, *arguments):
            Counting.calls += 1
            return super().fast_aggregate_verify(*arguments)

    verified = VerifiedCertificates()
    for _ in range(3):
        verify_certificate(certificate(), COMMITTEE, Counting({}), 1, GENESIS, verified)
    assert Counting.calls == 1
    assert reason_of(certificate(), fork_version=2, verified=verified) is ConsensusReason.BAD_CERTIFICATE
    assert reason_of(replace(certificate(), view=4), verified=verified) is ConsensusReason.BAD_CERTIFICATE


@pytest.mark.parametrize("bad", [
    certificate(signed=(4, VoteKind.NOTARIZE, ROOT)),
    certificate(kind=VoteKind.NULLIFY),
    certificate(root=Root(b"\0" * 32)),
    certificate(kind=7),
    certificate(view=0),
    replace(certificate(), participation=(True,) * 5),
    replace(certificate(), participation=(True, True, True, True)),
    replace(certificate(), signature=b"\xff" * 96),
    base_certificate(INSTANCE, ROOT),
])
def test_bad_certificates(bad):
    assert reason_of(bad) is ConsensusReason.BAD_CERTIFICATE


def test_no_quorum_and_another_genesis():
    assert reason_of(certificate((10, 11))) is ConsensusReason.NO_QUORUM
    weighted = Committee(tuple(replace(m, stake=100 if m.index == 13 else 1) for m in COMMITTEE.members))
    assert reason_of(certificate(), committee=weighted) is ConsensusReason.NO_QUORUM
    assert reason_of(certificate(), genesis=Root(b"h" * 32)) is ConsensusReason.BAD_CERTIFICATE


def test_the_cache_forgets_what_was_used_longest_ago():
    cache = VerifiedCertificates(2)
    cache.add(b"a")
    cache.add(b"b")
    assert b"a" in cache
    cache.add(b"c")
    assert b"b" not in cache
    assert b"a" in cache
    assert len(cache) == 2

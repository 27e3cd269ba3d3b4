"""The observer finds what it is there to find; what it decides on is written here, no process is started."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from p2p.messages import ConsensusBatch
from primitives import bls
from primitives.types import ZERO_ROOT
from primitives.votes import Instance, Vote, VoteKind, vote_signing_root
from tests.e2e.harness import Cluster, make_options
from tests.e2e.observer import Observer

MakeVote = Callable[[VoteKind, bytes], Vote]
A, B = b"\xaa" * 32, b"\xbb" * 32


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path / "network", make_options(nodes=1))


@pytest.fixture
def make_vote(cluster: Cluster) -> MakeVote:
    entries = json.loads((cluster.layout.node(0) / "validator-keys.json").read_text())
    key, genesis, instance = bls.SecretKey(bytes.fromhex(entries[0]["secret_key"][2:])), cluster.genesis, Instance(0, 0)

    def make(kind: VoteKind, root: bytes) -> Vote:
        message = vote_signing_root(genesis.parameters.fork_version, genesis.root, instance, 5, kind, root)
        return Vote(instance, 5, kind, root, 0, key.sign(message))

    return make


@pytest.mark.parametrize(
    ("first", "second", "is_evidence"),
    [
        ((VoteKind.NOTARIZE, A), (VoteKind.NOTARIZE, B), True),
        ((VoteKind.FINALIZE, A), (VoteKind.FINALIZE, B), True),
        ((VoteKind.NULLIFY, ZERO_ROOT), (VoteKind.FINALIZE, A), True),
        ((VoteKind.NOTARIZE, A), (VoteKind.FINALIZE, B), False),
        ((VoteKind.NOTARIZE, A), (VoteKind.NULLIFY, ZERO_ROOT), False),
        ((VoteKind.NOTARIZE, A), (VoteKind.NOTARIZE, A), False),
    ],
)
def test_contradictions_are_found(
    cluster: Cluster, tmp_path: Path, make_vote: MakeVote, first: tuple[VoteKind, bytes], second: tuple[VoteKind, bytes], is_evidence: bool
) -> None:
    observer = Observer(cluster, tmp_path / "observer.key")
    for vote in (first, second):
        observer.hear(ConsensusBatch((), (), (make_vote(*vote),), (), ()))
    assert bool(observer.equivocations()) is is_evidence
    assert observer.newest_view(0, 0) == 5


def test_a_forged_vote_condemns_nobody(cluster: Cluster, tmp_path: Path, make_vote: MakeVote) -> None:
    observer = Observer(cluster, tmp_path / "observer.key")
    good = make_vote(VoteKind.NOTARIZE, A)
    forged = Vote(good.instance, good.view, good.kind, B, good.validator, good.signature)
    observer.hear(ConsensusBatch((), (), (good, forged), (), ()))
    assert observer.equivocations() == []

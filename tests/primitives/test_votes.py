import pytest

from primitives.types import ZERO_ROOT
from primitives.votes import EMPTY_SIGNATURE, Instance, VoteKind, base_certificate, randao_signing_root, vote_signing_root

ROOT = b"\1" * 32
GIVEN = (1, ROOT, Instance(2, 3), 4, VoteKind.NOTARIZE, b"\2" * 32)


@pytest.mark.parametrize(
    ("index", "other"),
    [(0, 2), (1, ZERO_ROOT), (2, Instance(1, 3)), (2, Instance(2, 4)), (3, 5), (4, VoteKind.FINALIZE), (5, b"\3" * 32)],
)
def test_a_vote_signs_everything(index, other) -> None:
    changed = list(GIVEN)
    changed[index] = other
    assert vote_signing_root(*changed) != vote_signing_root(*GIVEN)


def test_no_signature_serves_two_purposes() -> None:
    assert randao_signing_root(1, ROOT, 2, 4) != vote_signing_root(1, ROOT, Instance(2, 0), 4, 0, ZERO_ROOT)
    assert len({randao_signing_root(1, ROOT, 2, 4), randao_signing_root(1, ROOT, 2, 5), randao_signing_root(2, ROOT, 2, 4)}) == 3


def test_base_certificate() -> None:
    base = base_certificate(Instance(2, 3), ROOT)
    assert (base.view, base.kind, base.root, base.participation, base.signature) == (0, VoteKind.BASE, ROOT, (), EMPTY_SIGNATURE)
    assert type(base).decode(base.encode()) == base
